"""The paper's findings: whether scores differ by architecture and by optimizer as it claims.

Effects are in effects.py, the matching of runs in pairs.py, the verdicts in verdicts.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from repdyn.analysis.effects import Contrast, Effect, all_break_effect, contrast_effects
from repdyn.analysis.pairs import Observation, Side
from repdyn.analysis.verdicts import UNDECIDED, Verdict, as_verdict, finding_verdict
from repdyn.measures.spec import MEASURES, PRIMARY
from repdyn.score_key import ScoreKey

JUDGED = tuple(one.name for one in MEASURES.values() if one.of_paper)
"""The similarity measures on which findings are judged; the level of intervals depends on how many."""


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
        """With how many seeds it would be decided: an effect against it, or else all for it."""
        undecided = [effect for effect in self.counted if effect.verdict == UNDECIDED]
        against = [e.seeds_needed for e in undecided if e.margin - e.estimate > e.estimate - e.null]
        needed = [effect.seeds_needed for effect in undecided]
        return min(against) if against else max(needed, default=math.inf)


VIT: Side = ("ViT", "vit")
RESNET: Side = ("ResNet", "resnet")
SGD: Side = ("SGD", "sgd")
ADAM: Side = ("Adam", "adam")
TWICE: Side = ("double-descent", True)
ONCE: Side = ("single-descent", False)


def findings(runs: Sequence[Observation]) -> tuple[Finding, ...]:
    """Return the paper's claims with what these runs say about them."""
    each, both = len(JUDGED), 2 * len(JUDGED)
    return (
        Finding(
            "phases by architecture",
            "Phases are more distinguishable in ViT than in ResNet.",
            _effects(runs, Contrast("family", VIT, RESNET, each), "fit_break"),
        ),
        Finding(
            "phases by optimizer",
            "Phases are more distinguishable with SGD than with Adam.",
            _effects(runs, Contrast("optimizer", SGD, ADAM, each), "fit_break"),
        ),
        Finding(
            "synchrony",
            "The layers of a ViT change in synchrony, those of a ResNet less so.",
            (
                *_effects(runs, Contrast("family", VIT, RESNET, both), "synchrony"),
                *_effects(runs, Contrast("family", RESNET, VIT, both), "break_spread"),
                *_effects(
                    runs,
                    Contrast("family", VIT, RESNET, both),
                    "synchrony_outside_fit",
                    counting=(),
                ),
            ),
        ),
        Finding(
            "fit in all blocks",
            "Perfect fit marks a transition across all blocks of a ViT.",
            (
                *(all_break_effect(runs, VIT, measure, each) for measure in JUDGED),
                *(all_break_effect(runs, RESNET, m, each, counted=False) for m in JUDGED),
            ),
        ),
        Finding(
            "depth and double descent",
            "Deeper layers evolve more where the test error descends twice.",
            _effects(runs, Contrast("double_descent", TWICE, ONCE, each), "depth_drift"),
        ),
        Finding(
            "return of the first layer",
            "The first layer drifts back toward its initialisation with Adam, with SGD less so.",
            # the claim is about CKA
            _effects(
                runs,
                Contrast("optimizer", ADAM, SGD, 1),
                "first_layer_return",
                counting=(PRIMARY.name,),
            ),
        ),
    )


def findings_without_falls(runs: Sequence[Observation]) -> dict[str, Finding]:
    """Return the findings by name on those runs alone that stay at their perfect fit.

    In a fall all layers move at once, which changes their scores; but the runs that fall are not a
    random sample, so that this says how far findings depend on them and replaces none. Empty if none falls.
    """
    staying = [run for run in runs if not run.falls]
    if len(staying) == len(runs):
        return {}
    return {finding.name: finding for finding in findings(staying)}


def _effects(
    runs: Sequence[Observation],
    contrast: Contrast,
    stem: str,
    *,
    counting: Sequence[str] = JUDGED,
) -> tuple[Effect, ...]:
    """Return the effects of a score on each measure; those on the measures of `counting` count."""
    return tuple(
        effect
        for measure in JUDGED
        for effect in contrast_effects(
            runs, contrast, ScoreKey(stem, measure), counted=measure in counting
        )
    )
