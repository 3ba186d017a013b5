"""Numbers as JSON, for scripts."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass

import numpy as np

from repdyn.display.reading import undefined
from repdyn.measures.spec import MEASURES
from repdyn.records import Dynamics, RunRecord
from repdyn.score_key import ScoreKey

DIGITS = 5
"""Significant digits; stored CKA values are accurate to about as many."""


def as_json(record: RunRecord) -> str:
    """Return all numbers of a run as JSON.

    The keys are `summary`, the fields of Dynamics (null before the first checkpoint) with each
    measure's matrices under its name and their standard errors under `NAME_error`, `curves`, `phases`, `scores` and `undefined`, the reasons by the
    names of the missing boundaries and scores. Arrays are nested lists of numbers with DIGITS
    significant digits; NaN and infinity are null, and so is an array that the run lacks.
    """
    run = {
        "summary": record.summary,
        **_measured(record.dynamics),
        "curves": record.curves,
        "phases": record.phases,
        "scores": record.scores,
        "undefined": undefined(record),
    }
    return json_text(run)


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
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    if isinstance(value, ScoreKey):
        return value.name
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, np.ndarray):
        return plain_json(value.tolist())
    if is_dataclass(value):
        return {field.name: plain_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(plain_json(key)): plain_json(item) for key, item in value.items()}
    if isinstance(value, Iterable):
        return [plain_json(item) for item in value]
    raise TypeError(f"no JSON for {type(value).__name__}")
