"""Partial updates: the terminal is sent only the cells that differ from what it shows.

For each line that a widget has changed, Textual (8.2; its issue 5625) sends everything from the left
edge of the widget to the end of the change, and after a change of the layout the whole screen. Over a
slow connection that is noticeable: 40 kB for a number in the header, 25 kB for a few cells of a plane.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, partial
from typing import Any, NamedTuple

from rich.cells import cell_len
from rich.console import Console
from rich.style import Style
from textual.strip import Strip

from tui.pen import Pen, shows_on_blanks

Cell = tuple[str, Style | None]
"""A character with its style; the second cell of a wide character has none of its own."""

LONGEST_GAP = 4
"""Unchanged cells of one style between changes that are sent too: moving the cursor takes as much."""

MOST_SORTED = 1000
"""Parts of one style in an update up to which it is tried whether sorting them by style is shorter."""


MOST_CHOSEN = 50
"""Styles up to which the next one is chosen by how few codes it takes."""


class Shown:
    """What the terminal shows: what it was sent so far.

    Attributes:
        written: how many characters of updates it was sent.
        width: columns of the terminal; 0 if it is not known.
    """

    def __init__(self) -> None:
        self.written = 0
        self.width = 0
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
        """Return what makes the terminal show pieces: line, first column and cells of each.

        A line has parts of several styles, so it may be shorter to write all of one style, wherever it
        is, before the next.
        """
        parts = [
            part
            for line, start, strip in pieces()
            for column, changed in self._changes(line, start, _cells(strip))
            for part in _parts(line, column, changed)
        ]
        sent = _written(parts, Pen(console, self.width))
        if len(parts) <= MOST_SORTED:
            by_style: dict[Style | None, list[Part]] = {}
            for part in parts:
                by_style.setdefault(part.style, []).append(part)
            sent = min(sent, _by_style(by_style, Pen(console, self.width)), key=len)
        self.written += len(sent)
        return sent

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


class Part(NamedTuple):
    """Text of one style in a row."""

    line: int
    column: int
    text: str
    style: Style | None


def _parts(line: int, column: int, cells: list[Cell]) -> Iterator[Part]:
    """Yield the parts of cells that begin at a column; blanks belong to what is before them."""
    characters: list[str] = []
    style = cells[0][1]
    for text, own in cells:
        if not _goes_with((text, own), style):
            yield Part(line, column, "".join(characters), style)
            column += len(characters)
            characters, style = [], own
        characters.append(text)
    yield Part(line, column, "".join(characters), style)


def _written(parts: Iterable[Part], pen: Pen) -> str:
    for part in parts:
        pen.move(part.column, part.line)
        pen.write(part.text, part.style)
    return pen.finish()


def _by_style(left: dict[Style | None, list[Part]], pen: Pen) -> str:
    """Return what writes parts, each style's together; after each that to which it is shortest."""
    while left:
        style = next(iter(left))
        if len(left) <= MOST_CHOSEN:
            firsts = ((key, parts[0]) for key, parts in left.items())
            style, _ = min(
                firsts, key=lambda one: pen.distance(one[1].column, one[1].line, *one[1][2:])
            )
        for part in left.pop(style):
            pen.move(part.column, part.line)
            pen.write(part.text, part.style)
    return pen.finish()


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
    return len(gap) <= LONGEST_GAP + 1 and all(_goes_with(cell, gap[0][1]) for cell in gap)


def _goes_with(cell: Cell, style: Style | None) -> bool:
    """Return whether a cell can be written in a style."""
    return cell[1] == style or (cell[0] == " " and cell[1] == _of_blank(style))


def _whole(cells: list[Cell], end: int) -> int:
    """Return the end of a range that does not cut a wide character."""
    return end + 1 if end < len(cells) and not cells[end][0] else end


def _cells(strip: Strip) -> list[Cell]:
    cells: list[Cell] = []
    for text, style, control in strip:
        if control:
            continue
        if text.isascii() or (cell_len(text) == len(text) and all(map(cell_len, text))):
            blank = _of_blank(style)
            cells += [(one, blank if one == " " else style) for one in text]
            continue
        for character in text:
            width = cell_len(character)
            if width:
                cells += [(character, style), *[("", style)] * (width - 1)]
            elif cells:  # it combines with the one before
                at = -1 if cells[-1][0] or len(cells) < 2 else -2
                cells[at] = (cells[at][0] + character, cells[at][1])
    return cells


@lru_cache(maxsize=4096)
def _of_blank(style: Style | None) -> Style | None:
    """Return what of a style shows where the text is blank: its background, if there are no lines."""
    if style is None or style.link or shows_on_blanks(style):
        return style
    return None if style.bgcolor is None else Style(bgcolor=style.bgcolor)


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
