"""Verdicts against scipy, cases worked by hand, plain loops, and rates of error by simulation."""

import math
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from benchmarks.verdicts import Experiment, Rates, at_several_rates, covered, rates
from repdyn.analysis.verdicts import (
    ALIKE,
    MOST_SEEDS,
    NO_DIFFERENCE,
    ORDER,
    REFUTED,
    SHARE_MARGIN,
    SUPPORTED,
    UNDECIDED,
    finding_verdict,
    interval,
    judged_share,
    level_of,
    seeds_needed,
    seeds_needed_for_share,
    share_interval,
    verdict_of,
)

values_of_seeds = st.integers(2, 12).flatmap(
    lambda n: arrays(np.float64, n, elements=st.floats(-5, 5)).filter(lambda v: np.std(v) > 1e-3)
)


@given(values_of_seeds, st.floats(0.5, 0.999))
def test_intervals_are_scipys(values: np.ndarray, level: float) -> None:
    ends = stats.ttest_1samp(values, 0).confidence_interval(level)
    assert interval(values, level) == pytest.approx((np.mean(values), ends.low, ends.high))


@given(values_of_seeds, st.integers(1, 6))
def test_a_verdict_is_that_of_scipys_one_sided_tests(values: np.ndarray, effects: int) -> None:
    margin, outside = 0.3, min(0.025, 0.05 / effects)

    def beyond(limit: float, side: Literal["less", "greater"]) -> bool:
        return bool(stats.ttest_1samp(values, limit, alternative=side).pvalue < outside)

    small, positive = beyond(margin, "less"), beyond(0, "greater")
    not_opposite = beyond(-margin, "greater")
    expected = (
        (NO_DIFFERENCE if not_opposite else REFUTED)
        if small
        else (SUPPORTED if positive else UNDECIDED)
    )
    assert verdict_of(values, margin, effects) == expected


def test_many_at_once_are_as_each_alone() -> None:
    values = np.random.default_rng(0).normal(0.3, 1, size=(4, 5, 6))
    together = verdict_of(values, 0.5, 2)
    alone = [[verdict_of(row, 0.5, 2).item() for row in rows] for rows in values]
    assert together.tolist() == alone


@given(values_of_seeds, st.floats(0, 10), st.floats(0.01, 1))
def test_more_of_a_difference_never_speaks_against_it(
    values: np.ndarray, more: float, margin: float
) -> None:
    """Adding to all values moves the word only upwards in its order."""
    before, after = (verdict_of(v, margin, 2).item() for v in (values, values + more))
    assert ORDER.index(after) >= ORDER.index(before)


@given(values_of_seeds, st.floats(0.01, 1), st.floats(2, 100))
def test_noise_decides_nothing(values: np.ndarray, margin: float, times: float) -> None:
    """The same mean with a spread that is larger: what was undecided stays so."""
    wider = values.mean() + times * (values - values.mean())
    if verdict_of(values, margin) == UNDECIDED:
        assert verdict_of(wider, margin) == UNDECIDED


@given(values_of_seeds, st.randoms())
def test_verdicts_do_not_hang_on_the_order_of_the_seeds(values: np.ndarray, random: Random) -> None:
    shuffled = values.tolist()
    random.shuffle(shuffled)
    assert verdict_of(values, 0.3) == verdict_of(np.sort(shuffled), 0.3)


@given(values_of_seeds, st.floats(0.1, 100))
def test_verdicts_do_not_hang_on_the_unit(values: np.ndarray, unit: float) -> None:
    _, low, high = interval(values)
    if min(abs(low), abs(low + 0.3), abs(high - 0.3)) > 1e-6:  # rounding decides there
        assert verdict_of(values, 0.3) == verdict_of(unit * values, unit * 0.3)


BY_HAND = [
    # t(.975; 3) = 3.1824; s / √4 = .6455; half-width 2.05
    ([1.5, 2.5, 3.5, 4.5], 0.5, SUPPORTED),  # .95, 5.05
    ([0.5, 1.5, 2.5, 3.5], 0.5, UNDECIDED),  # -.05, 4.05
    ([-3.1, -2.1, -1.1, -0.1], 0.5, REFUTED),  # -3.65, .45
    ([-3.0, -2.0, -1.0, 0.0], 0.5, UNDECIDED),  # -3.55, .55
    ([-1.5, -0.5, 0.5, 1.5], 2.1, NO_DIFFERENCE),  # -2.05, 2.05
    ([-1.5, -0.5, 0.5, 1.5], 2.0, UNDECIDED),
    ([-9.0], 0.5, UNDECIDED),
    ([9.0], 0.5, UNDECIDED),
    ([], 0.5, UNDECIDED),
    # surely above 0, and surely below what matters
    ([0.1, 0.11, 0.12], 0.5, NO_DIFFERENCE),
    ([0.1, 0.11, 0.12], 0.11, SUPPORTED),
]


@pytest.mark.parametrize(("values", "margin", "verdict"), BY_HAND)
def test_cases_by_hand(values: list[float], margin: float, verdict: str) -> None:
    assert verdict_of(values, margin) == verdict


