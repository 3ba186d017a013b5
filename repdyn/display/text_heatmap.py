"""Layer × epoch heatmaps for the terminal: in colour, or with a ramp of glyphs without colours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
from numpy.typing import NDArray
from rich.console import Console, ConsoleOptions
from rich.style import Style
from rich.text import Text

from repdyn.display import axis
from repdyn.display.heatmap import HeatmapData
from repdyn.display.scale import Scale
from repdyn.display.viridis import viridis
from repdyn.display.wording import ending, plain
from repdyn.records import IntArray
from repdyn.step_words import short_step

NARROWEST = 24
"""Width below which two heatmaps are stacked."""

GAP = 2
"""Cells between two adjacent heatmaps, and between a layer's name and its row."""

TICK = 5
"""Columns of the widest label of a power of ten, `100k`, and a gap."""

COLOURFUL = frozenset({"256", "truecolor"})
"""Colour systems in which viridis keeps its order."""

MISSING = (118, 118, 118)

LEFT, RIGHT, OMITTED = range(3)
"""Where the label of a marker is."""

MOST_MARKERS = 6
"""Markers of a row of which all arrangements are tried."""


MARKED = ("onset", "fit")
"""The marked phase boundaries, by the words that label them."""


@dataclass(frozen=True)
class TextHeatmaps:
    """Heatmaps of layers, of one run's checkpoints, as wide as the console allows.

    A checkpoint is as wide as its cell on the log-epoch axis, to half a character in colour; if there
    are more checkpoints than columns, some are not shown.

    Attributes:
        heatmaps: side by side if there is space; one with fewer layers than another, its last ones
            missing, leaves those rows empty.
    """

    heatmaps: tuple[HeatmapData, ...]

    @property
    def unit(self) -> str:
        """Of the steps."""
        return self.heatmaps[0].unit

    @property
    def names(self) -> tuple[str, ...]:
        """Of the rows."""
        most = max(self.heatmaps, key=lambda one: len(one.values))
        return tuple(map(plain, most.rows or ()))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """Yield the lines."""
        ink = _ink(console, options)
        margin = min(max(map(len, (*self.names, self.unit))), options.max_width // 3)
        room = options.max_width - margin - GAP
        beside = (room - GAP * (len(self.heatmaps) - 1)) // len(self.heatmaps)
        if beside >= NARROWEST:
            yield from self._row(self.heatmaps, margin, beside, ink)
        else:
            for one in self.heatmaps:
                yield from self._row((one,), margin, max(1, room), ink)

    def _row(
        self, beside: Sequence[HeatmapData], margin: int, width: int, ink: Ink
    ) -> Iterator[Text]:
        """Yield the lines of heatmaps side by side, each `width` cells wide."""
        below = [(self.unit, "dim"), ("", "bold"), ("", "dim")]
        heads = [("", ""), *((ending(name, margin), "") for name in self.names), *below]
        columns = [self._lines(one, width, ink) for one in beside]
        for (head, style), *parts in zip(heads, *columns, strict=True):
            line = Text(no_wrap=True, overflow="crop", end="\n")
            for cell, size in ((Text(head, style), margin), *((part, width) for part in parts)):
                cell.truncate(size, overflow="ellipsis", pad=True)
                line.append_text(cell)
                line.append(" " * GAP)
            line.rstrip()
            yield line

    def _lines(self, heatmap: HeatmapData, width: int, ink: Ink) -> list[Text]:
        """Return a heatmap's lines: title, rows, epochs, markers, scale."""
        shown = _sampled(heatmap.steps, width * ink.columns)
        rows = [ink.cells(row[shown]) for row in heatmap.scale.place(heatmap.values)]
        rows += [Text()] * (len(self.names) - len(rows))
        first, last = int(heatmap.steps[0]), int(heatmap.steps[-1])
        ticks = axis.ticks(last, first, width // TICK, axis.grain(heatmap.steps))
        found = heatmap.phases.markers()
        marks = {
            f"{name} {short_step(found[name])}": found[name] for name in MARKED if name in found
        }
        return [
            Text(heatmap.title, "bold"),
            *rows,
            Text(
                tick_row({short_step(e): _column(heatmap.steps, e, width) for e in ticks}, width),
                "dim",
            ),
            Text(
                marker_row(
                    {mark: _column(heatmap.steps, e, width) for mark, e in marks.items()},
                    width,
                    ink.marker,
                )
            ),
            ink.legend(heatmap.scale, width),
        ]


def _sampled(epochs: IntArray, columns: int) -> NDArray[np.intp]:
    """Return for each column the checkpoint whose cell contains its middle."""
    borders = axis.position(axis.edges(epochs), axis.grain(epochs))
    middles = (np.arange(columns) + 0.5) / columns
    at = borders[0] + middles * (borders[-1] - borders[0])
    cell = np.searchsorted(borders, at) - 1
    return np.asarray(np.clip(cell, 0, len(epochs) - 1), dtype=np.intp)


def _column(epochs: IntArray, epoch: int, width: int) -> int:
    """Return the column in which an epoch lies."""
    grain = axis.grain(epochs)
    first, last = axis.position(axis.edges(epochs)[[0, -1]], grain)
    share = (axis.position(epoch, grain) - first) / (last - first)
    return int(np.clip(share * width, 0, width - 1))


def tick_row(columns: Mapping[str, int], width: int) -> str:
    """Return a line of labels starting at their columns; of labels that would touch, the first."""
    row = ""
    for label, column in columns.items():
        free = not row or column > len(row)
        if free and column + len(label) <= width:
            row = row.ljust(column) + label
    return row


def marker_row(columns: Mapping[str, float], width: int, marker: str) -> str:
    """Return markers at their columns, each with its label to the right or the left.

    A marker whose label has no space is left out with it; the first in `columns` are kept first. The
    labels are in the order of their places, and two of the same column share a marker.

    Args:
        columns: places of the markers by label, fractional.
        width: columns in all.
        marker: a character.
    """
    labels = [label for label, column in columns.items() if column < width][:MOST_MARKERS]
    best: tuple[tuple[int, ...], str] = ((), "")
    for sides in product((RIGHT, LEFT, OMITTED), repeat=len(labels)):
        kept = tuple(side != OMITTED for side in sides)
        rank = (sum(kept), *kept, *(side == RIGHT for side in sides))
        if rank > best[0]:
            placed = {
                label: (columns[label], side)
                for label, side in zip(labels, sides, strict=True)
                if side != OMITTED
            }
            row = _markers(placed, width, marker)
            best = best if row is None else (rank, row)
    return best[1]


def _markers(placed: Mapping[str, tuple[float, int]], width: int, marker: str) -> str | None:
    """Return a line of markers with labels at the given sides; None if two would touch or swap."""
    row = ""
    before: tuple[int, int] | None = None
    earlier = 0.0
    for label, (place, side) in sorted(
        placed.items(), key=lambda item: (int(item[1][0]), item[1][1])
    ):
        column = int(place)
        if place < earlier:
            return None
        earlier = place
        shared = before == (column, LEFT) and side == RIGHT
        text = f"{label}{marker}" if side == LEFT else label if shared else f"{marker}{label}"
        start = column + shared if side == RIGHT else column - len(label)
        touching = before is not None and before[1] == LEFT and side == RIGHT
        if start < len(row) + bool(row and not touching) or start + len(text) > width:
            return None
        row = row.ljust(start) + text
        before = (column, side)
    return row


@dataclass(frozen=True)
class Ink:
    """How values are drawn: in colour, two per character, or as glyphs.

    Attributes:
        ramp: glyphs from low to high; empty to draw in colour.
        missing: glyph of NaN.
        marker: glyph of a marked epoch.
    """

    ramp: str
    missing: str
    marker: str

    @property
    def columns(self) -> int:
        """Values per character."""
        return 1 if self.ramp else 2

    def cells(self, places: NDArray[np.float64]) -> Text:
        """Return positions in [0, 1] as characters."""
        if self.ramp:
            return Text("".join(map(self._glyph, places)))
        colours = _colours(places)
        text = Text()
        for left, right in zip(colours[::2], colours[1::2], strict=True):
            text.append("▌", _two_colours(left, right))
        return text

    def legend(self, scale: Scale, width: int) -> Text:
        """Return as many of the scale's ticks as fit, each after its colour or glyph."""
        labels = [f"{tick:g}".removeprefix("0") or "0" for tick in scale.ticks]
        step = 1
        while sum(len(label) + 2 for label in labels[::-step]) > width + 1 and step < len(labels):
            step += 1
        text = Text(style="dim")
        for tick, label in reversed(list(zip(scale.ticks[::-step], labels[::-step], strict=True))):
            text.append_text(self.cells(np.repeat(scale.place(tick), self.columns)))
            text.append(f"{label} ")
        return text

    def _glyph(self, place: float) -> str:
        if np.isnan(place):
            return self.missing
        return self.ramp[min(int(place * len(self.ramp)), len(self.ramp) - 1)]


IN_COLOUR = Ink("", "", "▲")
IN_BLOCKS = Ink(" ░▒▓█", "·", "▲")
IN_DIGITS = Ink("0123456789", "-", "^")


def _ink(console: Console, options: ConsoleOptions) -> Ink:
    if options.ascii_only:
        return IN_DIGITS
    colourful = console.color_system in COLOURFUL and not console.no_color
    return IN_COLOUR if colourful else IN_BLOCKS


def _colours(places: NDArray[np.float64]) -> list[tuple[int, int, int]]:
    known = np.isfinite(places)
    colours = viridis(np.where(known, places, 0))
    colours[~known] = MISSING
    return [(int(r), int(g), int(b)) for r, g, b in colours]


@lru_cache(maxsize=4096)
def _two_colours(left: tuple[int, int, int], right: tuple[int, int, int]) -> Style:
    return Style(color="rgb({},{},{})".format(*left), bgcolor="rgb({},{},{})".format(*right))
