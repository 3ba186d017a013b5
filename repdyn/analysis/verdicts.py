"""Verdicts on an effect: supported, refuted or undecided, from one value per seed.

Runs that share a seed share their initial weights, their order of the images and, in a sweep, their
data: their differences are not independent. So the unit is the seed. A seed's value is the mean of
its pairs' differences (comparison.py), and n is the number of seeds.

An effect has a mean over seeds with a 95 % interval by Student's t (n - 1 degrees of freedom), and a
one-sided 95 % upper bound, Bonferroni-corrected for the effects that its finding counts:

    low, high = mean ∓ t(.975; n - 1) · s / √n
    upper     = mean + t(1 - .05 / effects; n - 1) · s / √n

* supported: `low` is above 0;
* refuted: `low` is not above 0, and `upper` is below the score's margin, the smallest effect that matters;
* undecided: otherwise, as with a single seed. Fewer than ALIKE seeds whose values are all equal are
  undecided too: discrete scores may be equal by chance, and an interval of zero width is meaningless.

A finding claims all of its counted effects. It is supported if all of them are, refuted if one of
them is, undecided otherwise. "All supported" needs no correction (an intersection-union test, Berger
1982), and "one refuted" is corrected by the bound's Bonferroni level: if all effects reach their
margins, a finding is refuted in at most 5 % of cases.

A share of runs is compared with the share expected by chance instead of 0. Its interval is Clopper and
Pearson's (1934) with the mean over seeds of a seed's share and the number of seeds, as if the runs
of a seed were one: the effective sample size of Korn and Graubard (1998) if they all agree, and
conservative if they do not.

`benchmarks/verdicts.py` simulates the error rates of these rules.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Verdict = Literal["supported", "refuted", "undecided"]

CONFIDENCE = 0.95

ALIKE = 6
"""Fewest seeds whose equal values decide: only then can a sign-flip test fall below .05 / 2."""

POWER = 0.8
"""Probability of a decision from which that many seeds are said to be likely to decide."""

MOST_SEEDS = 50
"""Seeds beyond which no number is given."""

TINY = 1e-12
"""Replaces 0 as a parameter of a beta distribution, where the result is not used."""

LARGEST_SHIFT = 37.0
"""Limit of a noncentral t distribution: beyond it the normal density in its formula is 0."""

MARGINS: Mapping[str, float] = {
    "fit_break": 0.25,
    "depth_drift": 0.25,
    "synchrony": 0.03,
    "synchrony_outside_fit": 0.03,
    "break_spread": 0.05,
}
"""The smallest difference that matters, by score without its measure; fixed before the runs.

Each is .2 to .7 of the standard deviation of a matched pair's difference in the runs with three seeds
that README.md shows, so that a true effect of one standard deviation is hardly ever refuted.

* fit_break, depth_drift: log₂ units. 2^.25 = 1.19: one side slows down (its last layer drifts) by a
  fifth more than the other. Differences of pairs have a standard deviation of .4 to 1.4 (fit_break).
* synchrony: correlation. Scores lie between .85 and .99, the two sides of a supported claim .1
  apart; differences of pairs have a standard deviation of .05 to .06.
* break_spread: decades. 10^.05 = 1.12: epochs that spread by an eighth more; checkpoints are about
  that far apart. For ResNets it is .1 to .2 on the digits, and varies by about .1 from run to run.

The margin of depth_drift rests on its meaning alone: no two runs there differ only in it.
"""

SHARE_MARGIN = 0.5
"""A share of runs below a half refutes a claim about all: most runs do not show it."""

Floats = NDArray[np.float64]


def interval(values: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Return the mean and its 95 % interval by Student's t.

    Args:
        values: of the seeds, (..., n).

    Returns:
        Three arrays (...): mean, lower and upper end; the mean of no values and the ends for fewer
        than two are NaN.
    """
    mean, error, n = _moments(values)
    reach = _quantile((1 + CONFIDENCE) / 2, n) * error
    return mean, mean - reach, mean + reach


def upper_bound(values: ArrayLike, effects: int = 1) -> Floats:
    """Return the one-sided 95 % upper bound of the mean by Student's t, Bonferroni-corrected.

    Args:
        values: of the seeds, (..., n).
        effects: how many the finding counts.
    """
    mean, error, n = _moments(values)
    return np.asarray(mean + _quantile(1 - (1 - CONFIDENCE) / effects, n) * error)


def verdict_of(values: ArrayLike, margin: float, effects: int = 1) -> NDArray[np.str_]:
    """Return the verdict on a mean difference; see the module.

    Args:
        values: of the seeds, (..., n).
        margin: the smallest difference that matters, in the values' unit.
        effects: how many the finding counts.

    Returns:
        Verdicts (...).
    """
    values = np.asarray(values, dtype=np.float64)
    known = ~_few_alike(values)
    low, upper = interval(values)[1], upper_bound(values, effects)
    return judged(np.where(known, low, np.nan), np.where(known, upper, np.nan), 0.0, margin)


def judged(low: ArrayLike, upper: ArrayLike, null: float, margin: float) -> NDArray[np.str_]:
    """Return verdicts (...) from an interval's lower end and the upper bound, each (...)."""
    # NaN is neither above nor below
    above, below = np.greater(low, null), np.less(upper, margin)
    return np.where(above, "supported", np.where(below, "refuted", "undecided"))


def finding_verdict(verdicts: ArrayLike) -> NDArray[np.str_]:
    """Return the verdict (...) on a finding from those on its counted effects, (..., effects)."""
    each = np.asarray(verdicts, dtype=np.str_)
    whole = np.where((each == "refuted").any(axis=-1), "refuted", "undecided")
    return np.where((each == "supported").all(axis=-1) & (each.shape[-1] > 0), "supported", whole)


