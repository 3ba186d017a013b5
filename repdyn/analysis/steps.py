"""The steps of a representation from checkpoint to checkpoint, computed from its kernel.

A kernel holds the inner products of one vector per checkpoint, k_ij = ⟨x_i, x_j⟩. Everything needed here
is linear in the vectors, v = Σ c_i x_i with ‖v‖² = cᵀKc, so they are never formed.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

NEIGHBOURS, REACH = 8, 1.0
"""Steps on each side to compare a step with: this many, or all within this many log-epochs."""

QUARTERS = (0.25, 0.5, 0.75)
"""Shares of a segment's weight at which it is divided to measure how far it wanders."""


def least_ratio(kernel: Array, floor: float) -> float:
    """Return how many times as long as usual a step must be to stand out: 3 + 3/d².

    d is the number of dimensions in which the steps go. In few dimensions, step lengths vary more: a
    Gaussian step in one dimension is shorter than a tenth in 8 of 100 cases, in ten dimensions hardly
    ever. d is 1 over the mean cos² of the angle between steps at most NEIGHBOURS apart, which is exact
    for random directions in d dimensions; adjacent steps are left out, as they share a checkpoint and
    its noise.

    Args:
        kernel: (E, E).
        floor: squared length below which a step is rounding error, and has no direction.
    """
    cosines = _cosines(kernel, floor)
    first, second = np.triu_indices(len(cosines), 2)
    near = second - first <= NEIGHBOURS
    squares = cosines[first[near], second[near]] ** 2
    squares = squares[np.isfinite(squares)]
    return 3 + 3 * (float(squares.mean()) if len(squares) else 1.0) ** 2


def leaps(kernel: Array, at: Array, ratio: float, floor: float) -> NDArray[np.bool_]:
    """Return which steps are at least `ratio` times as long as usual, both before and after.

    The usual length is the median of the neighbouring steps on that side, each rescaled to this step's
    log-epochs Δτ_i. It grows as their power p: 1 for a steady drift, 1/2 for a random walk, 0 for
    noise; adjacent steps show which, as their mean cosine is 1, 0 or -1/2. Each neighbour counts as
    the longer of ‖s_j‖·(Δτ_i/Δτ_j)^p and ‖s_j‖·Δτ_i/Δτ_j, so that no gap between checkpoints looks
    like a leap. As both sides count, neither does a drift that slows down or speeds up.

    Args:
        kernel: (E, E).
        at: log-epochs of the checkpoints, (E,).
        ratio: see least_ratio.
        floor: squared length below which a step is rounding error; the least usual length.

    Returns:
        (E - 1,); never the first or the last, which have no two checkpoints on one side.
    """
    length = np.sqrt(np.maximum(np.diagonal(_step_kernel(kernel)), 0))
    adjacent = np.diagonal(_cosines(kernel, floor), 1)
    known = adjacent[np.isfinite(adjacent)]
    power = float(np.interp(known.mean() if len(known) else -0.5, (-0.5, 0, 1), (0, 0.5, 1)))
    span = np.diff(at)
    middle = (at[1:] + at[:-1]) / 2
    found = np.zeros(len(length), dtype=bool)
    for i in range(1, len(length) - 1):
        longer = span[i] / span
        usual = length * np.maximum(longer**power, longer)
        gone = np.abs(middle - middle[i])
        sides = (_nearest(usual[:i][::-1], gone[:i]), _nearest(usual[i + 1 :], gone[i + 1 :]))
        most = max(float(np.median(side)) for side in sides)
        found[i] = length[i] >= ratio * max(most, math.sqrt(floor))
    return found


def _nearest(values: Array, gone: Array) -> Array:
    """Return the first NEIGHBOURS values, or all within REACH."""
    return values[: max(NEIGHBOURS, int((gone <= REACH).sum()))]


def with_steps(kernels: Array, kept: NDArray[np.bool_]) -> Array:
    """Return the kernels of the paths that take only some of the steps and stand still otherwise.

    Args:
        kernels: (..., E, E).
        kept: which steps, (E - 1,).
    """
    path = path_of(kept)
    return np.asarray(path @ kernels @ path.T)


def before_steps(linear: Array, kept: NDArray[np.bool_]) -> Array:
    """Return what linear functions Σ W_ij k_ij of such kernels are of the original ones, (..., E, E)."""
    path = path_of(kept)
    return np.asarray(path.T @ linear @ path)


def path_of(kept: NDArray[np.bool_]) -> Array:
    """Return the matrix that takes a path to the one with only some of its steps, (E, E)."""
    count = len(kept) + 1
    steps = np.diff(np.eye(count), axis=0) * kept[:, None]
    return np.concatenate([np.zeros((1, count)), np.cumsum(steps, axis=0)])


def stands_apart(
    kernel: Array, weights: Array, ends: tuple[int, int, int], ratio: float, floor: float
) -> bool:
    """Return whether two segments are at least `ratio` times as far apart as each wanders.

    Their distance is that of their means. A segment wanders as far as the means of two parts of it are
    apart, the largest over three ways to divide it. Noise around a point averages out in the means; for
    a steady drift the ratio is 2, for random walks in many dimensions less.

    Args:
        kernel: (E, E).
        weights: of the checkpoints, (E,).
        ends: indices where the first segment starts, where the second starts, and where it ends.
        ratio: see least_ratio.
        floor: square of the least distance that a segment is assumed to wander.
    """
    start, cut, end = ends
    wander = max(_wander(kernel, weights, start, cut), _wander(kernel, weights, cut, end))
    apart = _apart(kernel, weights, start, cut, end)
    return apart >= ratio * max(wander, math.sqrt(floor))


def _step_kernel(kernel: Array) -> Array:
    """Return the inner products of the steps x_{i+1} - x_i, (E - 1, E - 1)."""
    return np.asarray(np.diff(np.diff(kernel, axis=0), axis=1))


def _cosines(kernel: Array, floor: float) -> Array:
    """Return the cosines of the angles between steps, NaN for those whose square is within floor."""
    products = _step_kernel(kernel)
    squares = np.diagonal(products)
    norms = np.sqrt(np.where(squares > floor, squares, np.nan))
    return np.asarray(np.clip(products / norms / norms[:, None], -1, 1))


def _wander(kernel: Array, weights: Array, start: int, end: int) -> float:
    share = np.cumsum(weights[start:end]) / weights[start:end].sum()
    parts = {start + 1 + int(np.argmin(np.abs(share[:-1] - quarter))) for quarter in QUARTERS}
    return max(_apart(kernel, weights, start, part, end) for part in parts)


def _apart(kernel: Array, weights: Array, start: int, cut: int, end: int) -> float:
    """Return how far the mean of start … cut - 1 is from that of cut … end - 1."""
    means = np.zeros(len(weights))
    means[cut:end] = weights[cut:end] / weights[cut:end].sum()
    means[start:cut] = -weights[start:cut] / weights[start:cut].sum()
    return math.sqrt(max(float(means @ kernel @ means), 0.0))
