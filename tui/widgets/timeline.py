"""What widgets with an epoch axis have in common: the part of it in view, and choosing one."""

from __future__ import annotations

from textual import events
from textual.message import Message
from textual.reactive import reactive

from tui.widgets.epoch_axis import WHOLE, AxisView
from tui.widgets.lines import Lines

LEFT_BUTTON = 1


class Timeline(Lines):
    """A widget with an epoch axis; dragging the mouse along it chooses a range of epochs.

    Subclasses handle clicks in `clicked`, follow the mouse in `dragged_to` and draw another part of
    the axis in `axis_changed`.
    """

    ALLOW_SELECT = False

    axis_view: reactive[AxisView] = reactive(WHOLE, repaint=False)
    """The part of the epoch axis in view."""

    range_from: reactive[int | None] = reactive(None)
    """The epoch at which a range that ends at the cursor begins; None if none is being chosen."""

    class RangeChosen(Message):
        """A range of epochs was chosen with the mouse.

        Attributes:
            timeline: where.
            span: its first and last epoch.
        """

        def __init__(self, timeline: Timeline, span: tuple[int, int]) -> None:
            super().__init__()
            self.timeline = timeline
            self.span = span

    _pressed_at: int | None = None
    """The column where the mouse was pressed, while it is."""

    _dragged_to: int | None = None
    """The epoch of the mouse once it is dragged."""

    def clicked(self, event: events.Click) -> None:
        """Move the cursor to where the mouse was clicked."""
        raise NotImplementedError

    def dragged_to(self, event: events.MouseEvent) -> int | None:
        """Move the cursor to the mouse's epoch, and return it; None if it is beside the axis."""
        raise NotImplementedError

    def axis_changed(self) -> None:
        """Draw another part of the axis."""
        raise NotImplementedError

    def watch_axis_view(self) -> None:
        """Draw another part of the axis."""
        self.axis_changed()

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Begin what may become a drag."""
        self._pressed_at = event.x if event.button == LEFT_BUTTON else None
        self._dragged_to = None

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Follow a drag: the range ends at the mouse."""
        if self._pressed_at is None or (self._dragged_to is None and event.x == self._pressed_at):
            return
        epoch = self.dragged_to(event)
        if epoch is not None and self._dragged_to is None:
            self.capture_mouse()
            self.range_from = epoch
        self._dragged_to = self._dragged_to if epoch is None else epoch

    def on_mouse_up(self) -> None:
        """End a drag: the range is chosen if it is one."""
        self._pressed_at = None
        if self._dragged_to is None or self.range_from is None:
            return
        first, last = sorted((self.range_from, self._dragged_to))
        self.range_from = None
        self.release_mouse()
        if first < last:
            self.post_message(self.RangeChosen(self, (first, last)))

    def on_click(self, event: events.Click) -> None:
        """Move the cursor, unless the click ends a drag."""
        if self._dragged_to is None:
            self.clicked(event)
        self._dragged_to = None
