"""Summaries of runs, from MLflow's record of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping

from mlflow.entities import Metric, Run

from repdyn.records import SYSTEM_METRICS, RunSummary
from repdyn.storage import schema
from repdyn.storage.locks.heartbeat import is_silent

_DIGITS = 9
"""Maximum digits read of a schema number: the tag is untrusted."""


def summary_of(run: Run, experiment: str) -> RunSummary:
    """Return the summary of a run, from MLflow's record of it."""
    tags = dict(run.data.tags)
    return RunSummary(
        run_id=run.info.run_id,
        name=run.info.run_name or run.info.run_id[:8],
        experiment=experiment,
        status=_status(run.info.status, tags),
        started=int(run.info.start_time or 0),
        ended=None if run.info.end_time is None else int(run.info.end_time),
        params=_shared(dict(run.data.params) | _measured_again(tags)),
        tags=_shared(tags),
        metrics={sys.intern(name): value for name, value in run.data.metrics.items()},
        last_step=_last_step(run),
    )


def _shared(texts: Mapping[str, str]) -> dict[str, str]:
    """Return texts that a list of runs has in memory once: each run has much the same ones."""
    return {sys.intern(name): sys.intern(text) for name, text in texts.items()}


def is_newer(tags: Mapping[str, str]) -> bool:
    """Return whether a run's artifacts have a schema that this repdyn does not know."""
    return schema_version(tags) > schema.SCHEMA_VERSION


def is_older(tags: Mapping[str, str]) -> bool:
    """Return whether a run's artifacts have an earlier schema than this repdyn's, or none."""
    return schema_version(tags) < schema.SCHEMA_VERSION


def schema_version(tags: Mapping[str, str]) -> int:
    """Return the number of a run's schema, 0 if it has none."""
    version = tags.get(schema.SCHEMA_TAG, "0")
    return int(version[:_DIGITS]) if version.isdecimal() else 0


def _last_step(run: Run) -> int | None:
    """Return the last step of a run's metrics, which may be after its last checkpoint.

    Without MLflow's system metrics, which are counted by sample.
    """
    logged: list[Metric] = run.data._metric_objs
    steps = [int(one.step) for one in logged if not one.key.startswith(SYSTEM_METRICS)]
    return max(steps, default=None)


def _status(recorded: str, tags: Mapping[str, str]) -> str:
    """Return MLflow's status, or DIED for a run recorded as running without a heartbeat."""
    return "DIED" if recorded == "RUNNING" and is_silent(tags) else recorded


def _measured_again(tags: Mapping[str, str]) -> dict[str, str]:
    try:
        settings = json.loads(tags.get(schema.MEASURES_TAG, "{}"))
        return {str(name): str(value) for name, value in settings.items()}
    except (ValueError, AttributeError, RecursionError):
        return {}
