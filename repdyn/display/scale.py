"""Maps similarities to positions on a colour map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from repdyn.measures.spec import MeasureSpec
from repdyn.records import FloatArray

ScaleKind = Literal["fixed", "run", "linear"]

SCALES: tuple[ScaleKind, ...] = ("fixed", "run", "linear")
"""What colours span: the measure's limits, the same for all runs, so that pictures compare; the values
of what is drawn; the measure's limits with colours even in the value itself."""

LOWER, UPPER = 0.01, 0.9
"""Quantiles of the values between different checkpoints that a run's own scale spans."""

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
        span: whether the limits are the measure's, those of the runs drawn, or of what is in view.
    """

    label: str
    low: float
    high: float
    ticks: tuple[float, ...]
    logarithmic: bool
    span: Literal["fixed", "run", "view"] = "fixed"

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


def measure_scale(measure: MeasureSpec, values: FloatArray, how: ScaleKind = "fixed") -> Scale:
    """Return a scale for a measure's values.

    Args:
        measure: which.
        values: those between different checkpoints, which a run's own scale spans; NaN is ignored.
        how: one of SCALES.
    """
    logarithmic = measure.log_distance and how != "linear"
    label = measure.unit
    if how == "run":
        label += ", range of the runs drawn"
    if measure.log_distance:
        even = f"log(1 − {measure.symbol})" if logarithmic else measure.symbol
        label += f"\n(colour even in {even})"
    if how == "run":
        marks = _log_marks(values) if logarithmic else _share_marks(values)
        return Scale(label, marks[0], marks[-1], marks, logarithmic, "run")
    low, high = measure.limits
    if logarithmic:
        return Scale(label, low, high, _decades(low, high), logarithmic)
    marks = _tenths(low)
    return Scale(label, marks[0], 1.0, marks, logarithmic)


def _decades(low: float, high: float) -> tuple[float, ...]:
    """Return the limits of a log scale and the round values between them."""
    between = (mark for mark in (0.0, 0.5, 0.9, 0.99, 0.999) if low < mark < high)
    return (low, *between, high)


def _log_marks(values: FloatArray) -> tuple[float, ...]:
    """Return marks for values on a scale that is even in the log of the distance from 1.

    They are 1 - d with d of the series 1, .5, .2, .1, .05, ... down to FINEST, just beyond the
    quantiles LOWER and UPPER.
    """
    series = [s * 10.0**-k for k in range(5) for s in (1, 0.5, 0.2) if s * 10.0**-k >= FINEST * 0.9]
    low, high = _quantiles(values)
    first = max([i for i, d in enumerate(series) if 1 - d <= low] or [0])
    beyond = [i for i, d in enumerate(series) if 1 - d >= high] or [len(series) - 1]
    first = min(first, len(series) - 2)
    last = max(min(beyond), first + 1)
    return tuple(round(1 - d, 6) for d in series[first : last + 1])


def _share_marks(values: FloatArray) -> tuple[float, ...]:
    """Return the tenths from just below the quantile LOWER up to 1."""
    low, _ = _quantiles(values)
    return _tenths(min(0.9, max(0.0, low)))


def _tenths(low: float) -> tuple[float, ...]:
    return tuple(tenth / 10 for tenth in range(int(np.floor(10 * low)), 11))


def _quantiles(values: FloatArray) -> tuple[float, float]:
    finite = np.asarray(values, dtype=np.float64)[np.isfinite(values)]
    if not finite.size:
        return 0.0, 1.0
    low, high = np.quantile(finite, [LOWER, UPPER])
    return float(low), float(high)
