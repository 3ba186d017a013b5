"""One run: what it is, and seven ways to look at it."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.widgets import Static

from repdyn.display.live import LIVE, progress, worries
from repdyn.display.reading import is_same
from repdyn.display.wording import duration, going_on, plain, settings
from repdyn.own_runs import is_own
from repdyn.records import Dynamics, RunRecord
from repdyn.report.runs import STATUS_STYLES
from tui import actions
from tui.actions import VIEWS
from tui.reader_thread import POLL_SECONDS, ReaderThread
from tui.screens.acting import RunActions
from tui.screens.base_screen import NORMAL, tabs
from tui.screens.coloured_screen import ColouredScreen
from tui.screens.curves import CurvesView
from tui.screens.epochs_screen import OF_EPOCHS, axis_words
from tui.screens.info import Info
from tui.screens.layer import Layer
from tui.screens.layers import Layers
from tui.screens.overview import Overview
from tui.screens.phases import PhasesView
from tui.screens.regions import RegionsView
from tui.screens.run_columns import state
from tui.screens.runs import RunsScreen
from tui.screens.saving import save
from tui.screens.view import OF_HEATMAPS, View
from tui.screens.view_state import (
    ViewState,
    existing_measure,
    liveliest,
    measures_of,
    next_measure,
)
from tui.source import Source
from tui.widgets.fitted_line import both_ends
from tui.widgets.heatmap_view import STRETCHED

KINDS_OF_VIEWS: dict[str, type[View]] = {
    "overview": Overview,
    "layer": Layer,
    "layers": Layers,
    "regions": RegionsView,
    "curves": CurvesView,
    "phases": PhasesView,
    "info": Info,
}

LEAST_NAME = 16
"""Columns of the run's name in the header, if it is so long."""

MOST_WORRIES = 2
"""What is wrong with a run, of which the header has room for some."""

RECENT_SECONDS = 5.0
"""Up to this age data count as current: those of a live run are polled more often."""

OF_RUN = frozenset({"export", "copy", "browse", "run"})
"""The actions that need the run to have been read."""


