"""Verdicts on an effect, from one value per seed: four words, each read from one interval.

Runs that share a seed share their initial weights, their order of the images and, in a sweep, their
data: their differences are not independent. So the unit is the seed. A seed's value is the mean of
its pairs' differences (effects.py), and n is the number of seeds.

An effect has a mean over seeds with an interval by Student's t (n - 1 degrees of freedom),

    low, high = mean ∓ t((1 + level) / 2; n - 1) · s / √n,

and a margin, the smallest difference that matters. The interval alone decides, so that exactly one of
these holds:

    high ≥ margin, low > 0            supported: there is a difference in the claimed direction
    high < margin, low ≤ -margin      refuted: no difference that matters in the claimed direction
    high < margin, low > -margin      no difference of note: what there is matters in neither direction
    high ≥ margin, low ≤ 0            undecided: the seeds are too few to tell

So a wide interval is undecided, never a verdict against a claim, and a difference that is certain but
too small to matter supports nothing. A single seed has no interval. Neither have fewer than ALIKE
seeds whose values are all equal: discrete scores may be equal by chance.

A finding claims all of its counted effects, and is as the least favourable of them: refuted if any
is, else *no difference of note* if any is that, else undecided if any is, else supported. "All
supported" needs no correction (an intersection-union test, Berger 1982). One of k effects is below
the margin by chance more often than a single one: so the intervals of a finding with more than two
effects are simultaneous by Bonferroni, level = 1 - .1 / k instead of .95, and if all effects reach
their margins, one is found below it in at most 5 % of cases.

A share of runs is compared with the share expected by chance instead of 0, and is refuted below
SHARE_MARGIN; it cannot be equivalent. Its interval is Clopper and Pearson's (1934) with the mean over
seeds of a seed's share and the number of seeds, as if the runs of a seed were one: the effective
sample size of Korn and Graubard (1998) if they all agree, and conservative if they do not.

`benchmarks/verdicts.py` simulates the error rates of these rules.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Verdict = Literal["refuted", "no difference of note", "undecided", "supported"]

REFUTED: Verdict = "refuted"
NO_DIFFERENCE: Verdict = "no difference of note"
UNDECIDED: Verdict = "undecided"
SUPPORTED: Verdict = "supported"

ORDER: tuple[Verdict, ...] = (REFUTED, NO_DIFFERENCE, UNDECIDED, SUPPORTED)
"""From the least to the most favourable to a claim."""

CONFIDENCE = 0.95

MOST_ERRORS = 0.05
"""Share of findings whose effects all reach their margins in which one may be found below it."""

ALIKE = 6
"""Fewest seeds whose equal values decide: only then can a sign-flip test fall below .05 / 2."""

MOST_SEEDS = 50
"""Seeds beyond which no number is given."""

TINY = 1e-12
"""Replaces 0 as a parameter of a beta distribution, where the result is not used."""

MARGINS: Mapping[str, float] = {
    "fit_break": 0.25,
    "depth_drift": 0.25,
    "first_layer_return": 0.25,
    "synchrony": 0.03,
    "synchrony_outside_fit": 0.03,
    "break_spread": 0.05,
}
"""The smallest difference that matters, by score without its measure; fixed before the runs.

Each is .2 to .7 of the standard deviation of a matched pair's difference in the runs with three seeds
of docs/results.md: less than what two runs differ by that differ only in their seed, so that a true
effect of one standard deviation is hardly ever refuted.

* fit_break, depth_drift, first_layer_return: log₂ units. 2^.25 = 1.19: one side slows down (its last
  layer drifts, its first layer comes back) by a fifth more than the other. Differences of pairs have
  a standard deviation of .4 to 1.4 (fit_break).
* synchrony: correlation. Scores lie between .85 and .99, the two sides of a supported claim .1
  apart; differences of pairs have a standard deviation of .05 to .06.
* break_spread: decades. 10^.05 = 1.12: epochs that spread by an eighth more; checkpoints are about
  that far apart. For ResNets it is .1 to .2 on the digits, and varies by about .1 from run to run.

