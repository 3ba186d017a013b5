"""Phases: the boundaries of a run, its scores and its layers, and what they mean."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

import rich.box
from rich.console import Group, RenderableType
from rich.table import Table as RichTable
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widget import Widget
from textual.widgets import Static

from repdyn.analysis.scores import MEANINGS
from repdyn.display.labels import ACCURACIES, PHASE_MEANINGS, PHASES
from repdyn.display.reading import last_epoch, undefined, value_at
from repdyn.display.wording import (
    NO_CHANGES,
    accuracy,
    by_measure,
    joint_changes,
    label,
    lacks_changes,
    layer_changes,
    plain,
    spanned,
    undefined_lines,
)
from repdyn.measures.spec import MEASURES
from repdyn.records import PROBE_SPLITS, RunRecord, plural
from repdyn.score_key import ScoreKey
from tui.screens.view import Table, View, empty
from tui.screens.view_state import ViewState

NARROW = 100
"""Width below which the table of boundaries drops the accuracies in favour of the meanings."""


class PhasesView(View):
    """Tables of boundaries, scores and layers."""

    needs_checkpoint = False

    def compose(self) -> ComposeResult:
        """Yield the page."""
        yield empty()
        with VerticalScroll(classes="page"):
            yield Static("", classes="text")

    def focused_first(self) -> Widget:
        """Return the page, which scrolls."""
        return self.query_one(".page")

    def draw(self, record: RunRecord, look: ViewState) -> None:  # noqa: ARG002
        """Write the tables."""
        parts: list[RenderableType] = [
            Text("Phases", "bold"),
            _boundaries(record, narrow=self.size.width < NARROW),
            Text("\nScores", "bold"),
            _scores(record.scores),
        ]
        measures: Collection[str] = ()
        if record.dynamics is not None:
            measures = record.dynamics.similarity
            parts += [Text("\nLayers", "bold"), _layers(record)]
        reasons = {n: why for n, why in undefined(record).items() if n not in PHASE_MEANINGS}
        if reasons:
            lines = "\n".join(map(plain, undefined_lines(reasons, measures)))
            parts += [Text("\nUndefined scores", "bold"), Text(lines)]
        self.query_one(".text", Static).update(Group(*parts))

    def table(self) -> Table | None:
        """Return boundaries and scores."""
        if self.record is None:
            return None
        found = {
            **self.record.phases.markers(),
            **{key.name: value for key, value in self.record.scores.items()},
        }
        return Table(("name", "value"), list(found.items()))


def _boundaries(record: RunRecord, *, narrow: bool) -> RenderableType:
    names = {} if narrow else ACCURACIES
    there = {label: record.curves[n] for n, label in names.items() if n in record.curves}
    table = new_table("", record.unit, *there)
    table.columns[1].justify = "left"  # its intervals would push the epochs apart
    table.add_column("", style="dim")
    epochs = record.phases.markers()
    missing = undefined(record)
    for name, meaning in PHASE_MEANINGS.items():
        epoch = epochs.get(name)
        if epoch is None:
            why = missing.get(name, meaning)
            table.add_row(PHASES[name], "–", *("" for _ in there), Text(why))
        else:
            values = [accuracy(value_at(curve, epoch)) for curve in there.values()]
            said = spanned(epoch, record.phases.intervals.get(name))
            table.add_row(PHASES[name], said, *values, Text(meaning))
    last = last_epoch(record)
    values = [accuracy(value_at(curve, last)) for curve in there.values()]
    table.add_row(f"last {record.unit}", str(last), *values, "")
    return table


def _scores(scores: Mapping[ScoreKey, float]) -> RenderableType:
    if not scores:
        return Text("None yet: they are computed at the end of a run.", "dim")
    measures = [name for name in MEASURES if any(key.measure == name for key in scores)]
    table = new_table("", *map(label, measures))
    table.add_column("", style="dim")
    for name, row in by_measure(scores).items():
        values = [_score(row.get(measure, math.nan)) for measure in measures]
        table.add_row(Text(plain(name).replace("_", " ")), *values, Text(MEANINGS.get(name, "")))
    return table


def _score(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"


def _layers(record: RunRecord) -> RenderableType:
    assert record.dynamics is not None  # noqa: S101 - as the caller has seen
    table = new_table("", *(f"probe, {split}" for split in PROBE_SPLITS))
    table.add_column(f"changes at {plural(record.unit)}")
    for layer, name in enumerate(record.dynamics.layers):
        accuracies = record.dynamics.probe_acc[layer, -1].tolist()
        changes = layer_changes(record.phases, layer)
        table.add_row(Text(plain(name)), *map(accuracy, accuracies), changes)
    if record.phases.joint:
        unprobed = ("" for _ in PROBE_SPLITS)
        table.add_row(Text("all jointly", "dim"), *unprobed, joint_changes(record.phases))
    return Group(table, Text(NO_CHANGES, "dim")) if lacks_changes(record.phases) else table


def new_table(first: str, *numbers: str) -> RichTable:
    """Return a table without rules: a column of names, then columns of numbers."""
    table = RichTable(
        box=rich.box.SIMPLE_HEAD, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0)
    )
    table.add_column(first, no_wrap=True)
    for head in numbers:
        table.add_column(Text(plain(head)), justify="right", no_wrap=True)
    return table
