"""A comparison as one self-contained HTML file: to read offline, in an email, on a phone."""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from repdyn.analysis.findings import Finding
from repdyn.analysis.scores import MEANINGS
from repdyn.analysis.verdicts import ALIKE, CONFIDENCE, MARGINS, ORDER, SHARE_MARGIN, Verdict
from repdyn.display.labels import PHASES
from repdyn.display.similarity import common_scale, similarity
from repdyn.display.wording import key_title, noise, plain, score_title, trained_here
from repdyn.evenly import evenly
from repdyn.measures.spec import MEASURES, MeasureSpec
from repdyn.report import forest
from repdyn.report.comparison import (
    FITTED,
    SPIKY,
    Comparison,
    Group,
    finding_words,
    groups,
    has_findings,
    holds,
    left_out,
    main_scores,
    measures_of,
    score_names,
    spread,
    staying_words,
    untestable_lines,
)
from repdyn.report.html import render
from repdyn.report.provenance import NOT_RECORDED, commit_words, date_words, differences, last_start
from repdyn.report.tiles import colour_bar, mean_over, tiles
from repdyn.score_key import ScoreKey
from repdyn.step_words import counted

CAPTIONS = {
    "scores": "The scores of each run (dots) and the mean of each group (bars).",
    "drift": "How fast each layer drifts: the median of a group's runs, and their range. Lines at "
    "memorisation onset (dashed) and perfect fit. A break shows as a step down at the fit; layers in "
    "synchrony move as one.",
    "cross_cka": "CKA between two runs that differ in their optimizer: each layer with its "
    "counterpart over the epochs, and all pairs of layers at the end. The baseline is "
    "two seeds of one optimizer, where they share reference images: optimizers that differ no more "
    "than these do not differ.",
}
"""What a figure of the comparison shows, by its name."""

CLASSES: Mapping[Verdict, str] = {
    "supported": "yes",
    "refuted": "no",
    "no difference of note": "none",
    "undecided": "open",
}

LEGEND = (
    "Dots are means over seeds, lines their intervals; an arrow where an interval goes on. Shaded: "
    "differences too small to matter; solid line: no difference, or the share expected by chance; dashed: "
    "the share that matters. Hollow: not counted in the verdict."
)

MOST_LAYERS = 6
"""Layers whose matrices are shown of each group."""


NOT_RECORDED_SENTENCE = (
    "What these runs were trained with was not recorded by their version of repdyn."
)


def page(comparison: Comparison, figures: Mapping[str, bytes]) -> str:
    """Return the page.

    Args:
        comparison: to show.
        figures: PNGs by name; those in CAPTIONS get a caption, others their name.
    """
    claims = _claims(comparison)
    others = [name for name in score_names(comparison) if name not in main_scores(comparison)]
    warnings = differences([run.summary for run in comparison.runs])
    return render(
        "comparison",
        title=plain(comparison.title),
        what=_what(comparison),
        claims=claims,
        tally=_tally(comparison.findings),
        legend=LEGEND,
        notes=[*comparison.notes, *warnings],
        heatmaps=list(_heatmaps(comparison)),
        numbers=_main_numbers(comparison),
        other_scores=_numbers(comparison, others),
        figures=[(CAPTIONS.get(n, n), b64encode(png).decode()) for n, png in figures.items()],
        rules=[("How a verdict is reached", _rule()), ("What chance gives", NULLS)],
        meanings=[(score_title(s), MEANINGS[s]) for s in score_names(comparison) if s in MEANINGS],
        settings=_settings(comparison),
        runs=_runs(comparison),
    )


def _what(comparison: Comparison) -> str:
    params = comparison.runs[0].summary.params
    seeds = {run.summary.params.get("seed", "") for run in comparison.runs}
    shares = ", ".join(sorted({noise(run.summary) or "no" for run in comparison.runs}))
    runs = f"{counted(len(comparison.runs), 'run')} in {counted(len(groups(comparison)), 'group')}"
    if not trained_here(comparison.runs[0].summary):
        return runs
    return (
        f"{runs}, {counted(len(seeds), 'seed')}, on "
        f"{plain(params.get('dataset', ''))} ({plain(params.get('train_size', ''))} training "
        f"images, {shares} label noise)"
    )


