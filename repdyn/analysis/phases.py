"""Phase boundaries, from the curves; changes of the representations are in change_points.py.

Boundaries are epochs of the run; the docstring of each function defines the boundary and the interval
of epochs in which it lies.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from repdyn.measures.spec import PRIMARY
from repdyn.records import Curve, Dynamics, FloatArray, Interval, Phases

PERFECT = 0.999
"""Training accuracy that counts as perfect fit: one example in a thousand may be misclassified."""

FALLEN = 0.995
"""Training accuracy below which a run has fallen back from perfect fit, unless its jitter reaches as far."""

ONSET_SHARE = 0.1
"""Share of the way from its minimum to 1 that noisy-fit accuracy must rise before memorisation counts
as started."""

LEAST_REACH, REACH = 2, 0.1
"""How far the running median of a curve reaches on either side: epochs, and share of the epoch.
Curves change with ratios of epochs; their jitter does not."""

LEAST_EPOCHS = 2 * (2 * LEAST_REACH + 1)
"""Fewest epochs of a curve to look for its lowest point: two windows of the running median, one
before it and one after. With fewer, all medians cover much the same values, and the jitter is that of
learning itself."""

LEAST_PEAK = 0.02
"""Smallest rise and fall of the test error that counts as a peak."""

JITTERS = 2
"""Multiple of a curve's jitter within which two of its values cannot be told apart."""

LEAST_JITTERY = 20
"""Fewest epochs from the start of a curve over which to estimate its jitter: up to the boundary,
since the curve may be at its ceiling after it."""


@dataclass(frozen=True)
class Boundary:
    """An epoch, and the first and last at which the boundary could equally lie."""

    epoch: int
    interval: Interval


def find_phases(curves: Mapping[str, Curve], dynamics: Dynamics | None) -> Phases:
    """Find the boundaries between the phases of a run.

    Args:
        curves: of the run, with `train/acc`, `test/acc` and, with label noise, `train/acc_noisy`;
            a boundary whose curve is missing is None.
        dynamics: for the change points; None omits them.
    """
    train_acc = curves.get("train/acc")
    test_min, test_peak = test_error_extremes(curves.get("test/acc"), train_acc)
    named = {
        "onset": memorisation_onset(curves.get("train/acc_noisy")),
        "fit": perfect_fit(train_acc),
        "test_min": test_min,
        "test_peak": test_peak,
    }
    found = {name: boundary for name, boundary in named.items() if boundary is not None}
    epochs = {name: boundary.epoch for name, boundary in found.items()}
    phases = Phases(
        onset=epochs.get("onset"),
        fit=epochs.get("fit"),
        test_min=epochs.get("test_min"),
        test_peak=epochs.get("test_peak"),
        spikes=loss_spikes(train_acc),
        intervals={name: boundary.interval for name, boundary in found.items()},
    )
    return phases if dynamics is None else _with_change_points(phases, dynamics)


def _with_change_points(phases: Phases, dynamics: Dynamics) -> Phases:
    # ruptures takes a second to import, and only the end of a run needs it
    from repdyn.analysis.change_points import change_points, joint_change_points

    if PRIMARY.name not in dynamics.similarity:
        return phases
    matrices = dynamics.matrices(PRIMARY.name)
    errors = dynamics.errors_of(PRIMARY.name)
    layers = [
        change_points(matrix, dynamics.steps, None if errors is None else errors[layer])
        for layer, matrix in enumerate(matrices)
    ]
    joint = joint_change_points(matrices, dynamics.steps, errors)
    return replace(
        phases,
        change_points=tuple(layer.epochs for layer in layers),
        change_intervals=tuple(layer.intervals for layer in layers),
        joint=joint.epochs,
        joint_intervals=joint.intervals,
    )


def perfect_fit(train_acc: Curve | None) -> Boundary | None:
    """Return the first epoch at which training accuracy reaches PERFECT.

    Its interval begins where accuracy is within JITTERS times its jitter of PERFECT, and ends where
    its running median reaches it, since a single epoch may do so by luck.
    """
    if train_acc is None:
        return None
    at = _first(train_acc.values >= PERFECT)
    if at is None:
        return None
    early = _first(train_acc.values >= _nearly_perfect(train_acc.values, at))
    late = _first(running_median(train_acc) >= PERFECT)
    return _boundary(train_acc, early, at, late)


def loss_spikes(train_acc: Curve | None) -> tuple[int, ...]:
    """Return the epochs after perfect fit at which training accuracy falls back.

    It does where it is below FALLEN and farther below PERFECT than JITTERS times its jitter: where the
    fit is only just reached, accuracies of epochs scatter as they did before it. Of consecutive such
    epochs, only the first is returned.
    """
    if train_acc is None:
        return ()
    fallen = _fallen(train_acc)
    starts = fallen & ~np.concatenate([[False], fallen[:-1]])
    return tuple(int(epoch) for epoch in train_acc.steps[starts])


