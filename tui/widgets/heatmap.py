"""A heatmap with a cursor: rows × checkpoints on the log-epoch axis, or checkpoints × checkpoints.

Drawn line by line (Textual's Line API), two rows of pixels per line of half blocks. Moving the cursor
redraws only the lines of the cells that it leaves and enters, their labels and the axis.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np
from rich.cells import set_cell_size
from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip

from repdyn.display.heatmap import HeatmapData
from repdyn.display.scale import Scale
from repdyn.display.wording import boundary_marks, plain
from repdyn.records import IntArray
from repdyn.step_words import short_step
from tui.widgets import phase_bands
from tui.widgets.colormap import BLACK, WHITE, contrasts, is_colourful, shown_as
from tui.widgets.heatmap_cells import Cells, Inks
from tui.widgets.heatmap_layout import Layout, Marks, arrange
from tui.widgets.heatmap_messages import CellMessage
from tui.widgets.heatmap_view import Cell, followed, stretched
from tui.widgets.timeline import Timeline

PAGE = 10
"""Cells by which the page keys move; the half-page keys move by half as many."""


class Heatmap(Timeline, can_focus=True):
    """A heatmap, whose content is set by `set_data`.

    To move the cursor without a message back: `with heatmap.prevent(Heatmap.CursorMoved): ...`.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "heatmap--label",
        "heatmap--marker",
        "heatmap--cursor",
        *phase_bands.CLASSES,
    }

    DEFAULT_CSS = f"""
    Heatmap {{
        width: 1fr;
        height: 1fr;
        & > .heatmap--label {{ color: $text-muted; }}
        & > .heatmap--marker {{ color: $text-accent; text-style: bold; }}
        & > .heatmap--cursor {{ color: $foreground; text-style: bold reverse; }}
        {phase_bands.CSS}
    }}
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "move(-1, 0)", "Left", show=False, id="cursor.left"),
        Binding("right,l", "move(1, 0)", "Right", show=False, id="cursor.right"),
        Binding("up,k", "move(0, -1)", "Up", show=False, id="cursor.up"),
        Binding("down,j", "move(0, 1)", "Down", show=False, id="cursor.down"),
        Binding("pageup", f"move(0, -{PAGE})", "Page up", show=False, id="cursor.page_up"),
        Binding("pagedown", f"move(0, {PAGE})", "Page down", show=False, id="cursor.page_down"),
        Binding("ctrl+u", f"move(0, -{PAGE // 2})", "Up half", show=False, id="cursor.half_up"),
        Binding("ctrl+d", f"move(0, {PAGE // 2})", "Down half", show=False, id="cursor.half_down"),
        Binding("g", "top", "First row", show=False, id="cursor.top"),
        Binding("G", "bottom", "Last row", show=False, id="cursor.bottom"),
        Binding("home", "first", "First epoch", show=False, id="cursor.first"),
        Binding("end", "last", "Last epoch", show=False, id="cursor.last"),
    ]

    cmap: reactive[str] = reactive("viridis")
    """The colour map, one of `colormap.SEQUENTIAL` or `colormap.DIVERGING`."""

    stretch: reactive[int] = reactive(0)
    """How far colours are stretched to the values in view, as STRETCHED; 0 for the scale given."""

    blurred: reactive[bool] = reactive(False)
    """Whether cells that differ from their neighbours within their standard error are grey."""

    label_width: reactive[int] = reactive(0)
    """Columns left of the cells; 0 for as many as the labels need. Equal widths align widgets."""

    cursor: reactive[Cell] = reactive((0, 0), repaint=False)
    """Row and column of the cursor; clamped to the data."""

    class CursorMoved(CellMessage):
        """The cursor has moved to another cell."""

    class Hovered(CellMessage):
        """The mouse is over another cell."""

    class HoverEnded(Message):
        """The mouse is over no cell any more."""

        def __init__(self, heatmap: Heatmap) -> None:
            super().__init__()
            self.heatmap = heatmap

        @property
        def control(self) -> Heatmap:
            """The heatmap, for `@on(..., "#id")`."""
            return self.heatmap

    class ScaleChanged(Message):
        """The meaning of the colours has changed: for a colour bar.

        Attributes:
            heatmap: whose.
            scale: from values to places on the colour map.
            cmap: the colour map.
        """

        def __init__(self, heatmap: Heatmap, scale: Scale, cmap: str) -> None:
            super().__init__()
            self.heatmap = heatmap
            self.scale = scale
            self.cmap = cmap

        @property
        def control(self) -> Heatmap:
            """The heatmap, for `@on(..., "#id")`."""
            return self.heatmap

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self._data: HeatmapData | None = None
        self._marks = Marks({}, {}, ())
        self._arranged: Layout | None = None
        self._cells: Cells | None = None
        self._hovered: Cell | None = None

    def set_data(
        self,
        data: HeatmapData,
        *,
        markers: bool = True,
        row_markers: bool = False,
        bands: bool = False,
    ) -> None:
        """Show data; the cursor stays at its row and epoch, initially the last epoch.

        CursorMoved is always posted, as the value under the cursor may have changed. If rows are
        layers, their change points are bars at the start of their cells.

        Args:
            data: to show; blank where there is no row or no column.
            markers: whether to mark the phases' boundaries below the axis.
            row_markers: whether to mark them at the left too; only if data are square.
            bands: whether to tint the axis by the phases, and the row axis if square.
        """
        before, at = self._data, self.cursor
        self._data, self._hovered = None, None
        if data.values.size:
            rows = None if data.rows is None else tuple(map(plain, data.rows))
            self._data = replace(data, rows=rows)
            marked = boundary_marks(data.phases)
            self._marks = Marks(
                columns=marked if markers else {},
                rows=marked if row_markers else {},
                bands=phase_bands.phase_bands(data.phases) if bands else (),
            )
            with self.prevent(self.CursorMoved):
                self.cursor = followed(before, self._data, at)
            self.post_message(self.CursorMoved(self, *self._about(self.cursor)))
        self._redraw()
        self._announce_scale()

    @property
    def epochs(self) -> IntArray:
        """Epochs of the columns, (C,); empty before there are data."""
        return np.empty(0, dtype=np.int64) if self._data is None else self._data.steps

    @property
    def scale(self) -> Scale | None:
        """From values to places on the colour map, as shown; None before there are data."""
        if self._data is None:
            return None
        if not self.stretch:
            return self._data.scale
        return stretched(self._data, self.axis_view.seen(self._data.steps), self.stretch)

    # --- the cursor

    def validate_cursor(self, cell: Cell) -> Cell:
        """Move a cell outside what is in view to its edge."""
        if self._data is None:
            return (0, 0)
        seen = self.axis_view.seen(self._data.steps)
        rows = seen if self._data.square else slice(0, len(self._data.values))
        row, column = (
            max(shown.start, min(at, shown.stop - 1))
            for at, shown in zip(cell, (rows, seen), strict=True)
        )
        return row, column

    def watch_cursor(self, old: Cell, new: Cell) -> None:
        """Draw what changed and post the position of the cursor."""
        if self._data is None:
            return
        if self._arranged is not None:
            self.refresh(*self._cursor_regions(self._arranged, old, new))
        self.post_message(self.CursorMoved(self, *self._about(new)))

    def action_move(self, right: int, down: int) -> None:
        """Move the cursor by cells on the screen."""
        row, column = self.cursor
        upward = self._data is not None and self._data.square
        self.cursor = (row - down if upward else row + down, column + right)

    def action_first(self) -> None:
        """Move the cursor to the first epoch."""
        self.cursor = (self.cursor[0], 0)

    def action_last(self) -> None:
        """Move the cursor to the last epoch."""
        if self._data is not None:
            self.cursor = (self.cursor[0], self._data.values.shape[1] - 1)

    def action_top(self) -> None:
        """Move the cursor to the row at the top."""
        self.action_move(0, -len(self._data.values) if self._data is not None else 0)

    def action_bottom(self) -> None:
        """Move the cursor to the row at the bottom."""
        self.action_move(0, len(self._data.values) if self._data is not None else 0)

    def clicked(self, event: events.Click) -> None:
        """Set the cursor; where two rows share a character, another click goes to the other one."""
        cells = self._cells_under(event)
        if cells:
            self.cursor = cells[-1] if self.cursor == cells[0] else cells[0]

    def dragged_to(self, event: events.MouseEvent) -> int | None:
        """Move the cursor to the mouse's epoch, and return it."""
        cells = self._cells_under(event)
        if not cells or self._data is None:
            return None
        self.cursor = (self.cursor[0], cells[0][1])
        return int(self._data.steps[cells[0][1]])

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Post which cell the mouse is over."""
        cells = self._cells_under(event)
        if not cells:
            self._end_hover()
        elif cells[0] != self._hovered:
            self._hovered = cells[0]
            self.post_message(self.Hovered(self, *self._about(cells[0])))

    def on_leave(self) -> None:
        """Post that the mouse has left."""
        self._end_hover()

    def _end_hover(self) -> None:
        if self._hovered is not None:
            self._hovered = None
            self.post_message(self.HoverEnded(self))

    def _cells_under(self, event: events.MouseEvent) -> list[Cell]:
        offset = event.get_content_offset(self)
        if offset is None or self._arranged is None:
            return []
        return self._arranged.cells_at(offset.x, offset.y)

    def _about(self, cell: Cell) -> tuple[int, int, float, int]:
        assert self._data is not None  # noqa: S101 - no cell without a matrix
        return *cell, float(self._data.values[cell]), int(self._data.steps[cell[1]])

    @staticmethod
    def _cursor_regions(layout: Layout, *cells: Cell) -> list[Region]:
        regions = [Region(layout.gutter, layout.lines, layout.columns.room, 1)]
        for row, column in cells:
            if row < len(layout.rows.starts) and column < len(layout.columns.starts):
                x, y = layout.columns.span(column), layout.row_lines(row)
                regions.append(Region(layout.gutter + x.start, y.start, len(x), len(y)))
                regions.append(Region(0, layout.label_line(row), layout.gutter, 1))
        return regions

    # --- drawing

    def watch_cmap(self) -> None:
        """Take other colours for the same values."""
        self._cells = None
        self._announce_scale()

    def watch_stretch(self) -> None:
        """Take other colours for the same values."""
        self._cells = None
        self._announce_scale()

    def watch_blurred(self) -> None:
        """Draw the cells again."""
        self._cells = None

    def watch_label_width(self) -> None:
        """Arrange the parts again."""
        self._redraw()

    def on_resize(self) -> None:
        """Arrange the parts again."""
        self._redraw()

    def render_line(self, y: int) -> Strip:
        """Draw a line."""
        base = self.base
        width = self.size.width
        if self._data is None or not width:
            return Strip.blank(width, base)
        if self._arranged is None:
            per_line = 2 if is_colourful(self.app) else 1
            self._arranged = arrange(
                self._data,
                self._marks,
                width,
                self.size.height,
                self.label_width,
                per_line,
                self.axis_view,
            )
        segments = self._line(self._data, self._arranged, y)
        return Strip(segments).adjust_cell_length(width, base)

    def _line(self, data: HeatmapData, layout: Layout, y: int) -> list[Segment]:
        label = self.get_component_rich_style("heatmap--label")
        gap = Segment(" " * layout.gutter, label)
        if y < layout.lines:
            if self._cells is None:
                self._cells = self._drawn_cells(data, layout)
            return [*self._label(data, layout, y), *self._cells.line(y, self.cursor)]
        if y == layout.lines:
            lit = self.get_component_rich_style("heatmap--cursor")
            at = int(data.steps[self.cursor[1]])
            ticks = layout.axis.tick_segments(
                at, lit, self._marks.bands, self, label, self.range_from
            )
            return [gap, *ticks]
        if y == layout.lines + 1 and self._marks.columns:
            marker = self.get_component_rich_style("heatmap--marker")
            return [gap, Segment(layout.axis.markers(self._marks.columns), marker)]
        return []

    def _label(self, data: HeatmapData, layout: Layout, y: int) -> list[Segment]:
        style, text = self.get_component_rich_style("heatmap--label"), layout.labels.get(y, "")
        row = self.cursor[0]
        if y == layout.label_line(row):
            style = self.get_component_rich_style("heatmap--cursor")
            text = short_step(int(data.steps[row])) if data.square else layout.names[row]
        room = layout.gutter - 1
        text = text[:room].rjust(room) if data.square else set_cell_size(text, room)
        return [Segment(text, style), self._edge(layout, y)]

    def _edge(self, layout: Layout, y: int) -> Segment:
        """Return what stands between a label and its cells: a marker, the band of a phase."""
        marker = self.get_component_rich_style("heatmap--marker")
        pointer = "▸" if y in layout.marked else " "
        if y >= len(layout.banded):
            return Segment(pointer, marker)
        band = layout.banded[y]
        shown = phase_bands.filled(pointer, band, self)
        return Segment(shown, marker + phase_bands.style_of(band, self))

    def _drawn_cells(self, data: HeatmapData, layout: Layout) -> Cells:
        assert self.scale is not None  # noqa: S101 - there are data
        name = shown_as(self.cmap, self.app)
        on_missing = WHITE if self.app.current_theme.dark else BLACK
        inks = Inks(
            cmap=name if is_colourful(self.app) else "",
            base=self.base,
            missing=self.get_component_rich_style("heatmap--label"),
            contrasts=contrasts(name, on_missing),
        )
        return Cells(data, layout, self.scale, inks, blurred=self.blurred)

    def notify_style_update(self) -> None:
        """Draw the cells in the new styles."""
        self._cells = None
        super().notify_style_update()

    def axis_changed(self) -> None:
        """Arrange the parts again, with the cursor in view."""
        self.cursor = self.cursor
        self._redraw()
        self._announce_scale()

    def _redraw(self) -> None:
        self._arranged = None
        self._cells = None
        self.refresh()

    def _announce_scale(self) -> None:
        if self.scale is not None:
            self.post_message(self.ScaleChanged(self, self.scale, self.cmap))
