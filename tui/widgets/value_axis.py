"""The vertical axis of curves: limits, ticks, and how numbers are written."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repdyn.display.reading import value_at
from repdyn.records import Curve, FloatArray

LARGEST = 1e307
"""The largest value that an axis shows: the difference of larger ones is not finite."""

SMALLEST = 1e-12
"""The smallest value that a logarithmic axis shows."""

DIGITS, WIDEST = range(3, 6), 5
"""Significant digits of a label, as few as tell it from the others, and its most columns then."""


@dataclass(frozen=True)
class ValueAxis:
    """An axis from low to high, even in the values or in their logarithm."""

    low: float
    high: float
    logarithmic: bool

    def place(self, values: FloatArray) -> NDArray[np.float64]:
        """Return the positions of values, 0 at low and 1 at high; NaN for those without one."""
        low, high = self._warp(np.array([self.low, self.high]))
        with np.errstate(over="ignore"):
            return np.asarray((self._warp(values) - low) / (high - low))

    def ticks(self, most: int) -> list[float]:
        """Return round values from low to high, at most this many if there are more than two."""
        if self.logarithmic:
            decades = range(math.ceil(math.log10(self.low)), math.floor(math.log10(self.high)) + 1)
            if len(decades) > 1:
                return [10.0**k for k in decades][:: -(-len(decades) // max(2, most))]
            return [self.low, self.high]
        rough = (self.high - self.low) / max(1, most)
        size = 10.0 ** math.floor(math.log10(rough))
        step = next(m * size for m in (1, 2, 5, 10) if m * size >= rough * (1 - 1e-9))
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [k * step for k in range(first, last + 1)]

    def _warp(self, values: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        exact: NDArray[np.float64] = np.asarray(values, dtype=np.float64)
        if self.logarithmic:
            exact = np.log10(np.where(exact >= SMALLEST, exact, np.nan))
        return exact


def value_axis(
    curves: Iterable[FloatArray], low: float | None, high: float | None, *, logarithmic: bool
) -> ValueAxis:
    """Return an axis for curves, from their smallest to their largest value unless limits are given."""
    values = np.concatenate([np.asarray(v, dtype=np.float64) for v in curves] or [np.empty(0)])
    values = np.clip(values[np.isfinite(values)], -LARGEST, LARGEST)
    if logarithmic:
        values = values[values >= SMALLEST]
        low = low if low is not None and low >= SMALLEST else None
    if not values.size:
        values = np.array([0.1, 1.0])
    low = float(values.min()) if low is None else low
    high = float(values.max()) if high is None else high
    if high <= low * (1 + 1e-9) if logarithmic else high - low <= 1e-9 * abs(high):
        low, high = (low / 2, low * 2) if logarithmic else (low - 0.5, low + 0.5)
    return ValueAxis(low, high, logarithmic)


def label_room(axis: ValueAxis) -> int:
    """Return the columns that the labels of an axis take at most, with a gap."""
    labels = [label for most in range(2, 10) for label in tick_labels(axis.ticks(most))]
    return max(map(len, labels), default=0) + 1


def logged(curve: Curve, epoch: int) -> str:
    """Return a curve's last value up to an epoch, `NaN` if that was logged, or a dash if none was."""
    value = value_at(curve, epoch)
    return "NaN" if math.isnan(value) and (curve.steps <= epoch).any() else number(value)


def number(value: float) -> str:
    """Return a value with three decimals, or as a power of ten if they would not show it."""
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if value == 0 or 0.001 <= abs(value) < 1000:
        return f"{value:.3f}"
    return f"{value:.1e}".replace("e-0", "e-").replace("e+0", "e")


def tick_labels(values: Sequence[float]) -> list[str]:
    """Return round values as briefly as they differ: 2.322 and 2.324, not 2.32 twice."""
    for digits in DIGITS:
        labels = [tick_label(value, digits) for value in values]
        if len(set(labels)) == len(labels) and all(len(label) <= WIDEST for label in labels):
            return labels
    return [tick_label(value) for value in values]


def tick_label(value: float, digits: int = DIGITS[0]) -> str:
    """Return a round value as briefly as possible."""
    text = f"{value:.{digits}g}".replace("e-0", "e-").replace("e+0", "e")
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text
