"""The runs' heatmaps with one cursor, and for two runs the difference."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from rich.cells import cell_len
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widget import Widget
from textual.widgets import Static

from repdyn.display import axis
from repdyn.display.errors import with_error
from repdyn.display.heatmap import HeatmapData
from repdyn.display.scale import Scale
from repdyn.display.similarity import Similarity, common_scale
from repdyn.display.wording import plain, settings
from repdyn.measures.spec import MEASURES
from repdyn.records import FloatArray
from repdyn.step_words import step
from tui.screens.comparing.linked import LETTERS, Linked, row_of
from tui.screens.comparing.view import CompareView
from tui.screens.view import NO_CHECKPOINTS, UNMEASURED, Table, empty, read_out, readout
from tui.screens.view_state import ViewState, error_to_reference, to_reference
from tui.widgets.colorbar import Colorbar
from tui.widgets.colormap import DIVERGING
from tui.widgets.heatmap import Heatmap

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDEST_LABELS = 12

DIFFERENCE = "B − A"

LEAST_REACH = 0.01
"""The difference at the ends of the colours, if all differences are smaller."""

REFERENCE_WORDS = {
    "last": "the last checkpoint",
    "previous": "the previous checkpoint",
    "first": "the initial model",
    "cursor": "the checkpoint at the cursor",
}


class Panel(Vertical):
    """A run's settings above its heatmap."""

    def compose(self) -> ComposeResult:
        """Yield head and heatmap."""
        yield Static("", classes="name")
        yield Heatmap()

    @property
    def heatmap(self) -> Heatmap:
        """The heatmap."""
        return self.query_one(Heatmap)

    def head(self, text: Text) -> None:
        """Write above the heatmap."""
        text.no_wrap = True
        self.query_one(".name", Static).update(text)


class Overviews(CompareView):
    """Layers over checkpoints."""

    def compose(self) -> ComposeResult:
        """Yield a panel for each run, and one for the difference."""
        yield empty()
        with Horizontal(classes="bar"):
            yield Static("", classes="what")
            yield Colorbar()
        with Horizontal(classes="panels"):
            for _ in self.runs.records:
                yield Panel(classes="of-run")
            yield Panel(id="difference")
        yield readout()

    @classmethod
    def missing(cls, runs: Linked) -> str:
        """Return why no run has a similarity."""
        found = [record.dynamics for record in runs.records]
        if any(dynamics is not None and dynamics.similarity for dynamics in found):
            return ""
        return NO_CHECKPOINTS if None in found else UNMEASURED

    def focused_first(self) -> Widget:
        """Return the heatmap of the first run that has one."""
        shown = [panel.heatmap for panel in self._panels() if panel.heatmap.display]
        return shown[0] if shown else self.query(Heatmap).first()

    # --- what differs between layers over checkpoints and a layer's matrices

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

    def title(self, runs: Linked) -> str:  # noqa: ARG002
        """Return what is shown."""
        return f"{MEASURES[self.look.measure].quantity} with {REFERENCE_WORDS[self.look.reference]}"

    square = False

    # --- drawing

    def draw(self, runs: Linked, look: ViewState) -> None:
        """Draw all heatmaps on one scale."""
        similar = runs.similar(look.measure)
        known = [shown for shown in similar if shown is not None]
        scale = common_scale(known) if known else None
        for run, (panel, shown) in enumerate(zip(self._panels(), similar, strict=True)):
            self._fill(panel, runs, run, shown, scale)
        self._draw_difference(runs, similar)
        link = "cursors linked by phase" if runs.by_phase else f"cursors linked by {self.unit}"
        what = Text.assemble((self.title(runs), "bold"), (f"   {link}", "dim"))
        self.query_one(".what", Static).update(what)
        self._link(runs, None)

    def _panels(self) -> list[Panel]:
        return list(self.query(".of-run").results(Panel))

    def _fill(
        self, panel: Panel, runs: Linked, run: int, shown: Similarity | None, scale: Scale | None
    ) -> None:
        record = runs.records[run]
        letter = (f"{LETTERS[run]} ", "bold")
        panel.heatmap.display = shown is not None
        if shown is None or scale is None:
            without = f"measured without {MEASURES[self.look.measure].long_label}"
            why = "no checkpoint yet" if record.dynamics is None else without
            panel.head(Text.assemble(letter, why))
            return
        panel.head(Text.assemble(letter, settings(record.summary)))
        heatmap = panel.heatmap
        heatmap.cmap, heatmap.stretch = self.look.cmap, self.look.stretch
        heatmap.label_width = 6 if self.square else _gutter(shown)
        with heatmap.prevent(Heatmap.CursorMoved):
            heatmap.set_data(self.data(runs, shown, run, scale))

    def _draw_difference(self, runs: Linked, similar: list[Similarity | None]) -> None:
        panel = self.query_one("#difference", Panel)
        found = self._difference(runs, similar)
        panel.display = found is not None
        if found is None:
            return
        span = f"   from {found.scale.low:.2g} to {found.scale.high:.2g}"
        panel.head(Text.assemble((found.title, "bold"), span))
        heatmap = panel.heatmap
        heatmap.cmap, heatmap.label_width = DIVERGING, self._panels()[0].heatmap.label_width
        with heatmap.prevent(Heatmap.CursorMoved):
            heatmap.set_data(found)

    def _difference(self, runs: Linked, similar: list[Similarity | None]) -> HeatmapData | None:
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
        known = np.abs(values[np.isfinite(values)])
        reach = float(np.quantile(known, 0.98, method="higher")) if known.size else 0.0
        reach = max(LEAST_REACH, reach)
        scale = Scale(DIFFERENCE, -reach, reach, (-reach, 0.0, reach), logarithmic=False)
        phases = replace(runs.records[0].phases, change_points=())
        return HeatmapData(
            values, self.rows(first), first.steps, scale, phases, DIFFERENCE, first.unit
        )

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

    def _link(self, runs: Linked, moved: Heatmap | None) -> None:
        """Move the other cursors to where the moved one is, and update the readouts."""
        parts: dict[str, str] = {}
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
            rows = self.rows(shown)
            name = step(int(shown.steps[row])) if rows is None else rows[row]
            parts[f"{LETTERS[run]} {name}, {step(int(shown.steps[column]))}"] = with_error(
                value, error
            )
            if run == 0 and len(similar) == 2:
                _put(self.query_one("#difference", Panel).heatmap, moved, (row, column))
        self.query_one(".readout", Static).update(read_out(parts), layout=False)

    @on(Heatmap.ScaleChanged)
    def _scale(self, event: Heatmap.ScaleChanged) -> None:
        if event.cmap != DIVERGING:
            bar = self.query_one(Colorbar)
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
        scale = common_scale([shown for _, shown in known])
        shown_runs = [self.data(runs, shown, run, scale) for run, shown in known]
        difference = self._difference(runs, runs.similar(self.look.measure))
        title = self.title(runs)

        def drawn() -> Figure:
            from repdyn.report.figures.side_by_side import heatmaps

            return heatmaps(title, shown_runs, difference)

        return drawn


