"""Comparison of runs: whether scores differ by architecture and by optimizer as the paper finds.

Pairs are matched runs: equal in every setting, including seed and data seed, except the one compared
and the learning rate and shape that go with it. If one side has several runs (learning rates, say),
their mean counts.

The unit is the seed, whatever the data seed: the differences of all pairs of a seed are averaged,
and an effect is the mean of the seeds' values, signed so that a positive one supports the claim. A
share of runs is averaged in the same way and compared with CHANCE. For the verdicts see verdicts.py.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

import numpy as np

from repdyn.analysis.verdicts import (
    MARGINS,
    SHARE_MARGIN,
    Verdict,
    as_verdict,
    finding_verdict,
    interval,
    judged,
    seeds_for_share,
    seeds_to_refute,
    seeds_to_support,
    share_interval,
    share_upper_bound,
    upper_bound,
    verdict_of,
)
from repdyn.measures.spec import MEASURES
from repdyn.score_key import ScoreKey

SEED = "seed"
"""The setting by which pairs and runs are clustered."""

ALL_BREAK = 0.9
"""Rank among a run's other epochs from which a layer's slowdown at perfect fit counts as a break."""

CHANCE = 0.33
"""Share of runs without a break in which a layer ranks that high at perfect fit.

If the other epochs were many and independent, it would be 1 - ALL_BREAK. They overlap, and within 200
epochs they are few: for random drifts it is .24 to .36 there, higher the smoother they are, and about
.2 within 1,000. This is a middle value: verdicts whose interval ends near it depend on it.
"""

JUDGED = tuple(one.name for one in MEASURES.values() if one.of_paper)
"""The similarity measures on which findings are judged; the verdicts' bounds depend on how many."""


@dataclass(frozen=True)
class Observation:
    """What a comparison needs of one run.

    Attributes:
        family: resnet, vit or other.
        optimizer: sgd or adam for these two and their variants, or another name.
        settings: its params, including those of PLACES and of FREE.
        scores: of the run.
        double_descent: the test error rises to a peak and falls again.
    """

    family: str
    optimizer: str
    settings: Mapping[str, str]
    scores: Mapping[ScoreKey, float]
    double_descent: bool


