"""Differences in a score at equal epoch of perfect fit, from runs at several learning rates.

A learning rate decides how soon a network fits, and scores depend on that: at one rate each, a
difference between two optimizers may be one between early and late fits. With several rates, each
side of a cell (runs equal in all else, so of one seed) is a curve: the score against the natural
logarithm of the epoch of perfect fit, linear between the runs. The difference is that of the two
curves, averaged over the stretch of log epochs that both cover. Nothing is extrapolated, and the
score need not depend on the epoch linearly, nor in the same way on both sides, as in a regression
with a common slope.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from repdyn.analysis.pairs import (
    RATE,
    Factor,
    Level,
    Observation,
    Side,
    by_seed,
    cells,
    differences,
    seed_of,
    why_no_pair,
)
from repdyn.score_key import ScoreKey

Floats = NDArray[np.float64]


def has_several_rates(
    runs: Sequence[Observation], factor: Factor, levels: tuple[Level, Level]
) -> bool:
    """Return whether runs that are equal in all else have several learning rates."""
    return any(
        len({run.settings.get(RATE) for run in side}) > 1
        for _, cell in cells(runs, factor, levels)
        for side in cell.values()
    )


def differences_at_equal_fit(
    runs: Sequence[Observation], factor: Factor, a: Level, b: Level, score: ScoreKey
) -> dict[str, list[float]]:
    """Return the differences in a score, a minus b, of each seed's cells; seeds in order.

    Cells whose two sides have no epoch of perfect fit in common have none.
    """
    placed = [run for run in runs if _placed(run, score)]
    found = (
        (seed_of(shared), curve_difference(_curve(cell[a], score), _curve(cell[b], score)))
        for shared, cell in cells(placed, factor, (a, b))
        if len(cell) == 2
    )
    return by_seed((seed, value) for seed, value in found if math.isfinite(value))


def without_fit(runs: Sequence[Observation], factor: Factor, levels: tuple[Level, Level]) -> int:
    """Return how many runs of the two sides have no epoch of perfect fit to be placed at."""
    return sum(getattr(run, factor) in levels and not run.fit for run in runs)


def why_no_equal_fit(
    runs: Sequence[Observation], factor: Factor, sides: tuple[Side, Side], score: ScoreKey
) -> str:
    """Return why no seed has a difference at equal fit."""
    (_, a), (_, b) = sides
    if not differences(runs, factor, a, b, score):
        return why_no_pair(runs, factor, sides, score)
    fitted = [run for run in runs if run.fit]
    if differences(fitted, factor, a, b, score):
        return "the two sides have no epoch of perfect fit in common"
    return f"of runs with a perfect fit: {why_no_pair(fitted, factor, sides, score)}"


def curve_difference(a: tuple[Floats, Floats], b: tuple[Floats, Floats]) -> float:
    """Return the mean difference of two piecewise linear curves, a minus b, where both are known.

    Args:
        a, b: places, increasing, and values, each (n,) with n ≥ 1.

    Returns:
        The integral of the difference over the stretch that both cover, exactly, by its length; its
        value if the stretch is a point; NaN if there is none.
    """
    first, last = max(a[0][0], b[0][0]), min(a[0][-1], b[0][-1])
    if first > last:
        return math.nan
    knots = np.unique(np.concatenate([a[0], b[0], [first, last]]))
    knots = knots[(knots >= first) & (knots <= last)]
    values = np.interp(knots, *a) - np.interp(knots, *b)
    if len(knots) == 1:
        return float(values[0])
    return float(np.trapezoid(values, knots) / (last - first))


def _placed(run: Observation, score: ScoreKey) -> bool:
    return bool(run.fit) and run.has(score)


def _curve(runs: Sequence[Observation], score: ScoreKey) -> tuple[Floats, Floats]:
    """Return the log epochs of perfect fit, increasing, and the mean score of the runs at each."""
    at: dict[float, list[float]] = {}
    for run in runs:
        at.setdefault(math.log(run.fit or math.nan), []).append(run.scores[score])
    places = sorted(at)
    return np.array(places), np.array([fmean(at[place]) for place in places])
