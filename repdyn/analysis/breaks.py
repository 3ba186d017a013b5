"""Slowdowns of drift: how much slower layers drift after an epoch than before, and its rank."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from repdyn.analysis.drift import LAG

REACH = float(np.log(2.5))
"""How far the windows before and after a break reach, in log-epoch."""

ALL_BREAK = 0.9
"""Rank among a run's other epochs from which a layer's slowdown at perfect fit counts as a break."""

Floats = NDArray[np.float64]


def slowdown(tau: Floats, log_rate: Floats) -> Floats:
    """Return at each log-epoch the mean log rate before it minus the one after it, (..., T).

    Before is τ - ln 2.5 … τ - δ/2, and after is its mirror image: rates within δ/2 of τ span it. NaN
    where a window is cut off by the ends of the run.

    Args:
        tau: log-epochs, (T,).
        log_rate: L(τ), (..., T).
    """
    start = np.zeros((*log_rate.shape[:-1], 1))
    sums = np.concatenate([start, np.cumsum(log_rate, axis=-1)], axis=-1)

    def mean_between(low: Floats, high: Floats) -> Floats:
        first = np.searchsorted(tau, low - 1e-9)
        last = np.searchsorted(tau, high + 1e-9)
        whole = (low >= tau[0] - 1e-9) & (high <= tau[-1] + 1e-9) & (last > first)
        means = (sums[..., last] - sums[..., first]) / np.maximum(last - first, 1)
        return np.where(whole, means, np.nan)

    before = mean_between(tau - REACH, tau - LAG / 2)
    after = mean_between(tau + LAG / 2, tau + REACH)
    return np.asarray(before - after)


def break_at(slowdowns: Floats, tau: Floats, at: float) -> tuple[Floats, Floats]:
    """Return slowdowns at a log-epoch and their ranks among those elsewhere in the run.

    Args:
        slowdowns: at each log-epoch, (..., T); only log-epochs where all are known are used.
        tau: log-epochs, (T,).
        at: log-epoch of the break.

    Returns:
        Slowdowns (...), interpolated; and the share of log-epochs farther away than ln 2.5, whose
        windows do not contain it, at which they are smaller. NaN if the run ends too soon after
        it, or has no such other epochs.
    """
    unknown = np.full(slowdowns.shape[:-1], np.nan)
    known = np.isfinite(slowdowns).all(axis=tuple(range(slowdowns.ndim - 1)))
    places = tau[known]
    if not len(places) or not places[0] - 1e-9 <= at <= places[-1] + 1e-9:
        return unknown, unknown
    after = int(np.clip(np.searchsorted(places, at), min(1, len(places) - 1), len(places) - 1))
    ends = slowdowns[..., known][..., [max(after - 1, 0), after]]
    gap = float(places[after] - places[max(after - 1, 0)])
    share = float(np.clip((at - places[after] + gap) / gap, 0, 1)) if gap else 0.0
    value = np.asarray(ends @ [1 - share, share])
    others = slowdowns[..., known & (np.abs(tau - at) > REACH)]
    rank = np.mean(others < value[..., None], axis=-1) if others.shape[-1] else unknown
    return value, np.asarray(rank)
