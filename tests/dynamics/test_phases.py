"""Phase boundaries of curves and matrices of which the truth is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynamics.runs import EPOCHS, broken, constant, curve, dynamics, similarity
from repdyn.dynamics.phases import (
    REACH,
    change_points,
    find_phases,
    loss_spikes,
    memorisation_onset,
    perfect_fit,
    running_median,
)
from repdyn.dynamics.phases import test_error_extremes as error_extremes
from repdyn.records import Curve, Phases


def ramp(start: float, end: float):
    """Return a curve that is 0.02 before `start`, 1 after `end` and linear between."""
    return curve(lambda e: np.interp(e, [0, 2, start, end], [0.1, 0.02, 0.02, 1.0]))


def test_perfect_fit_is_the_first_epoch_without_a_miss() -> None:
    assert perfect_fit(ramp(10, 50)) == 50
    assert perfect_fit(curve(lambda e: np.full_like(e, 0.99))) is None


@given(start=st.integers(5, 100), length=st.integers(10, 200))
def test_onset_is_a_tenth_of_the_way_up(start: int, length: int) -> None:
    onset = memorisation_onset(ramp(start, start + length))
    assert onset is not None
    assert start + 0.1 * length <= onset + 1e-9
    assert onset <= start + 0.1 * length + 1


def test_a_fall_after_the_fit_is_a_spike_and_one_before_is_not() -> None:
    acc = ramp(10, 50)
    values = acc.values.copy()
    values[[45, 80, 81, 200]] = 0.9
    assert loss_spikes(Curve(acc.epochs, values)) == (80, 200)
    assert loss_spikes(acc) == ()
    assert loss_spikes(None) == ()


def test_a_single_jump_is_no_onset() -> None:
    noisy = ramp(100, 200)
    values = noisy.values.copy()
    values[40] = 0.5
    onset = memorisation_onset(Curve(noisy.epochs, values))
    assert onset is not None
    assert onset >= 100


def test_labels_that_are_never_fit_have_no_onset() -> None:
    assert memorisation_onset(curve(lambda e: 0.1 * np.exp(-e))) is None


def test_a_double_descent_has_its_minimum_and_its_peak() -> None:
    error = curve(lambda e: 0.5 * np.exp(-e / 4) + 0.1 + 0.1 * np.exp(-(((e - 120) / 40) ** 2)))
    low, peak = error_extremes(Curve(error.epochs, 1 - error.values))
    assert peak is not None
    assert abs(peak - 120) <= REACH * 120
    truth = error.values[:121].argmin()
    assert low is not None
    assert abs(low - truth) <= 2


def test_an_error_that_rises_and_stays_has_no_peak() -> None:
    error = curve(lambda e: 0.5 * np.exp(-e / 4) + 0.1 + 0.1 / (1 + np.exp(-(e - 100) / 10)))
    low, peak = error_extremes(Curve(error.epochs, 1 - error.values))
    assert peak is None
    assert low is not None
    assert abs(low - error.values.argmin()) <= 2


def test_a_flat_test_error_has_its_minimum_where_it_gets_flat() -> None:
    rng = np.random.default_rng(0)
    acc = curve(lambda e: 0.9 - 0.5 * np.exp(-e / 2) + rng.normal(scale=0.005, size=len(e)))
    low, _ = error_extremes(acc)
    assert low is not None
    assert 5 <= low <= 20


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


def test_a_jump_between_two_stages_is_one_change_point() -> None:
    stage = np.where(EPOCHS < 40, 0, 1)
    matrix = np.where(stage[:, None] == stage[None], 1.0, 0.4)
    assert change_points(matrix, EPOCHS) == (int(EPOCHS[EPOCHS >= 40][0]),)


def test_three_stages_have_two_change_points() -> None:
    stage = np.digitize(EPOCHS, [8, 80])
    matrix = np.where(stage[:, None] == stage[None], 1.0, 0.3)
    expected = tuple(int(EPOCHS[at <= EPOCHS][0]) for at in (8, 80))
    assert change_points(matrix, EPOCHS) == expected


def test_a_jump_under_noise_is_still_found() -> None:
    rng = np.random.default_rng(3)
    points = np.where(EPOCHS[:, None] < 40, [1.0, 0.0], [0.0, 1.0]) + rng.normal(
        scale=0.1, size=(len(EPOCHS), 2)
    )
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    assert change_points(points @ points.T, EPOCHS) == (int(EPOCHS[EPOCHS >= 40][0]),)


@pytest.mark.parametrize("scatter", [0.0, 1e-5])
def test_a_layer_that_stands_still_has_none(scatter: float) -> None:
    matrix = np.full((len(EPOCHS), len(EPOCHS)), 1 - scatter)
    np.fill_diagonal(matrix, 1)
    assert change_points(matrix, EPOCHS) == ()


def test_leaving_the_initial_model_is_no_change_point() -> None:
    matrix = np.ones((len(EPOCHS), len(EPOCHS)))
    matrix[0, 1:] = matrix[1:, 0] = 0.1
    assert change_points(matrix, EPOCHS) == ()


def test_a_matrix_with_nan_or_three_checkpoints_has_none() -> None:
    assert change_points(np.full((len(EPOCHS), len(EPOCHS)), np.nan), EPOCHS) == ()
    assert change_points(np.eye(3), np.array([0, 1, 2])) == ()


def test_phases_of_a_run_are_those_of_its_parts() -> None:
    run = dynamics([broken(np.log(50), 2.0, 0.01), constant(0.5)])
    curves = {"train/acc": ramp(10, 60), "train/acc_noisy": ramp(20, 60)}
    phases = find_phases(curves, run)
    assert phases.fit == 60
    assert phases.onset == 24
    assert phases.test_min is None
    assert len(phases.change_points) == 3
    assert phases.change_points[1] == change_points(
        similarity(broken(np.log(50), 2.0, 0.01)), EPOCHS
    )
    assert find_phases({}, None) == Phases()
