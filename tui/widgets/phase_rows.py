"""The phases of several runs as bands, a line for each run, on the axis of curves above."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from repdyn.records import IntArray
from tui.widgets import phase_bands
from tui.widgets.colormap import on_background
from tui.widgets.epoch_axis import WHOLE, AxisView, EpochAxis
from tui.widgets.lines import Lines
from tui.widgets.phase_bands import Band


@dataclass(frozen=True)
class PhaseRow:
    """The phases of a run.

    Attributes:
        label: at the left.
        colour: of the label.
        bands: in order; none if no boundary is known.
        names: of the boundaries at which the bands start, as many.
        last: epoch of the run.
    """

    label: str
    colour: str
    bands: tuple[Band, ...]
    names: tuple[str, ...]
    last: int


class PhaseRows(Lines):
    """Bands with the names of the boundaries at which they start, where those fit."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"phase-rows--label", *phase_bands.CLASSES}

    DEFAULT_CSS = f"""
    PhaseRows {{
        width: 1fr;
        height: auto;
        & > .phase-rows--label {{ color: $text-muted; }}
        {phase_bands.CSS}
    }}
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self._rows: tuple[PhaseRow, ...] = ()
        self._stops: IntArray = np.empty(0, dtype=np.int64)
        self._view = WHOLE
        self._label_width = 0

    def set_data(
        self,
        rows: Sequence[PhaseRow],
        *,
        stops: IntArray,
        label_width: int,
        view: AxisView = WHOLE,
    ) -> None:
        """Show phases.

        Args:
            rows: of the runs.
            stops: epochs of the axis, as the curves'.
            label_width: columns left of the bands.
            view: the part of the axis in view.
        """
        self._rows, self._label_width = tuple(rows), label_width
        self._stops, self._view = stops[view.seen(stops)], view
        self.styles.height = len(rows)
        self.refresh(layout=True)

    def render_line(self, y: int) -> Strip:
        """Draw the phases of a run."""
        width, base = self.size.width, self.base
        room = width - self._label_width
        if not len(self._stops) or y >= len(self._rows) or room < 1:
            return Strip.blank(width, base)
        row = self._rows[y]
        label = set_cell_size(row.label, self._label_width)
        ink = Style(color=on_background(row.colour, self.app), bold=True)
        segments = [Segment(label, base + ink)]
        axis = EpochAxis.of_line(self._stops, room, self._view.grain(self._stops))
        segments += self._bands(row, axis)
        return Strip(segments).adjust_cell_length(width, base)

    def _bands(self, row: PhaseRow, axis: EpochAxis) -> list[Segment]:
        muted = self.get_component_rich_style("phase-rows--label")
        if not row.bands:
            return [Segment("no boundaries", muted)]
        starts = axis.starts(row.bands)
        first = int(axis.epochs[0])
        ends = [*starts[1:], axis.column(row.last) + 1 if row.last >= first else 0]
        segments = []
        for band, name, start, end in zip(row.bands, row.names, starts, ends, strict=True):
            room = max(0, end - start)
            fits = band.first >= first and cell_len(name) + 2 <= room
            text = f" {name} " if name and fits else ""
            fill = phase_bands.filled(" " * (room - cell_len(text)), band, self)
            segments.append(Segment(text + fill, phase_bands.style_of(band, self)))
        return segments