@dataclass(frozen=True)
class Effect:
    """What one score says about a claim.

    Attributes:
        score: which.
        contrast: what is subtracted from what, in words.
        seeds: those that have it, in order.
        values: of the seeds, the mean difference of their pairs, or the share of their runs.
        pairs: how many pairs, or runs, are in the values.
        estimate, low, high: mean of the values and its 95 % interval; NaN where undefined.
        upper: one-sided 95 % bound, Bonferroni over the finding's counted effects.
        margin: the smallest difference, or share, that matters; `upper` below it refutes.
        seeds_to_support, seeds_to_refute: with how many seeds that is likely; infinite if more than
            MOST_SEEDS, or unknown.
        counted: it counts towards the finding's verdict.
        share: the estimate is a share of runs, not a difference.
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
    upper: float
    margin: float
    verdict: Verdict
    seeds_to_support: float
    seeds_to_refute: float
    counted: bool = True
    share: bool = False
    untestable: str = ""

    @property
    def seeds_needed(self) -> float:
        """With how many seeds a decision is likely."""
        return min(self.seeds_to_support, self.seeds_to_refute)


@dataclass(frozen=True)
class Finding:
    """A claim of the paper, and what the runs say about it."""

    name: str
    claim: str
    effects: tuple[Effect, ...]

    @property
    def counted(self) -> tuple[Effect, ...]:
        """The effects that decide the verdict."""
        return tuple(effect for effect in self.effects if effect.counted)

    @property
    def verdict(self) -> Verdict:
        """See verdicts.py."""
        return as_verdict(finding_verdict([effect.verdict for effect in self.counted]))

    @property
    def seeds(self) -> int:
        """The fewest seeds of any counted effect that has seeds."""
        return min((len(e.seeds) for e in self.counted if e.seeds), default=0)

    @property
    def seeds_needed(self) -> float:
        """With how many seeds all counted effects are likely supported, or one of them refuted."""
        support = max(effect.seeds_to_support for effect in self.counted)
        open_ones = (e.seeds_to_refute for e in self.counted if e.verdict != "supported")
        return min(support, *open_ones, math.inf)


Factor = Literal["family", "optimizer", "double_descent"]
Level = str | bool
Side = tuple[str, Level]
"""The name of a side of a contrast, and the value that identifies its runs."""

VIT, RESNET = ("ViT", "vit"), ("ResNet", "resnet")
SGD, ADAM = ("SGD", "sgd"), ("Adam", "adam")
TWICE, ONCE = ("double-descent", True), ("single-descent", False)

FREE: Mapping[Factor, frozenset[str]] = {
    "family": frozenset({"arch", "width", "arch_arg", "lr", "layers"}),
    "optimizer": frozenset({"opt", "lr", "momentum"}),
    # what decides whether the error descends twice; the architecture must be the same
    "double_descent": frozenset(
        {"opt", "lr", "momentum", "width", "label_noise", "train_size", "epochs"}
    ),
}
"""Settings in which the two runs of a pair may differ, by what is compared."""


def findings(runs: Sequence[Observation]) -> tuple[Finding, ...]:
    """Return the paper's claims with what these runs say about them."""
    both = 2 * len(JUDGED)
    return (
        Finding(
            "phases by architecture",
            "Phases are more distinguishable in ViT than in ResNet.",
            _effects(runs, "family", VIT, RESNET, "fit_break"),
        ),
        Finding(
            "phases by optimizer",
            "Phases are more distinguishable with SGD than with Adam.",
            _effects(runs, "optimizer", SGD, ADAM, "fit_break"),
        ),
        Finding(
            "synchrony",
            "The layers of a ViT change in synchrony, those of a ResNet less so.",
            (
                *_effects(runs, "family", VIT, RESNET, "synchrony", of=both),
                *_effects(runs, "family", RESNET, VIT, "break_spread", of=both),
                *_effects(runs, "family", VIT, RESNET, "synchrony_outside_fit", counted=False),
            ),
        ),
        Finding(
            "fit in all blocks",
            "Perfect fit marks a transition across all blocks of a ViT.",
            (
                *(_all_break(runs, VIT, measure) for measure in JUDGED),
                *(_all_break(runs, RESNET, measure, counted=False) for measure in JUDGED),
            ),
        ),
        Finding(
            "depth and double descent",
            "Deeper layers evolve more where the test error descends twice.",
            _effects(runs, "double_descent", TWICE, ONCE, "depth_drift"),
        ),
    )


def differences(
    runs: Sequence[Observation], factor: Factor, a: Level, b: Level, score: ScoreKey
) -> dict[str, list[float]]:
    """Return the differences in a score, a minus b, of each seed's pairs; seeds in order.

    A pair is a combination of all settings except those of FREE for which both sides have runs; each
    side has the mean of its runs.
    """
    cells: dict[tuple[tuple[str, str], ...], dict[Level, list[float]]] = {}
    for run in runs:
        level = getattr(run, factor)
        if level in (a, b) and _has(run, score):
            cell = cells.setdefault(tuple(sorted(_held(run, factor).items())), {})
            cell.setdefault(level, []).append(run.scores[score])
    return _by_seed(
        (dict(held).get(SEED, ""), fmean(cell[a]) - fmean(cell[b]))
        for held, cell in cells.items()
        if len(cell) == 2
    )


