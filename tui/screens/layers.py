"""Layers: the E×E matrices of all layers, small, on one colour scale, with one cursor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Grid, Horizontal, Vertical, VerticalScroll
from textual.widget import Widget
from textual.widgets import Static

from repdyn.display import axis
from repdyn.display.short_names import shortened
from repdyn.display.similarity import Similarity, similarity
from repdyn.display.wording import plain
from repdyn.records import Phases, RunRecord, plural
from repdyn.step_words import step
from tui import actions
from tui.screens.layer import matrices, profile
from tui.screens.view import (
    OF_HEATMAPS,
    Table,
    View,
    beside_bar,
    beside_errors,
    empty,
    read_out,
    readout,
    titled,
)
from tui.screens.view_state import ViewState
from tui.widgets.colorbar import Colorbar
from tui.widgets.colormap import table
from tui.widgets.curves import Curves
from tui.widgets.fitted_line import FittedLine
from tui.widgets.heatmap import Heatmap
from tui.widgets.phase_bands import phase_bands

if TYPE_CHECKING:
    from matplotlib.figure import Figure

AXIS = 1
TITLE = 1
GAP = 2
LEAST_LINES = 5
"""Lines per matrix below which the grid scrolls instead."""

LEAST_PROFILES = 9
"""Lines that must be free below the grid to draw the layers' profiles."""

DEPTHS = {True: (70, 255), False: (0, 200)}
"""Positions on viridis of the first and last layers' curves, on dark and light backgrounds."""


class Panel(Vertical):
    """A layer's name and its matrix."""

    def compose(self) -> ComposeResult:
        """Yield name and matrix."""
        yield Static("", classes="name")
        heatmap = Heatmap()
        heatmap.label_width = 1
        yield heatmap


