"""The phases of a run in one picture on its epoch axis: bands, boundaries with intervals, changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.reactive import reactive
from textual.strip import Strip

from repdyn.display.labels import MARKS, PHASES
from repdyn.display.wording import spanned
from repdyn.records import IntArray, Interval, Phases
from tui.widgets import phase_bands
from tui.widgets.cell_spans import by_epoch
from tui.widgets.epoch_axis import WHOLE, AxisView, EpochAxis
from tui.widgets.heatmap_cells import CHANGE
from tui.widgets.lines import Lines
from tui.widgets.phase_bands import Band

POINT, SPIKE = "●", "×"
BEGINS, LASTS, ENDS = "├", "─", "┤"

WIDEST_LABELS = 4
"""The labels take at most the width divided by this, or the boundaries' short names."""

LEAST = 12
"""Columns of the axis below which it is not drawn."""


@dataclass(frozen=True)
class Row:
    """A line of the picture.

    Attributes:
        label: at its left.
        short: where there is little space.
        points: epochs, each with what marks it.
        interval: drawn around the point, of a boundary.
        words: beside the point.
    """

    label: str
    short: str
    points: Mapping[int, str] = field(default_factory=dict)
    interval: Interval | None = None
    words: str = ""


def rows_of(phases: Phases) -> tuple[Row, ...]:
    """Return the boundaries in order, then the changes of all layers, of single ones, the spikes."""
    rows = [
        Row(
            PHASES[name],
            MARKS[name],
            {epoch: POINT},
            phases.intervals.get(name),
            spanned(epoch, phases.intervals.get(name)),
        )
        for name, epoch in sorted(phases.markers().items(), key=lambda item: item[1])
    ]
    if phases.joint:
        rows.append(Row("all layers change", "changes", dict.fromkeys(phases.joint, CHANGE)))
    if counts := Counter(epoch for layer in phases.change_points for epoch in layer):
        marks = {epoch: str(n) if n < 10 else "+" for epoch, n in sorted(counts.items())}
        rows.append(Row("layers changing", "layers", marks))
    if phases.spikes:
        rows.append(Row("loss spikes", "spikes", dict.fromkeys(phases.spikes, SPIKE)))
    return tuple(rows)


class PhaseTimeline(Lines):
    """Bands with their names, a row for each boundary and for the changes, and the epochs."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "timeline--label",
        "timeline--mark",
        "timeline--interval",
        "timeline--cursor",
        *phase_bands.CLASSES,
    }

    DEFAULT_CSS = f"""
    PhaseTimeline {{
        width: 1fr;
        height: auto;
        & > .timeline--label {{ color: $text-muted; }}
        & > .timeline--mark {{ color: $text-accent; text-style: bold; }}
        & > .timeline--interval {{ color: $text-muted; }}
        & > .timeline--cursor {{ color: $foreground; text-style: bold reverse; }}
        {phase_bands.CSS}
    }}
    """

    cursor: reactive[int | None] = reactive(None)
    """The epoch lit on the axis, None for none."""

    def __init__(self) -> None:
        super().__init__()
        self._phases = Phases()
        self._steps: IntArray = np.empty(0, dtype=np.int64)
        self._view = WHOLE

    def set_data(self, phases: Phases, steps: IntArray, view: AxisView = WHOLE) -> None:
        """Show the phases of a run.

        Args:
            phases: of the run.
            steps: of its checkpoints, increasing; none draws nothing.
            view: the part of the epoch axis in view.
        """
        self._phases, self._steps, self._view = phases, steps[view.seen(steps)], view
        rows = rows_of(phases)
        self.styles.height = len(rows) + 2 if rows and len(steps) else 0
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Draw a line: the bands, the rows, the epochs."""
        width, base = self.size.width, self.base
        rows = rows_of(self._phases)
        short = max((cell_len(row.label) for row in rows), default=0) * WIDEST_LABELS > width
        labels = ["phases", *((row.short if short else row.label) for row in rows), ""]
        gutter = max(map(cell_len, labels)) + 1
        room = width - gutter
        if room < LEAST or not len(self._steps) or y >= len(labels):
            return Strip.blank(width, base)
        grain = self._view.grain(self._steps)
        axis = EpochAxis.of_cells(self._steps, by_epoch(self._steps, room, grain), grain)
        label = self.get_component_rich_style("timeline--label")
        parts = [Segment(set_cell_size(labels[y], gutter), label)]
        bands = phase_bands.phase_bands(self._phases)
        if y == 0:
            parts += self._bands(axis, bands)
        elif y == len(labels) - 1:
            lit = self.get_component_rich_style("timeline--cursor")
            at = self.cursor if self.cursor is not None and axis.has(self.cursor) else None
            parts += axis.tick_segments(at, lit, (), self, label)
        else:
            parts += self._row(rows[y - 1], axis)
        return Strip(parts).adjust_cell_length(width, base)

    def _bands(self, axis: EpochAxis, bands: tuple[Band, ...]) -> list[Segment]:
        if not bands:
            return []
        line = " " * axis.room
        return phase_bands.banded(line, axis.starts(bands), bands, self)

    def _row(self, row: Row, axis: EpochAxis) -> list[Segment]:
        mark = self.get_component_rich_style("timeline--mark")
        faint = self.get_component_rich_style("timeline--interval")
        cells: dict[int, tuple[str, Style]] = {}
        if row.interval is not None and overlaps(row.interval, axis):
            first, last = map(axis.column, row.interval)
            cells |= dict.fromkeys(range(first, last + 1), (LASTS, faint))
            cells |= {
                axis.column(epoch): (glyph, faint)
                for epoch, glyph in zip(row.interval, (BEGINS, ENDS), strict=True)
                if axis.has(epoch)
            }
        cells |= {
            axis.column(epoch): (glyph, mark)
            for epoch, glyph in row.points.items()
            if axis.has(epoch)
        }
        if row.words and cells:
            cells |= _beside(row.words, min(cells), max(cells), axis.room, self.base)
        return [Segment(*cells.get(column, (" ", self.base))) for column in range(axis.room)]


def overlaps(interval: Interval, axis: EpochAxis) -> bool:
    """Return whether any of an interval lies on an axis."""
    return interval[0] <= int(axis.epochs[-1]) and interval[1] >= int(axis.epochs[0])


def _beside(
    words: str, first: int, last: int, room: int, style: Style
) -> dict[int, tuple[str, Style]]:
    """Return words right of what is drawn from one column to another, or left of it."""
    start = last + 2 if last + 2 + len(words) <= room else first - 1 - len(words)
    if start < 0:
        return {}
    return {start + i: (letter, style) for i, letter in enumerate(words)}