class RunScreen(ColouredScreen, RunActions):
    """A run and its views, which are created when first shown.

    Args:
        source, desk: that read the run.
        run: its id, name, unique prefix, or `last`.
        view: to show first; None for the one of the last session.
        look: to begin with.
        layer: name of the layer to begin with; without it, the one that changes most.
    """

    BINDINGS: ClassVar[list[BindingType]] = actions.bindings("run")

    def __init__(
        self,
        source: Source,
        desk: ReaderThread,
        run: str,
        *,
        view: str | None = None,
        look: ViewState | None = None,
        layer: str = "",
    ) -> None:
        super().__init__(source, desk, ViewState() if look is None else look)
        self._run = run
        self._record: RunRecord | None = None
        self._first_layer = layer
        self._first_view = view
        self._view = view or VIEWS[0]
        self._drawn: dict[str, tuple[RunRecord, ViewState]] = {}
        self._opened: dict[str, View] = {}
        self._asking = False
        self._read_at = 0.0
        self._header = Text()

    @property
    def topic(self) -> str:
        """What the help explains."""
        return self._view

    def compose_body(self) -> ComposeResult:
        """Yield header, tabs and the container of the views."""
        yield Static("", id="header")
        yield Static("", id="tabs")
        yield Container(Static("", id="opening"), id="views")

    def on_resize(self) -> None:
        """Fit header and tabs to the new width."""
        self._draw_header()
        self._draw_tabs()

    def on_mount(self) -> None:
        """Request the run."""
        if self._first_view is None and self.home.session.of_store.view in VIEWS:
            self._view = self.home.session.of_store.view
        self.query_one("#header", Static).update(Text(plain(self._run), "bold"))
        self.query_one("#opening", Static).update(
            Text(self.desk.opening("Opening the run"), justify="center")
        )
        self._draw_tabs()
        self._ask()
        self.set_interval(POLL_SECONDS, self._poll)
        self.set_interval(1.0, self._draw_header)

    # --- asking

    def _ask(self) -> None:
        self._asking = True
        question = partial(news, self.source, self._run, self._record)
        self.desk.ask(self, question, self._got, self._failed)

    def _poll(self) -> None:
        """Poll while the run is training, or could not be read."""
        waits = self._record is None or self._record.summary.status in LIVE
        if waits and not self._asking and self.is_current:
            self._ask()

    def _got(self, record: RunRecord | None) -> None:
        self._asking, self._read_at = False, time.time()
        known = record or self._record
        self.show_notice("" if known is None else going_on(known.summary))
        if record is None:
            return
        first = self._record is None
        self._record, self._run = record, record.summary.run_id
        measure = existing_measure(self._look.measure, [record.dynamics])
        self._look = replace(self._look, measure=measure)
        if first and not is_own(record.summary.tags) and self._view in self._empty():
            self._view = next(name for name in ("curves", "info") if name not in self._empty())
        if first and record.dynamics is not None:
            self._look = replace(self._look, layer=self._opening_layer(record.dynamics))
        self._draw_header()
        self._draw_tabs()
        self._show()
        self.refresh_bindings()
        if first:
            self.query_one("#opening").display = False

    def _opening_layer(self, dynamics: Dynamics) -> int:
        """Return the layer of the name to begin with, or the one that changes most."""
        measure = self._look.measure
        names = dynamics.names(measure) if measure in dynamics.similarity else dynamics.layers
        if self._first_layer in names:
            return names.index(self._first_layer)
        return liveliest(dynamics, measure)

    def _failed(self, line: str) -> None:
        self._asking = False
        if self._record is None:
            words = f"{line}\n\nescape goes back to the runs."
            self.query_one("#opening", Static).update(Text(words, justify="center"))
        else:
            self.show_notice(f"{line}; retrying")

    # --- showing

    def _draw_header(self) -> None:
        if self._record is None:
            return
        run = self._record.summary
        wide = self.app.size.width >= NORMAL
        line = Text.assemble((f"  {plain(run.run_id)[:8]}  " if wide else "  ", "dim"))
        line.append(state(run), STATUS_STYLES.get(run.status, ""))
        sign = self.home.watches.signs().get(run.run_id)
        line.append(f" {sign}" if sign else "", "bold")
        now = time.time() * 1000
        line.append(f"  {progress(self._record, now)}")
        for worry in worries(self._record, now)[:MOST_WORRIES]:
            line.append(f"  {worry}", "bold red")
        if run.status in LIVE:
            line.append(f"  {age(time.time() - self._read_at)}", "dim")
        line.append(f"  {axis_words(self._look)}" if axis_words(self._look) else "", "bold")
        room = self.app.size.width - 2 - line.cell_len  # the name's padding at both sides
        line = Text.assemble((both_ends(plain(run.name), max(room, LEAST_NAME)), "bold"), line)
        if wide:
            line.append(f"  {settings(run)}", "dim")
        if line != self._header:  # drawn every second, for what is left
            self._header = line
            self.query_one("#header", Static).update(line)

    def _draw_tabs(self) -> None:
        room = self.app.size.width - 1
        self.query_one("#tabs", Static).update(tabs(VIEWS, self._view, self._empty(), room))

    def _empty(self) -> list[str]:
        """Return the views that have nothing to show of this run."""
        record = self._record
        if record is None:
            return []
        return [name for name in VIEWS if KINDS_OF_VIEWS[name].missing(record)]

    def _show(self) -> None:
        """Draw the view in front, if what it shows has changed."""
        if self._record is None:
            return
        for name, view in self._opened.items():
            view.display = name == self._view
        shown = self._mounted(self._view)
        now = (self._record, self._look)
        before = self._drawn.get(self._view)
        self._drawn[self._view] = now
        if before is None or before[0] is not now[0] or _drawing(before[1]) != _drawing(now[1]):
            shown.show(*now)
        elif before[1] != now[1]:
            shown.point(self._look)
        if shown.is_mounted and not shown.has_focus_within:
            shown.take_keys()

    def _mounted(self, name: str) -> View:
        if name not in self._opened:
            view = self._opened[name] = KINDS_OF_VIEWS[name](self.source, self.desk, id=name)
            self.query_one("#views").mount(view)
        return self._opened[name]

    def look_at(self, **changes: Any) -> None:
        """Change what is shown of the run."""
        self._look = replace(self._look, **changes)
        self._show()

    @property
    def front(self) -> View | None:
        """The view in front, if it shows something of the run."""
        view = self._opened.get(self._view)
        return None if view is None or view.record is None or view.missing(view.record) else view

    @property
    def stops(self) -> list[int]:
        """The epochs at which the cursor of the view in front can stop."""
        return [] if self.front is None else self.front.stops.tolist()

    @property
    def boundaries(self) -> set[int]:
        """The epochs of phase boundaries, and change points of the layer at the cursor."""
        if self._record is None or self.front is None:
            return set()
        phases = self._record.phases
        return {*phases.markers().values(), *self.front.changes(phases)}

    def axis_changed(self) -> None:
        """Tell in the header what part of the epoch axis is in view."""
        self._draw_header()
        self.refresh_bindings()

    @on(View.Pointed)
    def _pointed(self, event: View.Pointed) -> None:
        before = self._look
        self._look = replace(before, **event.changes)
        if self._look.layer != before.layer:
            self._look = replace(self._look, layer_chosen=True)
        if self._record is not None:
            self._drawn[self._view] = (self._record, self._look)

    @on(View.Zoomed)
    def _zoomed(self) -> None:
        self.action_view("layer")

    # --- acting

    def runs_changed(self) -> None:
        """Read the run again."""
        if not self._asking:
            self._ask()

    def signs_changed(self) -> None:
        """Show whether the run is watched."""
        self._draw_header()

    def run_in_question(self) -> str | None:
        """Return the run's id."""
        return self._record.summary.run_id if self._record else None

    def action_view(self, name: str) -> None:
        """Go to a view."""
        self._view = self.home.session.of_store.view = name
        self._draw_tabs()
        self._show()
        self.refresh_bindings()

    def action_step_view(self, steps: int) -> None:
        """Go to the next view that has something to show, or to the one before."""
        at, empty = VIEWS.index(self._view), self._empty()
        others = [VIEWS[(at + steps * i) % len(VIEWS)] for i in range(1, len(VIEWS))]
        self.action_view(next((name for name in others if name not in empty), self._view))

    def action_kind(self) -> None:
        """Switch to the next similarity measure."""
        dynamics = None if self._record is None else self._record.dynamics
        self.look_at(measure=next_measure(self._look.measure, [dynamics]))

    def action_run(self, steps: int) -> None:
        """Open another run of the list, in the same view."""
        lists = [screen for screen in self.app.screen_stack if isinstance(screen, RunsScreen)]
        run = None if self._record is None else self._record.summary.run_id
        other = lists[0].step_to(run, steps) if lists and run is not None else None
        if other is None:
            self.tell(f"no {'next' if steps > 0 else 'previous'} run in the list")
            return
        front = self.front
        layer = (
            front.layer_names[front.layer_index] if front is not None and front.layer_names else ""
        )
        look = replace(self._look, range_from=None)
        screen = RunScreen(
            lists[0].source, self.desk, other, view=self._view, look=look, layer=layer
        )
        self.app.switch_screen(screen)

    def action_layer(self, steps: int) -> None:
        """Go to another layer."""
        front = self.front
        if front is not None and front.layer_names:
            layer = (front.layer_index + steps) % len(front.layer_names)
            self.look_at(layer=layer, layer_chosen=True)

    def action_contrast(self, steps: int) -> None:
        """Stretch the colours more, or less."""
        self.look_at(stretch=max(0, min(self._look.stretch + steps, len(STRETCHED))))

    def action_export(self) -> None:
        """Save what is in view."""
        if self._record is None:
            return
        view = self._mounted(self._view)
        if view.missing(self._record):
            self.tell_saved([])
            return
        stem = f"repdyn-{plain(self._run)[:8]}-{self._view}-{self._look.measure}"
        job = partial(save, stem, view.tables(), view.figure())
        self.desk.ask(self, job, self.tell_saved, self.tell)

    def action_copy_value(self) -> None:
        """Copy what the cursor is on, as the readout says it."""
        text = "" if self.front is None else self.front.copied()
        if text:
            self.app.copy_to_clipboard(text)
            self.tell(f"copied {text}")

    def action_refresh(self) -> None:
        """Read the run again."""
        self._asking = True
        question = partial(self.source.record, self._run)
        self.desk.ask(self, question, self._refreshed, self._failed)

    def _refreshed(self, record: RunRecord) -> None:
        self._got(record)
        self.tell("read again")

    def action_back(self) -> None:
        """Go back to the runs."""
        self.dismiss()

    def action_escape(self) -> None:
        """Leave the zoom, or go back to the runs."""
        if not self.leave_zoom():
            self.action_back()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether an action is available: the run may lack what it is about."""
        del parameters
        dynamics, front = None if self._record is None else self._record.dynamics, self.front
        part = "epoch" if action in OF_EPOCHS else action
        if action in OF_RUN and self._record is None:
            return False
        if part in OF_HEATMAPS and (front is None or part not in front.follows):
            return False
        if part == "epoch":
            return len(self.stops) > 1
        if action == "kind":
            return len(measures_of([dynamics])) > 1
        if action == "layer":
            return front is not None and len(front.layer_names) > 1
        if action == "blurred":
            return dynamics is not None and self._look.measure in dynamics.errors
        if action == "zoom_out":
            return self._look.axis_view.span is not None or self._look.range_from is not None
        if action == "copy_value":
            return front is not None and bool(front.copied())
        return True


def news(source: Source, run: str, known: RunRecord | None) -> RunRecord | None:
    """Return the run if anything in it has changed, else None."""
    if known is not None and is_same(source.summary(run), known.summary):
        return None
    return source.record(run)


def _drawing(look: ViewState) -> tuple[object, ...]:
    """Return the parts of a view state that need a redraw, not just a cursor move."""
    at = look.epoch if look.reference == "cursor" else None
    shown = look.cmap, look.scale, look.stretch, look.blurred, look.axis_view
    return look.measure, look.reference, *shown, at


def age(seconds: float) -> str:
    """Return how old data are, `read now` or `read 12 s ago`."""
    return "read now" if seconds < RECENT_SECONDS else f"read {duration(seconds)} ago"
