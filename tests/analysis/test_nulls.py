"""Ranks of scores in their nulls, of runs in which there is nothing and in which there is."""

import math
from functools import partial

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from repdyn.analysis.breaks import ALL_BREAK, break_at, slowdown
from repdyn.analysis.drift import LAG, STEP
from repdyn.analysis.nulls import (
    DRAWS,
    all_break_chance,
    slope_rank,
    spread_rank,
    synchrony_rank,
    variation_rank,
)
from repdyn.analysis.scores import compute_scores
from repdyn.records import Phases
from repdyn.score_key import ScoreKey
from tests.support.synthetic_runs import EPOCHS, Speed, broken, constant, dynamics, pulsed

PHASES = Phases(onset=15, fit=60)


def scores(speeds: list[Speed]) -> dict[ScoreKey, float]:
    return compute_scores(dynamics(speeds), PHASES)


def wandering(rng: np.random.Generator, layers: int, length: int = 240) -> np.ndarray:
    """Return series without trend that wander as drift rates do, each on its own."""
    noise = rng.normal(size=(layers, length + 40))
    return np.stack([np.convolve(row, np.hanning(41), mode="valid") for row in noise])


def uniform(ranks: list[float]) -> bool:
    """Say whether ranks lie as evenly between 0 and 1 as chance has it."""
    edges = np.histogram(ranks, bins=4, range=(0, 1))[0] / len(ranks)
    return bool(abs(np.mean(ranks) - 0.5) < 0.12 and edges.min() > 0.1 and edges.max() < 0.45)


def test_layers_on_their_own_have_any_rank_of_synchrony() -> None:
    rng = np.random.default_rng(0)
    assert uniform([synchrony_rank([wandering(rng, 6)]) for _ in range(60)])


def test_layers_that_share_their_ups_and_downs_have_the_highest_however_weak() -> None:
    rng = np.random.default_rng(0)
    for _ in range(10):
        shared = wandering(rng, 1) + 1.5 * wandering(rng, 8)
        assert synchrony_rank([shared]) > 0.95


def test_a_part_is_shifted_within_itself() -> None:
    """Levels that differ between the parts would else count as the layers' own ups and downs."""
    rng = np.random.default_rng(0)
    early, late = wandering(rng, 5, 100), wandering(rng, 5, 140)
    together = [early + wandering(rng, 1, 100) * 4, late]
    assert synchrony_rank(together) > 0.95
    assert np.isnan(synchrony_rank([early[:1], late[:1]]))
    assert np.isnan(synchrony_rank([]))


def test_epochs_drawn_at_random_spread_as_such() -> None:
    rng = np.random.default_rng(0)
    tau = np.linspace(1, 5, 200)
    assert uniform([spread_rank(rng.choice(tau, size=7), tau) for _ in range(60)])
    assert spread_rank(np.full(7, 3.0), tau) == 0


def test_slopes_of_layers_in_any_order_have_any_rank() -> None:
    rng = np.random.default_rng(0)
    assert uniform([slope_rank(rng.normal(size=8)) for _ in range(60)])


def test_the_rank_of_a_slope_is_its_share_of_all_orders() -> None:
    rising = np.array([1.0, 2.0, 4.0])
    assert slope_rank(rising) == pytest.approx(5 / 6, abs=3 * math.sqrt(5 / 36 / DRAWS))
    assert slope_rank(rising[::-1]) == 0


def test_a_change_as_even_as_at_no_other_time_has_rank_0_and_as_uneven_rank_1() -> None:
    def even_between(tau: np.ndarray, value: float, other: float) -> np.ndarray:
        inside = (tau >= math.log(15)) & (tau <= math.log(60))
        return np.where(inside, value, other)

    even: list[Speed] = [partial(even_between, value=0.3, other=v) for v in (0.1, 0.3, 0.9)]
    uneven: list[Speed] = [partial(even_between, value=v, other=0.3) for v in (0.1, 0.3, 0.9)]
    assert scores(even)[ScoreKey("change_spread_rank", "cka")] == 0
    assert scores(uneven)[ScoreKey("change_spread_rank", "cka")] == 1


