"""A list of names as a tree with a cursor."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip

from repdyn.display.wording import ending
from tui.path_tree import Row, folders_of, tree_rows
from tui.widgets.cursor_list import END, CursorList

INDENT = 2
GAP = 2

MOST_LABEL = 44
"""Columns of the names where texts stand beside them."""


class PathList(CursorList):
    """Names, one per line, in folders that `enter` folds; with marks, `space` chooses names.

    Args:
        marks: whether names can be chosen.
        column: share of the width from which the texts beside names start; 0 for the right edge.
        sections: whether folders of the first level are sections, kept even with one entry.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "paths--cursor",
        "paths--folder",
        "paths--side",
        "paths--mark",
    }

    DEFAULT_CSS = """
    PathList {
        height: 1fr;
        overflow-x: hidden;
        scrollbar-size-vertical: 1;
        & > .paths--cursor { background: $block-cursor-blurred-background; }
        & > .paths--folder { color: $text-primary; text-style: bold; }
        & > .paths--side { color: $text-muted; }
        & > .paths--mark { color: $text-accent; text-style: bold; }
        &:focus > .paths--cursor { background: $primary 45%; text-style: bold; }
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("g", f"move(-{END})", "First", show=False, id="cursor.top"),
    ]

    class ChoiceChanged(Message):
        """Names have been chosen, or no longer are."""

    class Highlighted(Message):
        """The cursor has moved to another line."""

    class Opened(Message):
        """A name was opened.

        Attributes:
            path: the name.
        """

        def __init__(self, path: str) -> None:
            super().__init__()
            self.path = path

    def __init__(
        self,
        *,
        marks: bool = False,
        column: float = 0,
        sections: bool = False,
        id: str | None = None,  # noqa: A002
    ) -> None:
        super().__init__(id=id)
        self._sections = sections
        self._marks = marks
        self._column = column
        self._names: Sequence[str] = ()
        self._side: Mapping[str, str] = {}
        self._inks: Mapping[str, str] = {}
        self._folded: set[str] = set()
        self._rows: list[Row] = []
        self.chosen: frozenset[str] = frozenset()

    def show(self, names: Sequence[str], side: Mapping[str, str] | None = None) -> None:
        """Show names, and texts beside them; the cursor stays on its name if that is still there."""
        self._names, self._side = names, side or {}
        self._arrange()

    def choose(self, names: Collection[str], inks: Mapping[str, str] | None = None) -> None:
        """Mark names as chosen, in colours; posts nothing."""
        self.chosen, self._inks = frozenset(names), inks or {}
        self.refresh()

    def fold(self, paths: Collection[str]) -> None:
        """Fold these folders and no others."""
        self._folded = set(paths)
        self._arrange()

    @property
    def row(self) -> Row | None:
        """The line under the cursor."""
        return self._rows[self.cursor] if self.cursor < len(self._rows) else None

    def go_to(self, path: str) -> None:
        """Move the cursor to a line, if it is shown."""
        lines = [line for line, row in enumerate(self._rows) if row.path == path]
        if lines:
            self.cursor = lines[0]

    def _arrange(self) -> None:
        at = self.row
        self._rows = tree_rows(self._names, self._folded, sections=self._sections)
        if at is not None:
            self.go_to(at.path)
        self.resized()
        self.refresh()

    # --- the cursor

    @property
    def row_count(self) -> int:
        """How many lines there are."""
        return len(self._rows)

    def pointed(self) -> None:
        """Post that the cursor is elsewhere."""
        self.post_message(self.Highlighted())

    def on_click(self, event: events.Click) -> None:
        """Set the cursor; on its line, or on a mark, do what enter does."""
        offset = event.get_content_offset(self)
        line = -1 if offset is None else self.row_at(offset.y)
        if offset is None or not 0 <= line < len(self._rows):
            return
        again, row = line == self.cursor, self._rows[line]
        self.cursor = line
        if again or offset.x < INDENT * (row.depth + 1):
            self.enter()

    # --- acting

    def enter(self) -> None:
        """Fold or unfold a folder; choose a name, or open it."""
        row = self.row
        if row is None:
            return
        if row.is_folder:
            self._folded ^= {row.path}
            self._arrange()
        elif self._marks:
            self.toggle()
        else:
            self.post_message(self.Opened(row.path))

    def toggle(self) -> None:
        """Choose a name, or all of a folder; if they are chosen, no longer."""
        row = self.row
        if row is not None:
            self.toggle_all(row.leaves or (row.path,))

    def toggle_all(self, names: Collection[str] | None = None) -> None:
        """Choose names, all that are listed by default; if all of them are, none."""
        named = frozenset(self._names if names is None else names)
        self.chosen = self.chosen - named if named <= self.chosen else self.chosen | named
        self.refresh()
        self.post_message(self.ChoiceChanged())

    # --- drawing

    def render_line(self, y: int) -> Strip:
        """Draw a line."""
        width, line = self.size.width, self.row_at(y)
        base = self.rich_style
        if line >= len(self._rows):
            return Strip.blank(width, base)
        if line == self.cursor:
            base = self.get_component_rich_style("paths--cursor")
        return Strip(self._line(self._rows[line], base, width)).adjust_cell_length(width, base)

    def _line(self, row: Row, base: Style, width: int) -> list[Segment]:
        side = self._side.get(row.path, "")
        if row.is_folder and self._marks:
            some = len(self.chosen.intersection(row.leaves))
            side = f"{some}/{len(row.leaves)}" if some else str(len(row.leaves))
        lead = " " * (INDENT * row.depth)
        room = width - len(lead) - INDENT
        if self._column:
            start = min(int(self._column * width), MOST_LABEL)
            left = max(1, start - len(lead) - INDENT)
            label = set_cell_size(ending(row.label, max(1, left - 1)), left)
            side = _fitted(side, max(0, width - start))
        else:
            left = room - (cell_len(side) + GAP if side else 0)
            label = set_cell_size(ending(row.label, max(1, left)), max(1, room - cell_len(side)))
        folder, sides = self._ink("paths--folder"), self._ink("paths--side")
        return [
            Segment(lead, base),
            self._mark(row, base),
            Segment(label, base + folder if row.is_folder else base),
            Segment(side, base + sides if row.is_folder or self._marks else base),
        ]

    def _mark(self, row: Row, base: Style) -> Segment:
        if row.is_folder:
            return Segment("▸ " if row.folded else "▾ ", base + self._ink("paths--folder"))
        if row.path not in self.chosen:
            return Segment(" " * INDENT, base)
        mark, ink = self._ink("paths--mark"), self._inks.get(row.path)
        return Segment("✓ ", base + mark + (Style(color=ink) if ink else Style.null()))

    def _ink(self, name: str) -> Style:
        """Return the colour and the weight of a component's style, for any background."""
        style = self.get_component_rich_style(name)
        return Style(color=style.color, bold=style.bold)

    def folders(self) -> list[Row]:
        """Return all folders, those in folded ones too."""
        return folders_of(tree_rows(self._names, sections=self._sections))


def _fitted(text: str, width: int) -> str:
    """Return a text that is as wide, cut with an ellipsis before a gap."""
    if cell_len(text) + 1 > width > 1:
        text = set_cell_size(text, width - 2) + "…"
    return set_cell_size(text, width)
