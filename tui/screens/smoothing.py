"""Smoothing of curves: the mean over a window around each point."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from repdyn.records import Curve, FloatArray, plural

WINDOWS = (1, 3, 5, 9, 15, 31)
"""Epochs over which a smoothed curve is averaged; of curves with fewer points, points."""


def wider(window: int, steps: int) -> int:
    """Return the next window, or the one before; the last has none."""
    return WINDOWS[max(0, min(WINDOWS.index(window) + steps, len(WINDOWS) - 1))]


def spacing(curve: Curve) -> int:
    """Return the usual number of steps from a point to the next, 1 if there are none."""
    if len(curve.steps) < 2:
        return 1
    apart = np.diff(np.asarray(curve.steps, dtype=np.float64))
    return max(1, int(np.median(apart)))


def smoothed(curve: Curve, window: int) -> Curve:
    """Return the mean over a window around each point; NaN and missing points are ignored."""
    if window == 1:
        return curve
    return Curve(curve.steps, _means(curve, (window // 2) * spacing(curve)))


def window_words(window: int, curves: Iterable[Curve], unit: str) -> str:
    """Return what smoothed curves are, `mean of 5 epochs`; nothing if they are as logged."""
    if window == 1:
        return ""
    each = all(spacing(curve) == 1 for curve in curves)
    return f"mean of {window} {plural(unit) if each else 'points'}"


def _means(curve: Curve, reach: int) -> FloatArray:
    known = np.isfinite(curve.values)
    with np.errstate(over="ignore", invalid="ignore"):
        sums = np.concatenate([[0.0], np.cumsum(np.where(known, curve.values, 0.0))])
        counts = np.concatenate([[0], np.cumsum(known)])
        steps = np.asarray(curve.steps, dtype=np.float64)
        first = np.searchsorted(steps, steps - reach, side="left")
        after = np.searchsorted(steps, steps + reach, side="right")
        return np.asarray((sums[after] - sums[first]) / (counts[after] - counts[first]))
