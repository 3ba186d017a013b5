"""Compare: two to four runs, the same view for each."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.widgets import Static

from repdyn.display.live import LIVE
from repdyn.records import Dynamics, RunRecord
from tui import actions
from tui.actions import COMPARED
from tui.reader_thread import POLL_SECONDS, ReaderThread
from tui.screens.base_screen import tabs
from tui.screens.coloured_screen import ColouredScreen
from tui.screens.comparing.curves import CurvesOfRuns
from tui.screens.comparing.heatmaps import Overviews
from tui.screens.comparing.linked import Linked
from tui.screens.comparing.matrices import Matrices
from tui.screens.comparing.regions import RegionsOfRuns
from tui.screens.comparing.scores import ScoresOfRuns
from tui.screens.comparing.view import CompareView
from tui.screens.epochs_screen import OF_EPOCHS, axis_words
from tui.screens.run import news
from tui.screens.saving import save
from tui.screens.view import View
from tui.screens.view_state import (
    REFERENCES,
    ViewState,
    existing_measure,
    liveliest,
    measures_of,
    next_measure,
)
from tui.source import Source
from tui.widgets.fitted_line import FittedLine

KINDS_OF_VIEWS: dict[str, type[CompareView]] = {
    "overview": Overviews,
    "layer": Matrices,
    "regions": RegionsOfRuns,
    "curves": CurvesOfRuns,
    "scores": ScoresOfRuns,
}

HEATMAPS = ("overview", "layer")

OF_HEATMAPS = ("reference", "stretch", "scale", "blurred", "colours")
"""The actions available only for heatmaps."""

OF_RUNS = ("step_view", "layer", "export")


class CompareScreen(ColouredScreen):
    """Runs side by side; the views are created when first shown."""

    BINDINGS: ClassVar[list[BindingType]] = actions.bindings("compare")

    def __init__(self, source: Source, desk: ReaderThread, runs: tuple[str, ...]) -> None:
        super().__init__(source, desk, ViewState())
        self._ids = runs
        self._records: dict[str, RunRecord] = {}
        self._asked: set[str] = set()
        self._view = COMPARED[0]
        self._by_phase = False

    @property
    def topic(self) -> str:
        """What the help explains."""
        return "compare"

    def compose_body(self) -> ComposeResult:
        """Yield header, tabs and the container of the views."""
        yield FittedLine(id="header")
        yield Static("", id="tabs")
        yield Container(id="views")

    def on_mount(self) -> None:
        """Request the runs."""
        self.query_one("#header", FittedLine).show(
            Text(self.desk.opening("Opening the runs"), "bold")
        )
        self.app.theme_changed_signal.subscribe(self, lambda _: self._draw())
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
                self._look = replace(
                    self._look, measure=measure, layer=self._opening_layer(measure)
                )
                shown = self._shown()
                if shown and self._view not in shown:
                    self._view = shown[0]
            self._draw()
            if first and self._there():
                self.refresh_bindings()

    def _opening_layer(self, measure: str) -> int:
        """Return the layer that changes most in the first run that has the measure.

        If that is the run's last, it is the last of the run with most, so that each shows its own.
        """
        known = [found for found in self._dynamics() if found and measure in found.similarity]
        if not known:
            return 0
        counts = [len(found.names(measure)) for found in known]
        layer = liveliest(known[0], measure)
        return max(counts) - 1 if layer == counts[0] - 1 else layer

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
        self._draw_header(runs)
        empty = set(COMPARED).difference(self._shown())
        self.query_one("#tabs", Static).update(tabs(COMPARED, self._view, empty))
        shown = self._mounted(runs)
        for view in self.query(CompareView):
            view.display = view is shown
        shown.show(runs, self._look)
        if shown.is_mounted and not shown.has_focus_within:
            shown.focused_first().focus()

    def _draw_header(self, runs: Linked) -> None:
        header = self.query_one("#header", FittedLine)
        words = axis_words(self._look)
        note = f"  {words}" if words else ""
        header.show(Text(runs.heads_line(header.size.width - len(note)) + note, "bold"))

    def on_resize(self) -> None:
        """Fit the header to the new width."""
        if self._there():
            self._draw_header(self._runs())

    def _mounted(self, runs: Linked) -> CompareView:
        """Return the view in front."""
        for view in self.query(CompareView):
            if view.id == self._view:
                return view
        view = KINDS_OF_VIEWS[self._view](self.source, self.desk, runs, id=self._view)
        self.query_one("#views").mount(view)
        return view

    @on(View.Pointed)
    def _pointed(self, event: View.Pointed) -> None:
        before = self._look
        self._look = replace(before, **event.changes)
        if self._look.layer != before.layer:
            self._look = replace(self._look, layer_chosen=True)

    # --- acting

    def look_at(self, **changes: Any) -> None:
        """Change what is shown of the runs; a move of the cursor draws nothing else anew."""
        self._look = replace(self._look, **changes)
        if changes.keys() <= {"epoch", "range_from"}:
            self._mounted(self._runs()).point(self._look)
        else:
            self._draw()

    @property
    def stops(self) -> list[int]:
        """The first run's checkpoints in view; none in a view without epochs."""
        if not self._there() or self._view == "scores":
            return []
        dynamics = self._runs().records[0].dynamics
        steps = np.empty(0, dtype=np.int64) if dynamics is None else dynamics.steps
        return [int(epoch) for epoch in steps[self._look.axis_view.seen(steps)]]

    @property
    def boundaries(self) -> set[int]:
        """The first run's epochs that correspond to phase boundaries of any run."""
        return self._runs().boundaries

    def axis_changed(self) -> None:
        """Tell in the header what part of the epoch axis is in view."""
        self._draw_header(self._runs())
        self.refresh_bindings()

    def action_view(self, name: str) -> None:
        """Go to a view."""
        self._view = name
        self._draw()
        self.refresh_bindings()

    def action_step_view(self, steps: int) -> None:
        """Go to the next view that has something to show, or to the one before."""
        at, shown = COMPARED.index(self._view), self._shown()
        others = [COMPARED[(at + steps * i) % len(COMPARED)] for i in range(1, len(COMPARED))]
        self.action_view(next((name for name in others if name in shown), self._view))

    def _shown(self) -> list[str]:
        """Return the views that have something to show of the runs."""
        runs = self._runs()
        return [name for name in COMPARED if not KINDS_OF_VIEWS[name].missing(runs)]

    def action_kind(self) -> None:
        """Switch to the next similarity measure."""
        self.look_at(measure=next_measure(self._look.measure, self._dynamics()))

    def action_reference(self) -> None:
        """Change the reference checkpoint."""
        at = REFERENCES.index(self._look.reference)
        self.look_at(reference=REFERENCES[(at + 1) % len(REFERENCES)])

    def action_layer(self, steps: int) -> None:
        """Go to another layer."""
        similar = self._runs().similar(self._look.measure)
        count = max((len(shown.names) for shown in similar if shown is not None), default=0)
        if count:
            layer = (min(self._look.layer, count - 1) + steps) % count
            self.look_at(layer=layer, layer_chosen=True)

    def action_align(self) -> None:
        """Link the cursors by phase, or by epoch."""
        self._by_phase = not self._by_phase
        self._draw()

    def action_stretch(self) -> None:
        """Stretch the colours, or not."""
        self.look_at(stretch=not self._look.stretch)

    def action_export(self) -> None:
        """Save the view."""
        view = self._mounted(self._runs())
        stem = "-".join(["repdyn-compare", *(run[:8] for run in self._ids), self._view])
        job = partial(save, stem, view.tables(), view.figure())
        self.desk.ask(self, job, self.tell_saved, self.tell)

    def action_back(self) -> None:
        """Go back to the runs."""
        self.dismiss()

    def action_escape(self) -> None:
        """Leave the zoom, or go back to the runs."""
        if not self.leave_zoom():
            self.action_back()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether an action is available: none before the runs are loaded."""
        del parameters
        if action == "kind":
            of_measure = self._view in (*HEATMAPS, "scores")
            return of_measure and len(measures_of(self._dynamics())) > 1
        if action == "reference" and self._view != "overview":
            return False
        if action == "align":
            return self._there() and self._runs().one_unit and self._view != "scores"
        if action == "blurred" and not self._have_errors():
            return False
        if action in OF_HEATMAPS:
            return self._there() and self._view in HEATMAPS and self._view in self._shown()
        if action in OF_EPOCHS:
            return len(self.stops) > 1
        if action == "zoom_out":
            return self._look.axis_view.span is not None or self._look.range_from is not None
        return self._there() or action not in OF_RUNS

    def _have_errors(self) -> bool:
        """Return whether any run has standard errors of the current measure."""
        known = [dynamics for dynamics in self._dynamics() if dynamics is not None]
        return any(self._look.measure in dynamics.errors for dynamics in known)
