"""Curves: the metrics of a run, chosen from a tree, in a plot for each scale."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widget import Widget
from textual.widgets import Input, Static

from repdyn.display.labels import ACCURACIES, LOSSES
from repdyn.display.metric_names import ACCURACY, LOSS, group_title, telling_first
from repdyn.display.metrics import MetricGroup, scale_groups
from repdyn.display.reading import last_epoch
from repdyn.display.wording import boundary_marks, plain
from repdyn.errors import UserError
from repdyn.pattern import MOST_CHARACTERS, matching
from repdyn.records import Curve, IntArray, RunRecord, plural
from repdyn.step_words import counted, step
from tui import actions
from tui.reader_thread import ReaderThread
from tui.screens.smoothing import WINDOWS, smoothed, wider, window_words
from tui.screens.view import Table, View, empty, read_out, readout, titled
from tui.screens.view_state import ViewState
from tui.source import Source
from tui.widgets.colormap import SERIES_COLOURS, on_background
from tui.widgets.curve_stack import CurveStack
from tui.widgets.curves import Curves
from tui.widgets.fitted_line import FittedLine
from tui.widgets.path_list import PathList
from tui.widgets.phase_bands import phase_at, phase_bands
from tui.widgets.value_axis import logged

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NO_METRICS = "No metrics: none has been logged in this run, such as train/loss at each step."

FIRST_CHOSEN = (*ACCURACIES, *LOSSES)

MOST_DRAWN = 60
"""Curves that are drawn; more of them show nothing."""

MOST_FIRST = 6
"""Accuracies, and losses, that are drawn before the user chooses."""

MANY = 60
"""Metrics from which on folders are folded at first."""


class CurvesView(View):
    """All metrics over epochs; the list has the focus, left and right move the cursor."""

    BINDINGS: ClassVar[list[BindingType]] = actions.bindings("curves", "metrics", "chosen")
    follows = frozenset({"epoch"})

    def __init__(self, source: Source, desk: ReaderThread, *, id: str) -> None:  # noqa: A002
        super().__init__(source, desk, id=id)
        self._window = WINDOWS[0]
        self._names: tuple[str, ...] = ()
        self._listed: tuple[str, ...] = ()
        self._fetched: dict[str, Curve] = {}
        self._fetched_of: RunRecord | None = None
        self._complaint = ""

    def compose(self) -> ComposeResult:
        """Yield the metrics and the curves."""
        yield empty()
        yield Static("", classes="what")
        with Horizontal(classes="body"):
            with Vertical(id="chooser"):
                pattern = Input(placeholder="regular expression", id="pattern", compact=True)
                pattern.display = False
                yield pattern
                yield PathList(marks=True, id="metrics")
            yield CurveStack()
        yield readout()

    @classmethod
    def missing(cls, record: RunRecord) -> str:
        """Return that no metric was logged."""
        return "" if record.curves else NO_METRICS

    @property
    def stops(self) -> IntArray:
        """The epochs in view of the chosen curves."""
        if not self.query(CurveStack):  # not composed yet
            return super().stops
        return self.query_one(CurveStack).plots[0].stops

    def focused_first(self) -> Widget:
        """Return the list, or the filter while it is being typed."""
        pattern = self.query_one(Input)
        return pattern if pattern.has_focus else self._metrics()

    def draw(self, record: RunRecord, look: ViewState) -> None:
        """Draw the chosen curves."""
        names = tuple(sorted({*record.curves, *record.unread}))
        if names != self._names:
            self._list(names, record)
        self._draw_chosen()
        self.point(look)

    def _list(self, names: tuple[str, ...], record: RunRecord) -> None:
        first, metrics = not self._names, self._metrics()
        self._names = names
        if first:
            metrics.choose(_chosen_first(record.curves))
        self._filter(self.query_one(Input).value)
        if first and len(names) > MANY:
            folders = metrics.folders()
            metrics.fold([f.path for f in folders if not metrics.chosen.intersection(f.leaves)])

    def _metrics(self) -> PathList:
        return self.query_one(PathList)

    def _chosen(self) -> list[str]:
        chosen = self._metrics().chosen
        return [name for name in self._names if name in chosen]

    # --- the curves

    def _curves(self, record: RunRecord) -> dict[str, Curve]:
        """Return the chosen curves that are drawn, and request those that are not yet read."""
        names = self._chosen()[:MOST_DRAWN]
        if self._fetched_of is not record:
            # drawn as they were until they are read again
            self._fetched_of = record
            self._ask(record, [name for name in names if name in record.unread])
        else:
            known = {*record.curves, *self._fetched}
            self._ask(record, [name for name in names if name not in known])
        curves = {**self._fetched, **record.curves}
        return {name: curves[name] for name in names if name in curves}

    def _ask(self, record: RunRecord, names: list[str]) -> None:
        if names:
            question = partial(self.source.curves, record.summary, names)
            self.desk.ask(self, question, self._got, self._failed)

    def _got(self, curves: Mapping[str, Curve]) -> None:
        self._fetched |= curves
        self._draw_chosen()
        self._read()

    def _failed(self, line: str) -> None:
        self._complaint = line
        self._draw_title([], {})

    def _draw_chosen(self) -> None:
        record = self.record
        if record is None:
            return
        curves, stack = self._curves(record), self.query_one(CurveStack)
        groups = scale_groups(curves)
        shown = self._in_front(groups, stack.room)
        inks = {
            name: SERIES_COLOURS[place % len(SERIES_COLOURS)]
            for group in groups
            for place, name in enumerate(group.curves)
        }
        stack.show(
            shown,
            lambda curve: smoothed(curve, self._window),
            inks=inks,
            markers=boundary_marks(record.phases),
            bands=phase_bands(record.phases),
        )
        drawn = {name for group in shown for name in group.curves}
        self._metrics().choose(
            self._metrics().chosen,
            {n: on_background(ink, self.app) for n, ink in inks.items() if n in drawn},
        )
        self._draw_title(groups[len(shown) :] and [g for g in groups if g not in shown], curves)

    def _in_front(self, groups: Sequence[MetricGroup], room: int) -> list[MetricGroup]:
        """Return the groups that fit, that of the metric under the cursor of the list among them."""
        shown, row = list(groups[:room]), self._metrics().row
        under = [g for g in groups[room:] if row is not None and row.path in g.curves]
        return [*shown[:-1], *under] if under else shown

    def _draw_title(self, hidden: Sequence[MetricGroup], curves: Mapping[str, Curve]) -> None:
        record = self.record
        if record is None:
            return
        plot = self.query_one(CurveStack).plots[0]
        title = titled(f"Metrics over {plural(self.unit)}", record.phases, plot, self.size.width)
        chosen = len(self._chosen())
        notes = []
        if self._complaint:
            notes.append(self._complaint)
        if chosen > MOST_DRAWN:
            notes.append(f"{MOST_DRAWN} of {chosen} are drawn")
        elif len(curves) < chosen:
            notes.append(f"reading {counted(chosen - len(curves), 'metric')} …")
        if hidden:
            names = ", ".join(dict.fromkeys(group.title for group in hidden))
            notes.append(f"not drawn: {names}; choose fewer metrics, or go to one of these")
        if notes:
            title = Text.assemble(
                (f"Metrics over {plural(self.unit)}", "bold"),
                "  ",
                (plain("; ".join(notes)), "dim"),
            )
            title.no_wrap, title.overflow = True, "ellipsis"
        self.query_one(".what", Static).update(title)

    @on(PathList.ChoiceChanged)
    def _choice_changed(self) -> None:
        self._complaint = ""
        self._draw_chosen()
        self._read()

    @on(PathList.Highlighted)
    def _highlighted(self) -> None:
        row, drawn = self._metrics().row, self.query_one(CurveStack).plots
        if row is not None and row.path in self._metrics().chosen:
            seen = {name for plot in drawn if plot.display for name in plot.names}
            if plain(row.path) not in seen:
                self._draw_chosen()
        self._read()

    # --- the cursor

    def point(self, look: ViewState) -> None:
        """Move the cursor."""
        super().point(look)
        if self.record is not None:
            last = last_epoch(self.record)
            self.query_one(CurveStack).cursor = last if look.epoch is None else look.epoch
        self._read()

    @on(Curves.CursorMoved)
    def _moved(self, event: Curves.CursorMoved) -> None:
        self.query_one(CurveStack).cursor = event.epoch
        self.pointed(replace(self.look, epoch=event.epoch), epoch=event.epoch)
        self._read()

    def _read(self) -> None:
        record, epoch = self.record, self.query_one(CurveStack).cursor
        if record is None:
            return
        known = {**self._fetched, **record.curves}
        curves = {name: known[name] for name in self._ordered() if name in known}
        smooth = window_words(self._window, curves.values(), self.unit)
        parts = {"smoothed": smooth}
        if epoch is not None:
            parts = {self.unit: step(epoch), "phase": phase_at(record.phases, epoch)} | parts
            parts |= {
                name: logged(smoothed(curve, self._window), epoch) for name, curve in curves.items()
            }
        self.query_one(".readout", FittedLine).show(*read_out(parts))

    def _ordered(self) -> list[str]:
        """Return the chosen metrics that are read out, that under the list's cursor first."""
        row, chosen = self._metrics().row, self._chosen()[:MOST_DRAWN]
        return sorted(chosen, key=lambda name: row is None or name != row.path)[:8]

    # --- the list

    @on(Input.Changed, "#pattern")
    def _typed(self, event: Input.Changed) -> None:
        self._filter(event.value)

    def _filter(self, pattern: str) -> None:
        """List the metrics in which a regular expression is found."""
        if not pattern:
            self._show_listed(pattern, self._names)
            return
        try:
            re.compile(pattern[: MOST_CHARACTERS + 1])
        except (re.error, RecursionError, OverflowError) as error:
            self._complain(f"not a regular expression: {' '.join(str(error).split())}")
            return
        question = partial(_found, pattern, self._names)
        self.desk.ask(self, question, partial(self._show_listed, pattern), self._complain)

    def _complain(self, line: str) -> None:
        self._complaint = line
        self.query_one(Input).add_class("-invalid")
        self._draw_title([], self._curves(self.record) if self.record else {})

    def _show_listed(self, pattern: str, names: Sequence[str]) -> None:
        if pattern != self.query_one(Input).value:
            return  # more has been typed since
        self._listed = tuple(names)
        self._complaint = "" if names else f"no metric contains {pattern}"
        self.query_one(Input).remove_class("-invalid")
        self._metrics().show(names)
        self._draw_chosen()

    def action_filter(self) -> None:
        """Type a regular expression."""
        pattern = self.query_one(Input)
        pattern.display = True
        pattern.focus()

    @on(Input.Submitted, "#pattern")
    def _submitted(self, event: Input.Submitted) -> None:
        event.input.display = bool(event.value)
        self._metrics().focus()

    def action_clear(self) -> None:
        """List all metrics again."""
        pattern = self.query_one(Input)
        pattern.value, pattern.display = "", False
        self._metrics().focus()

    def action_choose(self) -> None:
        """Choose the metric under the cursor, or all of its group."""
        self._metrics().toggle()

    def action_choose_all(self) -> None:
        """Choose all that are listed, or none of them."""
        self._metrics().toggle_all()

    def action_enter(self) -> None:
        """Fold the group under the cursor, or choose the metric."""
        self._metrics().enter()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether an action is available."""
        if action == "clear" and not any(line.display for line in self.query(Input)):
            return False
        return super().check_action(action, parameters)

    # --- acting

    def action_move(self, steps: int) -> None:
        """Move the cursor by epochs."""
        self.query_one(CurveStack).move(steps)

    def action_log(self) -> None:
        """Toggle the logarithmic vertical axis."""
        stack = self.query_one(CurveStack)
        stack.logarithmic = not stack.logarithmic
        self._draw_chosen()

    def action_smooth(self, steps: int) -> None:
        """Average over more epochs, or over fewer."""
        self._window = wider(self._window, steps)
        self._draw_chosen()
        self._read()

    def table(self) -> Table | None:
        """Return the chosen curves, unsmoothed, a row for each epoch."""
        if self.record is None:
            return None
        chosen = self._curves(self.record)
        epochs = sorted({int(e) for curve in chosen.values() for e in curve.steps})
        columns = [
            dict(zip(c.steps.tolist(), c.values.tolist(), strict=True)) for c in chosen.values()
        ]
        rows = [(epoch, *(column.get(epoch, "") for column in columns)) for epoch in epochs]
        return Table((self.unit, *chosen), rows)

    def figure(self) -> Callable[[], Figure] | None:
        """Return what draws the curves."""
        record = self.record
        if record is None:
            return None

        def drawn() -> Figure:
            from repdyn.report import figures

            return figures.curves(record)

        return drawn


def _chosen_first(curves: Mapping[str, Curve]) -> set[str]:
    """Return the accuracies and losses of a run, or else the first of its other metrics."""
    chosen = set(FIRST_CHOSEN) & curves.keys()
    for kind in (ACCURACY, LOSS):
        chosen |= set([name for name in sorted(curves) if group_title(name) == kind][:MOST_FIRST])
    return chosen or set(telling_first(curves)[:1])


def _found(pattern: str, names: Sequence[str]) -> list[str]:
    """Return the names in which a regular expression is found, in bounded time.

    Raises:
        UserError: it takes too much time, or is too long.
    """
    try:
        return matching(pattern, names)
    except UserError:
        raise UserError("this regular expression is too long, or takes too much time") from None
