"""The cells of a heatmap, line by line: half blocks or glyphs, change points, the frame of the cursor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rich.segment import Segment
from rich.style import Style

from repdyn.display import axis
from repdyn.display.heatmap import HeatmapData
from repdyn.display.scale import Scale
from tui.widgets import pixels
from tui.widgets.colormap import GREY, colour, indices
from tui.widgets.heatmap_layout import Layout
from tui.widgets.heatmap_view import Cell

CHANGE, HALF_CHANGES = "┃", ("╹", "╻")
"""A change point on a line of its layer, and on the upper or lower half of a line of two layers."""


@dataclass(frozen=True)
class Inks:
    """What cells are drawn with.

    Attributes:
        cmap: the colour map, as the terminal shows it; empty to draw glyphs.
        base: style of glyphs, and of change points without colours.
        missing: style of what marks NaN.
        contrasts: BLACK or WHITE for each index of the colour map, whichever stands out from it.
    """

    cmap: str
    base: Style
    missing: Style
    contrasts: pixels.Indices


class Cells:
    """The cells of a heatmap in a layout.

    Args:
        data: of the heatmap.
        layout: of its widget.
        scale: from values to places on the colour map.
        inks: what they are drawn with.
        blurred: whether cells that differ from their neighbours within their error are grey.
    """

    def __init__(
        self, data: HeatmapData, layout: Layout, scale: Scale, inks: Inks, *, blurred: bool
    ) -> None:
        self._data, self._layout, self._inks = data, layout, inks
        found = indices(data.values, scale)
        if blurred:
            found[data.within_error] = GREY
        shape = (layout.lines * layout.pixels_per_line, layout.columns.room)
        self._pixels = np.full(shape, pixels.OUTSIDE, dtype=np.int16)
        self._pixels[: layout.rows.room] = found[np.ix_(layout.rows.shown, layout.columns.shown)]

    def line(self, y: int, cursor: Cell) -> list[Segment]:
        """Return a line, with the frame of the cursor if it is on it."""
        first = y * self._layout.pixels_per_line
        shown = self._pixels[first : first + self._layout.pixels_per_line]
        if y in self._layout.row_lines(cursor[0]):
            shown = self._with_cursor(shown, cursor, first)
        segments: list[Segment] = []
        start = 0
        for column, (glyph, pixel) in sorted(self._changes(y).items()):
            segments += self._drawn(shown[:, start:column])
            segments.append(self._change(glyph, int(shown[pixel, column])))
            start = column + 1
        return [*segments, *self._drawn(shown[:, start:])]

    def _drawn(self, shown: pixels.Indices) -> list[Segment]:
        inks = self._inks
        if len(shown) == 1:
            return pixels.glyphs(shown[0], inks.base, inks.missing)
        return pixels.half_blocks(inks.cmap, shown[0], shown[1], inks.missing)

    def _change(self, glyph: str, index: int) -> Segment:
        """Return a change point's glyph over an index of the colour map."""
        inks = self._inks
        if not inks.cmap or index < 0:
            return Segment(glyph, inks.base)
        ink = colour(inks.cmap, int(inks.contrasts[index]))
        return Segment(glyph, Style(color=ink, bgcolor=colour(inks.cmap, index)))

    def _changes(self, line: int) -> dict[int, tuple[str, int]]:
        """Return the glyphs of change points on a line, and the pixels behind them, by column.

        A bar as high as the layer's part of the line, at the start of the cell that has changed.
        """
        data, layout = self._data, self._layout
        if data.square:
            return {}
        first = line * layout.pixels_per_line
        found: dict[int, tuple[str, int]] = {}
        for row, epochs in enumerate(data.phases.change_points):
            pixel = layout.rows.middle(row)
            if not first <= pixel < first + layout.pixels_per_line:
                continue
            whole = layout.pixels_per_line == 1 or len(layout.rows.span(row)) > 1
            for epoch in filter(layout.axis.has, epochs):
                column = int(layout.columns.starts[axis.nearest(data.steps, epoch)])
                glyph = CHANGE if whole or column in found else HALF_CHANGES[pixel - first]
                found[column] = glyph, pixel - first
        return found

    def _with_cursor(self, shown: pixels.Indices, cursor: Cell, first: int) -> pixels.Indices:
        """Return the pixels of a line with the cursor's frame in what stands out from them."""
        row, column = cursor
        high, wide = self._layout.rows.span(row), self._layout.columns.span(column)
        shown = shown.copy()
        for i in range(len(shown)):
            if first + i in high:
                inner = len(high) > 2 and first + i not in (high[0], high[-1])
                frame = [wide[0], wide[-1]] if inner else list(wide)
                shown[i, frame] = self._inks.contrasts[shown[i, frame]]
        return shown