def _rule() -> str:
    margins = ", ".join(f"{score_title(score)} {margin:g}" for score, margin in MARGINS.items())
    return (
        "Differences between matched runs are averaged within a seed; an effect is the mean over "
        f"seeds with its {100 * CONFIDENCE:g} % interval by Student's t, wider where a finding counts more "
        "than two effects. Supported: the interval lies above 0 and reaches the smallest difference "
        f"that matters ({margins}). Refuted: it lies below that. No difference of note: it lies "
        "within ± that. Undecided: otherwise, and if fewer than "
        f"{ALIKE} seeds all have the same value; the number of seeds given is the one with which an "
        "interval around the same mean, with the same spread, would decide. Where runs have several "
        "learning rates, differences are those between the sides' curves of the score against the "
        "log epoch of perfect fit, where they overlap. A finding is as the least favourable of its "
        "counted effects."
    )


NULLS = (
    "A share of runs has an exact interval that counts the runs of a seed as one; it is compared with "
    "the share of phase-randomised copies of the runs instead of 0, and refuted below "
    f"{SHARE_MARGIN:g}. The rank of a score is its place among what chance gives: other epochs of the "
    "run, random time shifts of the layers, other orders of the layers."
)


def _tally(found: Sequence[Finding]) -> str:
    """Return how many claims have each verdict, `2 of 6 claims supported, 4 undecided`."""
    counts = Counter(finding.verdict for finding in found)
    shown = [f"{counts[word]} {word}" for word in reversed(ORDER) if counts[word]]
    first, *others = shown or ["none tested"]
    number, _, word = first.partition(" ")
    first = f"{number} of {counted(len(found), 'claim')} {word}"
    return ", ".join([first, *others])


def _claims(comparison: Comparison) -> list[dict[str, Any]]:
    """Return the findings, or why they cannot be tested; nothing for loops of one's own."""
    ours = any(trained_here(run.summary) for run in comparison.runs)
    shown = comparison.findings if ours or has_findings(comparison) else ()
    return [
        {
            "kind": CLASSES[finding.verdict],
            "text": finding.claim,
            "verdict": finding_words(finding),
            "panels": forest.panels(finding),
            "below": _below(comparison, finding),
        }
        for finding in shown
    ]


def _below(comparison: Comparison, finding: Finding) -> list[str]:
    out = dict.fromkeys(f"Left out: {n}" for one in finding.effects if (n := left_out(one)))
    return [
        *untestable_lines(finding, key_title),
        *out,
        *filter(None, [holds(comparison, finding), staying_words(comparison, finding)]),
    ]


def _heatmaps(comparison: Comparison) -> Iterable[dict[str, Any]]:
    """Yield a section for each similarity measure: the matrices of some layers of each group."""
    for name, measure in MEASURES.items():
        having = [(group, _having(group, name)) for group in groups(comparison)]
        means = [
            (group.label, runs, mean_over([similarity(run.dynamics, name) for run in runs]))
            for group, runs in having
            if runs
        ]
        if means:
            scale = common_scale([mean for *_, (mean, _) in means])
            drawn = [
                tiles(
                    _over(label, count, len(runs)),
                    mean,
                    scale,
                    evenly(len(mean.names), MOST_LAYERS),
                    runs,
                )
                for label, runs, (mean, count) in means
            ]
            yield {
                "title": f"{measure.title} between checkpoints",
                "lead": f"{_lead(measure)} {max((one.legend for one in drawn), key=len)}",
                "bar": colour_bar(scale),
                "groups": drawn,
            }


def _having(group: Group, measure: str) -> list[Any]:
    return [
        run
        for run in group.runs
        if run.dynamics is not None
        and measure in run.dynamics.similarity
        and len(run.dynamics.steps) > 1
    ]


