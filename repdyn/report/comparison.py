"""A comparison of runs, prepared for display: groups, findings, CKA between runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from repdyn.analysis.effects import Effect
from repdyn.analysis.findings import Finding
from repdyn.analysis.verdicts import ALIKE, CONFIDENCE, MOST_SEEDS, SUPPORTED, UNDECIDED, Verdict
from repdyn.display.wording import NO_PAIR, NO_RUN, NOT_TESTABLE, key_words, plain
from repdyn.measures.spec import MEASURES, spec
from repdyn.records import FloatArray, IntArray, RunRecord, RunSummary
from repdyn.score_key import ScoreKey

FITTED, SPIKY = "runs with perfect fit", "runs that fall back from it"
"""Rows of numbers: all runs are counted, whatever they have."""


@dataclass(frozen=True)
class CrossCka:
    """CKA between two runs on the same reference images.

    Attributes:
        names: of the two runs.
        layers: of the first run (A) and of the second (B).
        steps: common checkpoints, (E,).
        values: layer by layer at each of them, (E, A, B).
        baseline: whether the runs differ in their seed alone: how alike two runs of one optimizer are.
    """

    names: tuple[str, str]
    layers: tuple[tuple[str, ...], tuple[str, ...]]
    steps: IntArray
    values: FloatArray
    baseline: bool = False

    def same_layers(self) -> FloatArray | None:
        """Return the CKA of matching layers at each epoch, (A, E); None if the layers differ."""
        if self.layers[0] != self.layers[1]:
            return None
        return np.diagonal(self.values, axis1=1, axis2=2).T


@dataclass(frozen=True)
class Comparison:
    """Runs side by side.

    Attributes:
        title: what is compared.
        runs: finished ones, in display order.
        findings: the paper's claims, judged on them.
        varied: settings in which they differ, except the seed and a data seed tied to it.
        cross: CKA between runs.
        notes: caveats, one sentence each.
        by_similarity: by finding, its verdict on each similarity measure alone.
        no_baseline: why `cross` has no baseline; empty if it has one or needs none.
        without_falls: by name, the findings on the runs that stay at the fit; empty if all do.
    """

    title: str
    runs: tuple[RunRecord, ...]
    findings: tuple[Finding, ...]
    varied: tuple[str, ...]
    cross: tuple[CrossCka, ...]
    notes: tuple[str, ...]
    by_similarity: Mapping[str, Mapping[str, Verdict]] = field(default_factory=dict)
    no_baseline: str = ""
    without_falls: Mapping[str, Finding] = field(default_factory=dict)


@dataclass(frozen=True)
class Group:
    """Runs that differ only in their seed."""

    label: str
    runs: tuple[RunRecord, ...]

    def epochs(self, boundary: str) -> list[float]:
        """Return the epochs of a phase boundary in the runs that have it."""
        found = (getattr(run.phases, boundary) for run in self.runs)
        return [float(epoch) for epoch in found if epoch is not None]

    def states(self) -> dict[str, str]:
        """Return how many runs reach perfect fit and fall back from it, `5 of 6`, by what they do.

        Nothing if none has the curve in which that is seen.
        """
        logged = [run.phases for run in self.runs if run.logs_accuracy]
        fitted = sum(phases.fit is not None for phases in logged)
        spiky = sum(bool(phases.spikes) for phases in logged)
        of = f"of {len(logged)}"
        return {FITTED: f"{fitted} {of}", SPIKY: f"{spiky} {of}"} if logged else {}

    def scores(self, key: ScoreKey) -> list[float]:
        """Return a score in the runs that have it."""
        return [run.scores[key] for run in self.runs if key in run.scores]


def groups(comparison: Comparison) -> list[Group]:
    """Return the runs grouped by the settings that differ, in the order of their first runs."""
    found: dict[str, list[RunRecord]] = {}
    for run in comparison.runs:
        found.setdefault(label(run, comparison.varied), []).append(run)
    return [Group(name, tuple(runs)) for name, runs in found.items()]


def label(run: RunRecord, varied: Sequence[str]) -> str:
    """Return the label of a run among others: the settings in which they differ, or its name."""
    return summary_label(run.summary, varied)


def summary_label(run: RunSummary, varied: Sequence[str]) -> str:
    """Return the label of a run that has not been read: see `label`."""
    params = {name: plain(value) for name, value in run.params.items()}
    usual = [params.get("arch", "").partition("_patch")[0], params.get("opt", "")]
    others = [f"{n} {params[n]}" for n in varied if n not in ("arch", "opt") and n in params]
    return " ".join(part for part in [*usual, *others] if part) or plain(run.name)


def score_names(comparison: Comparison) -> list[str]:
    """Return the names of the scores that any of the runs has."""
    names = (key.score for run in comparison.runs for key in run.scores)
    return list(dict.fromkeys(names))


def main_scores(comparison: Comparison) -> list[str]:
    """Return the names of the scores by which the findings are judged, of those that any run has."""
    judged = {effect.score.score for finding in comparison.findings for effect in finding.counted}
    return [name for name in score_names(comparison) if name in judged]


def measures_of(comparison: Comparison) -> list[str]:
    """Return the similarity measures that any of the runs has scores of, in order."""
    found = {key.measure for run in comparison.runs for key in run.scores}
    return [name for name in MEASURES if name in found]


def spread(values: Sequence[float], digits: int, runs: int) -> str:
    """Return the mean of values with their smallest and largest, `2.2 (1.9–2.6)`.

    If only some of the runs have one it says so, `24 (20–30), 3 of 6`.
    """
    if not len(values):
        return "–"
    mean, low, high = (f"{v:.{digits}f}" for v in (np.mean(values), min(values), max(values)))
    some = f", {len(values)} of {runs}" if len(values) < runs else ""
    return (mean if len(values) == 1 else f"{mean} ({low}–{high})") + some


def numbers(effect: Effect) -> str:
    """Return an effect's estimate with its interval, `+2.05 [0.45, 3.65]`.

    The level is added if it is not that of all others.
    """
    other = np.isfinite(effect.low) and effect.level != CONFIDENCE
    return interval(effect) + (f" ({100 * effect.level:g} %)" if other else "")


def interval(effect: Effect) -> str:
    """Return an effect's estimate with its interval, whatever its level."""
    if not np.isfinite(effect.estimate):
        return "–"
    said = f"{effect.estimate:.2f}" if effect.share else f"{effect.estimate:+.2f}"
    return said + (f" [{effect.low:.2f}, {effect.high:.2f}]" if np.isfinite(effect.low) else "")