def _by_seed(values: Iterable[tuple[str, float]]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for seed, value in values:
        found.setdefault(seed, []).append(value)
    return {seed: found[seed] for seed in sorted(found, key=lambda seed: (len(seed), seed))}


def _has(run: Observation, score: ScoreKey) -> bool:
    return bool(np.isfinite(run.scores.get(score, np.nan)))


def _held(run: Observation, factor: Factor) -> dict[str, str]:
    """Return the settings that the runs of a pair share."""
    return {name: value for name, value in run.settings.items() if name not in FREE[factor]}


def _effects(
    runs: Sequence[Observation],
    factor: Factor,
    more: Side,
    less: Side,
    stem: str,
    *,
    counted: bool = True,
    of: int = len(JUDGED),
) -> tuple[Effect, ...]:
    """Return the effects of a score, one per measure, for a finding that counts `of` effects."""

    def effect(measure: str) -> Effect:
        score = ScoreKey(stem, measure)
        found = differences(runs, factor, more[1], less[1], score)
        values = tuple(map(fmean, found.values()))
        estimate, low, high = map(float, interval(values))
        margin = MARGINS[stem]
        return Effect(
            score=score,
            contrast=f"{more[0]} − {less[0]}",
            seeds=tuple(found),
            values=values,
            pairs=sum(map(len, found.values())),
            estimate=estimate,
            low=low,
            high=high,
            upper=float(upper_bound(values, of)),
            margin=margin,
            verdict=as_verdict(verdict_of(values, margin, of)),
            seeds_to_support=seeds_to_support(values),
            seeds_to_refute=seeds_to_refute(values, margin, of),
            counted=counted,
            untestable="" if found else _why_no_pair(runs, factor, (more, less), score),
        )

    return tuple(effect(measure) for measure in JUDGED)


def _why_no_pair(
    runs: Sequence[Observation], factor: Factor, sides: tuple[Side, Side], score: ScoreKey
) -> str:
    """Return why no pair has a score: a side without runs or scores, or settings that differ."""
    found = [_of_side(runs, factor, side, score) for side in sides]
    missing = next((why for have, why in found if not have), None)
    if missing is not None:
        return missing
    one, other = ([_held(run, factor) for run in have] for have, _ in found)
    differing = sorted((_differing(a, b) for a in one for b in other), key=lambda d: (len(d), d))
    return f"the two sides differ in {', '.join(differing[0])}"


def _of_side(
    runs: Sequence[Observation], factor: Factor, side: Side, score: ScoreKey
) -> tuple[list[Observation], str]:
    """Return the runs of a side that have a score, and what is missing if there are none."""
    called, level = side
    there = [run for run in runs if getattr(run, factor) == level]
    return [run for run in there if _has(run, score)], (
        f"no {called} run has it" if there else f"there is no {called} run"
    )


def _differing(a: Mapping[str, str], b: Mapping[str, str]) -> list[str]:
    return sorted(name for name in {*a, *b} if a.get(name) != b.get(name))


def _all_break(
    runs: Sequence[Observation], family: Side, measure: str, *, counted: bool = True
) -> Effect:
    """Return the share of a family's runs in which every layer breaks at perfect fit.

    If perfect fit were an epoch like any other, a layer's slowdown there would rank above ALL_BREAK in
    a share CHANCE of runs, and all layers' in no more than that, since they may drift together.
    """
    score = ScoreKey("fit_break_weakest_layer_rank", measure)
    having, why = _of_side(runs, "family", family, score)
    found = _by_seed(
        (run.settings.get(SEED, ""), float(run.scores[score] >= ALL_BREAK)) for run in having
    )
    values = tuple(map(fmean, found.values()))
    estimate, low, high = map(float, share_interval(values))
    upper = float(share_upper_bound(values, len(JUDGED)))
    support, refute = seeds_for_share(values, CHANCE, SHARE_MARGIN, len(JUDGED))
    return Effect(
        score=score,
        contrast=f"{family[0]} runs with every layer above {ALL_BREAK:g}",
        seeds=tuple(found),
        values=values,
        pairs=len(having),
        estimate=estimate,
        low=low,
        high=high,
        upper=upper,
        margin=SHARE_MARGIN,
        verdict=as_verdict(judged(low, upper, CHANCE, SHARE_MARGIN)),
        seeds_to_support=support,
        seeds_to_refute=refute,
        counted=counted,
        share=True,
        untestable="" if found else why,
    )
