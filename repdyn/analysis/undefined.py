"""Why a run lacks a phase boundary or a score, in plain words, from its stored data."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from repdyn.analysis.breaks import REACH
from repdyn.analysis.drift import LAG, WIDEST
from repdyn.analysis.first_layer import WINDOWS
from repdyn.analysis.phases import (
    JITTERS,
    LEAST_EPOCHS,
    LEAST_PEAK,
    PERFECT,
    jitter,
    lowest_to_the_end,
)
from repdyn.analysis.scores import LEAST_POINTS, MEANINGS, compute_scores
from repdyn.records import EPOCH, Curve, Dynamics, IntArray, Phases, plural
from repdyn.score_key import ScoreKey
from repdyn.step_words import counted, step

NO_FLIPPED = "undefined without label noise: no labels are flipped"

NOT_LOGGED = "log train/acc and test/acc (docs/measures.md)"
"""All boundaries, of a run without the curves in which they are found."""

FOUND_IN = ("train/acc", "train/acc_noisy", "test/acc")
"""The curves in which boundaries are found."""

NOT_STORED = "defined, but not among the scores stored with this run"

FLAT = 1.5
"""Ratio of steps over which a test error must stay at its lowest to be flat."""

REACHES = math.exp(REACH + LAG / 2)
"""Multiple of the epoch of a break that the run must reach, for the window after it and the lag of a
rate; the window before it begins at the epoch divided by this."""

AT_FIT = ("fit_break", "fit_break_rank", "fit_break_weakest_layer_rank", "all_break_chance")
OUTSIDE_FIT = ("synchrony_outside_fit", "synchrony_outside_fit_rank")
CHANGE_SPREAD = ("change_spread", "change_spread_rank")
OF_FIT = (*AT_FIT, *OUTSIDE_FIT, *CHANGE_SPREAD)
BREAK_SPREAD = ("break_spread", "break_spread_rank")
DEPTH_DRIFT = ("depth_drift", "depth_drift_rank")
FIRST_LAYER = ("first_layer_return", "first_layer_return_rank")


def undefined_phases(
    curves: Mapping[str, Curve], phases: Phases, unit: str = EPOCH
) -> dict[str, str]:
    """Return why each missing boundary is undefined, by the names of `Phases.markers`.

    Args:
        curves: of the run, as passed to find_phases.
        phases: found in them.
        unit: of the steps.
    """
    if not curves.keys() & set(FOUND_IN):
        reasons = dict.fromkeys(("onset", "fit", "test_min", "test_peak"), NOT_LOGGED)
        return {name: why for name, why in reasons.items() if name not in phases.markers()}
    reasons = {
        "onset": _no_onset(curves, unit),
        "fit": _no_fit(curves.get("train/acc"), unit),
        "test_min": _no_minimum(curves.get("test/acc"), unit),
        "test_peak": _too_short(curves.get("test/acc"), "test accuracy", unit)
        or f"the test error does not rise and fall again by {LEAST_PEAK:g} or more",
    }
    return {name: why for name, why in reasons.items() if name not in phases.markers()}


def undefined_scores(
    dynamics: Dynamics,
    phases: Phases,
    scores: Mapping[ScoreKey, float],
    *,
    fit_known: bool = True,
) -> dict[ScoreKey, str]:
    """Return why each missing score is undefined.

    Args:
        dynamics, phases: of the run.
        scores: those that it has.
        fit_known: whether the run has the curve in which perfect fit is found.
    """
    keys = (ScoreKey(score, measure) for measure in dynamics.similarity for score in MEANINGS)
    missing = [key for key in keys if key not in scores]
    # earlier versions stored fewer of them
    definable = compute_scores(dynamics, phases) if missing else {}
    reasons: dict[ScoreKey, str] = {}
    for key in missing:
        why = _why(key, dynamics, phases, fit_known=fit_known)
        reasons[key] = NOT_STORED if key in definable else why
    return reasons


_NO_FIT = "needs perfect fit, for which train/acc must be logged"


def _no_onset(curves: Mapping[str, Curve], unit: str) -> str:
    if "train/acc_noisy" not in curves:
        return NO_FLIPPED if "train/acc" in curves else "training accuracy is not recorded"
    return (
        _too_short(curves["train/acc_noisy"], "noisy-fit accuracy", unit)
        or "the flipped labels never start to be fit"
    )


def _no_fit(train_acc: Curve | None, unit: str) -> str:
    if train_acc is None or not len(train_acc.values):
        return "training accuracy is not recorded"
    best = int(np.argmax(train_acc.values))
    return (
        f"training accuracy never reached {PERFECT:g}; its highest is "
        f"{train_acc.values[best]:.3f}, at {unit} {step(int(train_acc.steps[best]))}"
    )


def _no_minimum(test_acc: Curve | None, unit: str) -> str:
    short = _too_short(test_acc, "test accuracy", unit)
    if short or test_acc is None:
        return short
    return open_end(test_acc, unit) or "the test error never falls below where it begins"


def open_end(test_acc: Curve, unit: str) -> str:
    """Return whether the test error is flat or still falls at the end of a run; empty if neither."""
    lowest = lowest_to_the_end(test_acc)
    if lowest is None:
        return ""
    last = int(test_acc.steps[-1])
    if last < FLAT * lowest:
        return f"the test error still falls at the end, {unit} {step(last)}"
    within = JITTERS * jitter(test_acc.values)
    noisy = f", to within {within:.2g}, twice its jitter" if within else ""
    return f"the test error is flat from {unit} {step(lowest)} to the end{noisy}"


def _too_short(curve: Curve | None, what: str, unit: str) -> str:
    """Return why a curve cannot be analysed, empty if it can."""
    if curve is None:
        return f"{what} is not recorded"
    if len(curve.values) < LEAST_EPOCHS:
        count = len(curve.values)
        return f"{what} is recorded at {counted(count, unit)}; {LEAST_EPOCHS} are needed"
    return ""


def _why(key: ScoreKey, dynamics: Dynamics, phases: Phases, *, fit_known: bool) -> str:
    stem, unit, matrices = key.score, dynamics.unit, dynamics.matrices(key.measure)[1:]
    trained = dynamics.steps >= 1
    finite = np.isfinite(matrices[:, trained][:, :, trained]).all(axis=(1, 2))
    at = dynamics.steps[trained]
    if stem in FIRST_LAYER:
        return _few_layers(len(matrices), len(matrices), 1) or _no_return(dynamics.steps, unit)
    needed = 3 if stem in DEPTH_DRIFT else 1 if stem in AT_FIT else 2
    return (
        _no_drift(at, unit)
        or _few_layers(len(matrices), int(finite.sum()), needed)
        or (_NO_FIT if stem in OF_FIT and not fit_known else _why_of(stem, at, phases, unit))
    )


def _no_return(steps: IntArray, unit: str) -> str:
    """Return why it is unknown how the first layer moves from the initial model."""
    if steps[0] != 0:
        return f"needs the initial model; the first checkpoint is at {unit} {step(int(steps[0]))}"
    return _no_drift(steps[1:], unit, WINDOWS) or (
        "the first layer's similarity with the initial model is undefined"
    )


def _no_drift(at: IntArray, unit: str, lags: int = 1) -> str:
    """Return why the checkpoints (E,), without the initial model, give no drift rates.

    Args:
        at: the checkpoints.
        unit: of them.
        lags: how many lags they must span.
    """
    ratio = math.exp(lags * LAG)
    if len(at) < 2:
        return f"{counted(len(at), 'checkpoint')} after {unit} 0; at least 2 are needed"
    gaps = np.diff(np.log(at.astype(np.float64)))
    widest = int(np.argmax(gaps))
    if gaps[widest] > WIDEST + 1e-9:
        return (
            f"no checkpoint between {plural(unit)} {step(int(at[widest]))} and "
            f"{step(int(at[widest + 1]))}; consecutive ones may be at most {math.exp(WIDEST):.1f} × apart"
        )
    if gaps.sum() < lags * LAG - 1e-9:
        return (
            f"the checkpoints end at {unit} {step(int(at[-1]))}; "
            f"{unit} {step(math.ceil(at[0] * ratio))}, {ratio:.3g} × the first, is needed"
        )
    return ""


def _few_layers(count: int, finite: int, needed: int) -> str:
    if finite >= needed:
        return ""
    lost = f", {count - finite} of them without a defined similarity" if finite < count else ""
    return f"{counted(count, 'layer')} after the first{lost}; {needed} {'is' if needed == 1 else 'are'} needed"


def _why_of(stem: str, at: IntArray, phases: Phases, unit: str) -> str:
    """Return why a score is undefined for a run that has drift rates of enough layers."""
    if stem in OF_FIT:
        if phases.fit is None:
            return "needs perfect fit, which the run did not reach"
        if phases.fit < 1:
            return f"the fit is perfect at {unit} 0, before training"
    if stem in AT_FIT:
        return (
            _cut_off(at, phases, unit)
            or f"no other {unit} is far enough from the fit to compare with"
        )
    if stem in OUTSIDE_FIT:
        return (
            "too little of the run lies away from perfect fit, or fewer than two layers vary there"
        )
    if stem in CHANGE_SPREAD:
        return _no_stretch(stem, phases, unit)
    if stem in BREAK_SPREAD and at[-1] < REACHES**2 * at[0]:
        least = math.ceil(REACHES**2 * at[0])
        return (
            f"run ends at {unit} {step(int(at[-1]))}; "
            f"the windows of a break need {unit} {step(least)}"
        )
    if stem in ("synchrony", "synchrony_rank"):
        return (
            f"fewer than two layers vary, or the run has fewer than {LEAST_POINTS} points of drift"
        )
    return "not stored with this run"


def _cut_off(at: IntArray, phases: Phases, unit: str) -> str:
    """Return why the windows around perfect fit do not lie within the run."""
    fit = phases.fit or 0
    least = math.ceil(REACHES * fit)
    if at[-1] < least:
        return (
            f"run ends at {unit} {step(int(at[-1]))}, {counted(int(at[-1]) - fit, unit)} after perfect "
            f"fit; the fit break needs {REACHES:.2f} × the fit {unit} = {step(least)}"
        )
    if fit < REACHES * at[0]:
        return (
            f"perfect fit, at {unit} {step(fit)}, comes too soon; the fit break needs "
            f"{REACHES:.2f} × the first checkpoint = {step(math.ceil(REACHES * at[0]))}"
        )
    return ""


def _no_stretch(stem: str, phases: Phases, unit: str) -> str:
    if phases.onset is None:
        return "needs memorisation onset, which the run does not have"
    if not 1 <= phases.onset < (phases.fit or 0):
        return f"memorisation onset, at {unit} {step(phases.onset)}, is not between {unit} 1 and perfect fit"
    if stem == "change_spread_rank":
        return "the run has no other stretch as long as from onset to fit"
    return "the layers do not change from onset to fit"
