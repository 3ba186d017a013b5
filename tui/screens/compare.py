"""Compare: two to four runs, the same view for each, and their numbers in a table."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, VerticalScroll
from textual.widgets import Static

from repdyn.display.wording import plain
from repdyn.records import Dynamics, RunRecord
from tui import actions
from tui.actions import COMPARED
from tui.reader_thread import POLL_SECONDS, ReaderThread
from tui.screens.base_screen import BaseScreen, tabs
from tui.screens.comparing.curves import CurvesOfRuns
from tui.screens.comparing.heatmaps import Matrices, Overviews
from tui.screens.comparing.linked import Linked
from tui.screens.comparing.regions import RegionsOfRuns
from tui.screens.comparing.table import compared
from tui.screens.comparing.view import CompareView
from tui.screens.phases import new_table
from tui.screens.run import LIVE, news
from tui.screens.saving import save
from tui.screens.view import View
from tui.screens.view_state import (
    REFERENCES,
    ViewState,
    existing_measure,
    measures_of,
    next_measure,
)
from tui.source import Source
from tui.widgets.colormap import SEQUENTIAL

KINDS_OF_VIEWS: dict[str, type[CompareView]] = {
    "overview": Overviews,
    "layer": Matrices,
    "regions": RegionsOfRuns,
    "curves": CurvesOfRuns,
}

HEATMAPS = ("overview", "layer")
"""The heatmap views, which show the table below."""

OF_HEATMAPS = ("kind", "reference", "stretch", "colours")
"""The actions available only for heatmaps."""

OF_RUNS = ("view", "step_view", "layer", "align", "export")


class CompareScreen(BaseScreen):
    """Runs side by side; the views are created when first shown."""

    BINDINGS: ClassVar[list[BindingType]] = actions.bindings("compare")

    def __init__(self, source: Source, desk: ReaderThread, runs: tuple[str, ...]) -> None:
        super().__init__(source, desk)
        self._ids = runs
        self._records: dict[str, RunRecord] = {}
        self._asked: set[str] = set()
        self._look = ViewState()
        self._view = COMPARED[0]
        self._by_phase = False

    @property
    def topic(self) -> str:
        """What the help explains."""
        return "compare"

    def compose_body(self) -> ComposeResult:
        """Yield header, tabs, the container of the views, and the table."""
        yield Static("", id="header")
        yield Static("", id="tabs")
        yield Container(id="views")
        with VerticalScroll(id="compared"):
            yield Static("", classes="text")

    def on_mount(self) -> None:
        """Request the runs."""
        self.query_one("#header", Static).update(Text("Opening the runs …", "bold"))
        self._poll()
        self.set_interval(POLL_SECONDS, self._poll)

    # --- asking

    def _poll(self) -> None:
        for run in self._ids:
            known = self._records.get(run)
            waits = known is None or known.summary.status in LIVE
            if waits and run not in self._asked and self.is_current:
                self._asked.add(run)
                question = partial(news, self.source, run, known)
                got, failed = partial(self._got, run), partial(self._failed, run)
                self.desk.ask(self, question, got, failed)

    def _got(self, run: str, record: RunRecord | None) -> None:
        self._asked.discard(run)
        self.show_notice()
        if record is not None:
            first = not self._there()
            self._records[run] = record
            if first and self._there():
                measure = existing_measure(self._look.measure, self._dynamics())
                self._look = replace(self._look, measure=measure)
            self._draw()
            if first and self._there():
                self.refresh_bindings()

    def _failed(self, run: str, line: str) -> None:
        self._asked.discard(run)
        self.show_notice(f"{line}; retrying")

    def _there(self) -> bool:
        return len(self._records) == len(self._ids)

    def _dynamics(self) -> list[Dynamics | None]:
        return [record.dynamics for record in self._records.values()]

    def _runs(self) -> Linked:
        return Linked(tuple(self._records[run] for run in self._ids), self._by_phase)

    # --- showing

    def _draw(self) -> None:
        if not self._there():
            return
        runs = self._runs()
        header = Text(" · ".join(runs.heads), "bold", no_wrap=True)
        self.query_one("#header", Static).update(header)
        empty = [name for name in COMPARED if KINDS_OF_VIEWS[name].missing(runs)]
        self.query_one("#tabs", Static).update(tabs(COMPARED, self._view, empty))
        self._tabulate(runs)
        shown = self._mounted(runs)
        for view in self.query(CompareView):
            view.display = view is shown
        shown.show(runs, self._look)
        if shown.is_mounted and not shown.has_focus_within:
            shown.focused_first().focus()

    def _mounted(self, runs: Linked) -> CompareView:
        """Return the view in front."""
        for view in self.query(CompareView):
            if view.id == self._view:
                return view
        view = KINDS_OF_VIEWS[self._view](self.source, self.desk, runs, id=self._view)
        self.query_one("#views").mount(view)
        return view

    def _tabulate(self, runs: Linked) -> None:
        found = compared(runs)
        self.query_one("#compared").display = self._view in HEATMAPS and bool(found.rows)
        table = new_table(*found.head)
        for row in found.rows:
            table.add_row(*(Text(plain(str(cell))) for cell in row))
        self.query_one("#compared .text", Static).update(table)

    @on(View.Pointed)
    def _pointed(self, event: View.Pointed) -> None:
        self._look = replace(self._look, **event.changes)

    # --- acting

    def _look_at(self, **changes: Any) -> None:
        self._look = replace(self._look, **changes)
        self._draw()

    def action_view(self, name: str) -> None:
        """Go to a view."""
        self._view = name
        self._draw()
        self.refresh_bindings()

    def action_step_view(self, steps: int) -> None:
        """Go to the next view that has something to show, or to the one before."""
        at, runs = COMPARED.index(self._view), self._runs()
        others = [COMPARED[(at + steps * i) % len(COMPARED)] for i in range(1, len(COMPARED))]
        shown = (name for name in others if not KINDS_OF_VIEWS[name].missing(runs))
        self.action_view(next(shown, self._view))

    def action_kind(self) -> None:
        """Switch to the next similarity measure."""
        self._look_at(measure=next_measure(self._look.measure, self._dynamics()))

    def action_reference(self) -> None:
        """Change the reference checkpoint."""
        at = REFERENCES.index(self._look.reference)
        self._look_at(reference=REFERENCES[(at + 1) % len(REFERENCES)])

    def action_layer(self, steps: int) -> None:
        """Go to another layer."""
        similar = self._runs().similar(self._look.measure)
        count = max((len(shown.names) for shown in similar if shown is not None), default=0)
        if count:
            self._look_at(layer=(min(self._look.layer, count - 1) + steps) % count)

    def action_align(self) -> None:
        """Link the cursors by phase, or by epoch."""
        self._by_phase = not self._by_phase
        self._draw()

    def action_stretch(self) -> None:
        """Stretch the colours, or not."""
        self._look_at(stretch=not self._look.stretch)

    def action_colours(self) -> None:
        """Switch to the next colour map."""
        at = SEQUENTIAL.index(self._look.cmap)
        self._look_at(cmap=SEQUENTIAL[(at + 1) % len(SEQUENTIAL)])

    def action_export(self) -> None:
        """Save the view, and the table if it is shown."""
        runs = self._runs()
        view = self._mounted(runs)
        tables = view.tables()
        if self._view in HEATMAPS:
            tables["-scores"] = compared(runs)
        stem = "-".join(["repdyn-compare", *(run[:8] for run in self._ids), self._view])
        job = partial(save, stem, tables, view.figure())
        self.desk.ask(self, job, self.tell_saved, self.tell)

    def action_back(self) -> None:
        """Go back to the runs."""
        self.dismiss()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether an action is available: none before the runs are loaded."""
        del parameters
        if action == "kind" and len(measures_of(self._dynamics())) < 2:
            return False
        if action in OF_HEATMAPS:
            return self._there() and self._view in HEATMAPS
        return self._there() or action not in OF_RUNS
