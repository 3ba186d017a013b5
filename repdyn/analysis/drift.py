"""How fast a layer drifts: its E×E matrix along log-epoch at a fixed ratio of epochs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from repdyn.records import FloatArray, IntArray

LAG = float(np.log(1.5))
"""δ: each epoch is compared with one 1.5 times as late. Neighbouring checkpoints are unevenly
spaced, so their similarity would reflect the spacing."""

WIDEST = float(np.log(2.5))
"""Largest distance in log-epochs between neighbouring checkpoints to interpolate over."""

STEP = 0.02
"""Spacing of the log-epochs at which drift is given."""

WIDE = 3.0
"""Lags within this factor of δ show how distances grow with the lag."""

LEAST = 1e-3
"""Similarity from which on a layer counts as wholly changed."""

POWERS = (0.5, 2.0)
"""Range of the power of that growth."""

FLOOR = 1e-4
"""Added to a drift before its logarithm: what rows in float16, those of older runs, cannot tell
from no drift."""


AT_ONCE = 2**26
"""Bytes of matrices in float64 that are worked on at once."""


@dataclass(frozen=True)
class Drift:
    """The drift rates of a run's layers.

    Attributes:
        tau: log-epochs ln(epoch), (T,).
        rate: c(τ) = 1 - S(τ - δ/2, τ + δ/2), (L, T).
    """

    tau: NDArray[np.float64]
    rate: NDArray[np.float64]

    @property
    def log_rate(self) -> NDArray[np.float64]:
        """L(τ) = log₂(c(τ) + FLOOR), (L, T): makes layers that drift by different amounts comparable."""
        return np.asarray(np.log2(np.maximum(self.rate, 0) + FLOOR))


def drift(similarity: FloatArray, epochs: IntArray) -> Drift | None:
    """Return the drift rates, or None if the checkpoints are too few or too far apart for them.

    Args:
        similarity: (L, E, E).
        epochs: of the checkpoints, (E,); the initial model has no log-epoch and is left out.
    """
    trained = epochs >= 1
    if trained.sum() < 2:
        return None
    at = np.log(epochs[trained].astype(np.float64))
    if np.diff(at).max() > WIDEST + 1e-9:
        return None
    tau = np.arange(at[0] + LAG / 2, at[-1] - LAG / 2 + 1e-9, STEP)
    if not len(tau):
        return None
    return Drift(tau, _rates_of(similarity, trained, at, tau))


def latest_rate(similarity: FloatArray, epochs: IntArray) -> NDArray[np.float64] | None:
    """Return each layer's drift over the last ratio of epochs of 1.5, (L,): of a run that goes on.

    Args:
        similarity: (L, E, E).
        epochs: of the checkpoints, (E,).

    Returns:
        1 - S(τ - δ, τ) at the last checkpoint's log-epoch τ; None if the checkpoints are too few or too
        far apart for it.
    """
    trained = epochs >= 1
    if trained.sum() < 2:
        return None
    at = np.log(epochs[trained].astype(np.float64))
    tau = at[-1:] - LAG / 2
    first, _ = _cell(at, at[-1:] - LAG)
    if tau[0] < at[0] + LAG / 2 or np.diff(at[first[0] :]).max() > WIDEST + 1e-9:
        return None
    return _rates_of(similarity, trained, at, tau)[:, 0]


def _rates_of(
    similarity: FloatArray,
    trained: NDArray[np.bool_],
    at: NDArray[np.float64],
    tau: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return `rates` of some checkpoints, of as many layers at a time as AT_ONCE allows."""
    step = max(1, AT_ONCE // (8 * len(at) ** 2))
    groups = (similarity[i : i + step] for i in range(0, max(1, len(similarity)), step))
    each = [rates(some[:, trained][:, :, trained].astype(np.float64), at, tau) for some in groups]
    return np.concatenate(each)


def rates(
    similarity: NDArray[np.float64], at: NDArray[np.float64], tau: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return 1 - S(τ - δ/2, τ + δ/2), (L, T), from the four pairs of checkpoints around it.

    Checkpoints are spaced unevenly, and none are exactly δ apart. Interpolating their similarities as
    they are would give all layers the same ripples, where checkpoints are close and where they are far
    apart, and layers that have nothing to do with each other would seem to change in synchrony. So a
    pair at another lag λ is first brought to δ by the layer's own law, d(λ) ∝ λᵖ with d = -ln S, which
    is 1 - S where that is small and does not level off as it does: times (δ/λ)ᵖ. A layer that drifts
    steadily, S = exp(-A λᵖ), then has one rate.

    Args:
        similarity: (L, E, E); counts as LEAST where it is lower.
        at: log-epochs of the checkpoints, (E,), increasing.
        tau: log-epochs, (T,), at least δ/2 within the first and last.
    """
    i, u = _cell(at, tau - LAG / 2)
    j, v = _cell(at, tau + LAG / 2)
    distance = -np.log(np.maximum(similarity, LEAST))
    power = powers(distance, at)[:, None]
    total, weights = np.zeros((len(distance), len(tau))), np.zeros(len(tau))
    for first, share in ((i, 1 - u), (i + 1, u)):
        for last, of in ((j, 1 - v), (j + 1, v)):
            lag = at[last] - at[first]
            apart = lag > 0  # on the diagonal, or below, there is no distance to bring to δ
            weight = np.where(apart, share * of, 0)
            ratio = LAG / np.where(apart, lag, LAG)
            total += np.where(apart, distance[:, first, last] * ratio**power * weight, 0)
            weights += weight
    return np.asarray(-np.expm1(-total / weights))


def powers(distance: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return p of each layer, (L,): how its distances grow with the lag, d ∝ λᵖ.

    The slope of log d over log λ among pairs of checkpoints with the same first one, so that rates may
    differ along the run; of lags within a factor of WIDE of δ and distances above FLOOR. Between ½
    and 2, the powers of a path that turns at every step and of a straight one, and 1 if unknown.
    """
    lag = at[None] - at[:, None]
    near = (lag > LAG / WIDE) & (lag < LAG * WIDE)
    x = np.log(np.where(near, lag, 1))
    found = np.ones(len(distance))
    for layer, d in enumerate(distance):
        used = near & (d > FLOOR)
        y = np.log(np.where(used, d, 1))
        count = np.maximum(used.sum(axis=1, keepdims=True), 1)
        dx, dy = (
            np.where(used, z - np.where(used, z, 0).sum(axis=1, keepdims=True) / count, 0)
            for z in (x, y)
        )
        spread = float(np.square(dx).sum())
        if spread > 0:
            found[layer] = np.clip(float((dx * dy).sum()) / spread, *POWERS)
    return found


def interpolated(
    similarity: NDArray[np.float64],
    at: NDArray[np.float64],
    early: NDArray[np.float64],
    late: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return S(early, late), (L, T), interpolated in log-epoch.

    Bilinear between four checkpoints; in cells cut by the diagonal, linear in the distance from the
    diagonal, so that the similarity is 1 on it.

    Args:
        similarity: (L, E, E).
        at: log-epochs of the checkpoints, (E,), increasing.
        early, late: log-epochs within, (T,), early ≤ late.
    """
    i, u = _cell(at, early)
    j, v = _cell(at, late)
    s00, s01 = similarity[:, i, j], similarity[:, i, j + 1]
    s10, s11 = similarity[:, i + 1, j], similarity[:, i + 1, j + 1]
    bilinear = (1 - u) * ((1 - v) * s00 + v * s01) + u * ((1 - v) * s10 + v * s11)
    beside_diagonal = 1 - (1 - s01) * (v - u)
    return np.where(i == j, beside_diagonal, bilinear)


def _cell(
    at: NDArray[np.float64], place: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return the index of the checkpoint before each place, and the share of the way to the next."""
    before = np.clip(np.searchsorted(at, place, side="right") - 1, 0, len(at) - 2)
    share = np.clip((place - at[before]) / (at[before + 1] - at[before]), 0, 1)
    return before, share
