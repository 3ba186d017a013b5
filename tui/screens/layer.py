"""Layer: checkpoints against checkpoints of one layer, and the cursor's row and column as curves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widget import Widget
from textual.widgets import Static

from repdyn.display import axis
from repdyn.display.scale import FINEST
from repdyn.display.similarity import Similarity, similarity
from repdyn.display.wording import boundaries, plain
from repdyn.records import Curve, FloatArray, IntArray, RunRecord, plural
from repdyn.step_words import step
from tui import actions
from tui.screens.view import OF_HEATMAPS, Table, View, beside_errors, empty, read_out, readout
from tui.screens.view_state import ViewState
from tui.widgets.colorbar import Colorbar
from tui.widgets.curves import Curves
from tui.widgets.fitted_line import FittedLine
from tui.widgets.heatmap import Heatmap
from tui.widgets.phase_bands import legend, phase_bands

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GUTTER = 6
AXES = 2
LEAST_SIDE = 28
"""Columns reserved for the text beside the heatmap."""


class Layer(View):
    """The E×E matrix of a layer as large as the terminal allows."""

    BINDINGS: ClassVar[list[BindingType]] = actions.bindings("layer")
    follows = OF_HEATMAPS

    def compose(self) -> ComposeResult:
        """Yield the heatmap, with the cursor's readout to its right."""
        yield empty()
        with Horizontal(classes="body"):
            yield Heatmap()
            with Vertical(classes="side"):
                yield Static("", classes="what")
                yield Colorbar()
                yield Static("", classes="facts")
                yield Static("", classes="profiles")
                curves = Curves()
                curves.can_focus = False
                yield curves
        yield readout()

    def focused_first(self) -> Widget:
        """Return the heatmap."""
        return self.query_one(Heatmap)

    def draw(self, record: RunRecord, look: ViewState) -> None:
        """Draw the matrix."""
        assert record.dynamics is not None  # noqa: S101 - as View.show has seen
        shown = similarity(record.dynamics, look.measure)
        heatmap = self.query_one(Heatmap)
        layer = min(look.layer, len(shown.names) - 1)
        lines = self.size.height - 1 - AXES
        heatmap.label_width = GUTTER
        heatmap.styles.width = min(2 * lines + GUTTER, max(30, self.size.width - LEAST_SIDE))
        heatmap.cmap, heatmap.stretch = look.cmap, look.stretch
        heatmap.blurred = look.blurred
        with heatmap.prevent(Heatmap.CursorMoved):
            data = shown.of_layer(layer, shown.scale(look.scale), record.phases)
            heatmap.set_data(data, row_markers=True, bands=True)
        place = f"{plain(shown.names[layer])}   {layer + 1} of {len(shown.names)}"
        title = Text.assemble((place, "bold"), f"\n{shown.measure.quantity} of two checkpoints")
        self.query_one(".what", Static).update(title)
        self.query_one(".facts", Static).update(self._facts(record, layer))
        self._place(look, shown)

    def _facts(self, record: RunRecord, layer: int) -> Text:
        text = Text("\n")
        for band in phase_bands(record.phases):
            text.append_text(legend([band], self.query_one(Heatmap))).append("\n")
        for name, epoch in boundaries(record.phases).items():
            text.append(f"{name} ", "dim").append(f"{step(epoch)}\n")
        if layer < len(record.phases.change_points) and record.phases.change_points[layer]:
            points = " ".join(map(step, record.phases.change_points[layer]))
            text.append("changes at ", "dim").append(f"{points}\n")
        return text

    def point(self, look: ViewState) -> None:
        """Move the cursor, or show another layer."""
        before, shown = self.look, self.similar()
        super().point(look)
        if self.record is not None and before.layer != look.layer:
            self.show(self.record, look)
        elif shown is not None:
            self._place(look, shown)

    def _place(self, look: ViewState, shown: Similarity) -> None:
        heatmap = self.query_one(Heatmap)
        with heatmap.prevent(Heatmap.CursorMoved):
            heatmap.cursor = (
                axis.nearest(shown.steps, look.other),
                axis.nearest(shown.steps, look.epoch),
            )
        self._read(*heatmap.cursor)

    @on(Heatmap.CursorMoved)
    def _moved(self, event: Heatmap.CursorMoved) -> None:
        other = int(event.heatmap.epochs[event.row])
        look = replace(self.look, epoch=event.epoch, other=other)
        self.pointed(look, epoch=event.epoch, other=other)
        self._read(event.row, event.column)

    @on(Heatmap.Hovered)
    def _hovered(self, event: Heatmap.Hovered) -> None:
        self._read(event.row, event.column)

    @on(Heatmap.HoverEnded)
    def _hover_ended(self) -> None:
        self._read(*self.query_one(Heatmap).cursor)

    def _read(self, row: int, column: int) -> None:
        shown = self.similar()
        if shown is None:
            return
        layer = min(self.look.layer, len(shown.names) - 1)
        matrix, epochs = shown.matrices[layer], shown.steps
        i, j = int(epochs[row]), int(epochs[column])
        parts = {
            "": shown.names[layer],
            plural(self.unit): f"{step(i)}, {step(j)}",
            shown.measure.quantity: shown.readout(layer, row, column),
        }
        self.query_one(".readout", FittedLine).show(*read_out(parts))
        curves = self.query_one(Curves)
        change = shown.measure.log_distance
        profiles = {f"{self.unit} {step(j)}": profile(epochs, matrix[:, column], change)}
        if i != j:
            profiles[f"{self.unit} {step(i)}"] = profile(epochs, matrix[row], change)
        self.query_one(".profiles", Static).update(
            Text(f"{shown.measure.distance} with {self.unit}", "dim")
        )
        curves.logarithmic = change
        curves.set_data(profiles, low=None if change else 0.0, high=1.0)
        with curves.prevent(Curves.CursorMoved):
            curves.cursor = j

    @on(Heatmap.ScaleChanged)
    def _scale(self, event: Heatmap.ScaleChanged) -> None:
        bar = self.query_one(Colorbar)
        bar.scale, bar.cmap = event.scale, event.cmap

    def table(self) -> Table | None:
        """Return the matrix, and beside it its standard errors."""
        shown = self.similar()
        if shown is None:
            return None
        layer = min(self.look.layer, len(shown.names) - 1)
        errors = None if shown.errors is None else shown.errors[layer]
        head, values = beside_errors(shown.steps, shown.matrices[layer], errors)
        rows = [(at, *row) for at, row in zip(shown.steps.tolist(), values, strict=True)]
        return Table((self.unit, *head), rows)

    def figure(self) -> Callable[[], Figure] | None:
        """Return what draws the matrices of all layers."""
        return matrices(self)


def profile(epochs: IntArray, values: FloatArray, change: bool) -> Curve:
    """Return similarities as a curve, or 1 minus them with NaN for a checkpoint and itself."""
    if not change:
        return Curve(epochs, values)
    rest = 1 - values.astype(np.float64)
    return Curve(epochs, np.where(rest < FINEST, np.nan, rest))


def matrices(view: View) -> Callable[[], Figure] | None:
    """Return what draws the matrices of all layers of a view's run."""
    record, look = view.record, view.look
    if record is None or record.dynamics is None:
        return None

    def drawn() -> Figure:
        from repdyn.report import figures

        return figures.similarity_matrices(record, look.measure, look.scale)

    return drawn
