"""The epoch axis below heatmaps and curves: where epochs lie, ticks, markers, the cursor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from rich.segment import Segment
from rich.style import Style
from textual.widget import Widget

from repdyn.display import axis
from repdyn.display.text_heatmap import TICK, marker_row, tick_row
from repdyn.records import IntArray, Interval
from repdyn.step_words import short_step
from tui.widgets.cell_spans import Bands, by_epoch
from tui.widgets.phase_bands import Band, banded, places

MARKER = "▲"

CHOSEN = Style(reverse=True)
"""Of the part of the tick line that is about to be zoomed to."""


@dataclass(frozen=True)
class AxisView:
    """The part of the epoch axis in view, and its scale.

    Attributes:
        span: first and last epoch; None for all.
        linear: whether the axis is linear, not logarithmic.
    """

    span: Interval | None = None
    linear: bool = False

    def grain(self, epochs: IntArray) -> float:
        """Return the grain of the axis of a run's epochs."""
        return axis.LINEAR if self.linear else axis.grain(epochs)

    def seen(self, epochs: IntArray) -> slice:
        """Return which of a run's epochs are in view."""
        return axis.within(epochs, self.span)


WHOLE = AxisView()
"""All epochs, on a logarithmic axis."""


@dataclass(frozen=True)
class EpochAxis:
    """An axis of checkpoints with a cell each, or of a line from the first epoch to the last.

    Attributes:
        room: columns.
        epochs: at which the cursor can stop, increasing, (n,).
        knots: positions on the axis, increasing, (k,).
        columns: the knots' columns, fractional, (k,); linear in between.
        grain: of the axis, as display/axis.py says.
    """

    room: int
    epochs: IntArray
    knots: NDArray[np.float64]
    columns: NDArray[np.float64]
    grain: float

    @classmethod
    def of_cells(cls, epochs: IntArray, bands: Bands, grain: float | None = None) -> EpochAxis:
        """Return the axis of a heatmap's columns; the knots are the cells' middles and outer edges."""
        grain = axis.grain(epochs) if grain is None else grain
        outer = axis.position(axis.edges(epochs, grain)[[0, -1]], grain)
        knots = np.concatenate([outer[:1], axis.position(epochs, grain), outer[1:]])
        middles = (bands.starts + bands.stops) / 2
        columns = np.concatenate([[0.0], middles, [float(bands.room)]])
        return cls(bands.room, epochs, knots, columns, grain)

    @classmethod
    def of_line(cls, epochs: IntArray, room: int, grain: float | None = None) -> EpochAxis:
        """Return the axis from the first epoch to the last, true to scale."""
        grain = axis.grain(epochs) if grain is None else grain
        if len(epochs) == 1:
            return cls.of_cells(epochs, by_epoch(epochs, room, grain), grain)
        ends = axis.position(epochs[[0, -1]], grain)
        return cls(room, epochs, ends, np.array([0.0, room - 0.5]), grain)

    def place(self, epochs: ArrayLike) -> NDArray[np.float64]:
        """Return the fractional columns of epochs, NaN beyond the axis."""
        at = axis.position(epochs, self.grain)
        return np.interp(at, self.knots, self.columns, left=np.nan, right=np.nan)

    def column(self, epoch: float) -> int:
        """Return the column of an epoch, the outermost for those beyond."""
        at = float(np.interp(axis.position(epoch, self.grain), self.knots, self.columns))
        return min(int(at), self.room - 1)

    def has(self, epoch: int) -> bool:
        """Return whether an epoch lies on the axis."""
        return int(self.epochs[0]) <= epoch <= int(self.epochs[-1])

    def stop_at(self, column: float) -> int:
        """Return the index of the stop nearest to a column."""
        return int(np.abs(self.place(self.epochs) - column).argmin())

    def ticks(self, free: range = range(0)) -> str:
        """Return the line of tick labels, centred on their epochs; labels touching `free` are dropped."""
        first, last = int(self.epochs[0]), int(self.epochs[-1])
        starts = {
            short_step(epoch): self._start(short_step(epoch), epoch)
            for epoch in axis.ticks(last, first, self.room // TICK, self.grain)
        }
        kept = {
            label: start
            for label, start in starts.items()
            if start + len(label) <= free.start or start >= free.stop
        }
        return tick_row(kept, self.room)

    def markers(self, markers: Mapping[str, int]) -> str:
        """Return the line of markers on the axis, with their names where they fit."""
        order = sorted({*markers.values()})  # also of those in one column
        columns = {
            f"{name} {short_step(epoch)}": self.column(epoch) + order.index(epoch) / len(order)
            for name, epoch in markers.items()
            if self.has(epoch)
        }
        return marker_row(columns, self.room, MARKER)

    def named(self, markers: Mapping[str, int]) -> list[int]:
        """Return the epochs of the markers whose names fit on the line of markers."""
        shown = self.markers(markers)
        return [epoch for name, epoch in markers.items() if f"{name} {short_step(epoch)}" in shown]

    def starts(self, bands: Sequence[Band]) -> list[int]:
        """Return the columns at which bands start, the first at the left end."""
        last = int(self.epochs[-1])
        return [0, *(self.column(b.first) if b.first <= last else self.room for b in bands[1:])]

    def tick_segments(
        self,
        cursor: int | None,
        lit: Style,
        bands: Sequence[Band],
        widget: Widget,
        plain: Style,
        mark: int | None = None,
    ) -> list[Segment]:
        """Return the tick line, with the epoch of the cursor, if any, over it.

        Args:
            cursor: its epoch.
            lit: style of that epoch.
            bands: behind the ticks.
            widget: that has the bands' styles.
            plain: style of ticks without bands.
            mark: the epoch from which a span is being chosen, up to the cursor; None if none is.
        """
        label = "" if cursor is None else f" {short_step(cursor)} "[: self.room]
        start = 0 if cursor is None else self._start(label, cursor)
        stop = start + len(label)
        line = self.ticks(range(start, stop)).ljust(self.room)
        behind = [Segment(line, plain)]
        if bands:
            starts = self.starts(bands)
            names = self._names(line, range(start, stop), starts, bands)
            behind = banded(line, starts, bands, widget, names)
        if mark is not None and cursor is not None:
            low, high = sorted((self.column(mark), self.column(cursor)))
            left, within, right = Segment.divide(behind, [low, high + 1, self.room])
            chosen = Segment.apply_style(within, post_style=CHOSEN)
            behind = [*left, *chosen, *right]
        if not label:
            return behind
        left, _, right = Segment.divide(behind, [start, stop, self.room])
        return [*left, Segment(label, lit), *right]

    def _names(
        self, line: str, cursor: range, starts: Sequence[int], bands: Sequence[Band]
    ) -> dict[int, str]:
        """Return the bands' names by their first column: they move only where the cursor is."""
        over = "".join("#" if column in cursor else line[column] for column in range(self.room))
        ends = [*starts[1:], self.room]
        still = places(self.ticks().ljust(self.room), starts, bands)
        kept = {at: name for at, name in still.items() if over[at : at + len(name)].isspace()}
        for at, name in places(over, starts, bands).items():
            first, last = next(b for b in zip(starts, ends, strict=True) if b[0] <= at < b[1])
            if not any(first <= there < last for there in kept):
                kept[at] = name
        return kept

    def _start(self, label: str, epoch: int) -> int:
        centred = self.column(epoch) - (len(label) - 1) // 2
        return max(0, min(centred, self.room - len(label)))