def _fallen(train_acc: Curve) -> NDArray[np.bool_]:
    """Return at which epochs training accuracy has fallen back, (E,)."""
    values = train_acc.values
    at = _first(values >= PERFECT)
    if at is None:
        return np.zeros(len(values), dtype=bool)
    least = min(FALLEN, _nearly_perfect(values, at))
    return np.asarray((values < least) & (np.arange(len(values)) > at))


def _without_falls(curve: Curve, train_acc: Curve) -> Curve:
    """Return a curve that is linear from where training accuracy falls back to where it is PERFECT again."""
    index = np.arange(1, len(train_acc.steps) + 1)
    fall = np.maximum.accumulate(np.where(_fallen(train_acc), index, 0))
    perfect = np.maximum.accumulate(np.where(train_acc.values >= PERFECT, index, 0))
    lost = np.concatenate([[False], fall > perfect])
    out = lost[np.searchsorted(train_acc.steps, curve.steps, side="right")]
    if not out.any() or out.all():
        return curve
    values = np.interp(curve.steps, curve.steps[~out], curve.values[~out])
    return replace(curve, values=values)


def _nearly_perfect(values: FloatArray, fit: int) -> float:
    """Return the accuracy that cannot be told from PERFECT, by the jitter up to the index of the fit."""
    return PERFECT - JITTERS * jitter(values[: max(fit + 1, LEAST_JITTERY)])


def memorisation_onset(noisy_fit: Curve | None) -> Boundary | None:
    """Return when the flipped labels start to be fit; None without label noise or LEAST_EPOCHS.

    While the network learns what generalises, it contradicts flipped labels, and noisy-fit accuracy
    (the share of them predicted as flipped) falls below chance. The onset is the first epoch after
    its minimum m at which its running median reaches m + ONSET_SHARE·(1 - m). Its interval extends
    from where the median reaches JITTERS times the curve's jitter less to where it reaches that much
    more: m is the lowest of many medians, and tends to be too low by as much as they err.

    Without flipped labels, atypical examples could stand in for them, which are also fit late and
    only by memorisation; but finding them takes the predictions for each example over the epochs,
    which runs do not record.
    """
    if noisy_fit is None or len(noisy_fit.values) < LEAST_EPOCHS:
        return None
    smooth = running_median(noisy_fit)
    start = int(np.nanargmin(smooth))
    threshold = smooth[start] + ONSET_SHARE * (1 - smooth[start])
    after = np.arange(len(smooth)) >= start
    at = _first(after & (smooth >= threshold))
    if at is None:
        return None
    noise = JITTERS * jitter(noisy_fit.values[: max(at + 1, LEAST_JITTERY)])
    early = _first(after & (smooth >= threshold - noise))
    late = _first(after & (smooth >= threshold + noise))
    return _boundary(noisy_fit, early, at, late)


def test_error_extremes(
    test_acc: Curve | None, train_acc: Curve | None
) -> tuple[Boundary | None, Boundary | None]:
    """Return the test error's minimum and its later peak; None for fewer than LEAST_EPOCHS epochs.

    Epoch-wise double descent (Nakkiran et al. 2020): the error falls, rises to a peak and falls
    again. The peak is where the smaller of the rise from the lowest error before it and the fall to
    the lowest after it is largest, on the running median; it counts if that exceeds LEAST_PEAK and
    three times the curve's jitter. The minimum is searched for before the peak, or everywhere without
    one, and is the first epoch within JITTERS times the jitter of it. If that is where the curve
    begins, the error has not fallen, so there is no minimum, and what follows is not a second
    descent. Nor is there one if the error is that close to it at the curve's end, as far as the last
    median reaches, where it is flat or still falls: `lowest_to_the_end` says from which epoch on.

    The interval of each extends from the first to the last epoch that close to it, whether or not the
    error leaves that range in between.

    Where the training accuracy has fallen back from perfect fit, the test error rises with the training
    error, which is no double descent: until the fit is perfect again, it is taken as linear.
    """
    if test_acc is None or len(test_acc.values) < LEAST_EPOCHS:
        return None, None
    noise = jitter(test_acc.values)
    if train_acc is not None:
        test_acc = _without_falls(test_acc, train_acc)
    error = 1 - running_median(test_acc)
    rise = error - np.minimum.accumulate(error)
    fall = error - np.minimum.accumulate(error[::-1])[::-1]
    height = np.minimum(rise, fall)
    peak = int(np.argmax(height))
    if height[peak] >= max(LEAST_PEAK, 3 * noise):
        low = _minimum(test_acc, error[: peak + 1], JITTERS * noise)
        if low is not None:
            first, last = _within(height, JITTERS * noise)
            return low, _boundary(test_acc, first, peak, last)
    return _minimum(test_acc, error, JITTERS * noise), None