def test_a_stretch_without_room_for_another_has_no_rank() -> None:
    matrices = (
        dynamics([constant(0.1), constant(0.2)]).similarity["cka"][:, 1:, 1:].astype(np.float64)
    )
    at = np.log(EPOCHS[1:])
    assert np.isnan(variation_rank(matrices, at, at[0] + 0.5, at[-1] - 0.5, 0.02))


def test_scores_of_layers_that_break_together_are_beyond_their_nulls() -> None:
    at = math.log(60)
    found = scores([broken(at, speed, speed / 20) for speed in (0.4, 0.5, 0.7, 1.0, 1.2)])
    assert found[ScoreKey("synchrony_rank", "cka")] > 0.98
    assert found[ScoreKey("break_spread_rank", "cka")] < 0.02
    assert found[ScoreKey("depth_drift_rank", "cka")] > 0.98


def test_scores_of_staggered_layers_are_not() -> None:
    found = scores([pulsed(phase, period=2.0) for phase in (0.0, 0.5, 1.0, 1.5)])
    assert found[ScoreKey("synchrony_rank", "cka")] < 0.9
    assert found[ScoreKey("synchrony_outside_fit_rank", "cka")] < 0.9
    assert found[ScoreKey("break_spread_rank", "cka")] > 0.1
    assert found[ScoreKey("depth_drift_rank", "cka")] < 0.95


TAU = np.arange(LAG / 2, np.log(400) - LAG / 2, STEP)


def drifting(rng: np.random.Generator, smooth: float, shared: float, layers: int = 4) -> np.ndarray:
    """Return log rates of layers that wander about a trend, and share that in part, (L, T)."""
    noise = shared * rng.normal(size=(1, 3 * len(TAU))) + rng.normal(size=(layers, 3 * len(TAU)))
    wandering_ones = gaussian_filter1d(noise, smooth / STEP, axis=1)[:, len(TAU) : 2 * len(TAU)]
    return np.asarray(wandering_ones / wandering_ones.std() - 0.3 * TAU)


@pytest.mark.parametrize(("smooth", "shared"), [(0.1, 3.0), (0.25, 1.0), (0.6, 8.0)])
def test_all_layers_break_by_chance_as_often_as_the_runs_say(smooth: float, shared: float) -> None:
    """Oracle: runs that drift at random, in which perfect fit is an epoch like any other."""
    rng = np.random.default_rng(0)
    happened: list[bool] = []
    said: list[float] = []
    for _ in range(300):
        log_rate, fit = drifting(rng, smooth, shared), float(np.log(rng.uniform(20, 100)))
        ranks = break_at(slowdown(TAU, log_rate), TAU, fit)[1]
        happened.append(ranks.min() >= ALL_BREAK)
        if len(said) < 20:
            said.append(all_break_chance(TAU, log_rate, fit))
    assert np.mean(said) == pytest.approx(np.mean(happened), abs=0.08)


def test_the_chance_of_all_layers_is_that_of_one_if_they_drift_as_one() -> None:
    rng = np.random.default_rng(3)
    one = drifting(rng, 0.25, 1.0, layers=1)
    alone = all_break_chance(TAU, one, np.log(50))
    assert all_break_chance(TAU, np.repeat(one, 5, axis=0), np.log(50)) == alone > 0
    apart = drifting(rng, 0.25, 0.0, layers=8)
    assert all_break_chance(TAU, apart, np.log(50)) < 0.02


def test_a_trend_or_a_scale_does_not_change_the_chance() -> None:
    log_rate = drifting(np.random.default_rng(4), 0.25, 3.0)
    found = all_break_chance(TAU, log_rate, np.log(50))
    assert all_break_chance(TAU, 3 * log_rate - 2 * TAU + 7, np.log(50)) == found


def test_a_fit_too_late_for_its_windows_has_no_chance() -> None:
    assert np.isnan(all_break_chance(TAU, drifting(np.random.default_rng(5), 0.25, 3.0), 5.9))


def test_every_score_has_its_rank() -> None:
    found = scores([broken(math.log(60), 1.0, 0.1), constant(0.2), constant(0.3)])
    for kind in ("cka", "regions"):
        stems = {key.score for key in found if key.measure == kind}
        bare = {stem for stem in stems if not stem.endswith(("_rank", "_chance"))}
        assert {f"{stem}_rank" for stem in bare} <= stems
