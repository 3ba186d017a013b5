"""Runs against runs: whether scores differ by architecture and by optimizer as the paper finds.

The unit is a pair of matched runs: alike in every setting but the one compared and the learning
rate and shape that go with it. Of several runs on one side (learning rates, say) the mean counts.

An effect is the mean of the pairs' differences, signed so that a positive one supports the claim,
with its 95 % interval by Student's t and a one-sided sign test. The rule for its verdict:

* supported: the whole interval is above 0, and of fewer than DECISIVE pairs not all are alike:
  values on a grid may be so by chance, and an interval of no width is none;
* not supported: the whole interval is below 0, or it holds 0 although there are at least DECISIVE
  pairs, with which even the sign test could have shown it;
* undecided: otherwise.

A share of runs is held against CHANCE instead of 0, with its exact interval and a binomial test.

A finding is supported if all of its counted effects are, not supported if one of them is not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

Verdict = Literal["supported", "not supported", "undecided"]

DECISIVE = 6
"""Pairs from which on an interval that holds 0 counts against a claim: 2⁻⁶ < .05 / 2."""

CONFIDENCE = 0.95

ALL_BREAK = 0.9
"""Rank among a run's other epochs from which on a layer's slowdown at perfect fit is a break."""

CHANCE = 0.33
"""Share of runs without a break in which a layer ranks so high at perfect fit.

Were the other epochs many and independent it would be 1 - ALL_BREAK. They overlap, and after 200
epochs they are few: of random drifts it is .24 to .36 there, more the smoother they are, and about
.2 after 1,000. A middle value: verdicts whose interval ends near it hang on it.
"""

KINDS = ("cka", "regions")


@dataclass(frozen=True)
class Observation:
    """One run, as far as a comparison looks at it.

    Attributes:
        family: resnet, vit or other.
        optimizer: sgd or adam for the two and their kin, or another's name.
        settings: its params, among them those of PLACES and of FREE.
        scores: by name, with their kind: `fit_break_cka`.
        double_descent: the test error rises to a peak and falls again.
    """

    family: str
    optimizer: str
    settings: Mapping[str, str]
    scores: Mapping[str, float]
    double_descent: bool


@dataclass(frozen=True)
class Effect:
    """What one score says of a claim.

    Attributes:
        score: its name.
        contrast: what is taken less what, in words.
        values: of the pairs, or of the runs.
        estimate, low, high: mean or share, and its 95 % interval; NaN where undefined.
        p: one-sided, of the sign test or its like.
        counted: it takes part in the finding's verdict.
        share: the estimate is a share of runs and no difference.
    """

    score: str
    contrast: str
    values: tuple[float, ...]
    estimate: float
    low: float
    high: float
    p: float
    verdict: Verdict
    counted: bool = True
    share: bool = False


@dataclass(frozen=True)
class Finding:
    """A claim of the paper, and what the runs say of it."""

    name: str
    claim: str
    effects: tuple[Effect, ...]

    @property
    def verdict(self) -> Verdict:
        """See the module."""
        verdicts = {effect.verdict for effect in self.effects if effect.counted}
        if "not supported" in verdicts:
            return "not supported"
        return "supported" if verdicts == {"supported"} else "undecided"


Factor = Literal["family", "optimizer", "double_descent"]
Level = str | bool
Side = tuple[str, Level]
"""How a side of a contrast is called, and the value by which its runs are known."""

VIT, RESNET = ("ViT", "vit"), ("ResNet", "resnet")
SGD, ADAM = ("SGD", "sgd"), ("Adam", "adam")
TWICE, ONCE = ("double descent", True), ("single", False)

FREE: Mapping[Factor, frozenset[str]] = {
    "family": frozenset({"arch", "width", "arch_arg", "lr", "layers"}),
    "optimizer": frozenset({"opt", "lr", "momentum"}),
    # what decides whether the error descends twice; the architecture must be the same
    "double_descent": frozenset(
        {"opt", "lr", "momentum", "width", "label_noise", "train_size", "epochs", "seed"}
    ),
}
"""Settings in which the two runs of a pair may differ, by what is compared."""


def findings(runs: Sequence[Observation]) -> tuple[Finding, ...]:
    """Return the paper's claims with what these runs say of them."""
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
                *_effects(runs, "family", VIT, RESNET, "synchrony"),
                *_effects(runs, "family", RESNET, VIT, "break_spread"),
                *_effects(runs, "family", VIT, RESNET, "synchrony_outside_fit", counted=False),
            ),
        ),
        Finding(
            "fit in all blocks",
            "Perfect fit makes a transition across all blocks of a ViT.",
            (
                *(_all_break(runs, VIT, kind) for kind in KINDS),
                *(_all_break(runs, RESNET, kind, counted=False) for kind in KINDS),
            ),
        ),
        Finding(
            "depth and double descent",
            "Deeper layers evolve more where the test error descends twice.",
            _effects(runs, "double_descent", TWICE, ONCE, "depth_drift"),
        ),
    )


