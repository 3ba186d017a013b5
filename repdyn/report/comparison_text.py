"""A comparison of runs as text for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

import numpy as np
from rich.cells import cell_len
from rich.console import Group as Lines
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from repdyn.analysis.effects import Effect
from repdyn.analysis.findings import Finding
from repdyn.analysis.verdicts import CONFIDENCE, Verdict
from repdyn.display.heatmap import HeatmapData
from repdyn.display.labels import PHASES
from repdyn.display.scale import measure_scale
from repdyn.display.text_heatmap import TextHeatmaps
from repdyn.display.wording import NOT_TESTABLE, key_words, label, plain, score_words
from repdyn.errors import SettingError
from repdyn.measures.spec import PRIMARY
from repdyn.report.comparison import (
    FITTED,
    SPIKY,
    Comparison,
    CrossCka,
    Group,
    based_on,
    effect_words,
    finding_words,
    groups,
    has_findings,
    holds,
    interval,
    left_out,
    main_scores,
    measures_of,
    score_names,
    spread,
    staying_words,
    told_against,
    untestable_lines,
)
from repdyn.score_key import ScoreKey
from repdyn.step_words import counted, step

VERDICT_STYLES: Mapping[Verdict, str] = {
    "supported": "bold green",
    "refuted": "bold red",
    "no difference of note": "bold cyan",
    "undecided": "yellow",
}

INTERVALS = f"{100 * CONFIDENCE:g} % intervals by Student's t over seeds; of shares, exact"

NAMES, COLUMN = 36, 20
"""Width of a column of names, and of a column of a group's numbers."""

INDENT = 2
"""Columns left of the effects, before a gap."""

MOST_LAYERS = 24
"""Most layers of a run for which a layer-by-layer table is printed."""


