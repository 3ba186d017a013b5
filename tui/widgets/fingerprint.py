"""A run at a glance: layers × checkpoints in half blocks, or ten places of the axis on one line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from rich.cells import set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.app import App
from textual.strip import Strip

from repdyn.display.heatmap import HeatmapData
from repdyn.display.short_names import shortened
from repdyn.display.wording import plain
from tui.widgets import phase_bands, pixels
from tui.widgets.cell_spans import by_epoch, spread
from tui.widgets.colormap import MISSING, SEQUENTIAL, SIZE, indices, is_colourful, shown_as
from tui.widgets.epoch_axis import EpochAxis
from tui.widgets.lines import Lines

CMAP = SEQUENTIAL[0]

LEVELS = 6
"""Colours of a picture: few, as a list's cursor shows one run's after another's over slow connections."""


class Fingerprint(Lines):
    """Each layer's similarity to the last checkpoint, over the epochs; without a cursor."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"fingerprint--label", *phase_bands.CLASSES}

    DEFAULT_CSS = f"""
    Fingerprint {{
        width: 1fr;
        height: 1fr;
        & > .fingerprint--label {{ color: $text-muted; }}
        {phase_bands.CSS}
    }}
    """

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._data: HeatmapData | None = None
        self._label_width = 0
        self._axis = True
        self._lines: list[list[Segment]] = []

    def set_data(self, data: HeatmapData, label_width: int) -> None:
        """Show a picture of layers × checkpoints, behind labels of a width."""
        self._data, self._label_width, self._lines = data, label_width, []
        self.refresh()

    def show_axis(self, shown: bool) -> None:
        """Show the epochs below the layers, or leave them to a picture with the same columns."""
        if shown != self._axis:
            self._axis, self._lines = shown, []
            self.refresh()

    def on_resize(self) -> None:
        """Draw for the new size."""
        self._lines = []
        self.refresh()

    def notify_style_update(self) -> None:
        """Draw in the new styles."""
        self._lines = []
        super().notify_style_update()

    def render_line(self, y: int) -> Strip:
        """Draw a line: one of the picture, or the axis."""
        width, height = self.size
        if self._data is None or width <= self._label_width or height <= self._axis:
            return Strip.blank(width, self.base)
        if not self._lines:
            self._lines = self._drawn(self._data, width, height - self._axis)
        line = self._lines[y] if y < len(self._lines) else []
        return Strip(line).adjust_cell_length(width, self.base)

    def _drawn(self, data: HeatmapData, width: int, lines: int) -> list[list[Segment]]:
        colourful = is_colourful(self.app)
        per_line = 2 if colourful else 1
        columns = by_epoch(data.steps, width - self._label_width)
        rows = spread(len(data.values), lines * per_line)
        cells = _levelled(indices(data.values, data.scale))
        painted = np.full((lines * per_line, columns.room), pixels.OUTSIDE, dtype=np.int16)
        painted[: rows.room] = cells[np.ix_(rows.shown, columns.shown)]
        label = self.get_component_rich_style("fingerprint--label")
        names = shortened([*map(plain, map(data.row_name, range(len(data.values))))], self._room)
        drawn = []
        for y in range(-(-rows.room // per_line)):
            shown = painted[y * per_line : (y + 1) * per_line]
            if colourful:
                line = pixels.half_blocks(shown_as(CMAP, self.app), shown[0], shown[1], label)
            else:
                line = pixels.glyphs(shown[0], self.base, label)
            name = self._label(names, rows.shown.tolist(), y, per_line)
            drawn.append([Segment(name, label), *line])
        if not self._axis:
            return drawn
        axis = EpochAxis.of_cells(data.steps, columns)
        bands = phase_bands.phase_bands(data.phases)
        ticks = axis.tick_segments(None, label, bands, self, label)
        return [*drawn, [Segment(" " * self._label_width, label), *ticks]]

    @property
    def _room(self) -> int:
        """Columns of a name."""
        return self._label_width - 1

    def _label(self, names: Sequence[str], shown: list[int], y: int, per_line: int) -> str:
        """Return the name of the layer that begins on a line of the picture, if one does."""
        first = y * per_line
        here = shown[first : first + per_line]
        before = shown[first - 1] if first else -1
        begun = next((row for row in here if row != before), None)
        return set_cell_size("" if begun is None else names[begun], self._room) + " "


def _levelled(cells: pixels.Indices) -> pixels.Indices:
    """Return indices in a colour map as the nearest of LEVELS from its first to its last colour."""
    step = (SIZE - 1) / (LEVELS - 1)
    levels = np.rint(np.rint(cells / step) * step)
    return np.where(cells < 0, cells, levels).astype(np.int16)


def places(values: Sequence[float], base: Style, app: App[Any]) -> list[Segment]:
    """Return a line of a run's places on a colour map, from 0 to 1, a character each."""
    found = np.array([MISSING if v != v else round(v * (SIZE - 1)) for v in values], dtype=np.int16)
    if is_colourful(app):
        return pixels.half_blocks(shown_as(CMAP, app), found, found, base)
    return pixels.glyphs(found, base, base)
