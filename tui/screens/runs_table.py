"""The table of runs, drawn line by line: only the runs in view cost time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from repdyn.report.runs import STATUS_STYLES
from tui.screens.run_columns import COLUMNS, NEWEST

if TYPE_CHECKING:
    from repdyn.records import RunSummary

GAP = 2
"""Columns between columns."""

MARK_WIDTH = 2

LEAST_NAME = 24
"""Width to which the name is truncated before other columns are dropped."""


class RunsTable(ScrollView, can_focus=True):
    """Runs, one per line, with a cursor and marks; `show` sets them."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"runs--head", "runs--cursor", "runs--mark"}

    DEFAULT_CSS = """
    RunsTable {
        height: 1fr;
        & > .runs--head { color: $text-muted; text-style: bold; }
        & > .runs--cursor { background: $block-cursor-blurred-background; }
        & > .runs--mark { color: $text-accent; text-style: bold; }
        &:focus > .runs--cursor { background: $primary 45%; text-style: bold; }
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False, id="cursor.up"),
        Binding("down,j", "move(1)", "Down", show=False, id="cursor.down"),
        Binding("pageup", "page(-1)", "Page up", show=False, id="cursor.page_up"),
        Binding("pagedown", "page(1)", "Page down", show=False, id="cursor.page_down"),
        Binding("home", "move(-1000000)", "First", show=False, id="cursor.first"),
        Binding("end", "move(1000000)", "Last", show=False, id="cursor.last"),
    ]

    cursor: reactive[int] = reactive(0, repaint=False)
    """The line of the cursor."""

    class Chosen(Message):
        """The run under the cursor was clicked again."""

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
        self._runs: Sequence[RunSummary] = ()
        self._cells: dict[str, tuple[RunSummary, tuple[str, ...]]] = {}
        self._widths: list[tuple[int, int]] | None = None
        self._marked: frozenset[str] = frozenset()
        self._sorted_by = NEWEST
        self._backwards = False

    def show(
        self,
        runs: Sequence[RunSummary],
        *,
        marked: frozenset[str],
        sorted_by: int,
        backwards: bool,
    ) -> None:
        """Show runs in the given order; the cursor stays on its run if that is still listed."""
        at = self.run
        self._marked, self._sorted_by, self._backwards = marked, sorted_by, backwards
        self._runs = runs
        now = time.time() * 1000
        for run in runs:
            if self._cells.get(run.run_id, (None,))[0] is not run:
                self._cells[run.run_id] = run, tuple(c.text(run, now) for c in COLUMNS)
        self._widths = None
        self.virtual_size = Size(self.size.width, len(runs) + 1)
        if at is not None:
            ids = [run.run_id for run in runs]
            self.cursor = ids.index(at.run_id) if at.run_id in ids else self.cursor
        self.cursor = self.validate_cursor(self.cursor)
        self.refresh()

    @property
    def run(self) -> RunSummary | None:
        """The run under the cursor."""
        return self._runs[self.cursor] if self.cursor < len(self._runs) else None

    def validate_cursor(self, line: int) -> int:
        """Keep the cursor on a run."""
        return max(0, min(line, len(self._runs) - 1))

    def watch_cursor(self, old: int, new: int) -> None:
        """Redraw both lines, and scroll the new one into view."""
        room = max(1, self.size.height - 1)
        top = round(self.scroll_offset.y)
        if new < top:
            self.scroll_to(y=new, animate=False)
        elif new >= top + room:
            self.scroll_to(y=new - room + 1, animate=False)
        self.refresh(
            *(Region(0, line - top + 1, self.size.width, 1) for line in (old, new) if line >= top)
        )

    def action_move(self, lines: int) -> None:
        """Move the cursor."""
        self.cursor += lines

    def action_page(self, pages: int) -> None:
        """Move the cursor by a page of runs."""
        self.cursor += pages * max(1, self.size.height - 2)

    def on_click(self, event: events.Click) -> None:
        """Set the cursor, or sort by a column."""
        offset = event.get_content_offset(self)
        if offset is None:
            return
        if offset.y == 0:
            self._click_head(offset.x)
            return
        line = offset.y - 1 + round(self.scroll_offset.y)
        if line < len(self._runs):
            again = line == self.cursor
            self.cursor = line
            if again:
                self.post_message(self.Chosen())

    def _click_head(self, x: int) -> None:
        start = MARK_WIDTH
        for index, width in self._arranged():
            if start <= x < start + width + GAP:
                self.post_message(self.HeadClicked(index))
            start += width + GAP

    def on_resize(self) -> None:
        """Recompute the column widths."""
        self._widths = None
        self.virtual_size = Size(self.size.width, len(self._runs) + 1)

    def render_line(self, y: int) -> Strip:
        """Draw the header or a run."""
        width = self.size.width
        if y == 0:
            return Strip(self._head()).adjust_cell_length(width, self.rich_style)
        line = y - 1 + round(self.scroll_offset.y)
        if line >= len(self._runs):
            return Strip.blank(width, self.rich_style)
        base = self.rich_style
        if line == self.cursor:
            base = self.get_component_rich_style("runs--cursor")
        return Strip(self._row(self._runs[line], base)).adjust_cell_length(width, base)

    def _head(self) -> list[Segment]:
        style = self.get_component_rich_style("runs--head")
        lit = self.get_component_rich_style("runs--mark")
        parts = [Segment(" " * MARK_WIDTH, style)]
        for index, width in self._arranged():
            title = COLUMNS[index].title
            if index == self._sorted_by:
                title += "▼" if self._backwards else "▲"
            text = _fitted(title, width, COLUMNS[index].right) + " " * GAP
            parts.append(Segment(text, lit if index == self._sorted_by else style))
        return parts

    def _row(self, run: RunSummary, base: Style) -> list[Segment]:
        marked = run.run_id in self._marked
        mark = base + self.get_component_rich_style("runs--mark", partial=True) if marked else base
        parts = [Segment("◆ " if marked else "  ", mark)]
        cells = self._cells[run.run_id][1]
        now = time.time() * 1000
        for index, width in self._arranged():
            column = COLUMNS[index]
            text = column.text(run, now) if index == NEWEST else cells[index]
            style = base
            if index == 0:
                style += Style.parse(STATUS_STYLES.get(run.status, ""))
            parts.append(Segment(_fitted(text, width, column.right) + " " * GAP, style))
        return parts

    def _arranged(self) -> list[tuple[int, int]]:
        """Return the visible columns, by index, with their widths."""
        if self._widths is None:
            self._widths = _shared(self._wanted(), self.size.width - MARK_WIDTH)
        return self._widths

    def _wanted(self) -> list[int]:
        rows = [self._cells[run.run_id][1] for run in self._runs]
        return [
            min(
                max([cell_len(column.title) + 1, *(cell_len(row[i]) for row in rows)]),
                column.most,
            )
            for i, column in enumerate(COLUMNS)
        ]


def _shared(wanted: Sequence[int], room: int) -> list[tuple[int, int]]:
    """Return the columns that fit and their widths: the name is truncated first, then columns go."""
    name = next(i for i, column in enumerate(COLUMNS) if column.title == "name")
    kept = sorted(range(len(COLUMNS)), key=lambda i: COLUMNS[i].keep)
    while kept:
        others = sum(wanted[i] + GAP for i in kept if i != name)
        left = room - others - GAP
        if left >= min(wanted[name], LEAST_NAME) or len(kept) == 1:
            widths = {i: wanted[i] for i in kept} | {name: max(1, min(wanted[name], left))}
            return [(i, widths[i]) for i in sorted(kept)]
        kept = kept[1:]
    return []


def _fitted(text: str, width: int, right: bool) -> str:
    if cell_len(text) > width:
        return set_cell_size(text, width - 1) + "…"
    return " " * (width - cell_len(text)) + text if right else set_cell_size(text, width)
