"""Runs that differ in their seed only, as one: their median, and what they range over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repdyn.display.labels import PHASES
from repdyn.display.reading import measured
from repdyn.display.similarity import Similarity, similarity
from repdyn.records import Curve, FloatArray, IntArray, Interval, Phases, RunRecord

NORMAL_95 = 1.96
"""Standard errors on either side of a 95 % interval."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Spread:
    """Values over steps, of one run or several.

    Attributes:
        steps: those that the runs have in common, (E,).
        low, middle, high: smallest, median and largest of the runs, (..., E); of a single run the value
            with its 95 % interval, NaN where it has no standard error.
        runs: how many.
    """

    steps: IntArray
    low: Floats
    middle: Floats
    high: Floats
    runs: int


@dataclass(frozen=True)
class Profiles:
    """The similarity of each layer to the last checkpoint, of one run or several.

    Attributes:
        of: the first run's matrices.
        values: (N, E), NaN at the last checkpoint itself.
        errors: standard errors of the values, the median of the runs, (N, E); None if there are none.
    """

    of: Similarity
    values: Spread
    errors: Floats | None


def curve_over_seeds(curves: Sequence[Curve]) -> Spread:
    """Return a metric of runs at the steps that they share."""
    steps, places = _shared([curve.steps for curve in curves])
    values = np.stack([curves[run].values[at] for run, at in places.items()])
    if len(places) == 1:
        return Spread(steps, np.full(len(steps), np.nan), values[0], np.full(len(steps), np.nan), 1)
    return _spread(steps, values)


def profiles_over_seeds(runs: Sequence[RunRecord], measure: str) -> Profiles:
    """Return the profiles of runs that have a measure, at the checkpoints that they share.

    Runs whose layers are others than the first one's are left out.
    """
    all_of = [similarity(measured(run), measure) for run in runs]
    alike = [one for one in all_of if one.names == all_of[0].names]
    steps, places = _shared([one.steps for one in alike])
    values = np.stack([alike[run].others_to_last()[:, at] for run, at in places.items()])
    errors = np.stack([alike[run].errors_to_last()[:, at] for run, at in places.items()])
    error = _median(errors)
    known = error if np.isfinite(error).any() else None
    if len(values) > 1:
        return Profiles(alike[0], _spread(steps, values), known)
    value = values[0].astype(np.float64)
    reach = NORMAL_95 * error
    return Profiles(alike[0], Spread(steps, value - reach, value, value + reach, 1), known)


def phases_over_seeds(runs: Sequence[RunRecord]) -> Phases:
    """Return the boundaries of a run, or the medians over runs with their range as intervals.

    A boundary that no more than half of the runs have is left out.
    """
    if len(runs) == 1:
        return runs[0].phases
    at: dict[str, Any] = {}
    intervals: dict[str, Interval] = {}
    for name in PHASES:
        found = [steps[name] for run in runs if name in (steps := run.phases.markers())]
        if 2 * len(found) > len(runs):
            at[name] = round(median(found))
            intervals[name] = (min(found), max(found))
    return replace(Phases(**at), intervals=intervals)


def _shared(steps: Sequence[IntArray]) -> tuple[IntArray, dict[int, IntArray]]:
    """Return the steps that runs share, and where each run has them.

    Runs that share no more than half of the steps of the first one are left out.
    """
    common, used = steps[0], [0]
    for run, others in enumerate(steps[1:], start=1):
        both = np.intersect1d(common, others)
        if 2 * len(both) > len(steps[0]):
            common = both
            used.append(run)
    return common, {run: np.searchsorted(steps[run], common) for run in used}


def _spread(steps: IntArray, values: FloatArray) -> Spread:
    """Return the spread over the runs, (R, ..., E), NaN only where none has a value."""
    values = values.astype(np.float64)
    unknown = np.isnan(values).all(axis=0)
    filled = np.where(unknown, 0.0, values)
    low, high = np.nanmin(filled, axis=0), np.nanmax(filled, axis=0)
    low, high = (np.where(unknown, np.nan, end) for end in (low, high))
    return Spread(steps, low, _median(values), high, len(values))


def _median(values: FloatArray) -> Floats:
    """Return the median over the first axis of those that are known, NaN where none is."""
    unknown = np.isnan(values).all(axis=0)
    middle = np.nanmedian(np.where(unknown, 0.0, values.astype(np.float64)), axis=0)
    return np.where(unknown, np.nan, middle)
