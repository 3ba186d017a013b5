"""Scores of a run: how distinguishable its phases are, and how synchronously its layers change.

All but the return of the first layer (first_layer.py) are computed from the drift rates (drift.py) of
the layers after the first, a stem or patch embedding that hardly moves. Each is given for every similarity measure of a run, together with its
rank in a null, `…_rank`: what it would be without the effect that it measures (nulls.py).

Simpler scores fail: similarity within phases minus similarity between them grows with the width of
the window, and the correlation of whole E×E matrices is near 1 for any two layers, since all of them
fall off from the diagonal.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from repdyn.analysis.breaks import REACH, break_at, slowdown
from repdyn.analysis.drift import FLOOR, STEP, Drift, drift
from repdyn.analysis.first_layer import first_layer_return
from repdyn.analysis.nulls import (
    all_break_chance,
    slope_rank,
    spread_rank,
    synchrony_rank,
    variation,
    variation_rank,
)
from repdyn.records import Dynamics, FloatArray, IntArray, Phases
from repdyn.score_key import ScoreKey

STEADY = 0.02
"""Standard deviation of a layer's log₂ rate below which it drifts steadily: 1.4 % of its rate, about what
reading rates between checkpoints leaves, in the same places for all layers."""

LEAST_POINTS = 10
"""Fewest points of a stretch to which a trend can be fitted."""

MEANINGS: Mapping[str, str] = {
    "fit_break": "log₂ of how many times slower layers drift just after perfect fit than before",
    "fit_break_rank": "share of the run's other epochs at which drift slows down less",
    "fit_break_weakest_layer_rank": "the lowest such share of any layer; near 1: all layers break",
    "all_break_chance": "share of random runs that drift like this one in which all layers break",
    "synchrony": "correlation of the layers' drift rates, trends removed; 1: they move together",
    "synchrony_rank": "share of random time shifts that correlate less; .5: chance",
    "synchrony_outside_fit": "synchrony away from perfect fit, whose break all layers share",
    "synchrony_outside_fit_rank": "its rank among random time shifts; .5: chance",
    "change_spread": "spread over layers of the change from onset to fit; 0: all change alike",
    "change_spread_rank": "share of the run's other stretches of that length where it is smaller",
    "break_spread": "spread over layers of the epoch of the largest slowdown, in decades",
    "break_spread_rank": "share of random epochs that spread less; near 0: all at one epoch",
    "depth_drift": "log₂ of how many times faster the last layer drifts than the first, linear fit",
    "depth_drift_rank": "share of other layer orders in which it is smaller; .5: chance",
    "first_layer_return": "log₂ of how many times nearer to its start the first layer ends than it was",
    "first_layer_return_rank": "share of copies with its noise but no return that come back less",
}
"""What each score means."""


def compute_scores(dynamics: Dynamics, phases: Phases) -> dict[ScoreKey, float]:
    """Return the scores that are defined for this run."""
    scores: dict[ScoreKey, float] = {}
    for measure in dynamics.similarity:
        found = _scores(dynamics.matrices(measure)[1:], dynamics.steps, phases)
        ranks = layer_fit_breaks(dynamics, phases, measure)[1]
        found["fit_break_weakest_layer_rank"] = min(ranks[np.isfinite(ranks)], default=np.nan)
        matrices = dynamics.matrices(measure)
        if len(matrices) > 1:  # a single layer is the last as well
            back = first_layer_return(matrices[0], dynamics.steps)
            found["first_layer_return"], found["first_layer_return_rank"] = back
        scores |= {
            ScoreKey(name, measure): float(found[name])
            for name in MEANINGS
            if np.isfinite(found.get(name, np.nan))
        }
    return scores


def _scores(matrices: FloatArray, epochs: IntArray, phases: Phases) -> dict[str, float]:
    trained = epochs >= 1  # before, the output of a last layer that starts at zero is undefined
    finite = matrices[np.isfinite(matrices[:, trained][:, :, trained]).all(axis=(1, 2))]
    drifts = drift(finite, epochs) if len(finite) else None
    if drifts is None:
        return {}
    scores: dict[str, float] = {}
    scores["depth_drift"], scores["depth_drift_rank"] = depth_drift(drifts)
    scores["synchrony"], scores["synchrony_rank"] = synchrony(drifts)
    scores["break_spread"], scores["break_spread_rank"] = break_spread(drifts)
    if phases.fit is not None and phases.fit >= 1:
        tau = float(np.log(phases.fit))
        scores["fit_break"], scores["fit_break_rank"] = fit_break(drifts, tau)
        scores["all_break_chance"] = all_break_chance(drifts.tau, drifts.log_rate, tau)
        outside = synchrony(drifts, without=tau)
        scores["synchrony_outside_fit"], scores["synchrony_outside_fit_rank"] = outside
        if phases.onset is not None and 1 <= phases.onset < phases.fit:
            spread = change_spread(finite, epochs, phases.onset, phases.fit)
            scores["change_spread"], scores["change_spread_rank"] = spread
    return scores


def fit_break(drifts: Drift, fit: float) -> tuple[float, float]:
    """Return the break at perfect fit, and its rank among the breaks elsewhere in the run.

    Args:
        drifts: of the layers.
        fit: log-epoch of perfect fit.

    Returns:
        F, the mean over layers of the slowdown at the fit; and the share of log-epochs farther from
        it than ln 2.5, whose windows do not contain it, at which the slowdown is smaller. NaN if
        the run ends too soon after the fit, or has no such other epochs.
    """
    mean = slowdown(drifts.tau, drifts.log_rate).mean(axis=0)
    value, rank = break_at(mean, drifts.tau, fit)
    return float(value), float(rank)


def layer_fit_breaks(
    dynamics: Dynamics, phases: Phases, measure: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the break at perfect fit of each layer after the first, and its rank.

    Break and rank are as in fit_break, but for one layer's slowdown instead of the mean: a transition
    across all layers has a high rank in each of them, while a few can dominate a mean.

    Returns:
        Breaks (L-1,) and ranks (L-1,); NaN for all layers without a perfect fit, and for a layer
        with NaN before it or within the window after it.
    """
    matrices = dynamics.matrices(measure)[1:]
    found = np.full((2, len(matrices)), np.nan)
    drifts = drift(matrices, dynamics.steps)
    if drifts is not None and phases.fit is not None and phases.fit >= 1:
        at = float(np.log(phases.fit))
        for layer, slowdowns in enumerate(slowdown(drifts.tau, drifts.log_rate)):
            found[:, layer] = break_at(slowdowns, drifts.tau, at)
    return found[0], found[1]


