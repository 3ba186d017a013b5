"""One metric of all runs in one chart, chosen from a list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.widget import Widget
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from repdyn.display.reading import value_at
from repdyn.display.wording import boundary_marks, plain
from repdyn.records import Curve, plural
from repdyn.step_words import step
from tui import actions
from tui.reader_thread import ReaderThread
from tui.screens.comparing.linked import Linked
from tui.screens.comparing.view import CompareView
from tui.screens.curves import NO_METRICS, WINDOWS, smoothed
from tui.screens.view import Table, empty, read_out, readout
from tui.screens.view_state import ViewState
from tui.source import Source
from tui.widgets.curves import Curves

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN_FIRST = "test/acc"


class CurvesOfRuns(CompareView):
    """A curve for each run over the first run's epochs; the list chooses the metric."""

    BINDINGS: ClassVar[list[BindingType]] = actions.bindings("curves")

    def __init__(self, source: Source, desk: ReaderThread, runs: Linked, *, id: str) -> None:  # noqa: A002
        super().__init__(source, desk, runs, id=id)
        self._names: list[str] = []
        self._window = WINDOWS[0]

    def compose(self) -> ComposeResult:
        """Yield the list of metrics and the chart."""
        yield empty()
        with Horizontal(classes="body"):
            yield OptionList(id="metrics")
            curves = Curves()
            curves.can_focus = False
            yield curves
        yield readout()

    @classmethod
    def missing(cls, runs: Linked) -> str:
        """Return that no run has logged a metric."""
        return "" if any(record.curves for record in runs.records) else NO_METRICS

    def focused_first(self) -> Widget:
        """Return the list."""
        return self.query_one(OptionList)

    def draw(self, runs: Linked, look: ViewState) -> None:
        """Draw the chosen metric of each run."""
        names = list(dict.fromkeys(name for record in runs.records for name in record.curves))
        if names != self._names:
            self._list(names)
        self._draw_chosen()
        curves = self.query_one(Curves)
        with curves.prevent(Curves.CursorMoved):
            curves.cursor = look.epoch
        self._read()

    def _list(self, names: list[str]) -> None:
        before, metrics = self._metric or SHOWN_FIRST, self.query_one(OptionList)
        self._names = names
        with metrics.prevent(OptionList.OptionHighlighted):
            metrics.clear_options()
            metrics.add_options(Option(Text(plain(name), no_wrap=True)) for name in names)
            # those of all runs first
            shared = max(names, key=lambda name: sum(name in r.curves for r in self.runs.records))
            metrics.highlighted = names.index(before if before in names else shared)

    @property
    def _metric(self) -> str:
        at = self.query_one(OptionList).highlighted
        return self._names[at] if at is not None and at < len(self._names) else ""

    def _curves(self, runs: Linked) -> dict[str, Curve]:
        """Return the chosen metric for the runs that have it, over their own epochs."""
        named = zip(runs.heads, runs.records, strict=True)
        return {head: r.curves[self._metric] for head, r in named if self._metric in r.curves}

    def _draw_chosen(self) -> None:
        heads = self.runs.heads
        series = {
            head: self.runs.on_first(smoothed(curve, self._window), heads.index(head))
            for head, curve in self._curves(self.runs).items()
        }
        self.query_one(Curves).set_data(series, markers=boundary_marks(self.runs.records[0].phases))

    @on(OptionList.OptionHighlighted)
    def _chosen(self) -> None:
        self._draw_chosen()
        self._read()

    @on(Curves.CursorMoved)
    def _moved(self, event: Curves.CursorMoved) -> None:
        self.pointed(replace(self.look, epoch=event.epoch), epoch=event.epoch)
        self._read()

    def _read(self) -> None:
        runs, epoch = self.runs, self.query_one(Curves).cursor
        window = f"mean of {self._window} {plural(self.unit)}" if self._window > 1 else ""
        parts = {"": self._metric, "smoothed": window}
        if epoch is not None:
            heads = runs.heads
            for head, curve in self._curves(runs).items():
                at = runs.translated(epoch, 0, heads.index(head))
                parts[f"{head[0]}, {runs.records[heads.index(head)].unit} {step(at)}"] = (
                    f"{value_at(curve, at):.4g}"
                )
        elif runs.by_phase:
            parts[plural(self.unit)] = f"of {runs.heads[0]}, linked by phase"
        self.query_one(".readout", Static).update(read_out(parts), layout=False)

    # --- acting

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
        """Return the chosen metric, unsmoothed, a line for each run's epoch."""
        lines = [
            (head, epoch, value)
            for head, curve in self._curves(self.runs).items()
            for epoch, value in zip(curve.steps.tolist(), curve.values.tolist(), strict=True)
        ]
        return Table(("run", self.unit, self._metric), lines)

    def figure(self) -> Callable[[], Figure] | None:
        """Return what draws the chosen metric of all runs over their own epochs."""
        metric, series, unit = self._metric, self._curves(self.runs), self.unit
        if not series:
            return None

        def drawn() -> Figure:
            from repdyn.report.figures.side_by_side import metric_curves

            return metric_curves(metric, series, unit)

        return drawn
