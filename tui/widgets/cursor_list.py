"""A list with a cursor, drawn line by line: only the lines in view cost time."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.reactive import reactive
from textual.scroll_view import ScrollView

END = 1_000_000
"""More lines than a list has."""


class CursorList(ScrollView, can_focus=True):
    """Rows, one per line, below lines that do not scroll; the cursor stays in view.

    Subclasses say how many rows there are, call `resized` when that changes, draw lines and post in
    `pointed` that the cursor has moved.
    """

    HEAD: ClassVar[int] = 0
    """Lines above the rows."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False, id="cursor.up"),
        Binding("down,j", "move(1)", "Down", show=False, id="cursor.down"),
        Binding("pageup", "page(-1)", "Page up", show=False, id="cursor.page_up"),
        Binding("pagedown", "page(1)", "Page down", show=False, id="cursor.page_down"),
        Binding("ctrl+u", "page(-0.5)", "Half up", show=False, id="cursor.half_up"),
        Binding("ctrl+d", "page(0.5)", "Half down", show=False, id="cursor.half_down"),
        Binding("home", f"move(-{END})", "First", show=False, id="cursor.first"),
        Binding("end,G", f"move({END})", "Last", show=False, id="cursor.last"),
    ]

    cursor: reactive[int] = reactive(0, repaint=False)
    """The row of the cursor."""

    @property
    def row_count(self) -> int:
        """How many rows there are."""
        raise NotImplementedError

    def pointed(self) -> None:
        """Post that the cursor has moved."""
        raise NotImplementedError

    @property
    def room(self) -> int:
        """How many rows fit."""
        return max(1, self.size.height - self.HEAD)

    @property
    def top(self) -> int:
        """The first row in view."""
        return round(self.scroll_offset.y)

    def row_at(self, y: int) -> int:
        """Return the row on a line of the widget; negative above the rows."""
        return y - self.HEAD + self.top if y >= self.HEAD else -1

    def resized(self) -> None:
        """Keep the cursor on a row of as many as there are now."""
        self.virtual_size = Size(self.size.width, self.row_count + self.HEAD)
        self.cursor = self.validate_cursor(self.cursor)

    def on_resize(self) -> None:
        """Fit the lines to the new size."""
        self.resized()

    def validate_cursor(self, row: int) -> int:
        """Keep the cursor on a row."""
        return max(0, min(row, self.row_count - 1))

    def watch_cursor(self, old: int, new: int) -> None:
        """Redraw both lines, and scroll the new one into view."""
        top = self.top
        if new < top:
            self.scroll_to(y=new, animate=False)
        elif new >= top + self.room:
            self.scroll_to(y=new - self.room + 1, animate=False)
        lines = (row - top + self.HEAD for row in (old, new) if row >= top)
        self.refresh(*(Region(0, line, self.size.width, 1) for line in lines))
        self.pointed()

    def action_move(self, rows: int) -> None:
        """Move the cursor."""
        self.cursor += rows

    def action_page(self, pages: float) -> None:
        """Move the cursor by pages, which have a row in common."""
        rows = max(1, round(abs(pages) * (self.room - 1)))
        self.cursor += rows if pages > 0 else -rows
