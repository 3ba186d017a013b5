"""Long text, drawn line by line, with a search."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import ClassVar

from rich.cells import chop_cells
from rich.segment import Segment
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from repdyn.display.wording import plain
from repdyn.redaction import redact

TAB = 4


def wrapped(text: str, width: int) -> list[str]:
    """Return a text as lines of at most this width, without control characters and secrets."""
    lines: list[str] = []
    for line in text.splitlines():
        shown = redact(line.expandtabs(TAB))
        shown = shown if shown.isprintable() else plain(shown)
        if shown.isascii():
            lines += [shown[at : at + width] for at in range(0, len(shown), width)] or [""]
        else:
            lines += chop_cells(shown, width) or [""]
    return lines


class Pager(ScrollView, can_focus=True):
    """Lines of text; those in which a search found something are marked."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"pager--match", "pager--here"}

    DEFAULT_CSS = """
    Pager {
        height: 1fr;
        overflow-x: hidden;
        scrollbar-size-vertical: 1;
        & > .pager--match { background: $warning-muted; color: $text-warning; }
        & > .pager--here { background: $primary; color: $text; text-style: bold reverse; }
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "go(-1)", "Up", show=False, id="cursor.up"),
        Binding("down,j", "go(1)", "Down", show=False, id="cursor.down"),
        Binding("pageup,ctrl+u", "page(-1)", "Page up", show=False, id="cursor.page_up"),
        Binding("pagedown,ctrl+d,space", "page(1)", "Page down", show=False, id="cursor.page_down"),
        Binding("home,g", "go(-10000000)", "First", show=False, id="cursor.first"),
        Binding("end,G", "go(10000000)", "Last", show=False, id="cursor.last"),
    ]

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._lines: Sequence[str] = ()
        self._words = ""
        self._found: list[int] = []
        self._at = 0

    def show(self, lines: Sequence[str]) -> None:
        """Show lines."""
        self._lines = lines
        self.virtual_size = Size(self.size.width, len(lines))
        self.search(self._words)

    def on_resize(self) -> None:
        """Keep the scrollbar right."""
        self.virtual_size = Size(self.size.width, len(self._lines))

    @property
    def top(self) -> int:
        """The first line in view."""
        return round(self.scroll_offset.y)

    def search(self, words: str) -> None:
        """Find a text, in any case unless it has capitals, and go to the first from here on."""
        self._words = words
        fold = words == words.casefold()
        lines = (line.casefold() if fold else line for line in self._lines)
        self._found = [i for i, line in enumerate(lines) if words in line] if words else []
        later = (i for i, line in enumerate(self._found) if line >= self.top)
        self._at = next(later, 0)
        self._to_match()

    def next_match(self, steps: int) -> None:
        """Go to another line that was found."""
        if self._found:
            self._at = (self._at + steps) % len(self._found)
            self._to_match()

    @property
    def matches(self) -> tuple[int, int]:
        """Which of the found lines is looked at, from 1 on, and how many there are."""
        return (self._at + 1 if self._found else 0), len(self._found)

    def _to_match(self) -> None:
        if self._found:
            line, room = self._found[self._at], max(1, self.size.height)
            if not self.top <= line < self.top + room:
                self.scroll_to(y=max(0, line - room // 3), animate=False)
        self.refresh()

    def action_go(self, lines: int) -> None:
        """Scroll by lines."""
        self.scroll_to(y=self.top + lines, animate=False)

    def action_page(self, pages: int) -> None:
        """Scroll by pages."""
        self.action_go(pages * max(1, self.size.height - 1))

    def render_line(self, y: int) -> Strip:
        """Draw a line."""
        width, base, at = self.size.width, self.rich_style, self.top + y
        if at >= len(self._lines):
            return Strip.blank(width, base)
        line = self._lines[at]
        place = bisect_left(self._found, at)
        if place == len(self._found) or self._found[place] != at:
            return Strip([Segment(line, base)]).adjust_cell_length(width, base)
        here = place == self._at
        match = self.get_component_rich_style("pager--here" if here else "pager--match")
        segments = [Segment(text, match if hit else base) for text, hit in self._pieces(line)]
        return Strip(segments).adjust_cell_length(width, base)

    def _pieces(self, line: str) -> Iterator[tuple[str, bool]]:
        """Yield the pieces of a line, and whether each is what was searched for."""
        words = self._words
        searched = line.casefold() if words == words.casefold() else line
        if len(searched) != len(line):  # of letters that casefold to two
            yield line, True
            return
        start = 0
        while (hit := searched.find(words, start)) >= 0:
            yield line[start:hit], False
            yield line[hit : hit + len(words)], True
            start = hit + len(words)
        yield line[start:], False
