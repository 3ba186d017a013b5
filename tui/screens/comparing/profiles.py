"""How similar the layer is, in each run, to the checkpoint at the cursor: a curve for each run."""

from __future__ import annotations

from collections.abc import Mapping
from operator import is_

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from repdyn.display import axis
from repdyn.display.similarity import Similarity
from repdyn.measures.spec import MEASURES
from repdyn.records import Curve, RunRecord
from repdyn.step_words import step
from tui.screens.comparing.linked import LETTERS, Linked, phase_rows, row_of
from tui.screens.layer import profile
from tui.screens.view_state import ViewState
from tui.widgets.colormap import SERIES_COLOURS
from tui.widgets.curve_picture import entry_width
from tui.widgets.curves import Curves, all_epochs
from tui.widgets.phase_rows import PhaseRows

GUTTER = 6
"""Columns of the values left of the curves."""

LEAST_LINES = 8
"""Lines of the profiles beside those of the runs' phases: title, legend, curves, epochs."""


def lines_needed(runs: Linked) -> int:
    """Return the lines that the profiles of some runs take at least."""
    return LEAST_LINES + len(runs.records)


class Profiles(Vertical):
    """The matrices' column at the cursor over the first run's epochs, above each run's phases."""

    def __init__(self) -> None:
        super().__init__()
        self._records: tuple[RunRecord, ...] = ()
        self._drawn: tuple[object, ...] = ()

    def compose(self) -> ComposeResult:
        """Yield the title, the curves and the phases."""
        yield Static("", classes="what")
        curves = Curves()
        curves.can_focus = False
        yield curves
        yield PhaseRows()

    def draw(
        self, runs: Linked, look: ViewState, similar: list[Similarity | None], width: int
    ) -> None:
        """Draw the profiles at the cursor, in some columns; one that moves along them stays."""
        known = {run: shown for run, shown in enumerate(similar) if shown is not None}
        columns = {
            run: axis.nearest(shown.steps, runs.epoch_in(look.epoch, run))
            for run, shown in known.items()
        }
        curves = self.query_one(Curves)
        with curves.prevent(Curves.CursorMoved):
            curves.axis_view, curves.range_from = look.axis_view, look.range_from
        place = (*columns.items(), runs.aligned, look.measure, look.layer, look.axis_view, width)
        same = all(map(is_, runs.records, self._records))
        if not same or place != self._drawn:
            self._records, self._drawn = runs.records, place
            self._draw(runs, look, known, columns, width)
        stops = curves.stops
        with curves.prevent(Curves.CursorMoved):
            curves.cursor = int(stops[axis.nearest(stops, look.other)]) if len(stops) else None

    def _draw(
        self,
        runs: Linked,
        look: ViewState,
        known: Mapping[int, Similarity],
        columns: Mapping[int, int],
        width: int,
    ) -> None:
        measure = MEASURES[look.measure]
        heads = runs.heads_in(max(2, width // len(runs.records) - entry_width("")))
        found: dict[int, Curve] = {}
        at: dict[str, str] = {}
        for run, shown in known.items():
            column = columns[run]
            values = shown.matrices[row_of(shown, look)][:, column]
            curve = profile(shown.steps, values, measure.log_distance)
            found[run] = runs.on_first(curve, run)
            at[LETTERS[run]] = step(int(shown.steps[column]))
        same = len(set(at.values())) == 1
        place = ", ".join(set(at.values()) if same else map(" ".join, at.items()))
        title = Text(f"{measure.distance} with {runs.records[0].unit} {place}", "dim")
        self.query_one(".what", Static).update(title, layout=False)
        stops = all_epochs(found.values())
        curves = self.query_one(Curves)
        curves.label_width, curves.logarithmic = GUTTER, measure.log_distance
        curves.set_data(
            {heads[run]: curve for run, curve in found.items()},
            stops=stops,
            low=None if measure.log_distance else 0.0,
            high=1.0,
            colours={heads[run]: SERIES_COLOURS[run] for run in found},
        )
        rows = self.query_one(PhaseRows)
        rows.set_data(phase_rows(runs), stops=stops, label_width=GUTTER, view=look.axis_view)
