"""Metrics of all runs over each other: a colour for each run, a dash for each metric."""

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

from repdyn.display.metric_names import LOSS, group_title, is_other, telling_first
from repdyn.display.reading import value_at
from repdyn.display.wording import end_words
from repdyn.records import Curve, plural
from tui import actions
from tui.reader_thread import ReaderThread
from tui.screens.comparing.curves_legend import legend
from tui.screens.comparing.linked import LETTERS, Linked, phase_rows
from tui.screens.comparing.view import CompareView
from tui.screens.curves import NO_METRICS
from tui.screens.smoothing import WINDOWS, smoothed, wider
from tui.screens.view import Table, empty
from tui.screens.view_state import ViewState
from tui.source import Source
from tui.widgets.colormap import SERIES_COLOURS, is_colourful, on_background
from tui.widgets.curve_picture import DASHES, Dash
from tui.widgets.curves import Curves, all_epochs
from tui.widgets.fitted_line import FittedLine
from tui.widgets.path_list import PathList
from tui.widgets.phase_rows import PhaseRows

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ACCURACIES_FIRST, LOSSES_FIRST = ("test/acc", "train/acc"), ("test/loss", "train/loss")
"""The metrics chosen at first; losses only where a second plot has room."""

PLOTS = 4
"""The most plots, one for each group of metrics that share an axis."""

LEAST_LINES = 5
"""Lines of a plot."""

GUTTER = 6
"""Columns of the values left of the curves."""

HIGH = 26
"""Height of the view from which two plots have room beside the legend and the phases."""


