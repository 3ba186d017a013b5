"""Phases: what a run shows in sentences and one picture; its numbers and what they mean on request."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from typing import ClassVar

import numpy as np
import rich.box
from rich.console import Group, RenderableType
from rich.table import Table as RichTable
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widget import Widget
from textual.widgets import Static

from repdyn.analysis.undefined import FOUND_IN, NOT_LOGGED
from repdyn.display.labels import ACCURACIES, PHASE_MEANINGS, PHASES
from repdyn.display.layer_table import drawn, layer_table
from repdyn.display.reading import is_live, last_epoch, missing_phases, undefined, value_at
from repdyn.display.score_sentences import score_sentences
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
from repdyn.records import IntArray, RunRecord
from repdyn.score_key import ScoreKey
from repdyn.step_words import step
from tui import actions
from tui.reader_thread import ReaderThread
from tui.screens.finding_lines import FindingLines
from tui.screens.view import Table, View, empty
from tui.screens.view_state import ViewState
from tui.source import Source
from tui.widgets.page import Page
from tui.widgets.phase_timeline import PhaseTimeline

Reasons = Mapping[str | ScoreKey, str]

NO_P_VALUE = (
    "Ranks are among the run's other epochs or random draws, and no p-values: to judge a score, compare "
    "runs over several seeds (repdyn compare)."
)

FINDINGS = 3
"""Lines of findings above the picture."""

NARROW = 100
"""Width below which the table of boundaries drops the accuracies in favour of the meanings."""


class PhasesView(View):
    """The run's findings, its phases in one picture, its scores in words, and on request the numbers."""

    BINDINGS: ClassVar[list[BindingType]] = actions.bindings("phases")

    def __init__(self, source: Source, desk: ReaderThread, *, id: str) -> None:  # noqa: A002
        super().__init__(source, desk, id=id)
        self._open = False
        self._undefined: tuple[RunRecord, Reasons] | None = None

    def compose(self) -> ComposeResult:
        """Yield the page."""
        yield empty()
        with Page(classes="page"):
            yield FindingLines(self.desk)
            yield PhaseTimeline()
            yield Static("", classes="text scores")
            yield Static("", classes="text numbers")

    @classmethod
    def missing(cls, record: RunRecord) -> str:
        """Return nothing: the sentences say what the run lacks."""
        del record
        return ""

    def focused_first(self) -> Widget:
        """Return the page, which scrolls."""
        return self.query_one(".page")

    def draw(self, record: RunRecord, look: ViewState) -> None:
        """Write the sentences, draw the picture, and write the tables if they are asked for."""
        self.query_one(FindingLines).show(record, self._measure(), FINDINGS)
        timeline = self.query_one(PhaseTimeline)
        timeline.set_data(record.phases, _steps(record), look.axis_view)
        timeline.cursor = look.epoch
        self.query_one(".scores", Static).update(self._sentences(record))
        numbers = self.query_one(".numbers", Static)
        numbers.display = self._open
        if self._open:
            numbers.update(Group(*self._numbers(record)))

    def point(self, look: ViewState) -> None:
        """Light the epoch of the cursor on the axis."""
        super().point(look)
        self.query_one(PhaseTimeline).cursor = look.epoch

    def action_numbers(self) -> None:
        """Show the numbers, nulls and definitions below the sentences, or hide them."""
        self._open = not self._open
        if self.record is not None:
            self.show(self.record, self.look)
        if self._open:
            self.call_after_refresh(self._scroll_to_numbers)

    def _scroll_to_numbers(self) -> None:
        """Have the numbers begin in the upper half of the page, if they begin below it."""
        page, numbers = self.query_one(".page"), self.query_one(".numbers")
        least = numbers.virtual_region.y - page.size.height // 2
        if least > page.scroll_y:
            page.scroll_to(y=least, animate=False, force=True)

    def _measure(self) -> str:
        return self.look.measure if self.similar() is not None else ""

    def _sentences(self, record: RunRecord) -> RenderableType:
        """Return the scores in words, those that stand out before the others."""
        measure = self._measure()
        scores = score_sentences(record, measure) if measure else ()
        parts: list[RenderableType] = [Text(plain(line), "dim") for line in _missing(record)]
        if scores:
            title = f"In words ({MEASURES[measure].long_label})"
            rows = RichTable.grid(padding=(0, 1, 0, 0))
            for one in sorted(scores, key=lambda one: not one.stands_out):
                mark, style = ("▸", "") if one.stands_out else ("·", "dim")
                rows.add_row(Text(mark, style), Text(plain(one.text), style))
            parts += [Text(f"\n{title}", "bold"), rows]
        elif is_live(record):
            parts += [Text("\nScores: none yet; they are computed at the end of a run.", "dim")]
        hint = "hides the numbers" if self._open else "shows the numbers, nulls and definitions"
        return Group(*parts, Text(f"\nenter {hint}", "dim"))

    def _numbers(self, record: RunRecord) -> Iterator[RenderableType]:
        """Yield the tables of boundaries, scores and layers, and why others are undefined."""
        yield Text("\nPhases", "bold")
        yield _boundaries(record, narrow=self.size.width < NARROW)
        if record.scores:
            yield Text("\nScores", "bold")
            yield _scores(record)
            yield Text(NO_P_VALUE, "dim")
        measures: Collection[str] = ()
        if record.dynamics is not None:
            measures = record.dynamics.similarity
            layers = layer_table(record.dynamics, record.phases)
            if layers.head or layers.note:
                yield Text("\nLayers", "bold")
                yield drawn(layers, new_table)
        reasons = {n: why for n, why in self._reasons(record).items() if n not in PHASE_MEANINGS}
        if reasons:
            yield Text("\nUndefined scores", "bold")
            yield Text("\n".join(map(plain, undefined_lines(reasons, measures))))

    def _reasons(self, record: RunRecord) -> Reasons:
        """Return why scores are undefined; nothing until the reader thread has found it out."""
        if self._undefined is not None and self._undefined[0] is record:
            return self._undefined[1]
        self._undefined = record, {}
        self.desk.ask(self, partial(undefined, record), partial(self._got, record), self._failed)
        return {}

    def _got(self, record: RunRecord, reasons: Reasons) -> None:
        self._undefined = record, reasons
        if self.record is record:
            self.show(record, self.look)

    def _failed(self, line: str) -> None:
        """Leave the reasons out: the tables are there."""
        del line

    def table(self) -> Table | None:
        """Return boundaries and scores."""
        if self.record is None:
            return None
        found = {
            **self.record.phases.markers(),
            **{key.name: value for key, value in self.record.scores.items()},
        }
        return Table(("name", "value"), list(found.items()))


