"""Curves: the metrics of a run, chosen from a list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from rich.segment import Segment
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import SelectionList, Static
from textual.widgets.selection_list import Selection

from repdyn.display.metrics import metric_groups
from repdyn.display.reading import value_at
from repdyn.display.wording import boundary_marks, plain
from repdyn.records import Curve, FloatArray, RunRecord, plural
from repdyn.step_words import step
from tui import actions
from tui.reader_thread import ReaderThread
from tui.screens.view import Table, View, empty, read_out, readout, titled
from tui.screens.view_state import ViewState
from tui.source import Source
from tui.widgets.curves import Curves
from tui.widgets.phase_bands import phase_at, phase_bands

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NO_METRICS = "No metrics: none has been logged in this run, such as train/loss at each step."

FIRST_CHOSEN = ("train/acc", "train/acc_clean", "train/acc_noisy", "test/acc")

WINDOWS = (1, 5, 15)
"""Epochs over which a smoothed curve is averaged."""


class Metrics(SelectionList[str]):
    """A list to choose from; unselected items have an empty box, so that no colour is needed."""

    def render_line(self, y: int) -> Strip:
        """Draw a metric and its box."""
        line = super().render_line(y)
        index = round(self.scroll_offset.y) + y
        if index >= self.option_count:
            return line
        left, box, *rest = line
        chosen = self.get_option_at_index(index).value in self.selected
        return Strip([left, Segment("✓" if chosen else " ", box.style), *rest])


class CurvesView(View):
    """All metrics over epochs; the list has the focus, left and right move the cursor."""

    BINDINGS: ClassVar[list[BindingType]] = actions.bindings("curves")

    def __init__(self, source: Source, desk: ReaderThread, *, id: str) -> None:  # noqa: A002
        super().__init__(source, desk, id=id)
        self._window = WINDOWS[0]
        self._names: tuple[str, ...] = ()

    def compose(self) -> ComposeResult:
        """Yield the list of metrics and the curves."""
        yield empty()
        yield Static("", classes="what")
        with Horizontal(classes="body"):
            yield Metrics(id="metrics")
            curves = Curves()
            curves.can_focus = False
            yield curves
        yield readout()

    @classmethod
    def missing(cls, record: RunRecord) -> str:
        """Return that no metric was logged."""
        return "" if record.curves else NO_METRICS

    def focused_first(self) -> Widget:
        """Return the list."""
        return self.query_one("#metrics")

    def draw(self, record: RunRecord, look: ViewState) -> None:
        """Draw the chosen curves."""
        names = tuple(record.curves)
        if names != self._names:
            self._list(names)
        self._draw_chosen()
        self.point(look)

    def _list(self, names: tuple[str, ...]) -> None:
        chosen = set(self._chosen()) if self._names else set(FIRST_CHOSEN)
        if not chosen & set(names):
            curves = {} if self.record is None else self.record.curves
            first = next(iter(metric_groups(curves)), None)
            shown = first.curves.values() if first is not None else ()
            chosen = {name for name in names if any(curves[name] is one for one in shown)}
        self._names = names
        metrics = self._metrics()
        with metrics.prevent(SelectionList.SelectedChanged):
            metrics.clear_options()
            metrics.add_options(
                Selection(Text(plain(name)), name, name in chosen) for name in names
            )

    def _metrics(self) -> Metrics:
        return self.query_one(Metrics)

    def _chosen(self) -> list[str]:
        selected = set(self._metrics().selected)
        return [name for name in self._names if name in selected]

    def _draw_chosen(self) -> None:
        if self.record is None:
            return
        series = {n: smoothed(self.record.curves[n], self._window) for n in self._chosen()}
        phases, curves = self.record.phases, self.query_one(Curves)
        curves.set_data(series, markers=boundary_marks(phases), bands=phase_bands(phases))
        title = titled(f"Metrics over {plural(self.unit)}", phases, curves, self.size.width)
        self.query_one(".what", Static).update(title)

    @on(SelectionList.SelectedChanged)
    def _choice_changed(self) -> None:
        self._draw_chosen()
        self._read()

    def point(self, look: ViewState) -> None:
        """Move the cursor."""
        super().point(look)
        curves = self.query_one(Curves)
        with curves.prevent(Curves.CursorMoved):
            curves.cursor = look.epoch
        self._read()

    @on(Curves.CursorMoved)
    def _moved(self, event: Curves.CursorMoved) -> None:
        self.pointed(replace(self.look, epoch=event.epoch), epoch=event.epoch)
        self._read()

    def _read(self) -> None:
        record, epoch = self.record, self.query_one(Curves).cursor
        line = self.query_one(".readout", Static)
        window = f"mean of {self._window} {plural(self.unit)}" if self._window > 1 else ""
        if record is None or epoch is None:
            line.update(read_out({"smoothed": window}) if window else "")
            return
        values = {name: f"{value_at(record.curves[name], epoch):.4g}" for name in self._chosen()}
        parts = {
            self.unit: step(epoch),
            "phase": phase_at(record.phases, epoch),
            "smoothed": window,
        }
        line.update(read_out(parts | values))

    def action_move(self, steps: int) -> None:
        """Move the cursor by epochs."""
        self.query_one(Curves).action_move(steps)

    def action_log(self) -> None:
        """Toggle the logarithmic vertical axis."""
        curves = self.query_one(Curves)
        curves.logarithmic = not curves.logarithmic

    def action_smooth(self) -> None:
        """Average over more epochs, or over one again."""
        self._window = WINDOWS[(WINDOWS.index(self._window) + 1) % len(WINDOWS)]
        self._draw_chosen()
        self._read()

    def table(self) -> Table | None:
        """Return the chosen curves, unsmoothed, a row for each epoch."""
        if self.record is None:
            return None
        names = self._chosen()
        curves = [self.record.curves[name] for name in names]
        epochs = sorted({int(e) for curve in curves for e in curve.steps})
        columns = [dict(zip(c.steps.tolist(), c.values.tolist(), strict=True)) for c in curves]
        rows = [(epoch, *(column.get(epoch, "") for column in columns)) for epoch in epochs]
        return Table((self.unit, *names), rows)

    def figure(self) -> Callable[[], Figure] | None:
        """Return what draws the curves."""
        record = self.record
        if record is None:
            return None

        def drawn() -> Figure:
            from repdyn.report import figures

            return figures.curves(record)

        return drawn


def smoothed(curve: Curve, window: int) -> Curve:
    """Return the mean over a window of epochs around each; NaN and missing epochs are ignored."""
    if window == 1:
        return curve
    return Curve(curve.steps, _means(curve, window // 2))


def _means(curve: Curve, reach: int) -> FloatArray:
    known = np.isfinite(curve.values)
    sums = np.concatenate([[0.0], np.cumsum(np.where(known, curve.values, 0.0))])
    counts = np.concatenate([[0], np.cumsum(known)])
    first = np.searchsorted(curve.steps, curve.steps - reach, side="left")
    after = np.searchsorted(curve.steps, curve.steps + reach, side="right")
    with np.errstate(invalid="ignore"):
        return np.asarray((sums[after] - sums[first]) / (counts[after] - counts[first]))
