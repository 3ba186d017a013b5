"""The difference between two runs: B − A, at A's checkpoints."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from repdyn.display.errors import with_error
from repdyn.display.heatmap import HeatmapData
from repdyn.display.scale import Scale
from repdyn.display.wording import plain
from repdyn.records import FloatArray, IntArray, Phases
from repdyn.step_words import step

DIFFERENCE = "B − A"

LEAST_REACH = 0.01
"""The difference at the ends of the colours, if all differences are smaller."""

REACHED = 0.98
"""The share of differences that lie within the ends of the colours."""


class Difference(HeatmapData):
    """A heatmap of differences."""

    def largest(self) -> str:
        """Return where the runs differ most, in words; nothing if they are equal or unknown."""
        sizes = np.abs(np.nan_to_num(self.values))
        if not sizes.any():
            return ""
        row, column = (int(at) for at in np.unravel_index(sizes.argmax(), sizes.shape))
        where = [f"{self.unit} {step(int(self.steps[column]))}", plain(self.row_name(row))]
        value = signed(float(self.values[row, column]), math.nan)
        return f"largest: {', '.join(reversed(where))}: {value}"

    @property
    def within_error(self) -> NDArray[np.bool_]:
        """Which cells differ from 0 by no more than their standard error, (R, E)."""
        if self.errors is None:
            return np.zeros(self.values.shape, dtype=bool)
        return np.asarray(np.abs(self.values) <= self.errors)


def difference(
    values: FloatArray,
    errors: FloatArray | None,
    rows: tuple[str, ...] | None,
    steps: IntArray,
    phases: Phases,
    unit: str,
) -> Difference:
    """Return a heatmap of differences on a scale that is symmetric around 0."""
    known = np.abs(values[np.isfinite(values)])
    reach = float(np.quantile(known, REACHED, method="higher")) if known.size else 0.0
    reach = max(LEAST_REACH, reach)
    scale = Scale(DIFFERENCE, -reach, reach, (-reach, 0.0, reach), logarithmic=False, span="run")
    marked = replace(phases, change_points=())
    return Difference(values, rows, steps, scale, marked, DIFFERENCE, unit, errors)


def of_both(first: FloatArray | None, second: FloatArray | None) -> FloatArray | None:
    """Return the standard errors of a difference; None if one of the runs has none.

    They are those of independent values. Errors over the same reference images are not, so these are
    rather too large.
    """
    if first is None or second is None:
        return None
    return np.asarray(np.hypot(first, second))


def signed(value: float, error: float) -> str:
    """Return a difference with its sign and its standard error, `+0.012 ± .004`."""
    text = with_error(abs(value), error)
    if np.isnan(value) or not text.partition(" ")[0].strip("0."):
        return text
    return f"{'−' if value < 0 else '+'}{text}"
