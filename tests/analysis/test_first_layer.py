"""The return of the first layer, on paths whose distance from the start is known."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from repdyn.analysis.drift import FLOOR, LAG
from repdyn.analysis.first_layer import first_layer_return
from tests.support.synthetic_runs import EPOCHS

LAST = math.log(EPOCHS[-1])


def away(distance: Callable[[np.ndarray], np.ndarray], epochs: np.ndarray = EPOCHS) -> np.ndarray:
    """Return a matrix in which a layer is at a distance from step 0 that depends on log-epoch."""
    matrix = np.eye(len(epochs))
    far = distance(np.log(np.maximum(epochs, 1)))
    matrix[0, 1:] = matrix[1:, 0] = 1 - far[1:]
    return matrix


def test_a_return_is_the_ratio_of_the_distances() -> None:
    """Out to .8 until two thirds of the log epochs, then back to .2, both held for long."""
    out_and_back = away(lambda tau: np.where(tau < LAST * 2 / 3, 0.8, 0.2))
    value, rank = first_layer_return(out_and_back, EPOCHS)
    assert value == pytest.approx(math.log2((0.8 + FLOOR) / (0.2 + FLOOR)))
    assert rank > 0.99


def test_a_steady_return_loses_half_a_window_at_both_ends() -> None:
    """log2 of the distance rises by 1 a log-epoch to the middle, and falls at that rate."""

    def tent(tau: np.ndarray) -> np.ndarray:
        return np.asarray(2.0 ** (-3 - np.abs(tau - LAST / 2)) - FLOOR)

    dense = np.arange(0, 3001)
    value, _ = first_layer_return(away(tent, dense), dense)
    half = math.log(3000)
    fall = half - LAST / 2  # from the peak to the end
    # a window around the peak has a mean LAG / 4 below it, the last one LAG / 2 above its end
    assert value == pytest.approx(fall - LAG / 2 - LAG / 4, abs=0.03)


@pytest.mark.parametrize("held", [0.0, 0.3])
def test_a_layer_that_only_moves_away_or_stands_still_returns_nothing(held: float) -> None:
    value, rank = first_layer_return(away(lambda tau: np.asarray(held + 0.1 * tau)), EPOCHS)
    assert (value, rank) == (0.0, 0.0)
    value, rank = first_layer_return(away(lambda tau: np.full_like(tau, held)), EPOCHS)
    assert value == pytest.approx(0.0, abs=1e-9)
    assert rank == 0.0


def test_noise_is_not_taken_for_a_return() -> None:
    """Runs that rise to a plateau with noise: few rank above .95."""
    rng = np.random.default_rng(0)
    ranks = []
    for _ in range(60):
        noise = 1 + 0.1 * rng.normal(size=len(EPOCHS))

        def plateau(tau: np.ndarray, noise: np.ndarray = noise) -> np.ndarray:
            return np.asarray(0.3 * (1 - np.exp(-2 * tau)) * noise)

        ranks.append(first_layer_return(away(plateau), EPOCHS)[1])
    assert np.mean(np.array(ranks) > 0.95) <= 0.15
    assert 0.3 < np.mean(ranks) < 0.75


def test_a_return_within_noise_is_found() -> None:
    rng = np.random.default_rng(1)
    for _ in range(10):
        noise = 1 + 0.1 * rng.normal(size=len(EPOCHS))

        def back(tau: np.ndarray, noise: np.ndarray = noise) -> np.ndarray:
            return np.asarray(0.3 * noise * np.where(tau < LAST * 2 / 3, 1.0, 0.6))

        assert first_layer_return(away(back), EPOCHS)[1] > 0.95


def test_without_the_start_or_enough_of_the_run_nothing_is_said() -> None:
    def nothing(matrix: np.ndarray, epochs: np.ndarray) -> bool:
        return bool(np.isnan(first_layer_return(matrix, epochs)).all())

    whole = away(lambda tau: 0.1 * tau)
    assert nothing(whole[1:, 1:], EPOCHS[1:])
    assert nothing(whole[:3, :3], EPOCHS[:3])
    assert nothing(whole[:1, :1], EPOCHS[:1])
    assert nothing(whole[::20, ::20], EPOCHS[::20])
    undefined = whole.copy()
    undefined[0, 7] = np.nan
    assert nothing(undefined, EPOCHS)
