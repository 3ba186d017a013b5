"""What the views of a run have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from rich.text import Text
from textual.containers import Vertical
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Static

from repdyn.display.similarity import Similarity, similarity
from repdyn.display.wording import plain
from repdyn.own_runs import is_own
from repdyn.records import EPOCH, Dynamics, FloatArray, IntArray, Phases, RunRecord
from tui.reader_thread import ReaderThread
from tui.screens.view_state import ViewState
from tui.source import Source
from tui.widgets.curves import Curves
from tui.widgets.fitted_line import MORE, FittedLine
from tui.widgets.heatmap import Heatmap
from tui.widgets.phase_bands import legend, phase_bands
from tui.widgets.timeline import Timeline

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GAP = 3
"""Columns between a title and its neighbour."""

LEAST_BAR, MOST_BAR = 20, 44
"""Columns of a colour bar beside a title, as app.tcss has them."""

WAITING = "No checkpoint yet.\n\nThe first is measured before training starts and will appear here."
ENDED = "This run has no checkpoint.\n\nIt ended before the first."
NO_CHECKPOINTS = "No checkpoint yet in any of these runs."
OTHERS_RUNS = "No representation measurements in these runs: `repdyn.start_run` or `repdyn import` makes them."
OTHERS_RUN = (
    "No representation measurements in this run: `repdyn.start_run` or `repdyn import` makes them."
)
UNMEASURED = "No similarities: this run was measured without a similarity measure."


@dataclass(frozen=True)
class Table:
    """The numbers in view, for a file: column headers and rows."""

    head: Sequence[str]
    rows: Sequence[Sequence[object]]


OF_HEATMAPS = frozenset({"epoch", "layer", "kind", "contrast", "colours", "scale", "blurred"})
"""What of the view state the views with heatmaps show, by the actions of the run's screen."""


class View(Vertical):
    """One way to look at a run.

    `show` is called when the run's data or the similarity measure have changed, `point` when only the
    cursor was moved from outside. A view that moves the cursor itself posts Pointed.
    """

    follows: ClassVar[frozenset[str]] = frozenset()
    """The actions of the run's screen that change what the view shows, of those in OF_HEATMAPS."""

    class Pointed(Message):
        """The cursor has been moved in the view.

        Attributes:
            changes: of the view state.
        """

        def __init__(self, **changes: Any) -> None:
            super().__init__()
            self.changes = changes

    class Zoomed(Message):
        """Request to show the layer under the cursor in its own view."""

    def __init__(self, source: Source, desk: ReaderThread, *, id: str) -> None:  # noqa: A002
        super().__init__(id=id)
        self.source = source
        self.desk = desk
        self.record: RunRecord | None = None
        self.look = ViewState()

    @property
    def unit(self) -> str:
        """Of the run's steps."""
        return EPOCH if self.record is None else self.record.unit

    def show(self, record: RunRecord, look: ViewState) -> None:
        """Redraw a run, or wait until the view has a size."""
        self.record, self.look = record, look
        if not self.size.width:
            return
        self._set_axis(look)
        empty = self.query_one(".empty", Static)
        missing = self.missing(record)
        empty.display = bool(missing)
        for child in self.children:
            if child is not empty:
                child.display = not missing
        if missing:
            empty.update(Text(missing, justify="center"))
        else:
            self.draw(record, look)

    def on_mount(self) -> None:
        """Take the focus: a view is created when it is first shown, unless another is by now."""
        if self.display:
            self.take_keys()

    def on_resize(self) -> None:
        """Draw for the new size."""
        if self.record is not None:
            self.show(self.record, self.look)

    def take_keys(self) -> None:
        """Focus the widget that moves the cursor."""
        target = self.focused_first()
        if target is not None:
            target.focus()

    @classmethod
    def missing(cls, record: RunRecord) -> str:
        """Return why there is nothing to show of a run, in a sentence; nothing if there is."""
        if record.dynamics is None:
            if not is_own(record.summary.tags):
                return OTHERS_RUN
            return WAITING if record.summary.status == "RUNNING" else ENDED
        return "" if record.dynamics.similarity else UNMEASURED

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether an action is available: none of the view's own if it shows nothing."""
        del action, parameters
        return self.record is None or not self.missing(self.record)

    def draw(self, record: RunRecord, look: ViewState) -> None:
        """Draw a run that has what the view needs."""
        raise NotImplementedError

    def point(self, look: ViewState) -> None:
        """Move the cursor."""
        self.look = look
        self._set_axis(look)

    def _set_axis(self, look: ViewState) -> None:
        """Show the same part of the epoch axis everywhere."""
        for widget in self.query(Timeline):
            with widget.prevent(Heatmap.CursorMoved, Curves.CursorMoved):
                widget.axis_view = look.axis_view
                widget.range_from = look.range_from

    @property
    def stops(self) -> IntArray:
        """The epochs in view at which the cursor can stop; none if there is no such cursor."""
        if self.dynamics is None or "epoch" not in self.follows:
            return np.empty(0, dtype=np.int64)
        steps = self.dynamics.steps
        return steps[self.look.axis_view.seen(steps)]

    @property
    def layer_names(self) -> tuple[str, ...]:
        """The names of the layers that the view can show."""
        shown = self.similar() if "layer" in self.follows else None
        return () if shown is None else shown.names

    @property
    def layer_index(self) -> int:
        """The index of the layer at the cursor."""
        return max(0, min(self.look.layer, len(self.layer_names) - 1))

    def changes(self, phases: Phases) -> tuple[int, ...]:
        """Return the change points of the layer at the cursor."""
        points = phases.change_points
        return (
            points[self.layer_index] if self.layer_names and self.layer_index < len(points) else ()
        )

    def copied(self) -> str:
        """Return what the cursor is on, as the readout says it; nothing if there is none."""
        return " ".join(line.whole.plain for line in self.query(".readout").results(FittedLine))

    def pointed(self, look: ViewState, **changes: Any) -> None:
        """Post that the cursor was moved."""
        self.look = look
        self.post_message(self.Pointed(**changes))

    def focused_first(self) -> Widget | None:
        """Return the widget to focus."""
        return None

    def table(self) -> Table | None:
        """Return the numbers in view; None if there are none."""
        return None

    def tables(self) -> dict[str, Table]:
        """Return the numbers in view, by file-name suffix."""
        table = self.table()
        return {} if table is None else {"": table}

    def figure(self) -> Callable[[], Figure] | None:
        """Return a function that draws the view for a file, in a thread; None if there is none."""
        return None

    @property
    def dynamics(self) -> Dynamics | None:
        """What was measured, if the view shows a run that has it."""
        return self.record.dynamics if self.record is not None else None

    def similar(self) -> Similarity | None:
        """Return the current similarity measure, None if the run lacks it."""
        dynamics, measure = self.dynamics, self.look.measure
        if dynamics is None or measure not in dynamics.similarity:
            return None
        return similarity(dynamics, measure)


