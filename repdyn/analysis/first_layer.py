"""Whether the first layer comes back toward its initialisation late in training."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from repdyn.analysis.drift import FLOOR, LAG, STEP, WIDEST
from repdyn.analysis.nulls import DRAWS, rank
from repdyn.records import FloatArray, IntArray

WINDOWS = 2
"""Least length of a run, in windows of the running mean: one at the farthest point, one at the end."""

Floats = NDArray[np.float64]


def first_layer_return(similarity: FloatArray, epochs: IntArray) -> tuple[float, float]:
    """Return how far a layer comes back toward the initial model, and the rank of that.

    With D(t) = 1 - S(0, t) and its logarithm log₂(D + FLOOR), interpolated linearly in log-epoch and
    averaged over windows of a ratio of epochs of 1.5 so that single checkpoints do not count: the
    largest average minus that of the last window, 0 for a layer that only moves away.

    The rank is among copies of the run with the same noise that never come back: the rising curve
    that fits log₂(D + FLOOR) best (isotonic regression), and the residuals in random order. So near 1,
    the return is more than noise of measuring. Whether it is more than a layer's wandering in one run
    is for the seeds to tell.

    Args:
        similarity: of the first layer, (E, E).
        epochs: of the checkpoints, (E,).

    Returns:
        NaN if the initial model was not measured, or similarity with it is undefined at a
        checkpoint, or the checkpoints are too few or too far apart.
    """
    trained = epochs >= 1
    at = np.log(epochs[trained].astype(np.float64))
    away = 1 - similarity[0, trained].astype(np.float64)
    if epochs[0] != 0 or len(at) < 2 or not np.isfinite(away).all():
        return float("nan"), float("nan")
    if np.diff(at).max() > WIDEST + 1e-9 or at[-1] - at[0] < WINDOWS * LAG - 1e-9:
        return float("nan"), float("nan")
    # slow to import, and the names of the scores are needed without it
    from scipy.optimize import isotonic_regression

    distance = np.log2(np.maximum(away, 0) + FLOOR)
    rising = isotonic_regression(distance).x
    rng = np.random.default_rng(0)
    drawn = [_return(at, rising + rng.permutation(distance - rising)) for _ in range(DRAWS)]
    value = _return(at, distance)
    return value, rank(value, np.array(drawn))


def _return(at: Floats, distance: Floats) -> float:
    """Return the largest mean over a window minus that over the last, of values (E,) at (E,)."""
    fine = np.arange(at[-1], at[0] - 1e-9, -STEP)[::-1]
    sums = np.concatenate([[0.0], np.cumsum(np.interp(fine, at, distance))])
    width = round(LAG / STEP)
    means = (sums[width:] - sums[:-width]) / width
    return float(means.max() - means[-1])
