"""The table of runs, drawn line by line: only the rows in view cost time."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.message import Message
from textual.strip import Strip

from repdyn.display.wording import plain
from repdyn.report.runs import STATUS_STYLES
from tui.screens.run_columns import COLUMNS, GAP, NAME, NEWEST, SIMILARITY, Column, shared
from tui.screens.run_groups import Row
from tui.widgets.cursor_list import CursorList
from tui.widgets.fitted_line import both_ends

if TYPE_CHECKING:
    from repdyn.records import RunSummary

MARK_WIDTH = 2

INDENT = 2
"""Columns by which runs below another line are indented."""

Cells = tuple["RunSummary", tuple[str, ...], tuple[int, ...]]
"""A run, its texts by column, and their widths."""


class RunsTable(CursorList):
    """Runs and what groups them, one per line, with a cursor and marks; `show` sets them.

    Attributes:
        signs: one character each, of runs by id, between mark and state.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "runs--head",
        "runs--cursor",
        "runs--mark",
        "runs--group",
    }

    DEFAULT_CSS = """
    RunsTable {
        height: 1fr;
        & > .runs--head { color: $text-muted; text-style: bold; }
        & > .runs--cursor { background: $block-cursor-blurred-background; }
        & > .runs--mark { color: $text-accent; text-style: bold; }
        & > .runs--group { color: $text-muted; }
        &:focus > .runs--cursor { background: $primary 45%; text-style: bold; }
    }
    """

    HEAD = 1

    class Chosen(Message):
        """The line under the cursor was clicked again."""

    class Pointed(Message):
        """The cursor is on another line, the line shows something else, or others are in view."""

    class HeadClicked(Message):
        """The header of a column was clicked.

        Attributes:
            column: its index in COLUMNS.
        """

        def __init__(self, column: int) -> None:
            super().__init__()
            self.column = column

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._rows: list[Row] = []
        self._columns = COLUMNS
        self._cells: dict[str, Cells] = {}
        self._widths: dict[int, int] | None = None
        self._marked: frozenset[str] = frozenset()
        self._fingerprints: dict[str, Sequence[float]] = {}
        self.signs: Mapping[str, str] = {}
        self._sorted_by = NEWEST
        self._backwards = False

    def show(
        self,
        rows: Sequence[Row],
        *,
        columns: tuple[Column, ...] = COLUMNS,
        marked: frozenset[str],
        fingerprints: Mapping[str, Sequence[float]],
        sorted_by: int,
        backwards: bool,
    ) -> None:
        """Show rows in the given order; the cursor stays on its row if that is still listed."""
        at = self.row
        if columns != self._columns:
            self._columns = columns
            self._cells.clear()
        self._marked, self._sorted_by, self._backwards = marked, sorted_by, backwards
        self._rows, self._fingerprints = list(rows), dict(fingerprints)
        for row in rows:
            if row.run is not None:
                self._write(row.run)
        self._widths = None
        if at is not None:
            self.go_to(at.id)
        self.resized()
        self.post_message(self.Pointed())
        self.refresh()

    def learn(self, run: RunSummary, fingerprint: Sequence[float]) -> None:
        """Show what is newly known of a run in view where it is, without sorting."""
        if fingerprint:
            self._fingerprints[run.run_id] = fingerprint
        for line, row in enumerate(self.in_view, start=self.top):
            if row.id == run.run_id:
                self._rows[line] = row._replace(run=run)
        before = self._cells.get(run.run_id)
        self._write(run)
        if before is None or before[2] != self._cells[run.run_id][2]:
            self._widths = None
        self.refresh()

    def _write(self, run: RunSummary) -> None:
        """Keep the texts of a run, if they are not of the same summary."""
        if self._cells.get(run.run_id, (None,))[0] is not run:
            now = time.time() * 1000
            texts = tuple(column.text(run, now) for column in self._columns)
            self._cells[run.run_id] = run, texts, tuple(map(_width, texts))

    @property
    def row(self) -> Row | None:
        """The row under the cursor."""
        return self._rows[self.cursor] if self.cursor < len(self._rows) else None

    @property
    def run(self) -> RunSummary | None:
        """The run under the cursor."""
        return None if self.row is None else self.row.run

    @property
    def above(self) -> Row | None:
        """The row that the row under the cursor is below, if it is below any."""
        at = self.row
        if at is None or not at.depth:
            return None
        before = self._rows[self.cursor :: -1]
        return next((row for row in before if row.depth < at.depth), None)

    @property
    def in_view(self) -> Sequence[Row]:
        """The rows that are in view."""
        return self._rows[self.top : self.top + max(0, self.size.height - self.HEAD)]

    @property
    def columns(self) -> tuple[int, ...]:
        """The columns that are shown, by index, from left to right."""
        return tuple(self._arranged())

    @property
    def sortable(self) -> list[int]:
        """Those by which runs can be sorted."""
        return [index for index in self.columns if self._columns[index].key is not None]

    def go_to(self, row_id: str) -> None:
        """Move the cursor to a row, if it is listed."""
        self.cursor = next((i for i, row in enumerate(self._rows) if row.id == row_id), self.cursor)

    @property
    def row_count(self) -> int:
        """How many rows there are."""
        return len(self._rows)

    def pointed(self) -> None:
        """Post that the cursor is elsewhere."""
        self.post_message(self.Pointed())

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Post that others are in view."""
        super().watch_scroll_y(old_value, new_value)
        self.post_message(self.Pointed())

    def on_click(self, event: events.Click) -> None:
        """Set the cursor, or sort by a column."""
        offset = event.get_content_offset(self)
        if offset is None:
            return
        if offset.y == 0:
            self._click_head(offset.x)
            return
        line = self.row_at(offset.y)
        if line < len(self._rows):
            again = line == self.cursor
            self.cursor = line
            if again:
                self.post_message(self.Chosen())

    def _click_head(self, x: int) -> None:
        start = MARK_WIDTH
        for index, width in self._arranged().items():
            if start <= x < start + width + GAP and self._columns[index].key is not None:
                self.post_message(self.HeadClicked(index))
            start += width + GAP

    def on_resize(self) -> None:
        """Recompute the column widths."""
        self._widths = None
        super().on_resize()
        self.post_message(self.Pointed())

    def render_line(self, y: int) -> Strip:
        """Draw the header or a row."""
        width = self.size.width
        if y == 0:
            return Strip(self._head()).adjust_cell_length(width, self.rich_style)
        line = self.row_at(y)
        if line >= len(self._rows):
            return Strip.blank(width, self.rich_style)
        base = self.rich_style
        if line == self.cursor:
            base = self.get_component_rich_style("runs--cursor")
        row = self._rows[line]
        drawn = (
            self._head_of(row, base) if row.run is None or row.is_sweep else self._row(row, base)
        )
        return Strip(drawn).adjust_cell_length(width, base)

    def _head(self) -> list[Segment]:
        style = self.get_component_rich_style("runs--head")
        lit = self.get_component_rich_style("runs--mark")
        parts = [Segment(" " * MARK_WIDTH, style)]
        for index, width in self._arranged().items():
            title = self._columns[index].title
            if index == self._sorted_by:
                title += "▼" if self._backwards else "▲"
            text = _fitted(title, width, COLUMNS[index].right) + " " * GAP
            parts.append(Segment(text, lit if index == self._sorted_by else style))
        return parts

    def _head_of(self, row: Row, base: Style) -> list[Segment]:
        """Return the line of a group or a sweep: its name, and what is below it."""
        muted = base + self.get_component_rich_style("runs--group", partial=True)
        parts = [Segment(self._mark(row), muted)]
        if row.run is not None:
            parts.append(self._cell(0, self._arranged()[0], self._texts(row.run)[0], row.run, base))
        name = row.title if row.run is None else plain(row.run.name)
        return [*parts, Segment(name, base + Style(bold=True)), Segment(f"  {row.about()}", muted)]

    def _row(self, row: Row, base: Style) -> list[Segment]:
        run = row.run
        assert run is not None  # noqa: S101 - as render_line has seen
        mark, style = self._mark(row), base
        if run.run_id in self._marked:
            style += self.get_component_rich_style("runs--mark", partial=True)
        texts = self._texts(run)
        parts = [Segment(mark, style)]
        for index, width in self._arranged().items():
            text = texts[index]
            if index == NAME:
                indent = INDENT * row.depth
                text = " " * indent + both_ends(text, width - indent)
            if index == SIMILARITY:
                parts += self._fingerprint(run, width, base)
            else:
                parts.append(self._cell(index, width, text, run, base))
        return parts

    def _mark(self, row: Row) -> str:
        """Return the mark of a row, and the sign of a run that is pinned or watched."""
        run_id = "" if row.run is None else row.run.run_id
        fold = ("▸" if row.folded else "▾") if row.folds else " "
        return ("◆" if run_id in self._marked else fold) + self.signs.get(run_id, " ")

    def _texts(self, run: RunSummary) -> tuple[str, ...]:
        texts = self._cells[run.run_id][1]
        return (*texts[:NEWEST], COLUMNS[NEWEST].text(run, time.time() * 1000))

    def _cell(self, index: int, width: int, text: str, run: RunSummary, base: Style) -> Segment:
        style = base
        if index == 0:
            style += Style.parse(STATUS_STYLES.get(run.status, ""))
        return Segment(_fitted(text, width, COLUMNS[index].right) + " " * GAP, style)

    def _fingerprint(self, run: RunSummary, width: int, base: Style) -> list[Segment]:
        values = self._fingerprints.get(run.run_id, ())
        if not values:
            return [Segment(" " * (width + GAP), base)]
        from tui.widgets.fingerprint import places  # by now a reader has imported numpy

        drawn = places(values, base, self.app)
        return [*drawn, Segment(" " * (width - len(values) + GAP), base)]

    def _arranged(self) -> dict[int, int]:
        """Return the visible columns, by index, with their widths."""
        if self._widths is None:
            self._widths = shared(self._wanted(), self.size.width - MARK_WIDTH, self._sorted_by)
        return self._widths

    def _wanted(self) -> list[int]:
        """Return the widths of the columns' texts; 0 where no run has one and nothing is sorted."""
        runs = [row.run for row in self._rows if row.run is not None and not row.is_sweep]
        most = [0] * len(COLUMNS)
        if runs:
            most = [
                max(column)
                for column in zip(*(self._cells[r.run_id][2] for r in runs), strict=True)
            ]
        most[NAME] += INDENT * any(row.depth for row in self._rows)
        shown = (0, NAME, self._sorted_by)
        return [
            min(max(cell_len(column.title) + 1, wide), column.most) if wide or i in shown else 0
            for i, (column, wide) in enumerate(zip(self._columns, most, strict=True))
        ]


def _width(text: str) -> int:
    """Return the columns of a cell, 0 for one without a value."""
    return 0 if text == "–" else cell_len(text)


def _fitted(text: str, width: int, right: bool) -> str:
    if cell_len(text) > width:
        return set_cell_size(text, width - 1) + "…"
    return " " * (width - cell_len(text)) + text if right else set_cell_size(text, width)
