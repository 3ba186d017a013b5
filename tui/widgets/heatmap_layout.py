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
from dataclasses import dataclass, field

from rich.cells import cell_len

from repdyn.display import axis
from repdyn.display.similarity import Scale
from repdyn.records import FloatArray, IntArray
from tui.widgets.cell_spans import Bands, by_epoch, even
from tui.widgets.epoch_axis import EpochAxis
from tui.widgets.phase_bands import Band

WIDEST_GUTTER = 3
"""The labels take at most this part of the width, as its divisor."""


@dataclass(frozen=True)
class Matrix:
    """What a heatmap shows; see `Heatmap.set_data`."""

    values: FloatArray
    rows: tuple[str, ...]
    epochs: IntArray
    scale: Scale
    markers: Mapping[str, int] = field(default_factory=dict)
    row_markers: Mapping[str, int] = field(default_factory=dict)
    change_points: tuple[tuple[int, ...], ...] = ()
    square: bool = False
    bands: tuple[Band, ...] = ()


@dataclass(frozen=True)
class Layout:
    """Where a matrix's cells and labels lie.

    Attributes:
        gutter: columns of the labels and the gap after them.
        lines: of cells.
        pixels_per_line: 2 with half blocks, 1 with glyphs.
        rows: bands of pixels.
        columns: bands of columns.
        axis: of the columns.
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
    labels: Mapping[int, str]
    marked: frozenset[int]
    banded: tuple[Band, ...] = ()

    def row_lines(self, row: int) -> range:
        """Return the lines on which a row is seen."""
        pixels = self.rows.span(row)
        return range(self._line(pixels.start), self._line(pixels.stop - 1) + 1)

    def label_line(self, row: int) -> int:
        """Return the line of a row's label."""
        return self._line(self.rows.middle(row))

    def cells_at(self, x: int, y: int) -> list[tuple[int, int]]:
        """Return row and column of the cells at a place in the widget, the upper one first.

        Two where a character shows two rows, none beside the cells.
        """
        column, pixel = x - self.gutter, y * self.pixels_per_line
        if not (0 <= column < self.columns.room and 0 <= pixel < self.rows.room):
            return []
        rows = self.rows.shown[pixel : pixel + self.pixels_per_line].tolist()
        return [(row, int(self.columns.shown[column])) for row in dict.fromkeys(rows)]

    def _line(self, pixel: int) -> int:
        return pixel // self.pixels_per_line


def arrange(matrix: Matrix, width: int, height: int, gutter: int, pixels_per_line: int) -> Layout:
    """Return the layout of a matrix in a widget.

    Args:
        matrix: of one row and column at least.
        width, height: of the widget.
        gutter: columns for the labels, 0 for as many as they need.
        pixels_per_line: 2 with half blocks, 1 with glyphs.
    """
    gutter = gutter or _gutter(matrix, width)
    room = max(1, width - gutter)
    lines = max(1, height - 1 - bool(matrix.markers))
    if matrix.square:
        lines = max(1, min(lines, room // 2))
        cells = by_epoch(matrix.epochs, lines * pixels_per_line)
        columns, rows = cells.magnified(2 // pixels_per_line), cells.flipped()
        labels, marked = _epoch_labels(matrix, rows, pixels_per_line)
        banded = _line_bands(matrix, rows, pixels_per_line)
    else:
        columns = by_epoch(matrix.epochs, room)
        rows = even(len(matrix.rows), lines * pixels_per_line)
        labels, marked = _row_labels(matrix.rows, rows, pixels_per_line), frozenset()
        banded = ()
    return Layout(
        gutter=gutter,
        lines=-(-rows.room // pixels_per_line),
        pixels_per_line=pixels_per_line,
        rows=rows,
        columns=columns,
        axis=EpochAxis.of_cells(matrix.epochs, columns),
        labels=labels,
        marked=marked,
        banded=banded,
    )


def _gutter(matrix: Matrix, width: int) -> int:
    texts: Sequence[str] = matrix.rows
    if matrix.square:
        texts = (str(matrix.epochs[-1]), *matrix.row_markers)
    widest = max(map(cell_len, texts))
    return min(widest + 1, width // WIDEST_GUTTER)


def _row_labels(names: Sequence[str], rows: Bands, pixels_per_line: int) -> dict[int, str]:
    """Return the label of each line, that of the first row on it."""
    labels: dict[int, str] = {}
    for row, name in enumerate(names):
        labels.setdefault(rows.middle(row) // pixels_per_line, name)
    return labels


def _line_bands(matrix: Matrix, rows: Bands, pixels_per_line: int) -> tuple[Band, ...]:
    """Return the band of each line, the last epoch on top."""
    if not matrix.bands:
        return ()
    starts = EpochAxis.of_cells(matrix.epochs, rows.flipped()).starts(matrix.bands)
    heights = [
        rows.room - 1 - line * pixels_per_line for line in range(-(-rows.room // pixels_per_line))
    ]
    return tuple(matrix.bands[bisect_right(starts, height) - 1] for height in heights)


def _epoch_labels(
    matrix: Matrix, rows: Bands, pixels_per_line: int
) -> tuple[dict[int, str], frozenset[int]]:
    """Return labels of ticks and of markers that hide no tick, and the lines of the markers."""
    upward = EpochAxis.of_cells(matrix.epochs, rows.flipped())

    def line(epoch: int) -> int:
        return (rows.room - 1 - upward.column(epoch)) // pixels_per_line

    first, last = int(matrix.epochs[0]), int(matrix.epochs[-1])
    labels: dict[int, str] = {}
    for epoch in axis.ticks(last):
        if epoch >= first:
            labels.setdefault(line(epoch), str(epoch))
    for name, epoch in matrix.row_markers.items():
        labels.setdefault(line(epoch), name)
    return labels, frozenset(map(line, matrix.row_markers.values()))
