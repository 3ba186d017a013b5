"""The runs' matrices of a layer with one cursor, and for two runs the difference."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from textual import on
from textual.containers import Grid
from textual.widget import Widget

from repdyn.display import axis
from repdyn.display.similarity import Similarity
from repdyn.display.wording import plain
from repdyn.measures.spec import MEASURES
from repdyn.records import FloatArray, plural
from repdyn.step_words import step
from tui.screens.comparing.heatmaps import GUTTER, Overviews
from tui.screens.comparing.linked import Linked, row_of
from tui.screens.comparing.panel_grid import PanelGrid
from tui.screens.comparing.profiles import Profiles, lines_needed
from tui.screens.view_state import ViewState
from tui.widgets.curves import Curves
from tui.widgets.heatmap import Heatmap


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

    def place(self, shown: Similarity, row: int, column: int) -> tuple[str, str]:
        """Return the two epochs of a cell in words."""
        both = (step(int(shown.steps[at])) for at in (row, column))
        return "", f"{plural(shown.unit)} {', '.join(both)}"

    def layer_name(self, shown: Similarity) -> str:
        """Return the run's layer: those of other runs may have other names."""
        return plain(shown.names[row_of(shown, self.look)])

    def below(self) -> Iterable[Widget]:
        """Return the profiles at the cursor."""
        yield Profiles()

    def lines_below(self) -> int:
        """Return the lines that the profiles take at least."""
        return lines_needed(self.runs)

    def beside_below(self, grid: PanelGrid, panels: int, lines: int) -> PanelGrid:
        """Give the profiles what squares leave, if that is enough."""
        squares = grid.around_squares(GUTTER)
        high = squares.height * -(-panels // grid.columns)
        profiles = self.query_one(Profiles)
        profiles.display = lines - high >= self.lines_below()
        self.query_one(".panels", Grid).styles.height = high if profiles.display else "1fr"
        return squares if profiles.display else grid

    def draw_below(self, runs: Linked, similar: list[Similarity | None]) -> None:
        """Draw the profiles at the cursor."""
        profiles = self.query_one(Profiles)
        if profiles.display:
            profiles.draw(runs, self.look, similar, self.size.width)

    @on(Curves.CursorMoved)
    def _read_at(self, event: Curves.CursorMoved) -> None:
        """Move the matrices' other epoch to where the profiles were clicked."""
        self.pointed(replace(self.look, other=event.epoch), other=event.epoch)
        self.point(self.look)

    def title(self, runs: Linked) -> str:  # noqa: ARG002
        """Return what is shown."""
        return f"{MEASURES[self.look.measure].quantity} of two checkpoints"