def contrast_words(effect: Effect) -> str:
    """Return what is compared, `ViT − ResNet, equal fit`, or a share with that of chance."""
    if effect.share:
        return f"{effect.contrast}, {effect.null:.2f} by chance"
    return f"{effect.contrast}, {effect.basis}" if effect.basis else effect.contrast


def counts(effect: Effect) -> str:
    """Return how much data an effect is based on, `3 seeds, 6 pairs`, and what is left out."""
    out = left_out(effect)
    return based_on(effect) + (f"; {out}" if out else "")


def based_on(effect: Effect) -> str:
    """Return how much data an effect is based on, `3 seeds, 6 pairs`."""
    unit = "run" if effect.share else "pair"
    return f"{_number(len(effect.seeds), 'seed')}, {_number(effect.pairs, unit)}"


def left_out(effect: Effect) -> str:
    """Return how many runs are left out; nothing if none is."""
    return f"{_number(effect.left_out, 'run')} without fit" if effect.left_out else ""


def effect_words(effect: Effect) -> str:
    """Return the verdict on an effect, with the margin if it is against the claim."""
    if not effect.counted:
        return "not counted"
    if effect.verdict == UNDECIDED:
        return _undecided_effect(effect)
    if told_against(effect):
        return f"{effect.verdict} ({effect.margin:g} would matter)"
    return effect.verdict