def _minimum(test_acc: Curve, error: NDArray[np.float64], reach: float) -> Boundary | None:
    """Return the first epoch within reach of the lowest error; None at either end of the curve."""
    first, last = _within(-error, reach)
    inside = first > 0 and not _at_the_end(test_acc)[last]
    return _boundary(test_acc, first, first, last) if inside else None


def _at_the_end(curve: Curve) -> NDArray[np.bool_]:
    """Return which epochs the running median of the last one reaches, (E,)."""
    return np.asarray(curve.steps >= _reach_of_end(int(curve.steps[-1])))


def _reach_of_end(last: int) -> float:
    return last - max(LEAST_REACH, REACH * last)


def without_open_minimum(phases: Phases, last: int) -> Phases:
    """Return phases without a minimum of the test error whose interval reaches the end of the run.

    Earlier versions have stored it: see `test_error_extremes`.

    Args:
        phases: as stored.
        last: step of the run.
    """
    if phases.test_peak is not None or "test_min" not in phases.intervals:
        return phases
    if phases.intervals["test_min"][1] < _reach_of_end(last):
        return phases
    intervals = {name: ends for name, ends in phases.intervals.items() if name != "test_min"}
    return replace(phases, test_min=None, intervals=intervals)


def with_spikes(phases: Phases, curves: Mapping[str, Curve]) -> Phases:
    """Return stored phases with the spikes of the run's accuracies, where they are there.

    Earlier versions have stored the scatter of epochs just after the fit as spikes (see `loss_spikes`),
    and the rise of the test error at a spike as its peak (see `test_error_extremes`).
    """
    acc = curves.get("train/acc")
    if acc is None:
        return phases
    phases = replace(phases, spikes=loss_spikes(acc))
    if not phases.spikes or phases.test_peak is None:
        return phases
    low, peak = test_error_extremes(curves.get("test/acc"), acc)
    found = {"test_min": low, "test_peak": peak}
    others = {name: ends for name, ends in phases.intervals.items() if name not in found}
    return replace(
        phases,
        test_min=None if low is None else low.epoch,
        test_peak=None if peak is None else peak.epoch,
        intervals=others | {name: one.interval for name, one in found.items() if one is not None},
    )


def lowest_to_the_end(test_acc: Curve) -> int | None:
    """Return from which epoch on the test error is at its lowest, within its jitter, up to the end.

    None if it rises again, begins there, or has fewer than LEAST_EPOCHS epochs.
    """
    if len(test_acc.values) < LEAST_EPOCHS:
        return None
    near = running_median(test_acc)
    low = near >= near.max() - JITTERS * jitter(test_acc.values)
    if not (low & _at_the_end(test_acc)).any() or low[0]:
        return None
    return int(test_acc.steps[int(np.argmax(low))])


def jitter(values: FloatArray) -> float:
    """Return the standard deviation of a curve about its trend.

    The median absolute second difference, which is insensitive to a steady trend and a few jumps,
    · 1.4826 / √6; 0 for fewer than three values.
    """
    if len(values) < 3:
        return 0.0
    return 1.4826 * float(np.median(np.abs(np.diff(values, 2)))) / math.sqrt(6)


def running_median(curve: Curve) -> NDArray[np.float64]:
    """Return the running median at each epoch, with the reach set by REACH and LEAST_REACH."""
    reach = np.maximum(LEAST_REACH, REACH * curve.steps)
    first = np.searchsorted(curve.steps, curve.steps - reach)
    last = np.searchsorted(curve.steps, curve.steps + reach, side="right")
    return np.array([np.median(curve.values[a:b]) for a, b in zip(first, last, strict=True)])


def _first(reached: NDArray[np.bool_]) -> int | None:
    return int(np.argmax(reached)) if reached.any() else None


def _within(heights: NDArray[np.float64], reach: float) -> tuple[int, int]:
    """Return the first and the last index within reach of the greatest height."""
    near = np.flatnonzero(heights >= heights.max() - reach)
    return int(near[0]), int(near[-1])


def _boundary(curve: Curve, early: int | None, at: int, late: int | None) -> Boundary:
    """Return a boundary from indices; an interval end beyond the curve is the curve's own end."""
    first = 0 if early is None else early
    last = len(curve.steps) - 1 if late is None else late
    return Boundary(int(curve.steps[at]), (int(curve.steps[first]), int(curve.steps[last])))
