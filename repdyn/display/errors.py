"""How standard errors are shown: beside a value, and where they blur the cells of a heatmap."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from repdyn.records import FloatArray

LEAST_DIGITS, MOST_DIGITS = 2, 5
"""Decimals of a value with an error: as many as the error needs, within the accuracy of stored CKA."""


def with_error(value: float, error: float = math.nan) -> str:
    """Return a similarity with its standard error, `0.922 ± .004`, or alone if that is 0 or NaN."""
    if math.isnan(value):
        return "–"
    if not error > 0:
        return f"{value:.4f}"
    digits = min(max(-math.floor(math.log10(error)), LEAST_DIGITS), MOST_DIGITS)
    shown = max(error, 10.0**-MOST_DIGITS)
    return f"{value:.{digits}f} ± {f'{shown:.{digits}f}'.removeprefix('0')}"


def within_error(values: FloatArray, errors: FloatArray, *, square: bool) -> NDArray[np.bool_]:
    """Return which cells differ from the one before by no more than their standard error.

    Args:
        values: (R, E).
        errors: of the values, (R, E).
        square: whether the rows are checkpoints too: then a cell also has a neighbour in the row
            before, and both differences count.

    Returns:
        (R, E); never the first column, and never where the value, its error or a neighbour is NaN.
    """
    found = np.zeros(values.shape, dtype=bool)
    found[:, 1:] = np.abs(np.diff(values, axis=1)) <= errors[:, 1:]
    if square:
        found[0] = False
        found[1:] &= np.abs(np.diff(values, axis=0)) <= errors[1:]
    return found