class Matrices(Overviews):
    """Checkpoints against checkpoints of a layer."""

    square = True

    def values(self, runs: Linked, shown: Similarity, run: int) -> FloatArray:  # noqa: ARG002
        """Return the layer's matrix."""
        return np.asarray(shown.matrices[row_of(shown, self.look)])

    def errors(self, runs: Linked, shown: Similarity, run: int) -> FloatArray | None:  # noqa: ARG002
        """Return the standard errors of the layer's matrix; None if there are none."""
        return None if shown.errors is None else shown.errors[row_of(shown, self.look)]

    def rows(self, shown: Similarity) -> None:
        """Return nothing: the rows are the checkpoints."""

    def at_columns(self, values: FloatArray, columns: list[int]) -> FloatArray:
        """Return the values between some of the checkpoints."""
        return values[np.ix_(columns, columns)]

    def row(self, runs: Linked, shown: Similarity, run: int) -> int:
        """Return the row of the second epoch."""
        return axis.nearest(shown.steps, runs.epoch_in(self.look.other, run))

    def moved(self, runs: Linked, event: Heatmap.CursorMoved, run: int) -> ViewState:
        """Return the view state with both epochs of the cursor."""
        other = runs.translated(int(event.heatmap.epochs[event.row]), run, 0)
        return replace(self.look, epoch=runs.translated(event.epoch, run, 0), other=other)

    def title(self, runs: Linked) -> str:
        """Return which layer's matrices are shown."""
        known = (shown for shown in runs.similar(self.look.measure) if shown is not None)
        layer = next((shown.names[row_of(shown, self.look)] for shown in known), "")
        return f"{MEASURES[self.look.measure].quantity} of two checkpoints, {plain(layer)}"


def _gutter(shown: Similarity) -> int:
    return min(WIDEST_LABELS, 1 + max(cell_len(plain(name)) for name in shown.names))


def _put(heatmap: Heatmap, moved: Heatmap | None, cell: tuple[int, int]) -> None:
    if heatmap is not moved:
        with heatmap.prevent(Heatmap.CursorMoved):
            heatmap.cursor = cell
