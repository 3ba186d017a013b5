"""What the views of Compare have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rich.text import Text
from textual.containers import Vertical
from textual.widget import Widget
from textual.widgets import Static

from tui.reader_thread import ReaderThread
from tui.screens.comparing.linked import Linked
from tui.screens.view import Table, View
from tui.screens.view_state import ViewState
from tui.source import Source
from tui.widgets.curves import Curves
from tui.widgets.heatmap import Heatmap
from tui.widgets.timeline import Timeline

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class CompareView(Vertical):
    """One way to look at runs side by side.

    `show` is called when the runs or the view state have changed. A view that moves the cursor itself
    posts View.Pointed.
    """

    def __init__(self, source: Source, desk: ReaderThread, runs: Linked, *, id: str) -> None:  # noqa: A002
        super().__init__(id=id)
        self.source = source
        self.desk = desk
        self.runs = runs
        self.look = ViewState()

    @property
    def unit(self) -> str:
        """Of the first run's steps."""
        return self.runs.records[0].unit

    @classmethod
    def missing(cls, runs: Linked) -> str:
        """Return why there is nothing to show of any run, in a sentence; nothing if there is."""
        raise NotImplementedError

    def show(self, runs: Linked, look: ViewState) -> None:
        """Draw runs, or wait until the view has a size."""
        self.runs, self.look = runs, look
        if not self.size.width:
            return
        note, missing = self.query_one(".empty", Static), self.missing(runs)
        note.update(Text(missing, justify="center"))
        for child in self.children:
            if bool(missing) == (child is note):
                child.display = True
            elif missing or child is note:
                child.display = False
        if not missing:
            self.set_axis(look)
            self.draw(runs, look)

    def set_axis(self, look: ViewState) -> None:
        """Show a part of the first run's epoch axis, which all widgets have."""
        for widget in self.query(Timeline):
            with widget.prevent(Heatmap.CursorMoved, Curves.CursorMoved):
                widget.axis_view, widget.range_from = look.axis_view, look.range_from

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether an action is available: none of the view's own if it shows nothing."""
        del action, parameters
        return not self.missing(self.runs)

    def on_mount(self) -> None:
        """Take the focus: a view is created when it is first shown."""
        self.focused_first().focus()

    def on_resize(self) -> None:
        """Draw for the new size."""
        self.show(self.runs, self.look)

    def draw(self, runs: Linked, look: ViewState) -> None:
        """Draw runs."""
        raise NotImplementedError

    def point(self, look: ViewState) -> None:
        """Move the cursor to where it was moved from outside."""
        self.show(self.runs, look)

    def pointed(self, look: ViewState, **changes: Any) -> None:
        """Post that the cursor was moved."""
        self.look = look
        self.post_message(View.Pointed(**changes))

    def focused_first(self) -> Widget:
        """Return the widget to focus."""
        raise NotImplementedError

    def table(self) -> Table | None:
        """Return the numbers in view; None if there are none."""
        raise NotImplementedError

    def tables(self) -> dict[str, Table]:
        """Return the numbers in view, by file-name suffix."""
        table = self.table()
        return {} if table is None else {"": table}

    def figure(self) -> Callable[[], Figure] | None:
        """Return a function that draws the view for a file, in a thread; None if there is none."""
        raise NotImplementedError
