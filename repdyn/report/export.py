"""Numbers as JSON, for scripts: the same keys of every run, with null for what it lacks.

docs/reference/export.md lists the keys.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from pathlib import PurePath

import numpy as np
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from repdyn.analysis.scores import MEANINGS
from repdyn.display.labels import PHASES
from repdyn.display.reading import undefined
from repdyn.measures.spec import MEASURES
from repdyn.records import Dynamics, Phases, RunRecord, RunSummary
from repdyn.score_key import ScoreKey
from repdyn.settings.schema import TrainConfig
from repdyn.settings.text import param_value
from repdyn.storage.provenance import starts_of

DIGITS = 5
"""Significant digits; stored CKA values are accurate to about as many."""


SETTINGS = tuple(name for name, _ in TrainConfig().settings())
SCORES = tuple(ScoreKey(score, measure) for measure in MEASURES for score in MEANINGS)
"""All that there are, whether or not a run has them."""


def as_json(record: RunRecord) -> str:
    """Return all numbers of a run as JSON.

    The keys are `summary`, the fields of Dynamics (null before the first checkpoint) with each
    measure's matrices under its name and their standard errors under `NAME_error`, `curves`, `phases`,
    `scores` and `undefined`, the reasons by the names of the missing boundaries and scores. Arrays are
    nested lists of numbers with DIGITS significant digits; NaN and infinity are null, and so is an
    array that the run lacks.
    """
    why: dict[str | ScoreKey, str | None] = dict.fromkeys([*PHASES, *SCORES])
    why.update(undefined(record))
    run = {
        "summary": summary_values(record.summary),
        **_measured(record.dynamics),
        "curves": record.curves,
        "phases": phase_values(record.phases),
        "scores": score_values(record.scores),
        "undefined": why,
    }
    return json_text(run)


def summary_values(run: RunSummary) -> dict[str, object]:
    """Return what a list knows of a run: params of their settings' types, dates as ISO 8601 in UTC.

    Settings that a run does not have are null; what else it has logged follows them.
    """
    return {
        "run_id": run.run_id,
        "name": run.name,
        "experiment": run.experiment,
        "status": run.status,
        "started": _date(run.started),
        "ended": _date(run.ended),
        "last_step": run.last_step,
        "parent": run.tags.get(MLFLOW_PARENT_RUN_ID),
        "params": dict.fromkeys(SETTINGS) | typed_params(run),
        "tags": run.tags,
        "metrics": run.metrics,
        "provenance": [
            {name: None if value == "" else value for name, value in vars(one).items()}
            for one in starts_of(run)
        ],
    }


class Exact(float):
    """A number that is written with all its digits."""


def typed_params(run: RunSummary) -> dict[str, object]:
    """Return the params that a run has, of their settings' types."""
    values = {name: param_value(name, text) for name, text in run.params.items()}
    return {name: Exact(v) if isinstance(v, float) else v for name, v in values.items()}


def _date(milliseconds: int | None) -> str | None:
    if milliseconds is None:
        return None
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
    except (OSError, OverflowError, ValueError):
        return None


def phase_values(phases: Phases) -> dict[str, object]:
    """Return the boundaries of a run, and the intervals of all of them."""
    values = {field.name: getattr(phases, field.name) for field in fields(phases)}
    return values | {"intervals": dict.fromkeys(PHASES) | dict(phases.intervals)}


def score_values(scores: Mapping[ScoreKey, float]) -> dict[ScoreKey, float | None]:
    """Return all scores."""
    return dict.fromkeys(SCORES) | dict(scores)


def runs_json(runs: Iterable[RunSummary]) -> str:
    """Return a list of runs as JSON."""
    return json_text([summary_values(run) for run in runs])


def _measured(dynamics: Dynamics | None) -> dict[str, object]:
    names = [field.name for field in fields(Dynamics) if field.name not in ("similarity", "errors")]
    found: dict[str, object] = {name: getattr(dynamics, name, None) for name in names}
    for name, value in found.items():
        if isinstance(value, np.ndarray) and not np.isfinite(value).any():
            found[name] = None
    similar = {} if dynamics is None else dynamics.similarity
    errors = {} if dynamics is None else dynamics.errors
    return (
        found
        | {name: similar.get(name) for name in MEASURES}
        | {one.error_name: errors.get(name) for name, one in MEASURES.items() if one.error_over}
    )


def json_text(value: object) -> str:
    """Return a value as JSON in printable ASCII: json escapes all control characters except DEL."""
    return json.dumps(plain_json(value), allow_nan=False).replace("\x7f", "\\u007f")


def plain_json(value: object) -> object:
    """Return the value as JSON's own types: numbers to DIGITS digits, NaN as None."""
    if isinstance(value, float):
        if isinstance(value, Exact) and math.isfinite(value):
            return float(value)
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    if isinstance(value, ScoreKey):
        return value.name
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, np.ndarray):
        return plain_json(value.tolist())
    if is_dataclass(value):
        return {field.name: plain_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(plain_json(key)): plain_json(item) for key, item in value.items()}
    if isinstance(value, Iterable):
        return [plain_json(item) for item in value]
    raise TypeError(f"no JSON for {type(value).__name__}")
