"""What one score says about a claim: a difference between matched runs, or a share of runs.

The unit is the seed, whatever the data seed: the differences of all pairs of a seed are averaged,
and an effect is the mean of the seeds' values, signed so that a positive one supports the claim. A
share of runs is averaged in the same way and compared with what chance gives. For the verdicts see
verdicts.py.

Where runs have several learning rates, the effect that counts is that at equal epoch of perfect fit
(equal_fit.py); the one at the default rates is given beside it and does not count.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from repdyn.analysis.breaks import ALL_BREAK
from repdyn.analysis.equal_fit import (
    differences_at_equal_fit,
    has_several_rates,
    why_no_equal_fit,
    without_fit,
)
from repdyn.analysis.pairs import (
    Factor,
    Observation,
    Side,
    by_seed,
    differences,
    of_side,
    why_no_pair,
)
from repdyn.analysis.verdicts import (
    MARGINS,
    SHARE_MARGIN,
    Verdict,
    as_verdict,
    interval,
    judged,
    judged_share,
    level_of,
    seeds_needed,
    seeds_needed_for_share,
    share_interval,
)
from repdyn.score_key import ScoreKey

DEFAULT_RATES, EQUAL_FIT = "default rates", "equal fit"


@dataclass(frozen=True)
class Effect:
    """What one score says about a claim.

    Attributes:
        score: which.
        contrast: what is subtracted from what, in words.
        seeds: those that have it, in order.
        values: of the seeds, the mean difference of their pairs, or the share of their runs.
        pairs: how many pairs, or runs, are in the values.
        estimate, low, high: mean of the values and its interval; NaN where undefined.
        level: of the interval.
        null: what the estimate is if there is nothing: 0, or a share of runs by chance.
        margin: the smallest difference, or share, that matters.
        verdict: as the interval has it.
        seeds_needed: with how many seeds an undecided effect would be decided; infinite if more than
            MOST_SEEDS, or unknown.
        counted: it counts towards the finding's verdict.
        share: the estimate is a share of runs, not a difference.
        basis: DEFAULT_RATES or EQUAL_FIT where runs have several learning rates, else empty.
        left_out: how many runs are left out, as they have no epoch of perfect fit to be placed at.
        untestable: why there are no values, if there are none.
    """

    score: ScoreKey
    contrast: str
    seeds: tuple[str, ...]
    values: tuple[float, ...]
    pairs: int
    estimate: float
    low: float
    high: float
    level: float
    null: float
    margin: float
    verdict: Verdict
    seeds_needed: float
    counted: bool = True
    share: bool = False
    basis: str = ""
    left_out: int = 0
    untestable: str = ""


@dataclass(frozen=True)
class Contrast:
    """Two sides whose runs are matched, and how many counted effects the finding has.

    Attributes:
        factor: what differs between the sides.
        more, less: the side that the claim says has more of it, and the other.
        of: how many effects the finding counts.
    """

    factor: Factor
    more: Side
    less: Side
    of: int


def contrast_effects(
    runs: Sequence[Observation], contrast: Contrast, score: ScoreKey, *, counted: bool = True
) -> tuple[Effect, ...]:
    """Return the effect of a score: that of the matched runs, or at equal fit beside default rates."""
    factor, (_, a), (_, b) = contrast.factor, contrast.more, contrast.less
    sides = contrast.more, contrast.less
    # a finding on double descent compares whatever makes runs descend twice, rates among them
    if factor == "double_descent" or not has_several_rates(runs, factor, (a, b)):
        found = differences(runs, factor, a, b, score)
        why = "" if found else why_no_pair(runs, factor, sides, score)
        return (_difference(contrast, score, found, counted=counted, untestable=why),)
    equal = differences_at_equal_fit(runs, factor, a, b, score)
    usual = [run for run in runs if run.at_default_rate]
    at_default = differences(usual, factor, a, b, score)
    return (
        _difference(
            contrast,
            score,
            equal,
            counted=counted,
            basis=EQUAL_FIT,
            left_out=without_fit(runs, factor, (a, b)),
            untestable="" if equal else why_no_equal_fit(runs, factor, sides, score),
        ),
        _difference(
            contrast,
            score,
            at_default,
            counted=False,
            basis=DEFAULT_RATES,
            untestable="" if at_default else why_no_pair(usual, factor, sides, score),
        ),
    )


def _difference(
    contrast: Contrast,
    score: ScoreKey,
    found: Mapping[str, Sequence[float]],
    *,
    counted: bool,
    untestable: str,
    basis: str = "",
    left_out: int = 0,
) -> Effect:
    words = f"{contrast.more[0]} − {contrast.less[0]}"
    rule = _of_difference(MARGINS[score.score])
    effect = _effect(score, words, found, rule, contrast.of, untestable)
    return replace(effect, counted=counted, basis=basis, left_out=left_out)


def all_break_effect(
    runs: Sequence[Observation], family: Side, measure: str, of: int, *, counted: bool = True
) -> Effect:
    """Return the share of a family's runs in which every layer breaks at perfect fit.

    It is compared with the share expected by chance, the mean of the runs' own `all_break_chance`.
    """
    score = ScoreKey("fit_break_weakest_layer_rank", measure)
    chance = ScoreKey("all_break_chance", measure)
    having, why = of_side(runs, "family", family, score)
    having = [run for run in having if run.has(chance)]
    found = by_seed((run.seed, float(run.scores[score] >= ALL_BREAK)) for run in having)
    by_chance = by_seed((run.seed, run.scores[chance]) for run in having)
    chances = [fmean(run) for run in by_chance.values()]
    words = f"{family[0]} runs with every layer above {ALL_BREAK:g}"
    rule = _of_share(fmean(chances) if found else math.nan)
    return replace(
        _effect(score, words, found, rule, of, "" if found else why), counted=counted, share=True
    )


@dataclass(frozen=True)
class _Rule:
    """How the values of seeds are judged, as in verdicts.py.

    Attributes:
        null, margin: of the effect.
        interval: of values, at a level.
        judged: the verdict of an interval.
        needed: with how many seeds like these values the verdict would be decided, at a level.
    """

    null: float
    margin: float
    interval: Callable[[Sequence[float], float], Iterable[Any]]
    judged: Callable[[float, float], Any]
    needed: Callable[[Sequence[float], float], float]


def _of_difference(margin: float) -> _Rule:
    return _Rule(
        null=0.0,
        margin=margin,
        interval=interval,
        judged=lambda low, high: judged(low, high, margin),
        needed=lambda values, level: seeds_needed(values, margin, level),
    )


def _of_share(chance: float) -> _Rule:
    return _Rule(
        null=chance,
        margin=SHARE_MARGIN,
        interval=share_interval,
        judged=lambda low, high: judged_share(low, high, chance),
        needed=lambda values, level: seeds_needed_for_share(values, chance, SHARE_MARGIN, level),
    )


def _effect(
    score: ScoreKey,
    contrast: str,
    found: Mapping[str, Sequence[float]],
    rule: _Rule,
    of: int,
    untestable: str,
) -> Effect:
    """Return what a score says, given the values of each seed's pairs or runs."""
    values = tuple(fmean(of_seed) for of_seed in found.values())
    level = level_of(of)
    estimate, low, high = map(float, rule.interval(values, level))
    return Effect(
        score=score,
        contrast=contrast,
        seeds=tuple(found),
        values=values,
        pairs=sum(len(of_seed) for of_seed in found.values()),
        estimate=estimate,
        low=low,
        high=high,
        level=level,
        null=rule.null,
        margin=rule.margin,
        verdict=as_verdict(rule.judged(low, high)),
        seeds_needed=rule.needed(values, level),
        untestable=untestable,
    )