def test_more_than_two_effects_widen_the_interval() -> None:
    assert [level_of(effects) for effects in (1, 2)] == [0.95, 0.95]
    assert level_of(4) == pytest.approx(0.975)
    # t(.9875; 3) = 4.1765: half-width 2.70
    assert verdict_of([-3.1, -2.1, -1.1, -0.1], 0.5, 4) == UNDECIDED


@pytest.mark.parametrize("value", [0.2, -0.2, 0.0, 0.1 + 0.2, -1e-9])
@pytest.mark.parametrize("n", range(1, 9))
def test_a_few_differences_that_are_all_alike_decide_nothing(value: float, n: int) -> None:
    # those that differ by rounding are alike, too
    values = [value * (1 + 2e-16 * (i % 2)) for i in range(n)]
    decided = SUPPORTED if value > 0.05 else REFUTED if value < -0.05 else NO_DIFFERENCE
    assert verdict_of(values, 0.05) == (UNDECIDED if n < ALIKE else decided)
    assert np.isnan(interval(values)[1:]).all() == (n < ALIKE)


@pytest.mark.parametrize(
    ("verdicts", "whole"),
    [
        (["supported"] * 4, "supported"),
        (["supported", "undecided"], "undecided"),
        (["supported", "refuted"], "refuted"),
        (["undecided", "refuted"], "refuted"),
        (["no difference of note", "refuted"], "refuted"),
        (["no difference of note", "supported", "undecided"], "no difference of note"),
        (["undecided"], "undecided"),
        ([], "undecided"),
    ],
)
def test_a_finding_claims_all_its_effects(verdicts: list[str], whole: str) -> None:
    assert finding_verdict(verdicts) == whole


@pytest.mark.parametrize("n", [1, 3, 7, 20])
def test_whole_seeds_have_clopper_and_pearsons_interval(n: int) -> None:
    for hits in range(n + 1):
        shares = [1.0] * hits + [0.0] * (n - hits)
        ends = stats.binomtest(hits, n).proportion_ci(0.95)
        assert share_interval(shares) == pytest.approx((hits / n, ends.low, ends.high), abs=1e-9)
        wider = stats.binomtest(hits, n).proportion_ci(0.975)
        assert share_interval(shares, 0.975)[1:] == pytest.approx((wider.low, wider.high), abs=1e-9)


def test_no_seeds_have_no_share() -> None:
    assert np.isnan(share_interval([])).all()
    assert judged_share(np.nan, np.nan, 0.3) == UNDECIDED


@given(values_of_seeds, st.floats(0.01, 1), st.sampled_from([0.95, 0.975]))
def test_as_many_seeds_as_said_decide_if_mean_and_spread_stay(
    values: np.ndarray, margin: float, level: float
) -> None:
    """By a plain loop over numbers of seeds, with scipy's interval from mean, spread and number."""
    mean, spread = values.mean(), values.std(ddof=1)

    def decided(n: int) -> bool:
        low, high = stats.t.interval(level, n - 1, loc=mean, scale=spread / math.sqrt(n))
        return bool(high < margin or low > 0)

    numbers = [n for n in range(len(values), MOST_SEEDS + 1) if decided(n)]
    assert seeds_needed([*values], margin, level) == (numbers[0] if numbers else math.inf)


@given(values_of_seeds, st.floats(0.01, 1))
def test_what_is_undecided_takes_more_seeds(values: np.ndarray, margin: float) -> None:
    more = seeds_needed([*values], margin) > len(values)
    assert more == (verdict_of(values, margin) == UNDECIDED)


def test_how_many_seeds_is_not_said_without_a_hint() -> None:
    assert math.isinf(seeds_needed([5.0], 0.5))
    assert math.isinf(seeds_needed([], 0.5))
    assert math.isinf(seeds_needed([-9.0, 9.0, 0.1], 0.2))
    assert seeds_needed([0.2, 0.2], 0.5) == ALIKE


def test_as_many_seeds_of_shares_as_said_decide() -> None:
    """By hand: all of 4 seeds are the least whose lower end, .025^(1/4) = .398, is above .33."""
    assert seeds_needed_for_share([1, 1, 1], 0.33, 0.5) == 4
    # none of 6: 1 - .025^(1/6) = .459 is the first below .5
    assert seeds_needed_for_share([0, 0], 0.33, 0.5) == 6
    assert seeds_needed_for_share([], 0.33, 0.5) == math.inf


DRAWS = 4_000


def within(rate: float, expected: float) -> bool:
    """Say whether a rate of DRAWS is a likely one where the true rate is the expected."""
    return bool(stats.binomtest(round(rate * DRAWS), DRAWS, expected).pvalue > 1e-4)


def not_above(rate: float, most: float) -> bool:
    """Say whether a rate of DRAWS is a likely one where the true rate is at most this."""
    test = stats.binomtest(round(rate * DRAWS), DRAWS, most, alternative="greater")
    return bool(test.pvalue > 1e-4)


def noncentral(level: float, n: int, shift: float) -> float:
    """Return the chance that Student's t, shifted, is beyond its quantile."""
    return float(stats.nct.sf(stats.t.ppf(level, n - 1), n - 1, shift * math.sqrt(n)))