def _lacks_curves(record: RunRecord) -> bool:
    """Return whether there are no phases because there is no curve to find them in."""
    return not record.phases.markers() and not record.curves.keys() & set(FOUND_IN)


def _missing(record: RunRecord) -> list[str]:
    """Return a line for each boundary that is missing; that of perfect fit is among the findings."""
    if _lacks_curves(record):
        return [f"No phases: {NOT_LOGGED}"]
    reasons: dict[str | ScoreKey, str] = {}
    reasons.update(missing_phases(record))
    if len(set(reasons.values())) > 1:
        reasons.pop("fit", None)
    return undefined_lines(reasons, ())


def _steps(record: RunRecord) -> IntArray:
    """Return the epochs of the axis: the checkpoints, or without any, those of the curves."""
    if record.dynamics is not None:
        return record.dynamics.steps
    steps = [curve.steps for curve in record.curves.values()]
    return np.unique(np.concatenate(steps)) if steps else np.empty(0, dtype=np.int64)


def _boundaries(record: RunRecord, *, narrow: bool) -> RenderableType:
    if _lacks_curves(record):
        return Text(f"No phases: {NOT_LOGGED}")
    names = {} if narrow else ACCURACIES
    there = {label: record.curves[n] for n, label in names.items() if n in record.curves}
    table = new_table("", record.unit, *there)
    table.columns[1].justify = "left"  # its intervals would push the epochs apart
    table.add_column("", style="dim")
    epochs = record.phases.markers()
    missing = missing_phases(record)
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