def beside_errors(
    steps: IntArray, values: FloatArray, errors: FloatArray | None
) -> tuple[tuple[str, ...], list[Any]]:
    """Return the numbers of a table: each checkpoint's column, then those of the standard errors.

    Args:
        steps: of the checkpoints, (E,).
        values: (..., E).
        errors: of the values; None if there are none.

    Returns:
        The heads of the columns and nested lists of values.
    """
    head = tuple(map(str, steps.tolist()))
    if errors is None:
        return head, values.tolist()
    return (*head, *(f"± {one}" for one in head)), np.concatenate([values, errors], -1).tolist()


def without_checkpoints(records: Iterable[RunRecord]) -> str:
    """Return why none of some runs has a checkpoint."""
    own = any(is_own(record.summary.tags) for record in records)
    return NO_CHECKPOINTS if own else OTHERS_RUNS


def empty() -> Static:
    """Return what a view shows if it has nothing to show."""
    return Static("", classes="empty")


def readout() -> FittedLine:
    """Return the line that reads out what is under the cursor."""
    return FittedLine(classes="readout")


def beside_bar(width: int) -> int:
    """Return the width of a title with a colour bar beside it."""
    return width - min(max(width // 3, LEAST_BAR), MOST_BAR) - GAP


def titled(title: str, phases: Phases, widget: Widget, room: int) -> Text:
    """Return a title, followed by the meaning of the axis bands if there is space.

    Args:
        title: what is shown.
        phases: of the run.
        widget: that has the bands.
        room: columns.
    """
    text = Text(title, "bold", no_wrap=True)
    explained = legend(phase_bands(phases), widget)
    if explained and text.cell_len + GAP + explained.cell_len <= room:
        text = Text.assemble(text, " " * GAP, explained, no_wrap=True)
    return text


def read_out(parts: Mapping[str, str]) -> Iterator[Text]:
    """Yield a readout line of names and values, without missing ones, then without more and more.

    So that no value is cut: what is left of a number may look like another one.
    """
    there = [(plain(name), plain(value)) for name, value in parts.items() if value]
    for count in range(len(there), 0, -1):
        text = Text()
        for name, value in there[:count]:
            text.append("  " if text else "")
            text.append(f"{name} " if name else "", "dim").append(value, "bold")
        yield text if count == len(there) else text.append(f"  {MORE}", "dim")
    if not there:
        yield Text()
