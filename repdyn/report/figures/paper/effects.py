"""What forest plots show: the effects by which findings are judged, and the scores of each group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from repdyn.analysis.effects import Effect
from repdyn.analysis.findings import JUDGED, Finding
from repdyn.analysis.verdicts import MARGINS, interval
from repdyn.display.wording import score_words
from repdyn.measures.spec import MEASURES
from repdyn.records import RunRecord
from repdyn.report.figures.comparison import SCORES
from repdyn.report.figures.paper.forest import Panel, Row
from repdyn.score_key import ScoreKey

TITLES = {**SCORES, "first_layer_return": "return of the first layer (log₂)"}


def effect_panels(findings: Sequence[Finding]) -> list[Panel]:
    """Return a panel for each score with the effects that count towards a verdict and have values."""
    rows: dict[str, list[Row]] = {}
    for finding in findings:
        for effect in finding.counted:
            if effect.values:
                rows.setdefault(_title(effect), []).append(_row(effect))
    return [Panel(title, tuple(some)) for title, some in rows.items()]


def untested(findings: Sequence[Finding]) -> list[str]:
    """Return the claims of which no counted effect has values."""
    return [f.claim for f in findings if not any(effect.values for effect in f.counted)]


def score_panels(groups: Mapping[str, Sequence[RunRecord]]) -> list[Panel]:
    """Return a panel for each judged score: the mean over the seeds of each group, by measure."""
    drawn = []
    for score in MARGINS:
        rows = [
            _mean(f"{label}, {MEASURES[measure].label}", values)
            for label, runs in groups.items()
            for measure in JUDGED
            if (values := _values(runs, ScoreKey(score, measure)))
        ]
        if rows:
            drawn.append(Panel(_words(score), tuple(rows)))
    return drawn


def _values(runs: Sequence[RunRecord], key: ScoreKey) -> tuple[float, ...]:
    found = (run.scores.get(key, np.nan) for run in runs)
    return tuple(value for value in found if np.isfinite(value))


def _mean(label: str, values: tuple[float, ...]) -> Row:
    estimate, low, high = map(float, interval(values))
    return Row(label, values, estimate, low, high, null=0.0)


def _words(score: str) -> str:
    title = TITLES.get(score, score_words(score)).replace("\n", " ")
    return title[0].upper() + title[1:]


def _title(effect: Effect) -> str:
    if effect.share:
        return "Share of runs in which every layer slows down"
    return _words(effect.score.score)


def _row(effect: Effect) -> Row:
    return Row(
        f"{_brief(effect)}, {MEASURES[effect.score.measure].label}",
        effect.values,
        effect.estimate,
        effect.low,
        effect.high,
        effect.verdict,
        effect.null,
        np.nan if effect.share else effect.margin,
    )


def _brief(effect: Effect) -> str:
    """Return what is compared in few words: the family of a share, `double − single-descent`."""
    if effect.share:
        return effect.contrast.partition(" ")[0]
    more, _, less = effect.contrast.partition(" − ")
    word = less.rpartition("-")[2]
    return f"{more.removesuffix(f'-{word}')} − {less}"
