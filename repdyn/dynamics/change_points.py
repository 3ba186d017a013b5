"""Where a representation changes, read off its E×E matrix by change-point detection.

The similarities are inner products of unit vectors, one a checkpoint (for CKA: of the centred
Grams). The checkpoints are cut into stretches of least scatter about their means (kernel
change-point detection, Harchaoui and Cappé 2007), exactly, by `ruptures`' PELT (Killick et al.
2012). The number of cuts is the one at which each explains at least LEAST_GAIN of the whole
scatter; a stretch has at least two checkpoints.

A steady drift is cut as well, into two to four stretches, since less scatter explains it too. So a
cut counts as a change only if it is clearer and sharper than cuts of a steady drift along a straight
line through the checkpoints of the two stretches: it explains at least as much of their scatter as
one at the same place, and its interval is at most SHARP times that of the best one. Of a drift along
a curve or of a random walk a cut explains less; that of any drift could as well lie anywhere within
a factor of epochs. Of random walks, up to 8 in 100 have a change all the same. A leap half as far as
all of the drift is found in a straight one; with a dozen checkpoints it must be larger.

A checkpoint weighs as much as the log-epochs nearest to it. Without weights the cuts follow the
schedule: those of a steady drift move from epochs 20 and 100 to 80 and 220 when each of 400 epochs
is a checkpoint instead of 40 log-spaced ones.

A cut is placed where it explains most, and could as well be where it explains nearly as much: its
interval, neighbouring checkpoints for a sharp break. The initial model is left out: leaving it is a
change in every run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from ruptures import Pelt
from ruptures.base import BaseCost

from repdyn.records import FloatArray, IntArray, Interval

LEAST_GAIN = 0.1
"""Share of the whole scatter that a change point must explain."""

SHARP = 0.4
"""Times the interval of a steady drift's cut, in log-epochs, that a change's interval lasts at most:
of smooth drifts it is .4 to 1, of leaps .3 or less."""

LEAST_SCATTER = 1e-4
"""Mean squared distance from the mean, in units of a representation's norm, below which a layer
stood still: stored CKA is good to 1e-5."""

LEAST_CHECKPOINTS = 4
"""Checkpoints below which there are no two stretches."""

NEARLY = 0.95
"""Share of what a cut explains that it explains at every place of its interval."""

RESAMPLES, COVERED = 1000, 0.95
"""Draws of layers for the interval of a joint cut, and the central share of them it covers."""


@dataclass(frozen=True)
class ChangePoints:
    """The changes found.

    Attributes:
        epochs: for each the first checkpoint after it, increasing.
        intervals: epochs between which each lies, the first of them before the change, the last
            after it.
    """

    epochs: tuple[int, ...] = ()
    intervals: tuple[Interval, ...] = ()


def change_points(similarity: FloatArray, epochs: IntArray) -> ChangePoints:
    """Return the changes of one layer.

    Args:
        similarity: (E, E).
        epochs: of the checkpoints, (E,).

    Returns:
        Nothing for a layer that stood still or only drifted, has NaN, or too few checkpoints.
    """
    return joint_change_points(similarity[None], epochs)


def joint_change_points(similarity: FloatArray, epochs: IntArray) -> ChangePoints:
    """Return the changes of all layers together, those of the sum of their kernels.

    Each kernel is divided by the layer's scatter, so that a layer counts by when it changes and not
    by how much. Intervals also cover where the cut falls when layers are drawn anew (bootstrap).

    Args:
        similarity: (L, E, E); layers that stood still or have NaN do not count.
        epochs: of the checkpoints, (E,).
    """
    trained = epochs >= 1
    if trained.sum() < LEAST_CHECKPOINTS:
        return ChangePoints()
    at = epochs[trained]
    weights = log_epoch_weights(at)
    kept = similarity[:, trained][:, :, trained].astype(np.float64)
    kept = kept[np.isfinite(kept).all(axis=(1, 2))]
    scatters = np.array([_Scatter(weights).fit(kernel).error(0, len(at)) for kernel in kept])
    moved = scatters >= LEAST_SCATTER * weights.sum()
    if not moved.any():
        return ChangePoints()
    kernels = kept[moved] / scatters[moved, None, None]
    whole = _Scatter(weights).fit(kernels.mean(axis=0))
    steady = _Scatter(weights).fit(np.multiply.outer(np.log(at), np.log(at)))
    layers = [_Scatter(weights).fit(kernel) for kernel in kernels]
    cuts = [cut for cut in _cuts(whole) if _is_change(whole, steady, np.log(at), cut)]
    places = [_interval(layers, cut) for cut in cuts]
    return ChangePoints(
        tuple(int(at[cut]) for _, cut, _ in cuts),
        tuple((int(at[low - 1]), int(at[high])) for low, high in places),
    )


def log_epoch_weights(epochs: IntArray) -> NDArray[np.float64]:
    """Return how many log-epochs are nearest to each checkpoint, (E,), within the run."""
    at = np.log(epochs.astype(np.float64))
    borders = np.concatenate([at[:1], (at[1:] + at[:-1]) / 2, at[-1:]])
    return np.asarray(np.diff(borders))


class _Scatter(BaseCost):  # type: ignore[misc]  # ruptures has no types
    """Weighted scatter of a stretch of checkpoints about their mean, from their kernel.

    Σ w_i k_ii - ΣΣ w_i w_j k_ij / Σ w_i, in constant time by running sums.
    """

    model = "weighted kernel"
    min_size = 2

    def __init__(self, weights: NDArray[np.float64]) -> None:
        self._weights = weights

    def fit(self, signal: NDArray[np.float64]) -> _Scatter:
        """Take in the kernel, (E, E)."""
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
        """Return by how much a cut lessens the scatter of a stretch."""
        return self.error(start, end) - self.error(start, cut) - self.error(cut, end)


Cut = tuple[int, int, int]
"""Where the stretch before a cut starts, the cut, and where the stretch after it ends: indices."""


def _cuts(whole: _Scatter) -> list[Cut]:
    """Return the cuts of which each explains at least LEAST_GAIN."""
    detector = Pelt(custom_cost=whole, min_size=whole.min_size, jump=1)
    ends = [0, *detector.fit_predict(whole.signal, pen=LEAST_GAIN)]
    return list(zip(ends, ends[1:], ends[2:], strict=False))


def _is_change(whole: _Scatter, steady: _Scatter, tau: NDArray[np.float64], cut: Cut) -> bool:
    """Return whether a cut is clearer and sharper than that of a steady drift; see the module."""
    start, chosen, end = cut
    places = _places(cut)
    explained, drifts = (
        np.array([one.explained(start, place, end) for place in places]) / one.error(start, end)
        for one in (whole, steady)
    )
    here = chosen - places[0]
    first, last = _near(explained, here)
    early, late = _near(drifts, int(np.argmax(drifts)))

    def span(low: int, high: int) -> float:
        return float(tau[places[high]] - tau[places[low] - 1])

    return bool(explained[here] >= drifts[here] and span(first, last) <= SHARP * span(early, late))


def _places(cut: Cut) -> range:
    """Return where the stretch of a cut could be cut."""
    start, _, end = cut
    return range(start + _Scatter.min_size, end - _Scatter.min_size + 1)


def _near(explained: NDArray[np.float64], chosen: int) -> tuple[int, int]:
    """Return the first and the last index about the chosen up to which nearly as much is explained."""
    worse = np.flatnonzero(explained < NEARLY * explained[chosen])
    low = max((int(k) + 1 for k in worse if k < chosen), default=0)
    high = min((int(k) - 1 for k in worse if k > chosen), default=len(explained) - 1)
    return low, high


def _interval(layers: Sequence[_Scatter], cut: Cut) -> Interval:
    """Return the first and the last place where a cut may as well be.

    Args:
        layers: their normalised kernels.
        cut: of all of them.
    """
    start, chosen, end = cut
    places = _places(cut)
    explained = np.array([[one.explained(start, k, end) for k in places] for one in layers])
    low, high = _near(explained.sum(axis=0), chosen - places[0])

    count = len(layers)
    draws = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), size=RESAMPLES)
    tails = ((1 - COVERED) / 2, (1 + COVERED) / 2)
    least, most = np.quantile(np.argmax(draws @ explained, axis=1), tails, method="nearest")
    return places[min(low, int(least))], places[max(high, int(most))]