The margins of depth_drift and first_layer_return rest on their meaning alone: no two runs there
differ only in what the first compares, and the second was not computed for them.
"""

SHARE_MARGIN = 0.5
"""A share of runs below a half refutes a claim about all: most runs do not show it."""

Floats = NDArray[np.float64]


def level_of(effects: int) -> float:
    """Return the level of the intervals of a finding that counts so many effects.

    CONFIDENCE, or more for those that exceed two: see the module.
    """
    return max(CONFIDENCE, 1 - 2 * MOST_ERRORS / effects)


def interval(values: ArrayLike, level: float = CONFIDENCE) -> tuple[Floats, Floats, Floats]:
    """Return the mean and its interval by Student's t.

    Args:
        values: of the seeds, (..., n).
        level: share of intervals that contain the true mean of normal values.

    Returns:
        Three arrays (...): mean, lower and upper end. The mean of no values is NaN, and so are the
        ends for fewer than two, or fewer than ALIKE that are all equal.
    """
    values = np.asarray(values, dtype=np.float64)
    n = values.shape[-1]
    unknown = np.full(values.shape[:-1], np.nan)
    mean = np.asarray(np.mean(values, axis=-1)) if n else unknown
    if n < 2:
        return mean, unknown, unknown
    error = np.where(_few_alike(values), np.nan, np.std(values, axis=-1, ddof=1) / math.sqrt(n))
    reach = _quantile(level, n) * error
    return mean, np.asarray(mean - reach), np.asarray(mean + reach)


def verdict_of(values: ArrayLike, margin: float, effects: int = 1) -> NDArray[np.str_]:
    """Return the verdict on a mean difference; see the module.

    Args:
        values: of the seeds, (..., n).
        margin: the smallest difference that matters, in the values' unit.
        effects: how many the finding counts.

    Returns:
        Verdicts (...).
    """
    _, low, high = interval(values, level_of(effects))
    return judged(low, high, margin)


def judged(low: ArrayLike, high: ArrayLike, margin: float) -> NDArray[np.str_]:
    """Return verdicts (...) on a difference from the ends of its interval, each (...)."""
    small = np.where(np.greater(low, -margin), NO_DIFFERENCE, REFUTED)
    return _judged(low, high, 0.0, margin, small)


def judged_share(
    low: ArrayLike, high: ArrayLike, chance: float, margin: float = SHARE_MARGIN
) -> NDArray[np.str_]:
    """Return verdicts (...) on a share of runs from the ends of its interval, each (...)."""
    return _judged(low, high, chance, margin, np.asarray(REFUTED))


def _judged(
    low: ArrayLike, high: ArrayLike, null: float, margin: float, small: NDArray[np.str_]
) -> NDArray[np.str_]:
    # NaN is neither above nor below
    large = np.where(np.greater(low, null), SUPPORTED, UNDECIDED)
    return np.where(np.less(high, margin), small, large)


def finding_verdict(verdicts: ArrayLike) -> NDArray[np.str_]:
    """Return the verdict (...) on a finding from those on its counted effects, (..., effects)."""
    each = np.asarray(verdicts, dtype=np.str_)
    if not each.shape[-1]:
        return np.full(each.shape[:-1], UNDECIDED)
    return np.select([(each == word).any(axis=-1) for word in ORDER], ORDER, UNDECIDED)


def as_verdict(one: NDArray[np.str_]) -> Verdict:
    """Return the only verdict of an array ()."""
    return cast("Verdict", str(one))


def share_interval(shares: ArrayLike, level: float = CONFIDENCE) -> tuple[Floats, Floats, Floats]:
    """Return the mean share and its exact interval.

    Args:
        shares: each seed's share of runs that show it, (..., n).
        level: least share of intervals that contain the true one.

    Returns:
        Three arrays (...): mean, lower and upper end; NaN without seeds.
    """
    shares = np.asarray(shares, dtype=np.float64)
    hits, n = np.asarray(shares.sum(axis=-1)), shares.shape[-1]
    return (hits / (n or math.nan), *_share_ends(hits, n, level))


def seeds_needed(values: Sequence[float], margin: float, level: float = CONFIDENCE) -> float:
    """Return with how many seeds like these an undecided difference would be decided.

    That is the smallest number m with which the interval's half-width t((1 + level) / 2; m - 1) · s / √m
    is smaller than max(mean, margin - mean), if mean and s stay as they are: then it lies above 0 or
    below the margin.

    Returns:
        Infinity if it takes more than MOST_SEEDS, or the spread is unknown, with fewer than two.
    """
    if len(values) < 2:
        return math.inf
    mean, spread = float(np.mean(values)), float(np.std(values, ddof=1))
    if _few_alike(np.asarray(values, dtype=np.float64)):
        return ALIKE
    reach = max(mean, margin - mean)
    return _least(len(values), lambda m: _quantile(level, m) * spread / math.sqrt(m) < reach)


def seeds_needed_for_share(
    shares: Sequence[float], chance: float, margin: float, level: float = CONFIDENCE
) -> float:
    """Return with how many seeds like these an undecided share would be decided.

    That is the smallest number with which the exact interval of the same mean share does so.
    """
    if not shares:
        return math.inf
    mean = math.fsum(shares) / len(shares)

    def decided(m: int) -> bool:
        low, high = _share_ends(np.asarray(mean * m), m, level)
        return bool(judged_share(low, high, chance, margin) != UNDECIDED)

    return _least(len(shares), decided)


def _least(n: int, decided: Callable[[int], bool]) -> float:
    """Return the smallest number of seeds from n to MOST_SEEDS that decides; else infinity."""
    return next((m for m in range(n, MOST_SEEDS + 1) if decided(m)), math.inf)


def _quantile(level: float, n: int) -> float:
    return float(stats.t.ppf((1 + level) / 2, n - 1))


def _few_alike(values: Floats) -> NDArray[np.bool_]:
    """Return whether values (..., n) are all equal up to rounding, and too few to decide so."""
    if values.shape[-1] >= ALIKE:
        return np.zeros(values.shape[:-1], dtype=np.bool_)
    size = np.abs(values).max(axis=-1)
    return np.asarray(np.ptp(values, axis=-1) <= 1e-9 * size)


def _share_ends(hits: Floats, n: int, level: float) -> tuple[Floats, Floats]:
    """Return Clopper and Pearson's ends for hits (...) of n; hits need not be whole."""
    outside = (1 - level) / 2
    return _beta_low(hits, n, outside), 1 - _beta_low(n - hits, n, outside)


def _beta_low(hits: Floats, n: int, outside: float) -> Floats:
    if not n:
        return np.full_like(hits, np.nan)
    ends = stats.beta.ppf(outside, np.maximum(hits, TINY), n - hits + 1)
    return np.where(hits > 0, ends, 0.0)