def differences(
    runs: Sequence[Observation], factor: Factor, a: Level, b: Level, score: str
) -> tuple[float, ...]:
    """Return a score's mean over the runs of a less that over the runs of b, for each match."""
    cells: dict[tuple[tuple[str, str], ...], dict[Level, list[float]]] = {}
    for run in runs:
        level = getattr(run, factor)
        if level not in (a, b) or not np.isfinite(run.scores.get(score, np.nan)):
            continue
        held = {name: v for name, v in run.settings.items() if name not in FREE[factor]}
        cell = cells.setdefault(tuple(sorted(held.items())), {})
        cell.setdefault(level, []).append(run.scores[score])
    return tuple(
        float(np.mean(cell[a]) - np.mean(cell[b])) for cell in cells.values() if len(cell) == 2
    )


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the mean and its 95 % interval by Student's t; NaN for fewer than two values."""
    if not len(values):
        return (np.nan,) * 3
    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, np.nan, np.nan
    reach = stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1)
    reach *= np.std(values, ddof=1) / np.sqrt(len(values))
    return mean, float(mean - reach), float(mean + reach)


def sign_test(values: Sequence[float]) -> float:
    """Return the chance of at least so many positive values if both signs were as likely.

    Zeros are left out; NaN where nothing is left.
    """
    signed = [value for value in values if value]
    if not signed:
        return float("nan")
    positive = sum(value > 0 for value in signed)
    return float(stats.binomtest(positive, len(signed), alternative="greater").pvalue)


def verdict_of(low: float, high: float, n: int, *, null: float = 0.0) -> Verdict:
    """Return the verdict on an effect by its interval and the number of pairs; see the module."""
    if not np.isfinite(low):
        return "undecided"
    if low > null:
        return "supported" if high > low or n >= DECISIVE else "undecided"
    return "not supported" if high < null or n >= DECISIVE else "undecided"


def _effects(
    runs: Sequence[Observation],
    factor: Factor,
    more: Side,
    less: Side,
    stem: str,
    *,
    counted: bool = True,
) -> tuple[Effect, ...]:
    def effect(kind: str) -> Effect:
        values = differences(runs, factor, more[1], less[1], f"{stem}_{kind}")
        estimate, low, high = interval(values)
        return Effect(
            score=f"{stem}_{kind}",
            contrast=f"{more[0]} − {less[0]}",
            values=values,
            estimate=estimate,
            low=low,
            high=high,
            p=sign_test(values),
            verdict=verdict_of(low, high, len(values)),
            counted=counted,
        )

    return tuple(effect(kind) for kind in KINDS)


def _all_break(
    runs: Sequence[Observation], family: Side, kind: str, *, counted: bool = True
) -> Effect:
    """Return the share of a family's runs in which every layer breaks at perfect fit.

    A layer's slowdown there would rank above ALL_BREAK in a share CHANCE of runs if perfect fit
    were an epoch like others, and all layers' in no more of them, since they may drift as one: the
    binomial test is against that, the interval is Clopper and Pearson's (1934).
    """
    score = f"fit_break_least_rank_{kind}"
    values = _values(runs, score, lambda run: run.family == family[1])
    if not values:
        nothing = (np.nan,) * 4
        return Effect(score, family[0], (), *nothing, "undecided", counted, share=True)
    hits = sum(value >= ALL_BREAK for value in values)
    test = stats.binomtest(hits, len(values), CHANCE, alternative="greater")
    ends = stats.binomtest(hits, len(values)).proportion_ci(CONFIDENCE)
    return Effect(
        score=score,
        contrast=f"{family[0]} runs with every layer above {ALL_BREAK:g}",
        values=values,
        estimate=hits / len(values),
        low=float(ends.low),
        high=float(ends.high),
        p=float(test.pvalue),
        verdict=verdict_of(float(ends.low), float(ends.high), len(values), null=CHANCE),
        counted=counted,
        share=True,
    )


def _values(
    runs: Sequence[Observation], score: str, chosen: Callable[[Observation], bool]
) -> tuple[float, ...]:
    found = [run.scores.get(score, np.nan) for run in runs if chosen(run)]
    return tuple(float(value) for value in found if np.isfinite(value))
