"""Where the parts of a heatmap lie in its widget: labels at the left, cells, axis and markers below.

```
stem   ▸▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀   cells, `lines` lines
logits  ▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀▀
        0   1   2   5 10   ticks
          ▲onset 3  ▲fit   markers
```
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from repdyn.display import axis
from repdyn.display.heatmap import HeatmapData
from repdyn.display.short_names import shortened
from repdyn.step_words import short_step
from tui.widgets.cell_spans import Bands, by_epoch, even
from tui.widgets.epoch_axis import AxisView, EpochAxis
from tui.widgets.phase_bands import Band

WIDEST_GUTTER = 3
"""The labels take at most the width divided by this."""


@dataclass(frozen=True)
class Marks:
    """What is marked beside the cells.

    Attributes:
        columns: epochs below the axis, by label.
        rows: epochs at the left of a square heatmap, by label.
        bands: phases that tint the axis, and the rows of a square heatmap.
    """

    columns: Mapping[str, int]
    rows: Mapping[str, int]
    bands: tuple[Band, ...]


@dataclass(frozen=True)
class Layout:
    """Where a heatmap's cells and labels lie.

    Attributes:
        gutter: columns of the labels and the gap after them.
        lines: of cells.
        pixels_per_line: 2 with half blocks, 1 with glyphs.
        rows: bands of pixels.
        columns: bands of columns.
        axis: of the columns.
        names: of the rows, as short as the labels; none if the rows are epochs.
        labels: by line.
        marked: lines that a row marker points to.
        banded: the band of each line, if the rows are epochs and have bands.
    """

    gutter: int
    lines: int
    pixels_per_line: int
    rows: Bands
    columns: Bands
    axis: EpochAxis
    names: tuple[str, ...]
    labels: Mapping[int, str]
    marked: frozenset[int]
    banded: tuple[Band, ...] = ()

    def row_lines(self, row: int) -> range:
        """Return the lines on which a row is visible."""
        pixels = self.rows.span(row)
        return range(self._line(pixels.start), self._line(pixels.stop - 1) + 1)

    def label_line(self, row: int) -> int:
        """Return the line of a row's label."""
        return self._line(self.rows.middle(row))

    def cells_at(self, x: int, y: int) -> list[tuple[int, int]]:
        """Return row and column of the cells at a position in the widget, the upper one first.

        Two if a character shows two rows, none outside the cells.
        """
        column, pixel = x - self.gutter, y * self.pixels_per_line
        if not (0 <= column < self.columns.room and 0 <= pixel < self.rows.room):
            return []
        rows = self.rows.shown[pixel : pixel + self.pixels_per_line].tolist()
        return [(row, int(self.columns.shown[column])) for row in dict.fromkeys(rows)]

    def _line(self, pixel: int) -> int:
        return pixel // self.pixels_per_line


def arrange(
    data: HeatmapData,
    marks: Marks,
    width: int,
    height: int,
    gutter: int,
    pixels_per_line: int,
    view: AxisView,
) -> Layout:
    """Return the layout of a heatmap in a widget.

    Args:
        data: of at least one row and column.
        marks: beside the cells.
        width, height: of the widget.
        gutter: columns for the labels, 0 for as many as they need.
        pixels_per_line: 2 with half blocks, 1 with glyphs.
        view: the part of the epoch axis in view.
    """
    gutter = gutter or _gutter(data, marks, width)
    room = max(1, width - gutter)
    lines = max(1, height - 1 - bool(marks.columns))
    grain = view.grain(data.steps)
    seen = view.seen(data.steps)
    epochs, of_all = data.steps[seen], (seen.start, len(data.steps))
    names: tuple[str, ...] = ()
    if data.rows is None:
        lines = max(1, min(lines, room // 2))
        cells = by_epoch(epochs, lines * pixels_per_line, grain)
        columns = cells.magnified(2 // pixels_per_line)
        rows, along = cells.among(*of_all).flipped(), EpochAxis.of_cells(epochs, cells, grain)
        labels, marked = _epoch_labels(along, marks.rows, pixels_per_line)
        banded = _line_bands(along, marks.bands, pixels_per_line)
    else:
        columns = by_epoch(epochs, room, grain)
        rows = even(len(data.rows), lines * pixels_per_line)
        names = shortened(data.rows, gutter - 1)
        labels, marked = _row_labels(names, rows, pixels_per_line), frozenset()
        banded = ()
    return Layout(
        gutter=gutter,
        lines=-(-rows.room // pixels_per_line),
        pixels_per_line=pixels_per_line,
        rows=rows,
        columns=columns.among(*of_all),
        axis=EpochAxis.of_cells(epochs, columns, grain),
        names=names,
        labels=labels,
        marked=marked,
        banded=banded,
    )


def _gutter(data: HeatmapData, marks: Marks, width: int) -> int:
    texts = (short_step(int(data.steps[-1])), *marks.rows) if data.rows is None else data.rows
    return min(max(map(cell_len, texts)) + 1, width // WIDEST_GUTTER)


def _row_labels(names: Sequence[str], rows: Bands, pixels_per_line: int) -> dict[int, str]:
    """Return the label of each line, that of the first row on it."""
    labels: dict[int, str] = {}
    for row, name in enumerate(names):
        labels.setdefault(rows.middle(row) // pixels_per_line, name)
    return labels


def _line_bands(
    along: EpochAxis, bands: tuple[Band, ...], pixels_per_line: int
) -> tuple[Band, ...]:
    """Return the band of each line, the last epoch on top."""
    if not bands:
        return ()
    starts, room = along.starts(bands), along.room
    heights = [room - 1 - line * pixels_per_line for line in range(-(-room // pixels_per_line))]
    return tuple(bands[bisect_right(starts, height) - 1] for height in heights)


def _epoch_labels(
    along: EpochAxis, markers: Mapping[str, int], pixels_per_line: int
) -> tuple[dict[int, str], frozenset[int]]:
    """Return labels of ticks and of markers that hide no tick, and the lines of the markers."""

    def line(epoch: int) -> int:
        return (along.room - 1 - along.column(epoch)) // pixels_per_line

    first, last = int(along.epochs[0]), int(along.epochs[-1])
    labels: dict[int, str] = {}
    for epoch in axis.ticks(last, first, grain=along.grain):
        labels.setdefault(line(epoch), short_step(epoch))
    shown = {name: epoch for name, epoch in markers.items() if along.has(epoch)}
    for name, epoch in shown.items():
        labels.setdefault(line(epoch), name)
    return labels, frozenset(map(line, shown.values()))
