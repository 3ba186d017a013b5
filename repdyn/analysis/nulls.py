"""What a score would be by chance: its rank in a null distribution.

A rank is the share of the null's values that are smaller: near 1 or near 0, chance does not explain the
score. The rank of the break at perfect fit, among the run's own other epochs, is in scores.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from repdyn.analysis.breaks import ALL_BREAK, break_at, slowdown
from repdyn.analysis.drift import interpolated

DRAWS = 400
"""Draws per null: a rank is accurate to about .02."""

BATCH = 20
"""Copies that are drawn at once: few, since a run may have hundreds of layers. It divides DRAWS."""

Rates = NDArray[np.float64]


def synchrony_rank(parts: Sequence[Rates]) -> float:
    """Return the rank of the mean correlation of layers among those of shifted layers.

    Each layer is shifted circularly against the others by a random number of log-epochs, separately
    in each part. So it keeps its own fluctuations, through which even unrelated layers correlate in a
    short run, but not their timing.

    Args:
        parts: the layers' detrended log rates, (L, T) for each part; of layers that vary.

    Returns:
        NaN with fewer than two layers.
    """
    layers = len(parts[0]) if parts else 0
    if layers < 2:
        return float("nan")
    spread = np.concatenate(parts, axis=1).std(axis=1, keepdims=True)
    scaled = [part / spread for part in parts]
    rng = np.random.default_rng(0)
    value = sum(float(np.square(part.sum(axis=0)).sum()) for part in scaled)
    drawn = np.zeros(DRAWS)
    for part in scaled:
        length = part.shape[1]
        shifts = rng.integers(length, size=(DRAWS, layers, 1))
        for i, shift in enumerate(shifts):
            shifted = np.take_along_axis(part, (np.arange(length) + shift) % length, axis=1)
            drawn[i] += np.square(shifted.sum(axis=0)).sum()
    # the square of the layers' sum is their number and twice the sum of their correlations
    return rank(value, drawn)


def spread_rank(places: NDArray[np.float64], between: NDArray[np.float64]) -> float:
    """Return the rank of the spread of some places among those drawn independently.

    Args:
        places: log-epochs, one per layer, (L,).
        between: log-epochs to draw from, (T,).
    """
    drawn = np.random.default_rng(0).choice(between, size=(DRAWS, len(places)))
    return rank(float(places.std()), drawn.std(axis=1))


def all_break_chance(tau: Rates, log_rate: Rates, at: float) -> float:
    """Return how often all layers of a run like this one would break at a log-epoch by chance.

    The copies have its layers' log rates without linear trend, which changes no rank, and with the
    phases of their Fourier components drawn at random (Theiler et al. 1992), the same for all layers
    (Prichard and Theiler 1994): so each is as smooth as in the run and as correlated with the others,
    but nothing happens at one epoch rather than another. The components are those of the rates followed
    by their mirror image, so that the ends, which the transform joins, do not differ. On simulated
    runs that wander at random it is within .04 of how often their layers do break at an epoch like
    any other; for drift that is smooth over more than half a log-epoch it is on the low side.

    Args:
        tau: log-epochs, (T,).
        log_rate: of the layers, (L, T).
        at: log-epoch of perfect fit.

    Returns:
        The share of DRAWS copies in which each layer's slowdown ranks at least ALL_BREAK; NaN where
        slowdowns at this log-epoch have no rank.
    """
    line = np.polynomial.polynomial.polyfit(tau, log_rate.T, 1)
    rest = log_rate - np.polynomial.polynomial.polyval(tau, line)
    spectrum = np.fft.rfft(np.concatenate([rest, rest[:, ::-1]], axis=1), axis=1)
    rng = np.random.default_rng(0)
    lowest: list[float] = []
    while len(lowest) < DRAWS:
        turns = np.exp(2j * np.pi * rng.random((BATCH, 1, spectrum.shape[1])))
        copies = np.fft.irfft(spectrum * turns, axis=-1)[..., : len(tau)]
        lowest += break_at(slowdown(tau, copies), tau, at)[1].min(axis=1).tolist()
    return float("nan") if np.isnan(lowest[0]) else float(np.mean(np.array(lowest) >= ALL_BREAK))


def slope_rank(values: NDArray[np.float64]) -> float:
    """Return the rank of a slope over depth among those of the layers in other orders.

    Args:
        values: of the layers in order of depth, (L,).

    Returns:
        With few layers no rank is near 1: with three, one order in six is the right one.
    """
    rng = np.random.default_rng(0)
    depth = np.linspace(-1, 1, len(values))
    orders = rng.permuted(np.tile(values, (DRAWS, 1)), axis=1)
    return rank(float(values @ depth), orders @ depth)


def variation_rank(
    matrices: NDArray[np.float64], at: NDArray[np.float64], begin: float, end: float, step: float
) -> float:
    """Return the rank of change_spread among the run's other stretches of equal length in log-epoch.

    Args:
        matrices: (L, E, E).
        at: log-epochs of the checkpoints, (E,).
        begin, end: of the stretch; others that overlap with it do not count.
        step: between stretches.

    Returns:
        NaN if the run is too short for another.
    """
    length = end - begin
    begins = np.arange(at[0], at[-1] - length + 1e-9, step)
    begins = begins[np.abs(begins - begin) >= length - 1e-9]
    if not len(begins):
        return float("nan")
    return rank(
        float(variation(matrices, at, np.array([begin]), length)[0]),
        variation(matrices, at, begins, length),
    )


def variation(
    matrices: NDArray[np.float64],
    at: NDArray[np.float64],
    begins: NDArray[np.float64],
    length: float,
) -> NDArray[np.float64]:
    """Return the coefficient of variation over layers of their change over some stretches.

    Args:
        matrices: (L, E, E).
        at: log-epochs of the checkpoints, (E,).
        begins: of the stretches, (T,).
        length: of each.

    Returns:
        (T,); NaN where the layers do not change.
    """
    change = 1 - interpolated(matrices, at, begins, begins + length)
    mean = change.mean(axis=0)
    return np.asarray(change.std(axis=0) / np.where(mean > 0, mean, np.nan))


def rank(value: float, drawn: NDArray[np.float64]) -> float:
    """Return the share of finite values that are smaller, by more than rounding."""
    known = drawn[np.isfinite(drawn)]
    if not np.isfinite(value) or not len(known):
        return float("nan")
    return float(np.mean(known < value - 1e-9 * abs(value)))