def as_verdict(one: NDArray[np.str_]) -> Verdict:
    """Return the only verdict of an array ()."""
    return cast("Verdict", str(one))


def share_interval(shares: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Return the mean share and its exact 95 % interval.

    Args:
        shares: each seed's share of runs that show it, (..., n).

    Returns:
        Three arrays (...): mean, lower and upper end; NaN without seeds.
    """
    hits, n = _hits(shares)
    outside = (1 - CONFIDENCE) / 2
    return hits / (n or math.nan), _beta_low(hits, n, outside), _beta_high(hits, n, outside)


def share_upper_bound(shares: ArrayLike, effects: int = 1) -> Floats:
    """Return the one-sided exact 95 % upper bound of the mean share, Bonferroni-corrected.

    Args:
        shares: each seed's share of runs that show it, (..., n).
        effects: how many the finding counts.
    """
    return _beta_high(*_hits(shares), (1 - CONFIDENCE) / effects)


def seeds_to_support(values: Sequence[float]) -> float:
    """Return how many seeds with such values would likely support a positive difference.

    That is the smallest number with which the lower end is above 0 with a probability of POWER if the
    differences are normal, with the observed mean and standard deviation (power of Student's t-test,
    by the noncentral t distribution).

    Returns:
        Infinity if the mean is not positive, it takes more than MOST_SEEDS, or the spread is unknown,
        with fewer than two seeds.
    """
    return _seeds(values, 0.0, 1, (1 + CONFIDENCE) / 2)


def seeds_to_refute(values: Sequence[float], margin: float, effects: int = 1) -> float:
    """Return how many seeds with such values would likely refute a difference of the margin.

    As seeds_to_support: with the upper bound below the margin instead of the lower end above 0.
    """
    return _seeds(values, margin, -1, 1 - (1 - CONFIDENCE) / effects)


def seeds_for_share(
    shares: Sequence[float], null: float, margin: float, effects: int = 1
) -> tuple[float, float]:
    """Return how many seeds with such shares would likely support and refute a claim.

    That is the smallest number with which the ends of the mean share do so in POWER of draws of seeds
    that show it with the probability of the mean share, each in all of its runs or in none.
    """
    if not shares:
        return math.inf, math.inf
    mean, outside = math.fsum(shares) / len(shares), (1 - CONFIDENCE) / 2
    support = refute = math.inf
    for n in range(MOST_SEEDS, len(shares), -1):
        hits = np.arange(n + 1.0)
        chance = stats.binom.pmf(hits, n, mean)
        if chance[_beta_low(hits, n, outside) > null].sum() >= POWER:
            support = n
        if chance[_beta_high(hits, n, (1 - CONFIDENCE) / effects) < margin].sum() >= POWER:
            refute = n
    return support, refute


def _moments(values: ArrayLike) -> tuple[Floats, Floats, int]:
    """Return mean and standard error (...) of values (..., n), and n."""
    values = np.asarray(values, dtype=np.float64)
    n = values.shape[-1]
    unknown = np.full(values.shape[:-1], np.nan)
    if not n:
        return unknown, unknown, n
    error = np.std(values, axis=-1, ddof=1) / math.sqrt(n) if n > 1 else unknown
    return np.asarray(np.mean(values, axis=-1)), np.asarray(error), n


def _quantile(level: float, n: int) -> float:
    return float(stats.t.ppf(level, n - 1)) if n > 1 else math.nan


def _few_alike(values: Floats) -> NDArray[np.bool_]:
    """Return whether values (..., n) are all equal up to rounding, and too few to decide so."""
    if values.shape[-1] >= ALIKE or not values.shape[-1]:
        return np.zeros(values.shape[:-1], dtype=np.bool_)
    size = np.abs(values).max(axis=-1)
    return np.asarray(np.ptp(values, axis=-1) <= 1e-9 * size)


def _seeds(values: Sequence[float], limit: float, side: Literal[1, -1], level: float) -> float:
    """Return how many seeds separate a mean from a limit with a probability of POWER.

    Args:
        values: of the seeds.
        limit: above (side 1) or below (side -1) which the mean lies.
        level: of the one-sided bound.
    """
    if len(values) < 2:
        return math.inf
    distance = side * (float(np.mean(values)) - limit)
    spread = float(np.std(values, ddof=1))
    if distance <= 0:
        return math.inf
    if not spread or _few_alike(np.asarray(values)):
        return max(ALIKE, len(values))
    for n in range(2, MOST_SEEDS + 1):
        reached = stats.t.ppf(level, n - 1)
        beyond = min(distance / spread * math.sqrt(n), LARGEST_SHIFT)
        if stats.nct.sf(reached, n - 1, beyond) >= POWER:
            return n
    return math.inf


def _hits(shares: ArrayLike) -> tuple[Floats, int]:
    shares = np.asarray(shares, dtype=np.float64)
    return np.asarray(shares.sum(axis=-1)), shares.shape[-1]


def _beta_low(hits: Floats, n: int, outside: float) -> Floats:
    """Return Clopper and Pearson's lower end of hits (...) of n; hits need not be whole."""
    if not n:
        return np.full_like(hits, np.nan)
    ends = stats.beta.ppf(outside, np.maximum(hits, TINY), n - hits + 1)
    return np.where(hits > 0, ends, 0.0)


def _beta_high(hits: Floats, n: int, outside: float) -> Floats:
    """Return Clopper and Pearson's upper end of hits (...) of n."""
    return 1 - _beta_low(n - hits, n, outside)