def _lead(measure: MeasureSpec) -> str:
    return (
        f"Each layer with itself at every other checkpoint, by {measure.long_label}; at most {MOST_LAYERS} "
        "layers, from the first to the last."
    )


def _over(label: str, count: int, runs: int) -> str:
    """Return a group's label with the number of runs that the matrices are a mean of."""
    if runs == 1:
        return label
    if count == runs:
        return f"{label}, mean of {runs} runs"
    return f"{label}, mean of {count} of {runs} runs (others have other layers or checkpoints)"


def _numbers(comparison: Comparison, scores: Sequence[str]) -> dict[str, Any]:
    """Return a table of some scores, with the phases above the main ones."""
    shown = groups(comparison)
    rows = [
        (
            key_title(ScoreKey(score, measure)),
            *(
                spread(group.scores(ScoreKey(score, measure)), 2, len(group.runs))
                for group in shown
            ),
        )
        for score in scores
        for measure in measures_of(comparison)
        if any(group.scores(ScoreKey(score, measure)) for group in shown)
    ]
    even = len({len(group.runs) for group in shown}) == 1
    heads = [g.label if even else f"{g.label} ({counted(len(g.runs), 'run')})" for g in shown]
    return {"head": ["", *heads], "rows": rows}


def _main_numbers(comparison: Comparison) -> dict[str, Any]:
    """Return a table of what the runs reach, their phases, and the scores that judge the findings."""
    shown = groups(comparison)
    rows = [
        (state, *(group.states().get(state, "–") for group in shown))
        for state in (FITTED, SPIKY)
        if any(group.states() for group in shown)
    ]
    rows += [
        (PHASES[name], *(spread(group.epochs(name), 0, len(group.runs)) for group in shown))
        for name in PHASES
        if any(group.epochs(name) for group in shown)
    ]
    table = _numbers(comparison, main_scores(comparison))
    return table | {"rows": rows + table["rows"]}


def _settings(comparison: Comparison) -> dict[str, Any]:
    """Return the settings that all runs share, and by group those in which groups differ."""
    params = [run.summary.params for run in comparison.runs]
    names = list(dict.fromkeys(name for one in params for name in one))
    values = {name: list(dict.fromkeys(one.get(name, "") for one in params)) for name in names}
    of_seeds = {"seed", "data_seed"} - set(comparison.varied)
    differing = [name for name, v in values.items() if len(v) > 1 and name not in of_seeds]
    rows = [
        (group.label, *(group.runs[0].summary.params.get(n, "") for n in differing))
        for group in groups(comparison)
    ]
    return {
        "shared": [(name, v[0]) for name, v in values.items() if len(v) == 1 and v[0] != "None"],
        "differing": {"head": ["group", *differing], "rows": rows if differing else []},
    }


def _runs(comparison: Comparison) -> dict[str, Any]:
    known = {name for run in comparison.runs for name in run.summary.params}
    seeds = [name for name in ("seed", "data_seed") if name in known]
    starts = [last_start(run.summary) for run in comparison.runs]
    versions = list(dict.fromkeys(name for one in starts if one for name in one.versions))
    recorded = ["started", "git commit", "device", *versions] if any(starts) else []
    rows = []
    for run, one in zip(comparison.runs, starts, strict=True):
        row = [
            run.summary.name,
            run.summary.run_id,
            *(run.summary.params.get(n, "") for n in seeds),
        ]
        if recorded and one is None:
            row += [NOT_RECORDED] * len(recorded)
        elif one is not None:
            row += [date_words(one), commit_words(one), one.device or NOT_RECORDED]
            row += [one.versions.get(name, NOT_RECORDED) for name in versions]
        rows.append(row)
    head = ["run", "id", *(n.replace("_", " ") for n in seeds), *recorded]
    return {"head": head, "rows": rows, "note": "" if recorded else NOT_RECORDED_SENTENCE}