class Layers(View):
    """Small multiples."""

    BINDINGS: ClassVar[list[BindingType]] = actions.bindings("layers")
    follows = OF_HEATMAPS

    def compose(self) -> ComposeResult:
        """Yield the grid."""
        yield empty()
        with Horizontal(classes="bar"):
            yield Static("", classes="what")
            yield Colorbar()
        with VerticalScroll(classes="body", can_focus=False):
            yield Grid()
        with Vertical(classes="below"):
            yield Static("", classes="profiles")
            curves = Curves()
            curves.can_focus = False
            yield curves
        yield readout()

    def focused_first(self) -> Widget | None:
        """Return the matrix of the current layer."""
        panels = list(self.query(Heatmap))
        return panels[min(self.look.layer, len(panels) - 1)] if panels else None

    def draw(self, record: RunRecord, look: ViewState) -> None:
        """Draw the matrices once there is a panel for every layer."""
        assert record.dynamics is not None  # noqa: S101 - as View.show has seen
        shown = similarity(record.dynamics, look.measure)
        panels = list(self.query(Panel))
        grid = self.query_one(Grid)
        title = f"{shown.measure.quantity} of two checkpoints"
        self._title(title, record)
        if len(panels) < len(shown.names) or not all(panel.is_mounted for panel in panels):
            self.call_later(self._add_panels, len(shown.names))
            return
        for panel in panels:
            panel.display = panels.index(panel) < len(shown.names)
        width = self._arrange(grid, len(shown.names))
        names = shortened([*map(plain, shown.names)], width)
        for layer, panel in enumerate(panels[: len(shown.names)]):
            name = names[layer]
            panel.query_one(".name", Static).update(Text(name, no_wrap=True))
            self._fill(panel, shown, layer, look)
        self._place(look, shown)

    def _title(self, title: str, record: RunRecord) -> None:
        """Set the title; it explains the bands once there is a matrix with their styles."""
        panels = self.query(Heatmap)
        text = Text(title, "bold")
        if panels:
            text = titled(title, record.phases, panels.first(), beside_bar(self.size.width))
        self.query_one(".what", Static).update(text)

    async def _add_panels(self, count: int) -> None:
        missing = count - len(self.query(Panel))
        await self.query_one(Grid).mount(*(Panel() for _ in range(missing)))
        if self.record is not None:
            self.show(self.record, self.look)
            self.take_keys()

    def _arrange(self, grid: Grid, count: int) -> int:
        """Lay out the panels; return the columns of a matrix."""
        columns, lines = best_grid(count, self.size.width - 1, self.size.height - 2)
        grid.styles.grid_size_columns = columns
        grid.styles.grid_rows = f"{lines + AXIS + TITLE}"
        grid.styles.grid_columns = f"{2 * lines + 1 + GAP}"
        taken = -(-count // columns) * (lines + AXIS + TITLE)
        grid.styles.height = taken
        below = self.size.height - 2 - taken >= LEAST_PROFILES
        self.query_one(".below").display = below
        self.query_one(".body").styles.height = taken if below else "1fr"
        return 2 * lines

    def _fill(self, panel: Panel, shown: Similarity, layer: int, look: ViewState) -> None:
        heatmap = panel.query_one(Heatmap)
        heatmap.cmap, heatmap.stretch = look.cmap, look.stretch
        heatmap.blurred = look.blurred
        with heatmap.prevent(Heatmap.CursorMoved):
            phases = Phases() if self.record is None else self.record.phases
            data = shown.of_layer(layer, shown.scale(look.scale), phases)
            heatmap.set_data(data, markers=False, bands=True)

    def point(self, look: ViewState) -> None:
        """Move the cursors, or go to another layer."""
        super().point(look)
        shown = self.similar()
        if shown is not None:
            self._place(look, shown)
            self.take_keys()

    def _place(self, look: ViewState, shown: Similarity) -> None:
        cell = axis.nearest(shown.steps, look.other), axis.nearest(shown.steps, look.epoch)
        for heatmap in self.query(Heatmap):
            with heatmap.prevent(Heatmap.CursorMoved):
                heatmap.cursor = cell
                cell = heatmap.cursor  # within what is in view
        self._read(min(look.layer, len(shown.names) - 1), *cell)

    @on(Heatmap.CursorMoved)
    def _moved(self, event: Heatmap.CursorMoved) -> None:
        shown = self.similar()
        if shown is None:
            return
        layer, other = self._layer(event.heatmap), int(shown.steps[event.row])
        look = replace(self.look, layer=layer, epoch=event.epoch, other=other)
        self.pointed(look, layer=layer, epoch=event.epoch, other=other)
        for heatmap in self.query(Heatmap):
            if heatmap is not event.heatmap:
                with heatmap.prevent(Heatmap.CursorMoved):
                    heatmap.cursor = (event.row, event.column)
        self._read(layer, event.row, event.column)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Select the layer whose matrix has the focus."""
        if isinstance(event.widget, Heatmap) and self.similar() is not None:
            layer = self._layer(event.widget)
            self.pointed(replace(self.look, layer=layer), layer=layer)
            self._read(layer, *event.widget.cursor)
            for i, panel in enumerate(self.query(Panel)):
                panel.set_class(i == layer, "-chosen")
                if i == layer:
                    panel.scroll_visible(animate=False)  # with its name, not only the matrix

    def _layer(self, heatmap: Heatmap) -> int:
        return list(self.query(Heatmap)).index(heatmap)

    @on(Heatmap.Hovered)
    def _hovered(self, event: Heatmap.Hovered) -> None:
        self._read(self._layer(event.heatmap), event.row, event.column)

    def _read(self, layer: int, row: int, column: int) -> None:
        shown = self.similar()
        if shown is None or layer >= len(shown.names):
            return
        parts = {
            "": shown.names[layer],
            plural(self.unit): f"{step(int(shown.steps[row]))}, {step(int(shown.steps[column]))}",
            shown.measure.quantity: shown.readout(layer, row, column),
        }
        self.query_one(".readout", FittedLine).show(*read_out(parts))
        if self.query_one(".below").display:
            self._draw_profiles(shown, row, column)

    def _draw_profiles(self, shown: Similarity, row: int, column: int) -> None:
        """Draw each layer's similarities to a column's epoch, with a readout at a row's epoch."""
        change = shown.measure.log_distance
        epoch, curves = int(shown.steps[column]), self.query_one(Curves)
        what = f"{shown.measure.distance} with {self.unit} {step(epoch)}, layer by layer"
        self.query_one(".profiles", Static).update(Text(what, "dim"), layout=False)
        first, last = DEPTHS[self.app.current_theme.dark]
        inks = table("viridis")[np.linspace(first, last, len(shown.names)).astype(int)]
        curves.logarithmic = change
        curves.set_data(
            {
                name: profile(shown.steps, matrix[:, column], change)
                for name, matrix in zip(shown.names, shown.matrices, strict=True)
            },
            low=None if change else 0.0,
            high=1.0,
            colours={
                name: f"#{bytes(ink).hex()}" for name, ink in zip(shown.names, inks, strict=True)
            },
            bands=phase_bands(self.record.phases) if self.record is not None else (),
        )
        with curves.prevent(Curves.CursorMoved):
            curves.cursor = int(shown.steps[row])

    @on(Curves.CursorMoved)
    def _clicked(self, event: Curves.CursorMoved) -> None:
        event.stop()
        shown = self.similar()
        if shown is not None:
            self.look = replace(self.look, other=event.epoch)
            self.pointed(self.look, other=event.epoch)
            self._place(self.look, shown)

    @on(Heatmap.ScaleChanged)
    def _scale(self, event: Heatmap.ScaleChanged) -> None:
        bar = self.query_one(Colorbar)
        bar.scale, bar.cmap = event.scale, event.cmap

    def action_zoom(self) -> None:
        """Show the layer in its own view."""
        self.post_message(self.Zoomed())

    def table(self) -> Table | None:
        """Return all matrices, a row for each layer and checkpoint, and their standard errors."""
        shown = self.similar()
        if shown is None:
            return None
        epochs = shown.steps.tolist()
        head, values = beside_errors(shown.steps, shown.matrices, shown.errors)
        rows = [
            (name, epochs[i], *values[layer][i])
            for layer, name in enumerate(shown.names)
            for i in range(len(epochs))
        ]
        return Table(("layer", self.unit, *head), rows)

    def figure(self) -> Callable[[], Figure] | None:
        """Return what draws the matrices of all layers."""
        return matrices(self)


def best_grid(count: int, width: int, height: int) -> tuple[int, int]:
    """Return the number of panel columns, and lines per matrix, that give the largest panels."""

    def lines(columns: int) -> int:
        rows = -(-count // columns)
        high = height // rows - AXIS - TITLE
        wide = (width // columns - 1 - GAP) // 2
        return min(wide, max(high, LEAST_LINES))

    columns = max(range(1, count + 1), key=lambda columns: (lines(columns), columns))
    return columns, max(1, lines(columns))
