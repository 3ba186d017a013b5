"""Phase boundaries of curves and matrices of which the truth is known."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from repdyn.analysis.change_points import change_points, joint_change_points
from repdyn.analysis.phases import (
    LEAST_EPOCHS,
    REACH,
    Boundary,
    find_phases,
    jitter,
    loss_spikes,
    lowest_to_the_end,
    memorisation_onset,
    perfect_fit,
    running_median,
    with_spikes,
    without_open_minimum,
)
from repdyn.analysis.phases import test_error_extremes as extremes_beside
from repdyn.records import Curve, Phases
from tests.support.present import present
from tests.support.synthetic_runs import EPOCHS, broken, constant, curve, dynamics


def error_extremes(test_acc: Curve | None) -> tuple[Boundary | None, Boundary | None]:
    """Return minimum and peak of a run whose training accuracies are not known."""
    return extremes_beside(test_acc, None)


def ramp(start: float, end: float) -> Curve:
    """Return a curve that is 0.02 before `start`, 1 after `end` and linear between."""
    return curve(lambda e: np.interp(e, [0, 2, start, end], [0.1, 0.02, 0.02, 1.0]))


def test_perfect_fit_is_the_first_epoch_without_a_miss() -> None:
    assert present(perfect_fit(ramp(10, 50))).epoch == 50
    assert perfect_fit(curve(lambda e: np.full_like(e, 0.99))) is None


@given(start=st.integers(5, 100), length=st.integers(10, 200))
def test_onset_is_a_tenth_of_the_way_up(start: int, length: int) -> None:
    onset = present(memorisation_onset(ramp(start, start + length))).epoch
    assert start + 0.1 * length <= onset + 1e-9
    assert onset <= start + 0.1 * length + 1


def test_a_fall_after_the_fit_is_a_spike_and_one_before_is_not() -> None:
    acc = ramp(10, 50)
    values = acc.values.copy()
    values[[45, 80, 81, 200]] = 0.9
    assert loss_spikes(Curve(acc.steps, values)) == (80, 200)
    assert loss_spikes(acc) == ()
    assert loss_spikes(None) == ()


def seen_accuracies(seed: int, n: int = 1000) -> NDArray[np.float64]:
    """Return accuracies of 200 epochs that reach 1 at a chance epoch and pace, of n images each."""
    rng = np.random.default_rng(seed)
    epochs = np.arange(200)
    true = 1 / (1 + np.exp(-(epochs - rng.uniform(10, 40)) / rng.uniform(4, 10)))
    return np.asarray(rng.binomial(n, true) / n)


def test_the_scatter_of_epochs_just_after_the_fit_is_no_spike() -> None:
    false = []
    for seed in range(300):
        values = seen_accuracies(seed)
        false.append(bool(loss_spikes(Curve(np.arange(len(values)), values))))
    assert np.mean(false) <= 0.02


@given(seed=st.integers(0, 10**6), depth=st.floats(0.03, 0.9), start=st.integers(150, 190))
def test_a_fall_of_three_points_is_a_spike(seed: int, depth: float, start: int) -> None:
    values = seen_accuracies(seed)
    values[start : start + 3] = 1 - depth
    assert start in loss_spikes(Curve(np.arange(len(values)), values))


def test_a_single_jump_is_no_onset() -> None:
    noisy = ramp(100, 200)
    values = noisy.values.copy()
    values[40] = 0.5
    onset = present(memorisation_onset(Curve(noisy.steps, values))).epoch
    assert onset >= 100


def test_labels_that_are_never_fit_have_no_onset() -> None:
    assert memorisation_onset(curve(lambda e: 0.1 * np.exp(-e))) is None


def test_a_double_descent_has_its_minimum_and_its_peak() -> None:
    error = curve(lambda e: 0.5 * np.exp(-e / 4) + 0.1 + 0.1 * np.exp(-(((e - 120) / 40) ** 2)))
    low, peak = error_extremes(Curve(error.steps, 1 - error.values))
    assert abs(present(peak).epoch - 120) <= REACH * 120
    truth = error.values[:121].argmin()
    assert abs(present(low).epoch - truth) <= 2


@pytest.mark.parametrize("recovers", [True, False])
@pytest.mark.parametrize("start", [60, 140, 240])
def test_the_test_error_of_a_fall_from_the_fit_is_no_double_descent(
    start: int, recovers: bool
) -> None:
    train, error = ramp(10, 50), curve(lambda e: 0.5 * np.exp(-e / 4) + 0.1 + 2e-4 * e)
    end = start + start // 2 if recovers else len(train.steps)
    train.values[start:end], error.values[start:end] = 0.95, 0.25
    test = Curve(error.steps, 1 - error.values)
    seen = error_extremes(test)[1]
    assert (seen is not None) == recovers, "by itself the curve looks like one"
    low, peak = extremes_beside(test, train)
    assert peak is None
    assert abs(present(low).epoch - error.values[:50].argmin()) <= 2
    stored = find_phases({"test/acc": test}, None)
    found = with_spikes(replace(stored, fit=50), {"train/acc": train, "test/acc": test})
    assert (found.test_peak, found.fit, found.spikes) == (None, 50, (start,))
    if recovers:
        assert found.intervals == {"test_min": present(low).interval}


@given(start=st.integers(150, 300), length=st.integers(1, 40))
def test_a_double_descent_is_found_beside_a_fall(start: int, length: int) -> None:
    train = ramp(10, 140)
    error = curve(lambda e: 0.5 * np.exp(-e / 4) + 0.1 + 0.1 * np.exp(-(((e - 80) / 25) ** 2)))
    test = Curve(error.steps, 1 - error.values)
    expected = error_extremes(test)
    assert expected[1] is not None
    train.values[start : start + length] = test.values[start : start + length] = 0.5
    found = extremes_beside(test, train)
    for one, other in zip(found, expected, strict=True):
        assert abs(present(one).epoch - present(other).epoch) <= 1


def test_an_error_that_rises_and_stays_has_no_peak() -> None:
    error = curve(lambda e: 0.5 * np.exp(-e / 4) + 0.1 + 0.1 / (1 + np.exp(-(e - 100) / 10)))
    low, peak = error_extremes(Curve(error.steps, 1 - error.values))
    assert peak is None
    assert abs(present(low).epoch - error.values.argmin()) <= 2


@pytest.mark.parametrize("tau", [1, 2, 5, 20])
@pytest.mark.parametrize("last", range(1, 30))
def test_an_error_that_still_falls_has_no_minimum(last: int, tau: int) -> None:
    acc = curve(lambda e: 0.9 - 0.8 * np.exp(-e / tau), last=last)
    assert error_extremes(acc) == (None, None)
    lowest = lowest_to_the_end(acc)
    if last + 1 < LEAST_EPOCHS:
        assert lowest is None
    else:
        assert min(last - 1, 3 * tau) <= present(lowest) <= last


def test_onset_is_not_looked_for_in_fewer_epochs_than_the_medians_span() -> None:
    assert memorisation_onset(curve(lambda e: np.minimum(1, e / 5), last=LEAST_EPOCHS - 2)) is None
    assert memorisation_onset(curve(lambda e: np.minimum(1, e / 5), last=LEAST_EPOCHS - 1))


def test_an_error_that_has_not_fallen_beyond_its_jitter_has_no_minimum() -> None:
    rng = np.random.default_rng(0)
    jittery = rng.normal(scale=0.03, size=13)
    low, peak = error_extremes(curve(lambda e: 0.1 + 0.003 * e + jittery, last=12))
    assert (low, peak) == (None, None)


def test_a_rise_from_the_start_is_no_second_descent() -> None:
    error = curve(lambda e: np.interp(e, [0, 10, 60, 400], [0.8, 0.9, 0.3, 0.2]))
    low, peak = error_extremes(Curve(error.steps, 1 - error.values))
    assert (low, peak) == (None, None)
    assert present(lowest_to_the_end(Curve(error.steps, 1 - error.values))) >= 390


@given(seed=st.integers(0, 200), scale=st.floats(0, 0.02))
@settings(max_examples=30)
def test_noise_about_a_falling_error_is_no_double_descent(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    acc = curve(lambda e: 0.9 - 0.5 * np.exp(-e / 5) + rng.normal(scale=scale, size=len(e)))
    assert error_extremes(acc)[1] is None


def test_running_median_is_the_median_of_the_epochs_around() -> None:
    wiggle = curve(lambda e: np.random.default_rng(0).normal(size=len(e)), last=60)
    smooth = running_median(wiggle)
    assert smooth[0] == np.median(wiggle.values[:3])
    assert smooth[10] == np.median(wiggle.values[8:13])
    assert smooth[50] == np.median(wiggle.values[45:56])


def test_jitter_is_the_standard_deviation_about_a_trend() -> None:
    rng = np.random.default_rng(0)
    trend = np.linspace(0, 50, 4000) ** 2 / 1000
    assert jitter(trend + rng.normal(scale=0.3, size=4000)) == pytest.approx(0.3, rel=0.05)
    assert jitter(trend) == pytest.approx(0, abs=1e-6)
    assert jitter(np.array([1.0, 5.0])) == 0


def test_boundaries_of_curves_without_jitter_are_certain() -> None:
    assert present(perfect_fit(ramp(10, 50))).interval == (50, 50)
    assert present(memorisation_onset(ramp(20, 60))).interval == (24, 24)
    acc = curve(lambda e: 1 - np.abs(e - 100) / 400)
    first, last = present(error_extremes(acc)[0]).interval
    assert 100 * (1 - REACH) <= first <= last <= 100 * (1 + REACH)


def test_the_interval_of_a_noisy_onset_holds_it() -> None:
    truth = present(memorisation_onset(ramp(60, 160))).epoch
    held = 0
    for seed in range(40):
        noise = np.random.default_rng(seed).normal(scale=0.02, size=401)
        onset = present(memorisation_onset(Curve(np.arange(401), ramp(60, 160).values + noise)))
        low, high = onset.interval
        assert low <= onset.epoch <= high
        assert high - low < 20
        held += low <= truth <= high
    assert held >= 36


def test_a_lucky_epoch_reaches_the_fit_and_the_interval_goes_on_to_the_lasting_one() -> None:
    acc = ramp(10, 50)
    values = acc.values.copy()
    values[40] = 1.0
    fit = present(perfect_fit(Curve(acc.steps, values)))
    assert fit.epoch == 40
    assert fit.interval == (40, 50)


def test_a_fit_that_the_run_does_not_keep_may_as_well_lie_at_its_end() -> None:
    acc = curve(lambda e: np.where(e == 30, 1.0, 0.9))
    assert present(perfect_fit(acc)).interval == (30, 400)


def test_a_flat_error_has_no_minimum_but_says_from_where_it_is_flat() -> None:
    rng = np.random.default_rng(0)
    acc = curve(lambda e: 0.9 - 0.5 * np.exp(-e / 2) + rng.normal(scale=0.005, size=len(e)))
    assert error_extremes(acc) == (None, None)
    assert 5 <= present(lowest_to_the_end(acc)) <= 20


def test_an_error_that_is_flat_but_for_its_last_epochs_has_no_minimum() -> None:
    acc = curve(lambda e: np.where(e < 20, e / 40, 0.5) - 0.02 * (e > 378))
    smooth = running_median(acc)
    assert smooth[-1] < smooth[300], "the last median is of the last epochs"
    assert error_extremes(acc) == (None, None)
    assert lowest_to_the_end(acc) is not None


def test_an_error_that_rises_again_has_a_minimum_and_is_not_lowest_to_the_end() -> None:
    rng = np.random.default_rng(0)
    error = curve(lambda e: 0.3 + 0.5 * np.exp(-e / 5) + 5e-4 * e)
    acc = Curve(error.steps, 1 - error.values + rng.normal(scale=0.003, size=401))
    low = present(error_extremes(acc)[0])
    # the derivative, -.1 exp(-e / 5) + 5e-4, is 0 at e = 5 ln 200
    assert low.interval[0] <= 5 * np.log(200) <= low.interval[1] < 100
    assert lowest_to_the_end(acc) is None


def test_stored_spikes_are_those_of_the_accuracies_where_these_are_there() -> None:
    acc = ramp(10, 50)
    acc.values[80] = 0.9
    stored = Phases(fit=50, spikes=(52,))
    assert with_spikes(stored, {"train/acc": acc}) == Phases(fit=50, spikes=(80,))
    assert with_spikes(stored, {"test/acc": acc}) == stored


def test_a_stored_minimum_that_reaches_the_end_is_none() -> None:
    ends = {"fit": (50, 60), "test_min": (7, 200)}
    stored = Phases(fit=55, test_min=7, intervals=ends)
    assert without_open_minimum(stored, 200) == Phases(fit=55, intervals={"fit": (50, 60)})
    assert without_open_minimum(stored, 300) == stored
    before_a_peak = replace(stored, test_peak=190)
    assert without_open_minimum(before_a_peak, 200) == before_a_peak
    for other in (Phases(fit=55), Phases(test_min=7)):
        assert without_open_minimum(other, 200) == other


@pytest.mark.parametrize("seed", range(5))
def test_the_interval_of_a_peak_holds_it(seed: int) -> None:
    noise = np.random.default_rng(seed).normal(scale=0.01, size=401)
    error = curve(
        lambda e: 0.5 * np.exp(-e / 4) + 0.1 + 0.1 * np.exp(-(((e - 120) / 40) ** 2)) + noise
    )
    low, peak = error_extremes(Curve(error.steps, 1 - error.values))
    assert present(peak).interval[0] <= 120 <= present(peak).interval[1]
    assert present(low).interval[1] < present(peak).interval[0]


def test_phases_of_a_run_are_those_of_its_parts() -> None:
    run = dynamics([broken(np.log(50), 2.0, 0.01), constant(0.5)])
    curves = {"train/acc": ramp(10, 60), "train/acc_noisy": ramp(20, 60)}
    phases = find_phases(curves, run)
    assert phases.fit == 60
    assert phases.onset == 24
    assert phases.test_min is None
    assert phases.intervals == {"onset": (24, 24), "fit": (60, 60)}
    layers = [change_points(matrix, EPOCHS) for matrix in run.similarity["cka"]]
    assert phases.change_points == tuple(layer.epochs for layer in layers)
    assert phases.change_intervals == tuple(layer.intervals for layer in layers)
    joint = joint_change_points(run.similarity["cka"], EPOCHS)
    assert (phases.joint, phases.joint_intervals) == (joint.epochs, joint.intervals)


def test_a_run_without_label_noise_has_no_onset() -> None:
    phases = find_phases({"train/acc": ramp(10, 60)}, None)
    assert phases.onset is None
    assert set(phases.intervals) == {"fit"}
    assert find_phases({}, None) == Phases()