def synchrony(drifts: Drift, without: float | None = None) -> tuple[float, float]:
    """Return the mean correlation of pairs of layers' log rates, with linear trends removed.

    Args:
        drifts: of the layers.
        without: a log-epoch; the stretch of ± ln 2.5 around it is left out, and trend and level are
            removed on each side of it, so that a break there does not count.

    Returns:
        Between -1 and 1, and its rank among those of layers shifted against each other; NaN with
        fewer than two layers that vary.
    """
    tau = drifts.tau
    sides = [np.ones(len(tau), dtype=bool)]
    if without is not None:
        sides = [tau < without - REACH, tau > without + REACH]
    parts = [_detrended(tau[s], drifts.log_rate[:, s]) for s in sides if s.sum() >= LEAST_POINTS]
    if not parts:
        return float("nan"), float("nan")
    rest = np.concatenate(parts, axis=1)
    varies = rest.std(axis=1) > STEADY
    if varies.sum() < 2:
        return float("nan"), float("nan")
    pairs = np.corrcoef(rest[varies])[np.triu_indices(varies.sum(), 1)]
    return float(pairs.mean()), synchrony_rank([part[varies] for part in parts])


def change_spread(
    matrices: FloatArray, epochs: IntArray, onset: int, fit: int
) -> tuple[float, float]:
    """Return the coefficient of variation over layers of 1 - S(onset, fit), and its rank.

    The rank is among the run's other stretches of the same ratio of epochs.
    """
    if len(matrices) < 2:
        return float("nan"), float("nan")
    trained = epochs >= 1
    at = np.log(epochs[trained].astype(np.float64))
    begin, end = (float(np.log(epoch)) for epoch in (onset, fit))
    inside = matrices[:, trained][:, :, trained].astype(np.float64)
    value = variation(inside, at, np.array([begin]), end - begin)[0]
    return float(value), variation_rank(inside, at, begin, end, STEP)


def break_spread(drifts: Drift) -> tuple[float, float]:
    """Return the standard deviation over layers of log₁₀ of the epoch of the largest slowdown.

    Its rank is among those of epochs drawn log-uniformly from the run, one per layer.
    """
    drops = slowdown(drifts.tau, drifts.log_rate)
    known = np.isfinite(drops).all(axis=0)
    if len(drops) < 2 or not known.any():
        return float("nan"), float("nan")
    tau = drifts.tau[known]
    largest = tau[np.argmax(drops[:, known], axis=1)]
    return float(np.std(largest / np.log(10))), spread_rank(largest, tau)


def depth_drift(drifts: Drift) -> tuple[float, float]:
    """Return the slope over relative depth of log₂ of the layers' mean drift rates, and its rank.

    Depth runs from 0, the first layer that counts, to 1, the last; the slope is that of the least-squares
    line, the rank among the same layers in other orders. A rank correlation would be 1 in nearly every
    run, however much faster deep layers move.
    """
    mean = np.log2(np.maximum(drifts.rate.mean(axis=1), 0) + FLOOR)
    if len(mean) < 3:
        return float("nan"), float("nan")
    slope = np.polynomial.polynomial.polyfit(np.linspace(0, 1, len(mean)), mean, 1)[1]
    return float(slope), slope_rank(mean)


def _detrended(tau: NDArray[np.float64], rates: NDArray[np.float64]) -> NDArray[np.float64]:
    line = np.polynomial.polynomial.polyfit(tau, rates.T, 1)
    return np.asarray(rates - np.polynomial.polynomial.polyval(tau, line))
