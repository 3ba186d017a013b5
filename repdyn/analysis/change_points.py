"""Where a representation changes, found in its E×E matrix by change-point detection.

The similarities are inner products of unit vectors, one per checkpoint (for CKA: of the centred Gram
matrices). The checkpoints are split into segments of least scatter about their means (kernel
change-point detection, Harchaoui and Cappé 2007), exactly, by PELT (Killick et al. 2012) as
implemented in `ruptures`. There are as many cuts as each explain at least LEAST_GAIN of the total
scatter; a segment has at least two checkpoints.

Cuts also reduce the scatter of drifts and random walks, which PELT splits into two to four segments.
So only two kinds of cuts count as changes (steps.py):

* leaps: PELT's cuts of the path that takes only those steps between neighbouring checkpoints that
  are 3 to 6 times as long as the steps around them, and stands still otherwise;
* blocks: PELT's cuts of the path itself, if the means of the two segments are 3 to 6 times as far
  apart as those of parts of each segment.

The factor depends on the number of dimensions in which the steps go: 6 in one, 3 in many.

Measured by `benchmarks/change_points.py`, on 160 paths of each shape with 12, 20, 40 and 60
checkpoints. Thresholds were chosen on random walks, lines and noisy blocks with other seeds, and the
rule was changed once after a first measurement, because of walks on a circle and leaps from steady
drifts; the other shapes were not used to choose anything. A change is found in 0 to 5 of 100 random
walks in 1 to 50 dimensions, Ornstein-Uhlenbeck processes, noise, smooth curves and steady drifts,
including some on a sphere and of eight layers jointly; and in 22 of 100 one-dimensional walks that
normalising bends round half a circle, which crowds their ends into blocks. A leap of ten usual steps
is found in all of the steady drifts and walks in 3 and 50 dimensions and in 96 of 100 walks in one (12
checkpoints: 88), provided that two checkpoints lie on each side.

A checkpoint is weighted by the log-epochs nearest to it. Without weights the cuts depend on the
spacing of checkpoints: those of a steady drift move from epochs 20 and 100 to 80 and 220 when each
of 400 epochs is a checkpoint instead of 40 log-spaced ones.

A cut is placed where it explains most. Its interval is where it would explain nearly as much:
neighbouring checkpoints for a sharp break. It also covers where the cut falls for other reference images,
as far as the standard errors of the matrices tell (cut_errors.py), and for other layers. The initial model is left out: every run moves away from
it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from ruptures import Pelt
from ruptures.base import BaseCost

from repdyn.analysis.cut_errors import HELD, explained_weights, moves, noise
from repdyn.analysis.steps import (
    before_steps,
    leaps,
    least_ratio,
    path_of,
    stands_apart,
    with_steps,
)
from repdyn.records import FloatArray, IntArray, Interval

LEAST_GAIN = 0.1
"""Share of the total scatter that a change point must explain."""

LEAST_SCATTER = 1e-4
"""Mean squared distance from the mean, in units of a representation's norm, below which a layer
counts as unchanged. Stored CKA is off by less (docs/accuracy.md), but for features that the images hardly
vary, such as those of an untrained CaiT; and least where the similarity is near 1, as between
checkpoints of an unchanged layer."""

LEAST_CHECKPOINTS = 4
"""Fewest checkpoints that can be split in two."""

NEARLY = 0.95
"""Share of what a cut explains that it still explains anywhere in its interval."""

RESAMPLES, COVERED = 1000, 0.95
"""Bootstrap draws of layers for the interval of a joint cut, and the central share it covers."""


@dataclass(frozen=True)
class ChangePoints:
    """The changes found.

    Attributes:
        epochs: the first checkpoint after each change, increasing.
        intervals: epochs between which each change lies: the first before it, the last after it.
    """

    epochs: tuple[int, ...] = ()
    intervals: tuple[Interval, ...] = ()


def change_points(
    similarity: FloatArray, epochs: IntArray, errors: FloatArray | None = None
) -> ChangePoints:
    """Return the changes of one layer.

    Args:
        similarity: (E, E).
        epochs: of the checkpoints, (E,).
        errors: standard errors of the similarities, (E, E), if known: intervals cover them.

    Returns:
        No changes for a layer that did not move or only drifted, has NaN, or too few checkpoints.
    """
    return joint_change_points(similarity[None], epochs, None if errors is None else errors[None])


def joint_change_points(
    similarity: FloatArray, epochs: IntArray, errors: FloatArray | None = None
) -> ChangePoints:
    """Return the changes of all layers jointly, those of the sum of their kernels.

    Each kernel is divided by the layer's scatter, so that a layer counts by when it changes and not
    by how much. Intervals also cover where the cut falls when layers are resampled (bootstrap).

    Args:
        similarity: (L, E, E); layers that did not move or have NaN are ignored.
        epochs: of the checkpoints, (E,).
        errors: standard errors of the similarities, (L, E, E), if known: intervals cover them.
    """
    trained = epochs >= 1
    if trained.sum() < LEAST_CHECKPOINTS:
        return ChangePoints()
    at = epochs[trained]
    weights = log_epoch_weights(at)
    kept = similarity[:, trained][:, :, trained].astype(np.float64)
    finite = np.array([np.isfinite(kernel).all() for kernel in kept])
    if not finite.all():
        kept = kept[finite]
    scatters = np.array([_Scatter(weights).fit(kernel).error(0, len(at)) for kernel in kept])
    moved = scatters >= LEAST_SCATTER * weights.sum()
    if not moved.any():
        return ChangePoints()
    kernels = kept if moved.all() else kept[moved]
    kernels /= scatters[moved, None, None]
    floor = float((LEAST_SCATTER / scatters[moved]).mean())
    blur = np.zeros((len(kernels), 0, 0))
    if errors is not None:
        known = errors[:, trained][:, :, trained][finite][moved]
        blur = np.nan_to_num(known.astype(np.float64), copy=False)
        blur /= scatters[moved, None, None]
    places = _changes(kernels, blur, np.log(at), weights, floor)
    return ChangePoints(
        tuple(int(at[cut]) for cut in sorted(places)),
        tuple((int(at[low - 1]), int(at[high])) for _, (low, high) in sorted(places.items())),
    )


def log_epoch_weights(epochs: IntArray) -> NDArray[np.float64]:
    """Return the length in log-epochs that is nearest to each checkpoint, (E,), within the run."""
    at = np.log(epochs.astype(np.float64))
    borders = np.concatenate([at[:1], (at[1:] + at[:-1]) / 2, at[-1:]])
    return np.asarray(np.diff(borders))


class _Scatter(BaseCost):  # type: ignore[misc]  # ruptures has no types
    """Weighted scatter of a segment of checkpoints about their mean, from their kernel.

    Σ w_i k_ii - ΣΣ w_i w_j k_ij / Σ w_i, in constant time by running sums.
    """

    model = "weighted kernel"
    min_size = 2

    def __init__(self, weights: NDArray[np.float64]) -> None:
        self._weights = weights

    def fit(self, signal: NDArray[np.float64]) -> _Scatter:
        """Set the kernel, (E, E)."""
        self.signal = signal
        w = self._weights
        self._mass = np.pad(np.cumsum(w), (1, 0))
        self._squares = np.pad(np.cumsum(w * np.diagonal(signal)), (1, 0))
        self._products = np.pad((w[:, None] * w * signal).cumsum(axis=0).cumsum(axis=1), (1, 0))
        return self

    def error(self, start: int, end: int) -> float:
        """Return the scatter of the checkpoints start … end - 1."""
        p = self._products
        inner = p[end, end] - p[start, end] - p[end, start] + p[start, start]
        squares = self._squares[end] - self._squares[start]
        return float(squares - inner / (self._mass[end] - self._mass[start]))

    def explained(self, start: int, cut: int, end: int) -> float:
        """Return by how much a cut reduces the scatter of a segment."""
        return self.error(start, end) - self.error(start, cut) - self.error(cut, end)


Cut = tuple[int, int, int]
"""Where the segment before a cut starts, the cut, and where the segment after it ends: indices."""


def _cuts(kernel: NDArray[np.float64], weights: NDArray[np.float64]) -> list[Cut]:
    """Return the cuts that each explain at least LEAST_GAIN of the total scatter."""
    scatter = _Scatter(weights).fit(kernel)
    normalised = kernel / scatter.error(0, len(weights))
    detector = Pelt(custom_cost=scatter.fit(normalised), min_size=scatter.min_size, jump=1)
    ends = [0, *detector.fit_predict(normalised, pen=LEAST_GAIN)]
    return list(zip(ends, ends[1:], ends[2:], strict=False))


def _changes(
    kernels: NDArray[np.float64],
    errors: NDArray[np.float64],
    tau: NDArray[np.float64],
    weights: NDArray[np.float64],
    floor: float,
) -> dict[int, Interval]:
    """Return the cuts that are changes, each with the first and the last place where it may lie.

    Args:
        kernels: of the layers, each divided by its scatter, (L, E, E).
        errors: standard errors of the kernels, 0 where unknown; (L, 0, 0) if all are.
        tau: log-epochs of the checkpoints, (E,).
        weights: of the checkpoints, (E,).
        floor: squared distance within the accuracy of the kernels' mean.
    """
    whole = kernels.mean(axis=0)
    ratio = least_ratio(whole, floor)
    found: dict[int, Interval] = {}
    far = leaps(whole, tau, ratio, floor)
    if far.any():
        leaping = with_steps(kernels, far)
        for cut in _cuts(leaping.mean(axis=0), weights):
            found[cut[1]] = _interval(leaping, errors, weights, cut, stepped=far)
    for cut in _cuts(whole, weights):
        known = any(low <= cut[1] <= high for low, high in found.values())
        if not known and stands_apart(whole, weights, cut, ratio, floor):
            found[cut[1]] = _interval(kernels, errors, weights, cut)
    return found


def _places(cut: Cut) -> range:
    """Return where the cut between its two segments could lie."""
    start, _, end = cut
    return range(start + _Scatter.min_size, end - _Scatter.min_size + 1)


def _near(explained: NDArray[np.float64], chosen: int) -> tuple[int, int]:
    """Return the first and last index around the chosen one where nearly as much is explained."""
    worse = np.flatnonzero(explained < NEARLY * explained[chosen])
    low = max((int(k) + 1 for k in worse if k < chosen), default=0)
    high = min((int(k) - 1 for k in worse if k > chosen), default=len(explained) - 1)
    return low, high


def _interval(
    kernels: NDArray[np.float64],
    errors: NDArray[np.float64],
    weights: NDArray[np.float64],
    cut: Cut,
    stepped: NDArray[np.bool_] | None = None,
) -> Interval:
    """Return the first and the last place where a cut could equally lie.

    Args:
        kernels: of the layers, (L, E, E).
        errors: standard errors of the kernels, of those before `with_steps` if they are its.
        weights: of the checkpoints, (E,).
        cut: of all of them.
        stepped: which steps the kernels' paths take; None for all.
    """
    start, chosen, end = cut
    places = _places(cut)
    layers = (_Scatter(weights).fit(kernel) for kernel in kernels)
    explained = np.array([[one.explained(start, k, end) for k in places] for one in layers])
    low, high = _near(explained.sum(axis=0), chosen - places[0])

    rng, count = np.random.default_rng(0), len(kernels)
    drawn = rng.multinomial(count, np.full(count, 1 / count), size=RESAMPLES)
    sums = drawn @ explained
    if errors.any() and len(places) * weights.size**2 * weights.itemsize > HELD:
        path = None if stepped is None else path_of(stepped)
        moved = moves(errors, weights, (start, end), places, (RESAMPLES, rng), path)
        for layer, by in enumerate(moved):
            sums += drawn[:, layer, None] * by
    elif errors.any():
        linear = explained_weights(weights, start, end, places)
        if stepped is not None:
            linear = before_steps(linear, stepped)
        sums += np.einsum("dl,dlp->dp", drawn, noise(errors, linear, RESAMPLES, rng))
    tails = ((1 - COVERED) / 2, (1 + COVERED) / 2)
    least, most = np.quantile(np.argmax(sums, axis=1), tails, method="nearest")
    return places[min(low, int(least))], places[max(high, int(most))]
