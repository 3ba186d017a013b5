"""Overview: layers over checkpoints, and the curves below on the same axis."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.widget import Widget
from textual.widgets import Static

from repdyn.display import axis
from repdyn.display.errors import with_error
from repdyn.display.labels import ACCURACIES
from repdyn.display.metric_names import LOSS
from repdyn.display.metrics import MetricGroup, main_groups
from repdyn.display.reading import probe_splits, value_at
from repdyn.display.short_names import least_room
from repdyn.display.similarity import Similarity, similarity
from repdyn.display.wording import accuracy, boundary_marks, plain
from repdyn.records import RunRecord
from repdyn.step_words import step
from tui import actions
from tui.reader_thread import ReaderThread
from tui.screens.finding_lines import FindingLines
from tui.screens.view import (
    OF_HEATMAPS,
    Table,
    View,
    beside_errors,
    empty,
    read_out,
    readout,
)
from tui.screens.view_state import (
    REFERENCES,
    ViewState,
    error_to_reference,
    reference_words,
    to_reference,
)
from tui.source import Source
from tui.widgets.colorbar import Colorbar
from tui.widgets.colormap import SERIES_COLOURS
from tui.widgets.curves import Curves
from tui.widgets.fitted_line import FittedLine
from tui.widgets.heatmap import Heatmap
from tui.widgets.heatmap_messages import CellMessage
from tui.widgets.phase_bands import phase_at, phase_bands

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEAST_CURVES = 7
"""Lines reserved for the curves, whatever the heatmap needs."""

SPARE = 2
"""Lines that the curves give up where each layer then has its own."""

WIDEST_LABELS = 24
LEAST_LABELS = 6
AXES = 2
"""Lines below a heatmap: ticks and markers."""

LOW = 24
"""Height of the view below which phase boundaries are labelled only once."""

HEIGHTS = (LOW, 32)
"""Heights of the view from which it has a second and a third line of findings."""

MOST_PER_ROW = 3
"""Most lines per layer, even if there is space for more."""


class Overview(View):
    """The layer × checkpoint heatmap with a reference, and curves with the same cursor."""

    BINDINGS: ClassVar[list[BindingType]] = actions.bindings("overview")
    follows = OF_HEATMAPS

    def __init__(self, source: Source, desk: ReaderThread, *, id: str) -> None:  # noqa: A002
        super().__init__(source, desk, id=id)
        self._group = 0

    def compose(self) -> ComposeResult:
        """Yield heatmap, curves and readout."""
        yield empty()
        yield FindingLines(self.desk)
        with Horizontal(classes="bar"):
            yield Static("", classes="what")
            yield Colorbar()
        yield Heatmap()
        curves = Curves()
        curves.can_focus = False
        yield curves
        yield readout()

    def focused_first(self) -> Widget:
        """Return the heatmap."""
        return self.query_one(Heatmap)

    def draw(self, record: RunRecord, look: ViewState) -> None:
        """Draw heatmap and curves."""
        assert record.dynamics is not None  # noqa: S101 - as View.show has seen
        shown = similarity(record.dynamics, look.measure)
        self.query_one(FindingLines).show(record, look.measure, self._sentences())
        names = [plain(name) for name in shown.names]
        labels = max(LEAST_LABELS, *(cell_len(name) + 1 for name in names))
        room = max(LEAST_LABELS, self.size.width // 5, least_room(names) + 1)
        width = min(labels, WIDEST_LABELS, room)
        self._draw_heatmap(record, shown, look, width)
        self._draw_curves(record, shown, width)
        self._arrange(len(shown.names), record)
        self.point(look)

    def _draw_heatmap(
        self, record: RunRecord, shown: Similarity, look: ViewState, width: int
    ) -> None:
        heatmap = self.query_one(Heatmap)
        heatmap.label_width = width
        heatmap.cmap, heatmap.stretch = look.cmap, look.stretch
        heatmap.blurred = look.blurred
        with heatmap.prevent(Heatmap.CursorMoved):
            data = shown.by_layer(
                to_reference(shown, look),
                shown.scale(look.scale),
                record.phases,
                errors=error_to_reference(shown, look),
            )
            heatmap.set_data(data, markers=not self._low(), bands=True)
        title = f"{shown.measure.quantity} with {reference_words(shown, look)}"
        self.query_one(".what", Static).update(Text(title, "bold", no_wrap=True))

    def _draw_curves(self, record: RunRecord, shown: Similarity, width: int) -> None:
        curves, group = self.query_one(Curves), self._shown_group(record)
        curves.display = group is not None
        if group is None:
            return
        curves.label_width = width
        curves.logarithmic = group.title == LOSS
        curves.set_data(
            {group.full(label): curve for label, curve in group.curves.items()},
            columns=shown.steps.tolist(),
            low=0.0 if group.are_shares else None,
            high=1.0 if group.are_shares else None,
            colours=dict(zip([*ACCURACIES.values()], SERIES_COLOURS, strict=False)),
            markers=boundary_marks(record.phases),
            bands=phase_bands(record.phases),
        )

    def _shown_group(self, record: RunRecord) -> MetricGroup | None:
        """Return the metrics below the heatmap: accuracies or losses, or, without any, others."""
        groups = main_groups(record.curves)
        return groups[self._group % len(groups)] if groups else None

    def _arrange(self, rows: int, record: RunRecord) -> None:
        axes = AXES - self._low()
        below = LEAST_CURVES if main_groups(record.curves) else 0
        room = self.size.height - 2 - self._sentences() - axes - below
        if room < rows <= room + SPARE:
            room = rows
        per_row = max(1, min(MOST_PER_ROW, int(0.85 * room) // rows))
        lines = rows * per_row
        if lines > room:
            lines = max(4, min(room, -(-rows // 2)))
        self.query_one(Heatmap).styles.height = lines + axes

    def _low(self) -> bool:
        """Return whether the markers are shown only below the curves."""
        return self.size.height < LOW

    def _sentences(self) -> int:
        """Return how many findings there is space for."""
        return 1 + sum(self.size.height >= least for least in HEIGHTS)

    def point(self, look: ViewState) -> None:
        """Move heatmap, curves and readout to a layer and an epoch."""
        super().point(look)
        shown, heatmap = self.similar(), self.query_one(Heatmap)
        if shown is None:
            return
        with heatmap.prevent(Heatmap.CursorMoved):
            heatmap.cursor = (self.layer_index, axis.nearest(shown.steps, look.epoch))
        self._follow(int(shown.steps[heatmap.cursor[1]]))

    @on(Heatmap.CursorMoved)
    def _moved(self, event: Heatmap.CursorMoved) -> None:
        self.pointed(
            replace(self.look, layer=event.row, epoch=event.epoch),
            layer=event.row,
            epoch=event.epoch,
        )
        if self.look.reference == "cursor" and self.record is not None:
            shown = self.similar()
            assert shown is not None  # noqa: S101 - there is a cursor
            self._draw_heatmap(self.record, shown, self.look, event.heatmap.label_width)
        self._follow(event.epoch)

    @on(Curves.CursorMoved)
    def _clicked(self, event: Curves.CursorMoved) -> None:
        event.stop()
        shown = self.similar()
        if shown is not None:
            row = self.query_one(Heatmap).cursor[0]
            self.query_one(Heatmap).cursor = (row, axis.nearest(shown.steps, event.epoch))

    def _follow(self, epoch: int) -> None:
        curves = self.query_one(Curves)
        with curves.prevent(Curves.CursorMoved):
            curves.cursor = epoch
        row, column = self.query_one(Heatmap).cursor
        self._read(row, column)

    @on(Heatmap.Hovered)
    def _hovered(self, event: CellMessage) -> None:
        self._read(event.row, event.column)

    @on(Heatmap.HoverEnded)
    def _hover_ended(self) -> None:
        self._read(*self.query_one(Heatmap).cursor)

    def _read(self, row: int, column: int) -> None:
        shown = self.similar()
        if shown is None or self.record is None:
            return
        value = float(to_reference(shown, self.look)[row, column])
        errors = error_to_reference(shown, self.look)
        error = math.nan if errors is None else float(errors[row, column])
        epoch = int(shown.steps[column])
        parts = {
            "": shown.names[row],
            self.unit: step(epoch),
            f"{shown.measure.quantity} with {reference_words(shown, self.look)}": with_error(
                value, error
            ),
            "probe": self._probe(row, column),
            "test": self._test(epoch),
            "phase": phase_at(self.record.phases, epoch),
        }
        self.query_one(".readout", FittedLine).show(*read_out(parts))

    def _test(self, epoch: int) -> str:
        curve = None if self.record is None else self.record.curves.get("test/acc")
        return "" if curve is None else accuracy(value_at(curve, epoch))

    def _probe(self, row: int, column: int) -> str:
        dynamics = self.dynamics
        if dynamics is None or row >= len(dynamics.layers):
            return ""
        known = accuracy(float(dynamics.probe_acc[row, column, 0]))
        return known if probe_splits(dynamics) else ""

    @on(Heatmap.ScaleChanged)
    def _scale(self, event: Heatmap.ScaleChanged) -> None:
        bar = self.query_one(Colorbar)
        bar.scale, bar.cmap = event.scale, event.cmap

    def action_reference(self) -> None:
        """Change the reference checkpoint."""
        at = REFERENCES.index(self.look.reference)
        chosen = REFERENCES[(at + 1) % len(REFERENCES)]
        self.pointed(replace(self.look, reference=chosen), reference=chosen)
        if self.record is not None:
            self.show(self.record, self.look)

    def action_metric(self) -> None:
        """Switch between accuracies and losses, or what the run has instead."""
        self._group += 1
        if self.record is not None:
            self.show(self.record, self.look)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether an action is available."""
        if action == "metric" and (self.record is None or len(main_groups(self.record.curves)) < 2):
            return False
        return super().check_action(action, parameters)

    def action_zoom(self) -> None:
        """Show the layer in its own view."""
        self.post_message(self.Zoomed())

    def table(self) -> Table | None:
        """Return each layer's similarities to the reference, and their standard errors."""
        shown = self.similar()
        if shown is None:
            return None
        errors = error_to_reference(shown, self.look)
        head, values = beside_errors(shown.steps, to_reference(shown, self.look), errors)
        rows = [(name, *row) for name, row in zip(shown.names, values, strict=True)]
        return Table(("layer", *head), rows)

    def figure(self) -> Callable[[], Figure] | None:
        """Return what draws the overview."""
        record, look = self.record, self.look
        if record is None or record.dynamics is None:
            return None

        def drawn() -> Figure:
            from repdyn.report import figures

            return figures.overview(record, look.measure, look.scale)

        return drawn
