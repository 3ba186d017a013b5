"""Drift rates against their closed form."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import RegularGridInterpolator

from repdyn.analysis.drift import LAG, STEP, drift, interpolated, latest_rate, powers, rates
from tests.support.synthetic_runs import EPOCHS, broken, constant, similarity


@pytest.mark.parametrize("speed", [0.05, 0.5, 2.0])
def test_a_constant_speed_gives_its_rate(speed: float) -> None:
    found = drift(similarity(constant(speed))[None], EPOCHS)
    assert found is not None
    late = found.tau > np.log(6)  # where checkpoints are closer than the lag
    np.testing.assert_allclose(found.rate[0, late], 1 - np.exp(-speed * LAG), rtol=0.03)


@given(
    power=st.floats(0.5, 2),
    scale=st.floats(1e-2, 2),
    seed=st.integers(0, 2**31),
    gaps=st.integers(8, 60),
)
def test_a_power_of_the_lag_gives_one_rate_wherever_the_checkpoints_are(
    power: float, scale: float, seed: int, gaps: int
) -> None:
    at = np.cumsum(np.random.default_rng(seed).uniform(0.02, 0.6, gaps))
    lags = np.abs(at[:, None] - at[None])
    tau = np.arange(at[0] + LAG / 2, at[-1] - LAG / 2, STEP)
    found = rates(np.exp(-scale * lags[None] ** power), at, tau)[0]
    np.testing.assert_allclose(found, 1 - np.exp(-scale * LAG**power), rtol=1e-6)


@pytest.mark.parametrize("speed", [0.05, 0.5, 2.0])
def test_a_run_that_goes_on_has_the_rate_of_its_last_checkpoint(speed: float) -> None:
    matrix = similarity(constant(speed))[None]
    for count in range(3, len(EPOCHS) + 1):
        found = latest_rate(matrix[:, :count, :count], EPOCHS[:count])
        assert found == pytest.approx([1 - np.exp(-speed * LAG)], rel=1e-6), count


def test_the_latest_rate_is_the_last_of_all() -> None:
    matrix = similarity(broken(np.log(60), 1.0, 0.1))[None]
    every, latest = drift(matrix, EPOCHS), latest_rate(matrix, EPOCHS)
    assert every is not None
    assert latest == pytest.approx(every.rate[:, -1], rel=0.05)


@pytest.mark.parametrize("epochs", [[0], [0, 1], [1], [0, 1, 3], [0, 1, 2, 4, 50]])
def test_too_few_checkpoints_or_too_far_apart_have_no_latest_rate(epochs: list[int]) -> None:
    matrix = np.ones((1, len(epochs), len(epochs)))
    assert latest_rate(matrix, np.array(epochs)) is None


def test_distances_below_the_floor_do_not_tell_how_they_grow() -> None:
    at = np.linspace(0, 5, 30)
    lags = np.abs(at[:, None] - at[None])
    assert powers(np.stack([lags**1.5, 1e-7 * lags, 0 * lags]), at) == pytest.approx([1.5, 1, 1])


def test_the_rate_of_two_speeds_changes_between_them() -> None:
    at = np.log(60)
    found = drift(similarity(broken(at, 1.0, 0.1))[None], EPOCHS)
    assert found is not None
    before = (found.tau > np.log(6)) & (found.tau < at - LAG)
    np.testing.assert_allclose(found.rate[0, before], 1 - np.exp(-LAG), rtol=0.02)
    after = found.tau > at + LAG
    np.testing.assert_allclose(found.rate[0, after], 1 - np.exp(-0.1 * LAG), rtol=0.02)


def test_interpolation_equals_scipys_away_from_the_diagonal() -> None:
    at = np.log(EPOCHS[1:])
    matrix = np.random.default_rng(0).normal(size=(len(at), len(at)))
    early = np.array([0.3, 1.0, 2.2, 4.0])
    late = early + 1.5
    expected = RegularGridInterpolator((at, at), matrix)(np.stack([early, late], axis=1))
    np.testing.assert_allclose(interpolated(matrix[None], at, early, late)[0], expected)


def test_a_representation_equals_itself_between_checkpoints() -> None:
    at = np.log(EPOCHS[1:])
    matrix = similarity(constant(3.0))[1:, 1:]
    between = (at[1:] + at[:-1]) / 2
    np.testing.assert_allclose(interpolated(matrix[None], at, between, between)[0], 1)


def test_checkpoints_themselves_are_met_exactly() -> None:
    at = np.log(EPOCHS[1:])
    matrix = similarity(constant(0.7))[1:, 1:]
    i, j = np.triu_indices(len(at))
    np.testing.assert_allclose(interpolated(matrix[None], at, at[i], at[j])[0], matrix[i, j])


@pytest.mark.parametrize("epochs", [[0], [0, 1], [5], [0, 10, 11]])
def test_checkpoints_within_one_lag_have_no_drift(epochs: list[int]) -> None:
    at = np.array(epochs)
    assert drift(np.ones((1, len(at), len(at))), at) is None


def test_nothing_is_read_between_checkpoints_that_lie_far_apart() -> None:
    for epochs, known in (([0, 1, 2, 5, 10, 20], True), ([0, 1, 2, 6, 10, 20], False)):
        found = drift(similarity(constant(1.0), np.array(epochs))[None], np.array(epochs))
        assert (found is not None) == known


def test_log_epochs_are_evenly_spaced_and_lie_within_the_run() -> None:
    found = drift(similarity(constant(1.0))[None], EPOCHS)
    assert found is not None
    np.testing.assert_allclose(np.diff(found.tau), STEP)
    assert found.tau[0] - LAG / 2 >= -1e-9
    assert found.tau[-1] + LAG / 2 <= np.log(EPOCHS[-1]) + 1e-6
