"""Phase boundaries, read off the curves and the E×E matrices.

Boundaries are epochs of the run; each definition stands in the docstring of its function.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from repdyn.records import Curve, Dynamics, FloatArray, IntArray, Phases

PERFECT = 0.999
"""Training accuracy that counts as perfect fit: one example of a thousand may be missed."""

FALLEN = 0.995
"""Training accuracy below which a run has fallen back from perfect fit."""

ONSET_SHARE = 0.1
"""Share of the way from its minimum to 1 that noisy-fit accuracy rises before memorisation counts
as begun."""

LEAST_REACH, REACH = 2, 0.1
"""How far to either side the running median of a curve reaches: epochs, and share of the epoch.
Curves change by ratios of epochs, their jitter does not."""

LEAST_PEAK = 0.02
"""Smallest rise and fall of the test error that counts as a peak."""

LEAST_GAIN = 0.1
"""Share of a layer's whole scatter that a change point must explain."""

LEAST_SCATTER = 1e-4
"""Mean squared distance from the mean, in units of a representation's norm, below which a layer
stood still: stored CKA is good to 1e-5."""


def find_phases(curves: Mapping[str, Curve], dynamics: Dynamics | None) -> Phases:
    """Find the boundaries between the phases of a run.

    Args:
        curves: of the run, with `train/acc`, `test/acc` and, with label noise, `train/acc_noisy`;
            a boundary whose curve is missing is None.
        dynamics: for the change points; None leaves them out.
    """
    test_min, test_peak = test_error_extremes(curves.get("test/acc"))
    train_acc = curves.get("train/acc")
    return Phases(
        onset=memorisation_onset(curves.get("train/acc_noisy")),
        fit=perfect_fit(train_acc),
        test_min=test_min,
        test_peak=test_peak,
        change_points=()
        if dynamics is None
        else tuple(change_points(matrix, dynamics.epochs) for matrix in dynamics.cka),
        spikes=loss_spikes(train_acc),
    )


def perfect_fit(train_acc: Curve | None) -> int | None:
    """Return the first epoch at which training accuracy reaches PERFECT."""
    if train_acc is None:
        return None
    reached = np.flatnonzero(train_acc.values >= PERFECT)
    return int(train_acc.epochs[reached[0]]) if len(reached) else None


def loss_spikes(train_acc: Curve | None) -> tuple[int, ...]:
    """Return the epochs after perfect fit at which training accuracy falls below FALLEN.

    Of a stretch of such epochs the first is given.
    """
    fit = perfect_fit(train_acc)
    if train_acc is None or fit is None:
        return ()
    fallen = (train_acc.values < FALLEN) & (train_acc.epochs > fit)
    starts = fallen & ~np.concatenate([[False], fallen[:-1]])
    return tuple(int(epoch) for epoch in train_acc.epochs[starts])


def memorisation_onset(noisy_fit: Curve | None) -> int | None:
    """Return when the flipped labels begin to be fit.

    While what generalises is learned, flipped labels are contradicted, and noisy-fit accuracy (their
    share that is predicted as flipped) falls below chance. The onset is the first epoch after its
    minimum m at which its running median reaches m + ONSET_SHARE·(1 - m).
    """
    if noisy_fit is None or not len(noisy_fit.values):
        return None
    smooth = running_median(noisy_fit)
    start = int(np.nanargmin(smooth))
    threshold = smooth[start] + ONSET_SHARE * (1 - smooth[start])
    reached = np.flatnonzero(smooth[start:] >= threshold)
    return int(noisy_fit.epochs[start + reached[0]]) if len(reached) else None


def test_error_extremes(test_acc: Curve | None) -> tuple[int | None, int | None]:
    """Return the epochs of the test error's minimum and of its later peak.

    Epoch-wise double descent (Nakkiran et al. 2020): the error falls, rises to a peak and falls
    again. The peak is where the smaller of the rise from the lowest error before it and the fall to
    the lowest after it is largest, on the running median; it counts if that exceeds LEAST_PEAK and
    three times the curve's jitter (its standard deviation without trend: the median
    absolute second difference · 1.4826 / √6). The minimum is sought before
    the peak, or everywhere without one, and is the first epoch within twice the jitter of it.
    """
    if test_acc is None or len(test_acc.values) < 3:
        return None, None
    error = 1 - running_median(test_acc)
    jitter = 1.4826 * float(np.median(np.abs(np.diff(test_acc.values, 2)))) / np.sqrt(6)
    rise = error - np.minimum.accumulate(error)
    fall = error - np.minimum.accumulate(error[::-1])[::-1]
    height = np.minimum(rise, fall)
    peak = int(np.argmax(height))
    if height[peak] < max(LEAST_PEAK, 3 * jitter):
        return int(test_acc.epochs[_first_low(error, jitter)]), None
    low = _first_low(error[: peak + 1], jitter)
    return int(test_acc.epochs[low]), int(test_acc.epochs[peak])


def _first_low(error: NDArray[np.float64], jitter: float) -> int:
    return int(np.flatnonzero(error <= error.min() + 2 * jitter)[0])


def change_points(similarity: FloatArray, epochs: IntArray) -> tuple[int, ...]:
    """Return the epochs at which a layer's representation changes, from its E×E matrix.

    The similarities are inner products of unit vectors, one a checkpoint (for CKA: of the centred
    Grams), so the eigenvectors of the matrix give the checkpoints as points. These are cut into
    stretches of least scatter about their means (Killick et al. 2012, by `ruptures`); the number of
    cuts is the one at which each explains at least LEAST_GAIN of the whole scatter. Log-spaced
    checkpoints weigh stretches by their length in log-epoch. The initial model is left out: leaving
    it is a change in every run.

    Args:
        similarity: (E, E).
        epochs: of the checkpoints, (E,).

    Returns:
        For each cut the first checkpoint after it.
    """
    trained = epochs >= 1
    kept = similarity[np.ix_(trained, trained)].astype(np.float64)
    if len(kept) < 4 or not np.isfinite(kept).all():
        return ()
    points = _embedded(kept)
    scatter = float(((points - points.mean(axis=0)) ** 2).sum())
    if scatter < LEAST_SCATTER * len(points):
        return ()
    # takes seconds to import, and only the end of a run needs it
    from ruptures import KernelCPD

    detector = KernelCPD(kernel="linear", min_size=2).fit(points)
    cuts = detector.predict(pen=LEAST_GAIN * scatter)[:-1]
    return tuple(int(epochs[trained][cut]) for cut in cuts)


def running_median(curve: Curve) -> NDArray[np.float64]:
    """Return for each epoch the median of the values around it, as far as REACH and LEAST_REACH say."""
    reach = np.maximum(LEAST_REACH, REACH * curve.epochs)
    first = np.searchsorted(curve.epochs, curve.epochs - reach)
    last = np.searchsorted(curve.epochs, curve.epochs + reach, side="right")
    return np.array([np.median(curve.values[a:b]) for a, b in zip(first, last, strict=True)])


def _embedded(similarity: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return points (E, k) whose inner products are the similarities; rounding's part is dropped."""
    values, vectors = np.linalg.eigh((similarity + similarity.T) / 2)
    kept = values > 1e-6 * values[-1]
    return np.asarray(vectors[:, kept] * np.sqrt(values[kept]))
