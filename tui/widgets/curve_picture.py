"""What a widget of curves draws: where its legend, labels and curves are, character by character."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len
from textual.geometry import Size

from repdyn.records import Curve, IntArray
from tui.widgets import braille
from tui.widgets.cell_spans import by_epoch
from tui.widgets.epoch_axis import AxisView, EpochAxis
from tui.widgets.phase_bands import Band
from tui.widgets.value_axis import ValueAxis, tick_labels, value_axis

Dash = tuple[int, int]
"""Dots drawn and dots skipped."""

DASHES = ((1, 0), (4, 3), (1, 2), (8, 2), (2, 5), (1, 6))
"""Dash patterns, dots drawn and skipped, that distinguish curves without colours."""

VALUE_WIDTH = 8
"""Columns of a value in the legend, including the gap after it."""

SAMPLE = 3
"""Columns of a curve's piece in the legend."""

NOTHING, MARKER_LINE = -1, -2
"""Owners of characters that belong to no curve."""

SHARE = 3
"""Columns in which curves that coincide are drawn in turn."""

NOT_FINITE = "×"
"""Drawn at the edge where a value is NaN or infinite."""


@dataclass(frozen=True)
class Series:
    """What is drawn; see `Curves.set_data`."""

    curves: Mapping[str, Curve]
    colours: tuple[str, ...]
    epochs: IntArray
    aligned: bool
    low: float | None
    high: float | None
    markers: Mapping[str, int] = field(default_factory=dict)
    marker_lines: bool = True
    bands: tuple[Band, ...] = ()
    dashes: tuple[Dash, ...] = ()
    has_legend: bool = True
    logged: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the curves."""
        return tuple(self.curves)


@dataclass(frozen=True)
class Picture:
    """The curves as drawn for one size of the widget.

    Attributes:
        left: columns left of the curves.
        places: where the entries of the legend start, line and column; others do not fit.
        axis: of the epochs.
        labels: of the values, by line of the plot.
        codes: braille code points, (lines, columns).
        owners: the curve that each character belongs to, or NOTHING or MARKER_LINE, same shape.
    """

    left: int
    places: tuple[tuple[int, int], ...]
    axis: EpochAxis
    labels: Mapping[int, str]
    codes: NDArray[np.uint32]
    owners: NDArray[np.int16]

    @property
    def top(self) -> int:
        """The first line of the plot."""
        return max((line + 1 for line, _ in self.places), default=0)

    @property
    def bottom(self) -> int:
        """The line after the plot, that of the ticks."""
        return self.top + len(self.codes)


def drawn(
    series: Series,
    size: Size,
    view: AxisView,
    *,
    dash: Callable[[int], Dash],
    left: int,
    below: int,
    logarithmic: bool,
) -> Picture:
    """Return the curves as drawn.

    Args:
        series: to draw.
        size: of the widget.
        view: the part of the epochs in view.
        dash: the dash pattern of each curve, by index.
        left: columns left of the curves; 0 for as many as the labels need.
        below: lines below the plot.
        logarithmic: whether the vertical axis is.
    """
    width, height = size
    most = max(1, height // 3) if series.has_legend else 0
    places = _places(series.names, width, most)
    top = max((line + 1 for line, _ in places), default=0)
    lines = max(1, height - top - below)
    values = value_axis(
        (curve.values[view.seen(curve.steps)] for curve in series.curves.values()),
        series.low,
        series.high,
        logarithmic=logarithmic,
    )
    labels = _labels(values, lines)
    left = left or max(map(len, labels.values()), default=0) + 1
    room = max(1, width - left)
    grain = view.grain(series.epochs)
    epochs = series.epochs[view.seen(series.epochs)]
    if series.aligned:
        axis = EpochAxis.of_cells(epochs, by_epoch(epochs, room, grain), grain)
    else:
        axis = EpochAxis.of_line(epochs, room, grain)
    codes, owners = _plotted(series, axis, values, lines, dash)
    return Picture(left, places, axis, labels, codes, owners)


def sample(dash: Dash) -> str:
    """Return a short piece of a dashed curve."""
    ends, height = np.array([0.0, SAMPLE]), np.full(2, 0.4)
    line = braille.polyline(ends, height, SAMPLE, 1, dash)
    return "".join(chr(braille.BLANK + dots) for dots in line[0].tolist())


def entry_width(name: str) -> int:
    """Return the columns of an entry of the legend."""
    return SAMPLE + cell_len(f" {name} ") + VALUE_WIDTH


def _places(names: Sequence[str], width: int, most: int) -> tuple[tuple[int, int], ...]:
    """Return the line and the column of each entry of the legend, of at most so many lines.

    Beyond one line the entries are of one width, in columns.
    """
    if sum(map(entry_width, names)) <= width:
        starts = np.cumsum([0, *map(entry_width, names)])[:-1].tolist()
        return tuple((0, start) for start in starts[: len(names) if most else 0])
    each = max(map(entry_width, names))
    across = max(1, width // each)
    places = [(i // across, i % across * each) for i in range(len(names))]
    return tuple(place for place in places if place[0] < most)


def _labels(values: ValueAxis, lines: int) -> dict[int, str]:
    """Return the label of each line of the plot that has one."""
    labels: dict[int, str] = {}
    ticks = values.ticks(max(2, lines // 3))
    places = values.place(np.array(ticks)).tolist()
    for label, place in zip(tick_labels(ticks), places, strict=True):
        line = min(int((1 - place) * lines), lines - 1)
        labels.setdefault(line, label)
    return labels


def _plotted(
    series: Series,
    axis: EpochAxis,
    values: ValueAxis,
    lines: int,
    dash: Callable[[int], Dash],
) -> tuple[NDArray[np.uint32], NDArray[np.int16]]:
    """Return the code points of the plot and the curve, if any, that each belongs to."""
    drawn = np.zeros((len(series.curves), lines, axis.room), dtype=np.uint8)
    edges: list[tuple[int, int, int]] = []
    for i, curve in enumerate(series.curves.values()):
        x, y = axis.place(curve.steps), values.place(curve.values)
        drawn[i] = braille.polyline(x, y, axis.room, lines, dash(i))
        odd = _not_finite(x, curve, lines) if series.logged else ()
        edges += [(i, line, min(at, axis.room - 1)) for line, at in odd]
    dots = np.bitwise_or.reduce(drawn, axis=0, initial=0)
    owners = _in_turn(drawn > 0)
    codes = np.where(dots > 0, dots.astype(np.uint32) + braille.BLANK, ord(" "))
    for i, line, column in edges:
        codes[line, column], owners[line, column] = ord(NOT_FINITE), i
    for epoch in axis.named(series.markers) if series.marker_lines else ():
        column = axis.column(epoch)
        blank = owners[:, column] == NOTHING
        codes[blank, column], owners[blank, column] = ord("┊"), MARKER_LINE
    return codes.astype(np.uint32), owners


def _in_turn(there: NDArray[np.bool_]) -> NDArray[np.int16]:
    """Return which curve each character belongs to; where several share it, in turn by columns.

    Args:
        there: whether a curve has dots in a character, (curves, lines, columns).
    """
    if not len(there):
        return np.full(there.shape[1:], NOTHING, dtype=np.int16)
    count = there.sum(axis=0)
    turn = np.arange(there.shape[2]) // SHARE % np.maximum(count, 1)
    first = np.argmax(there & (there.cumsum(axis=0) - 1 == turn), axis=0)
    return np.where(count > 0, first, NOTHING).astype(np.int16)


def _not_finite(x: NDArray[np.float64], curve: Curve, lines: int) -> set[tuple[int, int]]:
    """Return where NaN and infinite values are marked, line and column: at the bottom, or at the top."""
    odd = np.flatnonzero(~np.isfinite(curve.values) & np.isfinite(x))
    tops = np.where(curve.values[odd] == np.inf, 0, lines - 1)
    return set(zip(tops.tolist(), x[odd].astype(int).tolist(), strict=True))
