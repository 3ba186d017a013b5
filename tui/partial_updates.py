"""Partial updates: the terminal is sent only the cells that differ from what it shows.

For each line that a widget has changed, Textual (8.2; its issue 5625) sends everything from the left
edge of the widget to the end of the change, and after a change of the layout the whole screen. Over a
slow connection that is noticeable: 40 kB for a number in the header, 25 kB for a few cells of a plane.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, partial
from itertools import groupby
from typing import Any, NamedTuple

from rich.cells import cell_len
from rich.color import ColorSystem
from rich.console import Console
from rich.control import Control
from rich.style import Style
from textual.strip import Strip

Cell = tuple[str, Style | None]
"""A character with its style; the second cell of a wide character has none of its own."""

LONGEST_GAP = 4
"""Unchanged cells of one style between changes that are sent too: moving the cursor takes as much."""


class Shown:
    """What the terminal shows: what it was sent so far."""

    def __init__(self) -> None:
        self._lines: dict[int, list[Cell | None]] = {}

    def forget(self) -> None:
        """Send all that is drawn from now on: what the terminal shows is not known."""
        self._lines.clear()

    def reduce(self, update: Any) -> None:
        """Make an update send only what differs; others than of parts of the screen stay as they are.

        This uses private attributes of the update; if another version of Textual lacks them, its own
        behaviour is kept.

        Args:
            update: what a screen is about to display.
        """
        if all(hasattr(update, name) for name in ("chops", "spans", "chop_ends")):
            update.render_segments = partial(self._sent, partial(_spans, update))
        elif all(hasattr(update, name) for name in ("strips", "region")):
            update.render_segments = partial(self._sent, partial(_lines, update))
        elif update is not None:
            self.forget()

    def _sent(
        self, pieces: Callable[[], Iterable[tuple[int, int, Strip]]], console: Console
    ) -> str:
        """Return what makes the terminal show pieces: line, first column and cells of each."""
        pen = Pen(console)
        for line, start, strip in pieces():
            for column, changed in self._changes(line, start, _cells(strip)):
                pen.move(column, line)
                for style, group in groupby(changed, key=lambda cell: cell[1]):
                    pen.write("".join(text for text, _ in group), style)
        return pen.finish()

    def _changes(self, line: int, start: int, new: list[Cell]) -> Iterator[tuple[int, list[Cell]]]:
        """Note that a line shows new cells, and yield those that it did not show, by first column."""
        known = self._lines.setdefault(line, [])
        end = start + len(new)
        known.extend([None] * (end - len(known)))
        old = known[start:end]
        if old == new:
            return
        known[start:end] = new
        for first, last in _ranges(old, new):
            yield start + first, new[first:last]


class Pen:
    """Writes text with styles; of a style only what changes is sent, wherever the text is."""

    def __init__(self, console: Console) -> None:
        self._system = console._color_system
        self._sent: list[str] = []
        self._codes = PLAIN

    def move(self, column: int, line: int) -> None:
        """Go to a cell."""
        self._sent.append(Control.move_to(column, line).segment.text)

    def write(self, text: str, style: Style | None) -> None:
        """Write a text."""
        if style is not None and style.link:
            self._select(PLAIN)
            self._sent.append(style.render(text, color_system=self._system))
            return
        codes = PLAIN
        if style is not None and self._system is not None:
            codes = _codes(style, self._system)
        if text.isspace() and not _shows_on_blanks(style):
            codes = codes._replace(colour=self._codes.colour)
        self._select(codes)
        self._sent.append(text)

    def _select(self, codes: Codes) -> None:
        if codes == self._codes:
            return
        if codes.attributes != self._codes.attributes or codes == PLAIN:
            changes = ["0", codes.attributes, codes.colour, codes.background]
            changes = [code for code in changes if code not in ("", *PLAIN)]
        else:
            pairs = zip(codes[1:], self._codes[1:], strict=True)
            changes = [code for code, before in pairs if code != before]
        self._sent.append(f"\x1b[{';'.join(changes)}m")
        self._codes = codes

    def finish(self) -> str:
        """Return all that was written, with no style left on."""
        self._select(PLAIN)
        return "".join(self._sent)


class Codes(NamedTuple):
    """The codes that select a style."""

    attributes: str
    colour: str
    background: str


PLAIN = Codes("", "39", "49")
"""The codes of no style: the terminal's own colours."""


@lru_cache(maxsize=4096)
def _codes(style: Style, system: ColorSystem) -> Codes:
    colour, background = style.color, style.bgcolor
    return Codes(
        style.without_color._make_ansi_codes(system),
        ";".join(colour.downgrade(system).get_ansi_codes()) if colour else PLAIN.colour,
        ";".join(background.downgrade(system).get_ansi_codes(foreground=False))
        if background
        else PLAIN.background,
    )


def _shows_on_blanks(style: Style | None) -> bool:
    """Return whether a style's colour shows where the text is blank."""
    return style is not None and bool(
        style.reverse or style.underline or style.underline2 or style.strike or style.overline
    )


def _ranges(old: list[Cell | None], new: list[Cell]) -> list[tuple[int, int]]:
    """Return first and end of each range of cells to send."""
    ranges: list[tuple[int, int]] = []
    for at, (before, now) in enumerate(zip(old, new, strict=True)):
        if before == now:
            continue
        first = at - 1 if not now[0] and at else at  # a wide character is sent whole
        if ranges and (first <= ranges[-1][1] or _is_short(new[ranges[-1][1] - 1 : first])):
            first = ranges.pop()[0]
        ranges.append((first, at + 1))
    return [(first, _whole(new, end)) for first, end in ranges]


def _is_short(gap: list[Cell]) -> bool:
    """Return whether the cells after the first, and it, have one style and are few."""
    return len(gap) <= LONGEST_GAP + 1 and all(cell[1] == gap[0][1] for cell in gap)


def _whole(cells: list[Cell], end: int) -> int:
    """Return the end of a range that does not cut a wide character."""
    return end + 1 if end < len(cells) and not cells[end][0] else end


def _cells(strip: Strip) -> list[Cell]:
    cells: list[Cell] = []
    for text, style, control in strip:
        if control:
            continue
        if text.isascii() or (cell_len(text) == len(text) and all(map(cell_len, text))):
            cells += [(character, style) for character in text]
            continue
        for character in text:
            width = cell_len(character)
            if width:
                cells += [(character, style), *[("", style)] * (width - 1)]
            elif cells:  # it combines with the one before
                at = -1 if cells[-1][0] or len(cells) < 2 else -2
                cells[at] = (cells[at][0] + character, cells[at][1])
    return cells


def _spans(update: Any) -> Iterator[tuple[int, int, Strip]]:
    """Yield the pieces of an update of spans.

    For each line, `chops` has strips by their start column, and `chop_ends` the end columns; `spans`
    are line, first column and end of each piece.
    """
    for line, first, end in update.spans:
        for stop, (start, strip) in zip(
            update.chop_ends[line], update.chops[line].items(), strict=False
        ):
            left, right = max(start, first), min(stop, end)
            if strip is not None and left < right:
                yield line, left, strip.crop(left - start, right - start)


def _lines(update: Any) -> Iterator[tuple[int, int, Strip]]:
    """Yield the pieces of an update of whole lines of a region."""
    for line, strips in enumerate(update.strips, update.region.y):
        column = update.region.x
        for strip in strips:
            yield line, column, strip
            column += strip.cell_length
