"""Maps similarities to positions on a colour map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from repdyn.measures.spec import MeasureSpec
from repdyn.records import FloatArray

LOWER, UPPER = 0.01, 0.9
"""Quantiles of the values between different checkpoints that a scale spans."""

FINEST = 1e-4
"""The smallest distance from 1 that a scale resolves: for CKA, stored rows are accurate to 1e-5."""


@dataclass(frozen=True)
class Scale:
    """How a similarity is coloured; values beyond its limits take the colour of the limit.

    CKA and similar measures are coloured evenly in -log10(1 - s): early layers stay above .99, late
    ones fall below .5, and only a log scale of the distance shows the structure of both. Shares are
    coloured evenly.

    Attributes:
        label: what is coloured, and how, on two lines.
        low, high: limits.
        ticks: values to label, within the limits.
        logarithmic: whether colours are even in the log of the distance from 1.
    """

    label: str
    low: float
    high: float
    ticks: tuple[float, ...]
    logarithmic: bool

    def warp(self, values: ArrayLike) -> NDArray[np.float64]:
        """Return values transformed so that colours are evenly spaced; 1 becomes infinite if log."""
        values = np.asarray(values, dtype=np.float64)
        if not self.logarithmic:
            return values
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(-np.log10(1 - values))

    def unwarp(self, warped: ArrayLike) -> NDArray[np.float64]:
        """Return the values before warping."""
        warped = np.asarray(warped, dtype=np.float64)
        return 1 - 10**-warped if self.logarithmic else warped

    def place(self, values: ArrayLike) -> NDArray[np.float64]:
        """Return the positions of values on a colour map, in [0, 1]; NaN stays NaN."""
        low, high = self.warp(self.low), self.warp(self.high)
        inside = np.clip(np.asarray(values, dtype=np.float64), self.low, self.high)
        return np.asarray((self.warp(inside) - low) / (high - low))


def measure_scale(measure: MeasureSpec, values: FloatArray) -> Scale:
    """Return the scale of values between different checkpoints; NaN is ignored."""
    return (_log_scale if measure.log_distance else _share_scale)(measure.unit, values)


def _log_scale(label: str, values: FloatArray) -> Scale:
    """Return a scale that is even in the log of the distance from 1.

    Limits are 1 - d with d of the series 1, .5, .2, .1, .05, ... down to FINEST, just beyond the
    quantiles LOWER and UPPER.
    """
    series = [s * 10.0**-k for k in range(5) for s in (1, 0.5, 0.2) if s * 10.0**-k >= FINEST * 0.9]
    low, high = _quantiles(values)
    first = max([i for i, d in enumerate(series) if 1 - d <= low] or [0])
    beyond = [i for i, d in enumerate(series) if 1 - d >= high] or [len(series) - 1]
    first = min(first, len(series) - 2)
    last = max(min(beyond), first + 1)
    marks = tuple(round(1 - d, 6) for d in series[first : last + 1])
    return Scale(label, marks[0], marks[-1], marks, logarithmic=True)


def _share_scale(label: str, values: FloatArray) -> Scale:
    """Return an even scale of shares; from a tenth below the quantile LOWER up to 1."""
    low, _ = _quantiles(values)
    tenths = min(9, max(0, int(np.floor(10 * low))))
    marks = tuple(t / 10 for t in range(tenths, 11))
    return Scale(label, marks[0], 1.0, marks, logarithmic=False)


def _quantiles(values: FloatArray) -> tuple[float, float]:
    finite = np.asarray(values, dtype=np.float64)[np.isfinite(values)]
    if not finite.size:
        return 0.0, 1.0
    low, high = np.quantile(finite, [LOWER, UPPER])
    return float(low), float(high)
