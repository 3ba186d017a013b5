"""Phases: the boundaries of a run, its scores and its layers, and what they mean."""

from __future__ import annotations

import math
from collections.abc import Collection

import rich.box
from rich.console import Group, RenderableType
from rich.table import Table as RichTable
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widget import Widget
from textual.widgets import Static

from repdyn.analysis.undefined import FOUND_IN, NOT_LOGGED
from repdyn.display.labels import ACCURACIES, PHASE_MEANINGS, PHASES
from repdyn.display.layer_table import drawn, layer_table
from repdyn.display.reading import last_epoch, undefined, value_at
from repdyn.display.score_table import with_scores
from repdyn.display.wording import (
    accuracy,
    by_measure,
    end_words,
    label,
    plain,
    spanned,
    undefined_lines,
)
from repdyn.measures.spec import MEASURES
from repdyn.records import RunRecord
from repdyn.step_words import step
from tui.screens.view import Table, View, empty
from tui.screens.view_state import ViewState

NARROW = 100
"""Width below which the table of boundaries drops the accuracies in favour of the meanings."""


class PhasesView(View):
    """Tables of boundaries, scores and layers."""

    def compose(self) -> ComposeResult:
        """Yield the page."""
        yield empty()
        with VerticalScroll(classes="page"):
            yield Static("", classes="text")

    @classmethod
    def missing(cls, record: RunRecord) -> str:
        """Return nothing: the tables say what they lack."""
        del record
        return ""

    def focused_first(self) -> Widget:
        """Return the page, which scrolls."""
        return self.query_one(".page")

    def draw(self, record: RunRecord, look: ViewState) -> None:  # noqa: ARG002
        """Write the tables."""
        parts: list[RenderableType] = [
            Text("Phases", "bold"),
            _boundaries(record, narrow=self.size.width < NARROW),
        ]
        if record.scores or record.summary.status in ("RUNNING", "SCHEDULED"):
            parts += [Text("\nScores", "bold"), _scores(record)]
        measures: Collection[str] = ()
        if record.dynamics is not None:
            measures = record.dynamics.similarity
            layers = layer_table(record.dynamics, record.phases)
            if layers.head or layers.note:
                parts += [Text("\nLayers", "bold"), drawn(layers, new_table)]
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
    if not record.phases.markers() and not record.curves.keys() & set(FOUND_IN):
        return Text(f"No phases: {NOT_LOGGED}")
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
    table.add_row(end_words(record.unit), step(last), *values, "")
    return table


def _scores(record: RunRecord) -> RenderableType:
    scores = record.scores
    if not scores:
        return Text("None yet: they are computed at the end of a run.", "dim")
    measures = [name for name in MEASURES if any(key.measure == name for key in scores)]
    numbers = {
        name: [_score(row.get(measure, math.nan)) for measure in measures]
        for name, row in by_measure(scores).items()
    }
    return with_scores(new_table("", *map(label, measures)), numbers)


def _score(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"


def new_table(first: str, *numbers: str) -> RichTable:
    """Return a table without rules: a column of names, then columns of numbers."""
    table = RichTable(
        box=rich.box.SIMPLE_HEAD, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0)
    )
    table.add_column(first, no_wrap=True)
    for head in numbers:
        table.add_column(Text(plain(head)), justify="right", no_wrap=True)
    return table