def told_against(effect: Effect) -> bool:
    """Return whether an effect counts, and its verdict is against the claim: the margin explains it."""
    return effect.counted and effect.verdict not in (UNDECIDED, SUPPORTED)


def _undecided_effect(effect: Effect) -> str:
    if 1 < len(effect.seeds) < ALIKE and not (effect.share or np.isfinite(effect.low)):
        return f"undecided (equal values; {ALIKE} seeds would decide)"
    needed = effect.seeds_needed
    return f"undecided (≈ {needed:.0f} seeds)" if np.isfinite(needed) else "undecided"


def finding_words(finding: Finding) -> str:
    """Return the verdict on a finding, `undecided (3 seeds; about 8 would decide)`."""
    if finding.verdict != UNDECIDED:
        return finding.verdict
    if not finding.seeds:
        return f"undecided ({NOT_TESTABLE})"
    if any(effect.untestable for effect in finding.counted) and np.isinf(finding.seeds_needed):
        return f"undecided (in part {NOT_TESTABLE})"
    return _undecided(finding.seeds, finding.seeds_needed)


def holds(comparison: Comparison, finding: Finding) -> str:
    """Return under how many similarities a finding holds, and the verdict under the others.

    `holds under 1 of 3 similarities (undecided: regions; refuted: k-NN)`; nothing for a single one.
    """
    verdicts = comparison.by_similarity.get(finding.name, {})
    if len(verdicts) < 2:
        return ""
    others: dict[str, list[str]] = {}
    for name, verdict in verdicts.items():
        if verdict != SUPPORTED:
            others.setdefault(verdict, []).append(spec(name).label)
    held = sum(verdict == SUPPORTED for verdict in verdicts.values())
    said = f"holds under {held} of {len(verdicts)} similarities"
    beside = "; ".join(f"{verdict}: {', '.join(names)}" for verdict, names in others.items())
    return f"{said} ({beside})" if beside else said


def staying_words(comparison: Comparison, finding: Finding) -> str:
    """Return the verdict without the runs that fall back; nothing if none does, or there is none with them.

    `without the 3 runs that fall back from perfect fit: undecided (2 seeds; about 5 would decide)`.
    """
    alone = comparison.without_falls.get(finding.name)
    if alone is None or not finding.seeds:
        return ""
    n = sum(bool(run.phases.spikes) for run in comparison.runs)
    falling = "run that falls" if n == 1 else f"{n} runs that fall"
    return f"without the {falling} back from perfect fit: {finding_words(alone)}"


def untestable_words(effect: Effect) -> str:
    """Return that an effect has no values, and why."""
    return f"{NO_RUN if effect.share else NO_PAIR} ({effect.untestable})"


def untestable_lines(finding: Finding, words: Callable[[ScoreKey], str] = key_words) -> list[str]:
    """Return why effects have no values, each reason once with its scores, named by `words`."""
    found: dict[str, list[str]] = {}
    for effect in finding.effects:
        if effect.untestable:
            at = f" at {effect.basis}" if effect.basis else ""
            found.setdefault(untestable_words(effect), []).append(words(effect.score) + at)
    return [f"{', '.join(scores)}: {why}" for why, scores in found.items()]


def _undecided(seeds: int, needed: float) -> str:
    if seeds == 1:
        return "undecided (1 seed; a verdict needs more)"
    if np.isfinite(needed):
        return f"undecided ({seeds} seeds; about {needed:.0f} would decide)"
    if seeds < MOST_SEEDS:
        return f"undecided ({seeds} seeds; it would take more than {MOST_SEEDS})"
    return f"undecided ({seeds} seeds)"


def _number(n: int, unit: str) -> str:
    return f"{n} {unit}" if n == 1 else f"{n} {unit}s"


def has_findings(comparison: Comparison) -> bool:
    """Return whether any finding can be tested on these runs."""
    return any(effect.values for finding in comparison.findings for effect in finding.effects)
