"""The runs' heatmaps with one cursor, and for two runs the difference."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from rich.cells import cell_len
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Grid, Horizontal
from textual.widget import Widget
from textual.widgets import Static

from repdyn.display import axis
from repdyn.display.heatmap import HeatmapData
from repdyn.display.scale import Scale
from repdyn.display.similarity import Similarity, common_scale
from repdyn.display.wording import plain
from repdyn.measures.spec import MEASURES
from repdyn.records import FloatArray
from repdyn.step_words import step
from tui.screens.comparing.cell_readout import Cell, readouts
from tui.screens.comparing.difference import DIFFERENCE, Difference, difference, of_both
from tui.screens.comparing.linked import LETTERS, Linked, row_of
from tui.screens.comparing.panel import Panel
from tui.screens.comparing.panel_grid import PanelGrid, arranged
from tui.screens.comparing.view import CompareView
from tui.screens.view import UNMEASURED, Table, empty, without_checkpoints
from tui.screens.view_state import ViewState, error_to_reference, to_reference
from tui.widgets.colorbar import Colorbar
from tui.widgets.colormap import DIVERGING, is_colourful
from tui.widgets.fitted_line import FittedLine
from tui.widgets.heatmap import Heatmap
from tui.widgets.timeline import Timeline

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDEST_LABELS = 12

GUTTER = 6
"""Columns left of a matrix."""

WIDE_ENOUGH = 66
"""Width of a panel from which there is room to say what a difference means."""

BESIDE = 2
"""Lines above and below the panels."""

REFERENCE_WORDS = {
    "last": "the last checkpoint",
    "previous": "the previous checkpoint",
    "first": "the initial model",
    "cursor": "the checkpoint at the cursor",
}


class Overviews(CompareView):
    """Layers over checkpoints."""

    def compose(self) -> ComposeResult:
        """Yield a panel for each run, and one for the difference."""
        yield empty()
        with Horizontal(classes="bar"):
            yield FittedLine(classes="what")
            yield Colorbar()
        with Grid(classes="panels"):
            for _ in self.runs.records:
                yield Panel(classes="of-run")
            yield Panel(id="difference")
            yield Static("", id="notes")
        yield from self.below()
        yield FittedLine(classes="readout")

    @classmethod
    def missing(cls, runs: Linked) -> str:
        """Return why no run has a similarity."""
        found = [record.dynamics for record in runs.records]
        if any(dynamics is not None and dynamics.similarity for dynamics in found):
            return ""
        return without_checkpoints(runs.records) if None in found else UNMEASURED

    def focused_first(self) -> Widget:
        """Return the heatmap of the first run that has one."""
        shown = [panel.heatmap for panel in self._panels() if panel.heatmap.display]
        return shown[0] if shown else self.query(Heatmap).first()

    # --- what differs between layers over checkpoints and a layer's matrices

    def below(self) -> Iterable[Widget]:
        """Return what is below the heatmaps."""
        return ()

    def lines_below(self) -> int:
        """Return the lines that what is below the heatmaps takes at least."""
        return 0

    def beside_below(self, grid: PanelGrid, panels: int, lines: int) -> PanelGrid:  # noqa: ARG002
        """Return the grid, lower if what is below it is to have some of the lines of both."""
        return grid

    def draw_below(self, runs: Linked, similar: list[Similarity | None]) -> None:
        """Draw what is below the heatmaps, for the place of the cursor."""

    def values(self, runs: Linked, shown: Similarity, run: int) -> FloatArray:
        """Return the values of a run's heatmap."""
        epoch = runs.epoch_in(self.look.epoch, run)
        return to_reference(shown, replace(self.look, epoch=epoch))

    def errors(self, runs: Linked, shown: Similarity, run: int) -> FloatArray | None:
        """Return the standard errors of the values; None if there are none."""
        epoch = runs.epoch_in(self.look.epoch, run)
        return error_to_reference(shown, replace(self.look, epoch=epoch))

    def data(self, runs: Linked, shown: Similarity, run: int, scale: Scale) -> HeatmapData:
        """Return a run's heatmap."""
        return HeatmapData(
            values=self.values(runs, shown, run),
            rows=self.rows(shown),
            steps=shown.steps,
            scale=scale,
            phases=runs.records[run].phases,
            title=runs.heads[run],
            unit=shown.unit,
            errors=self.errors(runs, shown, run),
        )

    def rows(self, shown: Similarity) -> tuple[str, ...] | None:
        """Return the names of the rows."""
        return shown.names

    def at_columns(self, values: FloatArray, columns: list[int]) -> FloatArray:
        """Return the values at some of the checkpoints."""
        return values[:, columns]

    def row(self, runs: Linked, shown: Similarity, run: int) -> int:  # noqa: ARG002
        """Return the row of the cursor."""
        return row_of(shown, self.look)

    def moved(self, runs: Linked, event: Heatmap.CursorMoved, run: int) -> ViewState:
        """Return the view state after the cursor has moved in a run's heatmap."""
        epoch = runs.translated(event.epoch, run, 0)
        return replace(self.look, epoch=epoch, layer=event.row)

    def place(self, shown: Similarity, row: int, column: int) -> tuple[str, str]:
        """Return a cell's layer and epoch in words."""
        return plain(shown.names[row]), f"{shown.unit} {step(int(shown.steps[column]))}"

    def layer_name(self, shown: Similarity) -> str:  # noqa: ARG002
        """Return the layer to which a run's heatmap belongs; nothing if it is of all."""
        return ""

    def title(self, runs: Linked) -> str:  # noqa: ARG002
        """Return what is shown."""
        return f"{MEASURES[self.look.measure].quantity} with {REFERENCE_WORDS[self.look.reference]}"

    square = False

    # --- drawing

    def draw(self, runs: Linked, look: ViewState) -> None:
        """Draw all heatmaps on one scale."""
        similar = runs.similar(look.measure)
        known = [shown for shown in similar if shown is not None]
        scale = common_scale(known, look.scale) if known else None
        found = self._difference(runs, similar)
        gutter = GUTTER if self.square else max(map(_gutter, known), default=GUTTER)
        grid = self._arrange(known, gutter, with_difference=found is not None)
        gutter = min(gutter, grid.width // 2)
        layers = [cell_len(f" {self.layer_name(one)} ·") for one in known if self.layer_name(one)]
        heads = runs.settings_in(grid.width - max(layers, default=0))
        for run, (panel, shown) in enumerate(zip(self._panels(), similar, strict=True)):
            self._prepare(panel.heatmap, gutter, look.cmap, stretch=look.stretch)
            self._fill(panel, runs, run, shown, scale, heads[run], grid)
        self._draw_difference(found, gutter, grid)
        self._note(found, grid)
        title = (self.title(runs), "bold")
        self.query_one(".bar > .what", FittedLine).show(
            Text.assemble(title, (f"   cursors linked by {runs.link}", "dim")),
            Text.assemble(title, (f"   linked by {runs.link}", "dim")),
            Text.assemble(title),
        )
        self._link(runs, None)

    def _panels(self) -> list[Panel]:
        return list(self.query(".of-run").results(Panel))

    def _arrange(self, known: list[Similarity], gutter: int, *, with_difference: bool) -> PanelGrid:
        """Set the sizes of the panels so that all rows show."""
        container = self.query_one(".panels", Grid)
        panels, lines = len(self.runs.records) + with_difference, self.size.height - BESIDE
        grid = arranged(
            panels,
            max((len(shown.names) for shown in known), default=1),
            self.size.width,
            lines,
            per_line=2 if is_colourful(self.app) else 1,
            gutter=gutter,
            square=self.square,
            below=self.lines_below(),
        )
        grid = self.beside_below(grid, panels, lines)
        container.styles.grid_size_columns = grid.columns
        container.styles.grid_columns = str(grid.width)
        container.styles.grid_rows = str(grid.height)
        return grid

    def _prepare(self, heatmap: Heatmap, gutter: int, cmap: str, *, stretch: int) -> None:
        heatmap.stretch, heatmap.blurred = stretch, self.look.blurred
        heatmap.cmap, heatmap.label_width = cmap, gutter

    def _fill(
        self,
        panel: Panel,
        runs: Linked,
        run: int,
        shown: Similarity | None,
        scale: Scale | None,
        head: str,
        grid: PanelGrid,
    ) -> None:
        panel.heatmap.display = shown is not None
        letter, words = (head[:1], "bold"), head[1:]
        if shown is None or scale is None:
            without = f" measured without {MEASURES[self.look.measure].long_label}"
            waits = runs.records[run].dynamics is None
            panel.head(Text.assemble(letter, " no checkpoint yet" if waits else without))
            return
        layer = self.layer_name(shown)
        between = " ·" if layer and words else ""
        panel.head(Text.assemble(letter, f" {layer}{between}{words}" if layer else words))
        with panel.heatmap.prevent(Heatmap.CursorMoved):
            panel.heatmap.set_data(
                self.data(runs, shown, run, scale), markers=grid.markers, bands=True
            )

    def _draw_difference(self, found: Difference | None, gutter: int, grid: PanelGrid) -> None:
        panel = self.query_one("#difference", Panel)
        panel.display = found is not None
        if found is None:
            return
        quantity, name = MEASURES[self.look.measure].label, (DIFFERENCE, "bold")
        panel.head(Text.assemble(name, f" above 0: {quantity} is higher in B"), Text.assemble(name))
        wide = grid.width >= WIDE_ENOUGH
        panel.query_one(FittedLine).styles.width = "1fr" if wide else len(DIFFERENCE) + 1
        heatmap = panel.heatmap
        self._prepare(heatmap, gutter, DIVERGING, stretch=0)
        with heatmap.prevent(Heatmap.CursorMoved):
            heatmap.set_data(found, markers=grid.markers, bands=True)

    def _note(self, found: Difference | None, grid: PanelGrid) -> None:
        """Say more of the difference where the grid has a free place."""
        notes = self.query_one("#notes", Static)
        free = (len(self.runs.records) + 1) % grid.columns
        notes.display = found is not None and grid.columns > 1 and bool(free)
        if found is not None and notes.display:
            note = f"above 0: {MEASURES[self.look.measure].label} is higher in B"
            notes.update(Text(f"{note}\n{found.largest()}".strip(), "dim"))

    def _difference(self, runs: Linked, similar: list[Similarity | None]) -> Difference | None:
        """Return B - A at A's checkpoints.

        B's checkpoints are those nearest to A's as linked. None unless there are two runs with the
        same rows.
        """
        if len(similar) != 2:
            return None
        first, second = similar
        if first is None or second is None or not (self.square or first.names == second.names):
            return None
        there = [axis.nearest(second.steps, runs.translated(int(e), 0, 1)) for e in first.steps]
        values = self.at_columns(self.values(runs, second, 1), there)
        values = np.asarray(values - self.values(runs, first, 0))
        other = self.errors(runs, second, 1)
        errors = None if other is None else self.at_columns(other, there)
        errors = of_both(self.errors(runs, first, 0), errors)
        phases = runs.records[0].phases
        return difference(values, errors, self.rows(first), first.steps, phases, first.unit)

    # --- the part of the epochs in view

    def set_axis(self, look: ViewState) -> None:
        """Show the corresponding part of each run's epoch axis."""
        panels = self._panels()
        for run, panel in enumerate([*panels, self.query_one("#difference", Panel)]):
            heatmap = panel.heatmap
            first = run % len(panels) == 0  # the difference has the first run's checkpoints
            with heatmap.prevent(Heatmap.CursorMoved):
                heatmap.axis_view = self.runs.axis_in(look.axis_view, run % len(panels))
                heatmap.range_from = look.range_from if first else None

    @on(Timeline.RangeChosen)
    def _range_chosen(self, event: Timeline.RangeChosen) -> None:
        """Pass a range of another run's epochs on as one of the first run's."""
        heatmaps = [panel.heatmap for panel in self._panels()]
        run = heatmaps.index(event.timeline) if event.timeline in heatmaps else 0
        if run:
            event.stop()
            first, last = (self.runs.translated(epoch, run, 0) for epoch in event.span)
            self.post_message(Timeline.RangeChosen(heatmaps[0], (first, last)))

    # --- the cursor

    @on(Heatmap.CursorMoved)
    def _moved(self, event: Heatmap.CursorMoved) -> None:
        heatmaps = [panel.heatmap for panel in self._panels()]
        run = heatmaps.index(event.heatmap) if event.heatmap in heatmaps else 0
        look = self.moved(self.runs, event, run)
        self.pointed(look, epoch=look.epoch, other=look.other, layer=look.layer)
        if look.reference == "cursor" and not self.square:
            self.draw(self.runs, look)
        self._link(self.runs, event.heatmap)

    def point(self, look: ViewState) -> None:
        """Move the cursors; what is shown only changes with the reference at the cursor."""
        if look.reference == "cursor" and not self.square:
            super().point(look)
        else:
            self.look = look
            self.set_axis(look)
            self._link(self.runs, None)

    def _link(self, runs: Linked, moved: Heatmap | None) -> None:
        """Move the other cursors to where the moved one is, and update the readouts."""
        cells: list[Cell] = []
        similar = runs.similar(self.look.measure)
        for run, (panel, shown) in enumerate(zip(self._panels(), similar, strict=True)):
            if shown is None:
                continue
            column = axis.nearest(shown.steps, runs.epoch_in(self.look.epoch, run))
            row = self.row(runs, shown, run)
            _put(panel.heatmap, moved, (row, column))
            value = float(self.values(runs, shown, run)[row, column])
            errors = self.errors(runs, shown, run)
            error = math.nan if errors is None else float(errors[row, column])
            name, at = self.place(shown, row, column)
            cells.append(Cell(LETTERS[run], name, at, value, error))
            if run == 0 and len(similar) == 2:
                _put(self.query_one("#difference", Panel).heatmap, moved, (row, column))
        if self.query_one("#difference", Panel).display and len(cells) == 2:
            cells.append(cells[1].less(cells[0]))
        self.draw_below(runs, similar)
        self.query_one(".readout", FittedLine).show(*readouts(cells))

    @on(Heatmap.ScaleChanged)
    def _scale(self, event: Heatmap.ScaleChanged) -> None:
        of_difference = event.heatmap is self.query_one("#difference", Panel).heatmap
        bar = self.query_one(
            "#difference Colorbar" if of_difference else ".bar > Colorbar", Colorbar
        )
        bar.scale, bar.cmap = event.scale, event.cmap

    # --- for a file

    def table(self) -> Table | None:
        """Return the values of all heatmaps and their standard errors, one row per cell."""
        similar = self.runs.similar(self.look.measure)
        shown = [
            self.data(self.runs, each, run, each.scale())
            for run, each in enumerate(similar)
            if each is not None
        ]
        difference = self._difference(self.runs, similar)
        lines: list[tuple[object, ...]] = []
        for data in shown if difference is None else [*shown, difference]:
            errors = np.full(data.values.shape, np.nan) if data.errors is None else data.errors
            for row, line in enumerate(data.values.tolist()):
                cells = zip(data.steps.tolist(), line, errors[row].tolist(), strict=True)
                lines += [(data.title, data.row_name(row), *cell) for cell in cells]
        unit = self.unit
        return Table(
            ("run", f"{unit} i" if self.square else "layer", unit, "value", "error"), lines
        )

    def figure(self) -> Callable[[], Figure] | None:
        """Return a function that draws the runs' heatmaps side by side."""
        runs = self.runs
        known = [
            (run, shown)
            for run, shown in enumerate(runs.similar(self.look.measure))
            if shown is not None
        ]
        if not known:
            return None
        scale = common_scale([shown for _, shown in known], self.look.scale)
        shown_runs = [self.data(runs, shown, run, scale) for run, shown in known]
        difference = self._difference(runs, runs.similar(self.look.measure))
        title = self.title(runs)

        def drawn() -> Figure:
            from repdyn.report.figures.side_by_side import heatmaps

            return heatmaps(title, shown_runs, difference)

        return drawn


def _gutter(shown: Similarity) -> int:
    return min(WIDEST_LABELS, 1 + max(cell_len(plain(name)) for name in shown.names))


def _put(heatmap: Heatmap, moved: Heatmap | None, cell: tuple[int, int]) -> None:
    if heatmap is not moved:
        with heatmap.prevent(Heatmap.CursorMoved):
            heatmap.cursor = cell
