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

FLOOR = 1e-4
"""Added to a drift before its logarithm: what rows in float16, those of older runs, cannot tell
from no drift."""


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
    matrices = similarity[:, trained][:, :, trained].astype(np.float64)
    return Drift(tau, 1 - interpolated(matrices, at, tau - LAG / 2, tau + LAG / 2))


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