def comparison_text(
    comparison: Comparison, width: int, epoch: int | None = None, *, scores: bool = False
) -> RenderableType:
    """Return a comparison for a console: findings, numbers by group, CKA between runs.

    Args:
        comparison: to show.
        width: of the console in cells.
        epoch: of the CKA between layers (None: the last).
        scores: show all scores, not only those by which the findings are judged.

    Raises:
        UserError: two runs are compared that do not have this epoch.
    """
    parts: list[RenderableType] = [Text(plain(comparison.title), "bold")]
    if has_findings(comparison):
        parts += [Text(), Text("Findings", "bold underline")]
        parts += [
            _finding(one, [holds(comparison, one), staying_words(comparison, one)])
            for one in comparison.findings
        ]
        parts.append(Text(INTERVALS, "dim"))
    parts += [Text(note, "yellow") for note in comparison.notes]
    found, names = groups(comparison), score_names(comparison)
    shown = names if scores or not has_findings(comparison) else main_scores(comparison)
    beside = max(1, (width - NAMES) // COLUMN)
    for start in range(0, len(found), beside):
        parts += [Text(), _numbers(comparison, found[start : start + beside], shown)]
    if len(shown) < len(names):
        parts.append(Text(f"{counted(len(names) - len(shown), 'more score')}: --scores", "dim"))
    if len(comparison.runs) == 2 and comparison.cross:
        parts += _cross(comparison.cross[0], epoch, comparison.runs[0].unit)
    return Lines(*parts)


def _numbers(comparison: Comparison, shown: Sequence[Group], scores: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("", no_wrap=True)
    for group in shown:
        n = len(group.runs)
        table.add_column(Text(group.label + (f"\n{n} runs" if n > 1 else "")), justify="right")

    def add(name: str, found: Sequence[Sequence[float]], digits: int) -> None:
        if any(found):
            of = zip(found, shown, strict=True)
            table.add_row(name, *(spread(values, digits, len(one.runs)) for values, one in of))

    for state in (FITTED, SPIKY):
        if any(group.states() for group in shown):
            table.add_row(state, *(group.states().get(state, "–") for group in shown))
    for name in PHASES:
        add(PHASES[name], [group.epochs(name) for group in shown], 0)
    for score in scores:
        for measure in measures_of(comparison):
            key = ScoreKey(score, measure)
            add(key_words(key), [group.scores(key) for group in shown], 2)
    return table


def _finding(finding: Finding, further: Sequence[str]) -> RenderableType:
    """Return a claim with its verdict, then for each score a line for each similarity."""
    verdict = (finding.verdict, VERDICT_STYLES[finding.verdict])
    parts: list[RenderableType] = [Text.assemble(verdict, "  ", (finding.claim, "bold"))]
    note = finding_words(finding).removeprefix(finding.verdict).strip(" ()")
    shown = [effect for effect in finding.effects if effect.values]
    sizes = [max(map(cell_len, column)) for column in zip(*map(_row, shown), strict=True)]
    for head, grouped in groupby(shown, key=_head):
        effects = list(grouped)
        against = [one for one in effects if told_against(one)]
        # beside the verdict it would not fit 80 columns
        matters = f"; {against[0].margin:g} would matter" if against else ""
        parts.append(Text(f"  {head}{matters}", "dim"))
        table = Table.grid(padding=(0, 2, 0, 0))
        for size in (INDENT, *sizes[:-1], None):
            table.add_column(no_wrap=size is not None, width=size)
        for effect in effects:
            style = "" if effect.counted else "dim"
            table.add_row("", *(Text(cell, style) for cell in _row(effect)))
        parts.append(table)
    out = dict.fromkeys(f"left out: {words}" for one in shown if (words := left_out(one)))
    reasons = untestable_lines(finding)  # each says that it is not testable, and why
    notes = [] if reasons and note.endswith(NOT_TESTABLE) else [note]
    said = (*filter(None, notes), *reasons, *out, *filter(None, further))
    return Lines(*parts, *(Text(f"  {line}", "dim") for line in said))


def _head(effect: Effect) -> str:
    """Return what the effects of a score have in common, `fit break, ViT − ResNet`.

    With what a row adds, each stays on one line at 80 columns.
    """
    chance = " vs chance" if effect.share else ""
    parts = [score_words(effect.score.score), effect.contrast + chance, effect.basis]
    if np.isfinite(effect.low) and effect.level != CONFIDENCE:
        parts.append(f"{100 * effect.level:g} % intervals")
    return ", ".join(filter(None, parts))


def _row(effect: Effect) -> tuple[str, ...]:
    chance = f" vs {effect.null:.2f}" if effect.share else ""
    number = interval(effect) + chance
    verdict = effect.verdict if told_against(effect) else effect_words(effect)
    return label(effect.score.measure), number, based_on(effect), verdict


def _cross(cross: CrossCka, epoch: int | None, unit: str) -> list[RenderableType]:
    a, b = map(plain, cross.names)
    at = len(cross.steps) - 1
    if epoch is not None:
        if epoch not in cross.steps:
            there = ", ".join(map(str, cross.steps))
            raise SettingError(
                "epoch", epoch, f"not a checkpoint of both runs, which share {there}"
            )
        at = int(np.flatnonzero(cross.steps == epoch)[0])
    parts: list[RenderableType] = []
    same = cross.same_layers()
    scale = measure_scale(PRIMARY, cross.values, "linear")
    if same is not None:
        title = "CKA of each layer with its counterpart"
        heatmap = HeatmapData(same, cross.layers[0], cross.steps, scale, unit=unit)
        parts += [Text(), Text(title, "bold underline"), TextHeatmaps((heatmap,))]
    if max(map(len, cross.layers)) <= MOST_LAYERS:
        title = f"CKA between layers at {unit} {step(int(cross.steps[at]))}: {a} in rows, {b} in columns"
        parts += [Text(), Text(title, "bold underline"), _layers(cross, at)]
    return parts


def _layers(cross: CrossCka, at: int) -> Table:
    """Return a table of CKA with numbered columns: names would not fit above them."""
    down, across = ([plain(name) for name in names] for names in cross.layers)
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    table.add_column("", no_wrap=True)
    for j in range(len(across)):
        table.add_column(str(j), justify="right", no_wrap=True)
    table.add_column("", no_wrap=True, style="dim")
    for i, row in enumerate(cross.values[at]):
        best = int(np.nanargmax(row)) if np.isfinite(row).any() else -1
        cells = [Text(_cka(v), "bold" if j == best else "") for j, v in enumerate(row)]
        nearest = f"{best} {across[best]}" if best >= 0 else ""
        table.add_row(Text(f"{i} {down[i]}", "dim"), *cells, Text(f"  nearest {nearest}"))
    return table


def _cka(value: float) -> str:
    return f"{value:.2f}".replace("0.", ".") if np.isfinite(value) else "–"