# none of these, nor of the shapes below, is among what benchmarks/verdicts.py shows
@pytest.mark.parametrize(
    ("shared", "seeds", "optimizers"), [(0.3, 5, 3), (0.65, 8, 2), (0.9, 4, 4)]
)
@pytest.mark.parametrize("margin", [0.35, 0.6])
def test_rates_of_one_effect_are_those_of_students_test(
    shared: float, seeds: int, optimizers: int, margin: float
) -> None:
    """Oracle: the noncentral t distribution of a seed's mean, whatever pairs share."""
    spread = math.sqrt(shared + (1 - shared) / optimizers)

    def at(effect: float) -> Rates:
        return rates(Experiment(effect, shared, seeds, optimizers), margin, DRAWS, seed=11)

    def against(found: Rates) -> float:
        return found.refuted + found.no_difference

    assert within(at(0.7).coverage, 0.95)
    assert not_above(at(0).supported, 0.025)
    assert within(against(at(margin)), 0.025)
    assert not_above(at(-margin).no_difference, 0.025)
    assert within(against(at(0)), noncentral(0.975, seeds, margin / spread))
    assert not_above(at(1).supported, noncentral(0.975, seeds, 1 / spread))
    assert not_above(against(at(1)), noncentral(0.975, seeds, (margin - 1) / spread))


def laplace(rng: np.random.Generator, size: tuple[int, ...]) -> np.ndarray:
    return rng.laplace(size=size) / math.sqrt(2)


def uniform(rng: np.random.Generator, size: tuple[int, ...]) -> np.ndarray:
    return rng.uniform(-1, 1, size) * math.sqrt(3)


def gumbel(rng: np.random.Generator, size: tuple[int, ...]) -> np.ndarray:
    """Skewness 1.14."""
    return np.asarray((rng.gumbel(size=size) - np.euler_gamma) / (np.pi / math.sqrt(6)))


@pytest.mark.parametrize("seeds", [3, 6, 12])
@pytest.mark.parametrize("noise", [laplace, uniform, gumbel])
def test_other_noise_than_normal_costs_little(
    noise: Callable[[np.random.Generator, tuple[int, ...]], np.ndarray], seeds: int
) -> None:
    def at(effect: float) -> Rates:
        return rates(Experiment(effect, 0.5, seeds, noise=noise), 0.5, DRAWS, seed=17)

    assert at(1).coverage > 0.92
    assert not_above(at(0).supported, 0.03)
    assert not_above(at(0.5).refuted + at(0.5).no_difference, 0.05)


@pytest.mark.parametrize(("shared", "seeds"), [(0.3, 5), (0.65, 8)])
def test_of_effects_at_their_margins_one_is_found_below_in_at_most_one_of_twenty(
    shared: float, seeds: int
) -> None:
    at_margins = Experiment(0.45, shared, seeds, optimizers=3, effects=5)
    found = rates(at_margins, 0.45, DRAWS, seed=12)
    assert not_above(found.refuted + found.no_difference, 0.05)
    none = replace(at_margins, effect=0.0)
    assert not_above(rates(none, 0.45, DRAWS, seed=13).supported, 0.025)


def test_few_seeds_are_not_taken_for_evidence_nor_pairs_for_seeds() -> None:
    """A true effect of one deviation, three seeds of two pairs."""
    found = rates(Experiment(1, 0.6, 3), 0.4, DRAWS, seed=14)
    assert found.refuted + found.no_difference < 0.01
    assert found.by_pairs < 0.9 < found.coverage


def test_a_difference_by_the_epoch_of_fit_alone_is_none_at_equal_fit() -> None:
    equal, default = at_several_rates(0.0, 6, 300, seed=15)
    assert abs(equal.mean()) < 0.02 < 0.5 < default.mean()
    assert covered(equal, 0) > 0.9 > 0.7 > covered(default, 0)
    assert at_several_rates(0.7, 6, 300, seed=16)[0].mean() == pytest.approx(0.7, abs=0.02)


def shares_of_seeds(share: float, agreement: float, seeds: int, runs: int) -> np.ndarray:
    """Return draws of seeds' shares of runs, beta-binomial; agreement is their correlation."""
    rng = np.random.default_rng(seeds)
    size = (DRAWS, seeds)
    if agreement in (0, 1):
        chance: float | np.ndarray = share if agreement == 0 else rng.random(size) < share
    else:
        both = 1 / agreement - 1
        chance = rng.beta(share * both, (1 - share) * both, size)
    return rng.binomial(runs, chance, size) / runs


CHANCE = 0.2


@pytest.mark.parametrize("agreement", [0, 0.4, 1])
@pytest.mark.parametrize("seeds", [4, 7, 15])
def test_shares_err_at_most_as_often_as_they_say(agreement: float, seeds: int) -> None:
    for share, wrong in ((CHANCE, SUPPORTED), (SHARE_MARGIN, REFUTED)):
        _, low, high = share_interval(shares_of_seeds(share, agreement, seeds, 3))
        assert not_above(np.mean(judged_share(low, high, CHANCE) == wrong), 0.025)
