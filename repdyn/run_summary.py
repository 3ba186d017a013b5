"""A run as a list shows it; without numpy, so that a list of runs is on the screen before it loads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SYSTEM_METRICS = "system/"
"""Prefix of what MLflow itself logs of the machine, by sample instead of by step."""


@dataclass(frozen=True)
class RunSummary:
    """A run as a list shows it.

    Attributes:
        status: MLflow's RUNNING, SCHEDULED, FINISHED, FAILED or KILLED; or DIED, of a run that is
            recorded as running but whose process is gone.
        started, ended: milliseconds since 1970, UTC; ended is None while it runs.
        params, tags: as logged, text.
        metrics: the last value of each.
        last_step: the last step of any metric; None before the first, and if it was not read.
    """

    run_id: str
    name: str
    experiment: str
    status: str
    started: int
    ended: int | None
    params: Mapping[str, str]
    tags: Mapping[str, str]
    metrics: Mapping[str, float]
    last_step: int | None = None
