"""The scores that matter with their differences, and on request all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import rich.box
from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table as RichTable
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.widget import Widget
from textual.widgets import Static

from repdyn.display.reading import undefined
from repdyn.display.wording import plain, undefined_lines
from repdyn.measures.spec import MEASURES
from tui import actions
from tui.reader_thread import ReaderThread
from tui.screens.comparing.linked import LETTERS, Linked
from tui.screens.comparing.main_scores import RATIO, MainScore, main_scores
from tui.screens.comparing.table import compared
from tui.screens.comparing.view import CompareView
from tui.screens.phases import new_table
from tui.screens.view import Table, empty
from tui.screens.view_state import ViewState
from tui.source import Source

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NO_SCORES = "No scores yet: they are computed at the end of a run."

PADDING = 2
GAP = PADDING + 1
"""Columns between two columns of the table, with the box's own."""

EDGES = 2
"""Columns of the box at the table's edges."""

LEAST_NAME = 20
"""Columns of the names of scores, which are wrapped to it where there are many runs."""


class ScoresOfRuns(CompareView):
    """A row for each score; a key shows all scores with their ranks below."""

    BINDINGS: ClassVar[list[BindingType]] = actions.bindings("scores")

    def __init__(self, source: Source, desk: ReaderThread, runs: Linked, *, id: str) -> None:  # noqa: A002
        super().__init__(source, desk, runs, id=id)
        self._detailed = False

    def compose(self) -> ComposeResult:
        """Yield the text."""
        yield empty()
        with VerticalScroll(classes="page"):
            yield Static("", classes="text")

    @classmethod
    def missing(cls, runs: Linked) -> str:
        """Return that no run has a boundary, a score or an accuracy."""
        return "" if compared(runs).rows else NO_SCORES

    def focused_first(self) -> Widget:
        """Return what scrolls."""
        return self.query_one(".page")

    def draw(self, runs: Linked, look: ViewState) -> None:
        """Write the scores."""
        width = self.size.width - EDGES - 1  # the last may be the scrollbar's
        parts: list[RenderableType] = [summary(runs, main_scores(runs, look.measure), width)]
        if self._detailed:
            parts += [Text(), _all(runs, width), _reasons(runs)]
        self.query_one(".text", Static).update(Group(*parts))

    def action_details(self) -> None:
        """Show all scores, or only those that matter."""
        self._detailed = not self._detailed
        self.draw(self.runs, self.look)

    def table(self) -> Table | None:
        """Return all boundaries, accuracies and scores."""
        return compared(self.runs)

    def figure(self) -> Callable[[], Figure] | None:
        """Return nothing: scores are numbers."""
        return None


def summary(runs: Linked, scores: Sequence[MainScore], width: int) -> RenderableType:
    """Return the scores with their differences: beside the values, below them if it is narrow."""
    count = len(runs.records)
    for stacked in (False, True):
        columns = [_column(scores, run, stacked=stacked) for run in range(count)]
        names = [_name(score, stacked=stacked) for score in scores]
        room = (width - _widest(names) - GAP) // count - GAP
        if room >= max(map(_widest, columns)):
            break
    table = RichTable(box=rich.box.SIMPLE_HEAD, pad_edge=False, padding=(0, PADDING, 0, 0))
    table.add_column("", no_wrap=True)
    rest = width - _widest(names) - GAP
    for head in _heads(runs, list(map(_widest, columns)), rest):
        table.add_column(Text(head, "bold"), no_wrap=True, justify="right")
    for row, name in enumerate(names):
        table.add_row(name, *(column[row] for column in columns))
    ratios = any(RATIO in text for score in scores for text in score.differences)
    note = "Differences are from A" + (f"; {RATIO}2: twice as much as A." if ratios else ".")
    return Group(table, Text(note, "dim"))


def _heads(runs: Linked, columns: Sequence[int], width: int) -> list[str]:
    """Return heads with which columns at least so wide fit; if need be, letters are above names."""
    for joint in (" ", "\n"):
        fit = partial(_fit, columns, width, joint)
        heads = runs.heads_fitting(fit)
        if fit(heads):
            return [head.replace(" ", joint, 1) for head in heads]
    return [head[:1] for head in heads]


def _fit(columns: Sequence[int], width: int, joint: str, heads: Sequence[str]) -> bool:
    texts = [Text(head.replace(" ", joint, 1)) for head in heads]
    sizes = (max(size, _widest([text])) for size, text in zip(columns, texts, strict=True))
    return sum(sizes) + GAP * (len(columns) - 1) <= width


def _name(score: MainScore, *, stacked: bool) -> Text:
    gap = "\n" if stacked else "  "
    return Text.assemble(score.name, (f"{gap}{score.unit}", "dim"))


def _column(scores: Sequence[MainScore], run: int, *, stacked: bool) -> list[Text]:
    """Return a run's cells; beside each other, values and differences are each aligned."""
    widest = max((cell_len(score.differences[run]) for score in scores), default=0)
    cells = []
    for score in scores:
        difference = score.differences[run]
        text = Text(score.values[run], "bold")
        if stacked:
            text.append(f"\n{difference}", "not bold dim")
        elif widest:
            text.append(f"  {difference.rjust(widest)}", "not bold dim")
        cells.append(text)
    return cells


def _widest(texts: Sequence[Text]) -> int:
    return max((cell_len(line) for text in texts for line in text.plain.split("\n")), default=0)


def _all(runs: Linked, width: int) -> RichTable:
    """Return the table of all scores; names are wrapped if that is what it takes to show numbers."""
    count = len(runs.records)
    for intervals in (True, False):
        found = compared(runs, intervals=intervals)
        numbers = max(cell_len(str(cell)) for row in found.rows for cell in row[1:])
        if width - LEAST_NAME - count * (numbers + GAP) >= 0:
            break
    names = max(cell_len(str(row[0])) for row in found.rows)
    rest = width - max(LEAST_NAME, min(names, width - count * (numbers + GAP))) - GAP
    table = new_table("", *_heads(runs, [numbers] * count, rest))
    table.columns[0].no_wrap = False
    for row in found.rows:
        table.add_row(*(Text(plain(str(cell))) for cell in row))
    return table


def _reasons(runs: Linked) -> Text:
    """Return why scores are missing, a line for each reason and run."""
    lines = [
        f"{letter}  {line}"
        for letter, record in zip(LETTERS, runs.records, strict=False)
        for line in undefined_lines(
            undefined(record),
            []
            if record.dynamics is None
            else [m for m in MEASURES if m in record.dynamics.similarity],
        )
    ]
    return Text("\n".join(map(plain, lines)), "dim")