class CurvesOfRuns(CompareView):
    """Plots over the first run's epochs; the list chooses the metrics."""

    BINDINGS: ClassVar[list[BindingType]] = actions.bindings("curves", "chosen")

    def __init__(self, source: Source, desk: ReaderThread, runs: Linked, *, id: str) -> None:  # noqa: A002
        super().__init__(source, desk, runs, id=id)
        self._names: tuple[str, ...] = ()
        self._window = WINDOWS[0]
        self._logarithmic: bool | None = None
        self._curves: dict[tuple[str, int], Curve] = {}  # as drawn, over the runs' own epochs

    def compose(self) -> ComposeResult:
        """Yield the list of metrics, and beside it legend, plots and phases."""
        yield empty()
        yield FittedLine(classes="what")
        with Horizontal(classes="body"):
            yield PathList(marks=True, id="metrics")
            with Vertical(classes="plots"):
                yield Static("", classes="legend")
                for _ in range(PLOTS):
                    curves = Curves()
                    curves.can_focus = False
                    yield curves
                yield PhaseRows()

    @classmethod
    def missing(cls, runs: Linked) -> str:
        """Return that no run has logged a metric."""
        return "" if any(record.curves for record in runs.records) else NO_METRICS

    def focused_first(self) -> Widget:
        """Return the list."""
        return self.query_one(PathList)

    def draw(self, runs: Linked, look: ViewState) -> None:
        """Draw the chosen metrics of each run."""
        names = tuple(dict.fromkeys(name for record in runs.records for name in record.curves))
        self.query_one(".legend", Static).styles.height = 1 + len(runs.records)
        if names != self._names:
            self._list(names)
        self._draw_chosen()
        self._place(look.epoch)

    def _list(self, names: tuple[str, ...]) -> None:
        first = ACCURACIES_FIRST + (LOSSES_FIRST if self.size.height >= HIGH else ())
        chosen = set(self._chosen() if self._names else first) & set(names)
        if not chosen:  # a metric that most runs have
            records = self.runs.records
            alike = [name for name in telling_first(names) if not is_other(name)]
            chosen = {
                max(
                    alike or telling_first(names), key=lambda n: sum(n in r.curves for r in records)
                )
            }
        self._names = names
        metrics = self.query_one(PathList)
        metrics.choose(chosen)
        metrics.show(sorted(names))

    def _chosen(self) -> list[str]:
        selected = self.query_one(PathList).chosen
        return [name for name in self._names if name in selected]

    def _groups(self) -> dict[str, list[str]]:
        """Return the chosen metrics by the title of the axis that they share."""
        groups: dict[str, list[str]] = {}
        for name in self._chosen():
            groups.setdefault(group_title(name), []).append(name)
        return groups

    def _dash(self, run: int, at: int, count: int) -> Dash:
        """Return the dash of the metric `at` of `count`; without colours, runs differ by it too."""
        return DASHES[(at if is_colourful(self.app) else run * count + at) % len(DASHES)]

    def _draw_chosen(self) -> None:
        runs, groups = self.runs, self._groups()
        self._curves = {
            (name, run): smoothed(record.curves[name], self._window)
            for name in self._chosen()
            for run, record in enumerate(runs.records)
            if name in record.curves
        }
        drawn = {key: runs.on_first(curve, key[1]) for key, curve in self._curves.items()}
        stops = all_epochs(drawn.values())
        lines = self.size.height - 2 - 2 * len(runs.records)
        fitting = list(groups.items())[: max(1, min(PLOTS, lines // LEAST_LINES))]
        for i, curves in enumerate(self.query(Curves)):
            curves.display = i < len(fitting)
            if i < len(fitting):
                self._plot(curves, *fitting[i], drawn, stops)
        rows = self.query_one(PhaseRows)
        view = self.look.axis_view
        rows.set_data(phase_rows(runs) if drawn else [], stops=stops, label_width=GUTTER, view=view)
        self._describe(len(fitting), len(groups))

    def _plot(
        self,
        curves: Curves,
        title: str,
        names: list[str],
        drawn: dict[tuple[str, int], Curve],
        stops: np.ndarray,
    ) -> None:
        labels = {(name, run): f"{LETTERS[run]} {name}" for name, run in drawn if name in names}
        curves.label_width = GUTTER
        curves.logarithmic = self._is_logarithmic(title)
        curves.set_data(
            {label: drawn[key] for key, label in labels.items()},
            stops=stops,
            colours={label: SERIES_COLOURS[run] for (_, run), label in labels.items()},
            dashes={
                label: self._dash(run, names.index(name), len(names))
                for (name, run), label in labels.items()
            },
            legend=False,
        )

    def _is_logarithmic(self, title: str) -> bool:
        return title == LOSS if self._logarithmic is None else self._logarithmic

    def _describe(self, fitting: int, groups: int) -> None:
        window = f"   mean of {self._window} {plural(self.unit)}" if self._window > 1 else ""
        cut = f"   {fitting} of {groups} plots have room" if fitting < groups else ""
        link = f"   cursors linked by {self.runs.link}"
        title = (", ".join(list(self._groups())[:fitting]) or "no metric chosen", "bold")
        self.query_one(".what", FittedLine).show(
            Text.assemble(title, (link + window + cut, "dim")),
            Text.assemble(title, (window + cut, "dim")),
        )

    @on(PathList.ChoiceChanged)
    def _choice_changed(self) -> None:
        self._draw_chosen()
        self._place(self.look.epoch)

    @on(Curves.CursorMoved)
    def _moved(self, event: Curves.CursorMoved) -> None:
        self.pointed(replace(self.look, epoch=event.epoch), epoch=event.epoch)
        self._place(event.epoch)

    def point(self, look: ViewState) -> None:
        """Move the cursor."""
        self.look = look
        self.set_axis(look)
        self._place(look.epoch)

    def _place(self, epoch: int | None) -> None:
        """Move the cursors of all plots, and write the legend."""
        for curves in self.query(Curves):
            with curves.prevent(Curves.CursorMoved):
                curves.cursor = epoch
        runs = self.runs
        corner = end_words(self.unit) if epoch is None else runs.at(epoch, 0)
        metrics = {
            name: [
                None
                if (curve := self._curves.get((name, run))) is None
                else (self._dash(run, at, len(names)), self._value(curve, epoch, run))
                for run in range(len(runs.records))
            ]
            for names in self._groups().values()
            for at, name in enumerate(names)
        }
        width = self.query_one(".plots").size.width
        colours = [on_background(colour, self.app) for colour in SERIES_COLOURS]
        shown = legend(corner, runs.heads_in, colours, metrics, width)
        self.query_one(".legend", Static).update(shown, layout=False)

    def _value(self, curve: Curve, epoch: int | None, run: int) -> float:
        own = self.runs.epoch_in(epoch, run)
        return value_at(
            curve, int(curve.steps[-1]) if own is None and len(curve.steps) else own or 0
        )

    # --- acting

    def action_choose(self) -> None:
        """Choose the metric under the cursor, or all of its group."""
        self.query_one(PathList).toggle()

    def action_enter(self) -> None:
        """Fold the group under the cursor, or choose the metric."""
        self.query_one(PathList).enter()

    def action_move(self, steps: int) -> None:
        """Move the cursor by epochs."""
        self.query(Curves).first().action_move(steps)

    def action_log(self) -> None:
        """Toggle the logarithmic vertical axes."""
        shown = any(self._is_logarithmic(title) for title in self._groups())
        self._logarithmic = not shown
        self._draw_chosen()

    def action_smooth(self, steps: int) -> None:
        """Average over more epochs, or over fewer."""
        self._window = wider(self._window, steps)
        self._draw_chosen()
        self._place(self.look.epoch)

    def table(self) -> Table | None:
        """Return the chosen metrics, unsmoothed, a line for each run's epoch."""
        heads, records = self.runs.heads, self.runs.records
        lines = [
            (head, name, epoch, value)
            for head, record in zip(heads, records, strict=True)
            for name in self._chosen()
            if (curve := record.curves.get(name)) is not None
            for epoch, value in zip(curve.steps.tolist(), curve.values.tolist(), strict=True)
        ]
        return Table(("run", "metric", self.unit, "value"), lines)

    def figure(self) -> Callable[[], Figure] | None:
        """Return what draws the chosen metrics of all runs over their own epochs."""
        named = list(zip(self.runs.heads, self.runs.records, strict=True))
        groups = {
            title: {
                name: {head: r.curves[name] for head, r in named if name in r.curves}
                for name in names
            }
            for title, names in self._groups().items()
        }
        unit = self.unit
        if not groups:
            return None

        def drawn() -> Figure:
            from repdyn.report.figures.side_by_side import metric_curves

            return metric_curves(groups, unit)

        return drawn
