"""The cursor on the epochs of views, and the range of epochs in view."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from textual import on
from textual.timer import Timer

from repdyn.display import axis
from repdyn.step_words import step
from tui.reader_thread import ReaderThread
from tui.screens.base_screen import BaseScreen
from tui.screens.view_state import ViewState
from tui.source import Source
from tui.widgets.timeline import Timeline

PLAY_SECONDS = 0.25
"""How long a checkpoint is shown while playing."""

OF_EPOCHS = frozenset({"epoch", "end_epoch", "boundary", "play", "zoom_range", "axis"})
"""The actions that need a cursor on the epochs."""


class EpochsScreen(BaseScreen):
    """A screen whose views have a cursor on the epochs: what moves it, and what zooms."""

    def __init__(self, source: Source, desk: ReaderThread, look: ViewState) -> None:
        super().__init__(source, desk)
        self._look = look
        self._playing: Timer | None = None

    @property
    def stops(self) -> list[int]:
        """The epochs at which the cursor of the view in front can stop; none if it has no cursor."""
        raise NotImplementedError

    @property
    def boundaries(self) -> set[int]:
        """The epochs of phase boundaries, and of change points if one layer is in view."""
        raise NotImplementedError

    def look_at(self, **changes: Any) -> None:
        """Change what is shown of the run."""
        raise NotImplementedError

    def axis_changed(self) -> None:
        """Tell what part of the epoch axis is in view."""
        raise NotImplementedError

    @property
    def _epoch(self) -> int:
        """The epoch of the cursor."""
        return self.stops[-1] if self._look.epoch is None else self._look.epoch

    def action_epoch(self, steps: int) -> None:
        """Go to another checkpoint."""
        stops = self.stops
        if stops:
            at = axis.nearest(np.array(stops), self._look.epoch) + steps
            self.look_at(epoch=stops[max(0, min(at, len(stops) - 1))])

    def action_end_epoch(self, index: int) -> None:
        """Go to the first or the last epoch in view."""
        if self.stops:
            self.look_at(epoch=self.stops[index])

    def action_boundary(self, steps: int) -> None:
        """Go to another phase boundary, or change point of the layer at the cursor."""
        stops = self.stops
        if not stops:
            return
        ahead = [
            epoch
            for epoch in self.boundaries
            if (epoch > self._epoch if steps > 0 else epoch < self._epoch)
        ]
        ahead = [epoch for epoch in ahead if stops[0] <= epoch <= stops[-1]]
        if ahead:
            self.look_at(epoch=min(ahead) if steps > 0 else max(ahead))
        else:
            self.tell(f"no {'later' if steps > 0 else 'earlier'} boundary or change point")

    def action_zoom_range(self) -> None:
        """Begin a range of epochs at the cursor, or zoom to the one that ends there."""
        if not self.stops:
            return
        if self._look.range_from is None:
            self.look_at(range_from=self._epoch)
        else:
            self._zoom_to(*sorted((self._look.range_from, self._epoch)))
        self.axis_changed()

    @on(Timeline.RangeChosen)
    def _range_chosen(self, event: Timeline.RangeChosen) -> None:
        self._zoom_to(*event.span)
        self.axis_changed()

    def _zoom_to(self, first: int, last: int) -> None:
        """Zoom to a range of epochs if it is one."""
        if first == last:
            self.look_at(range_from=None)
            return
        view = replace(self._look.axis_view, span=(first, last))
        epoch = max(first, min(self._epoch, last))
        self.look_at(range_from=None, axis_view=view, epoch=epoch)

    def action_zoom_out(self) -> None:
        """Show all epochs, and forget a range that was begun."""
        view = replace(self._look.axis_view, span=None)
        self.look_at(range_from=None, axis_view=view)
        self.axis_changed()

    def action_axis(self) -> None:
        """Switch the logarithmic and the linear epoch axis."""
        view = self._look.axis_view
        self.look_at(axis_view=replace(view, linear=not view.linear))
        self.axis_changed()

    def leave_zoom(self) -> bool:
        """Forget a range that was begun, or show all epochs; return whether there was one."""
        if self._look.range_from is not None:
            self.look_at(range_from=None)
        elif self._look.axis_view.span is not None:
            self.action_zoom_out()
        else:
            return False
        self.axis_changed()
        return True

    def action_play(self) -> None:
        """Go through the checkpoints, from the first if the cursor is at the last."""
        if self._playing is not None:
            self._playing.stop()
            self._playing = None
            return
        stops = self.stops
        if not stops:
            return
        if axis.nearest(np.array(stops), self._look.epoch) == len(stops) - 1:
            self.look_at(epoch=stops[0])
        self._playing = self.set_interval(PLAY_SECONDS, self._play_on)

    def _play_on(self) -> None:
        before = self._look.epoch
        self.action_epoch(1)
        if self._look.epoch == before and self._playing is not None:
            self.action_play()


def axis_words(look: ViewState) -> str:
    """Return what is special about the epoch axis in view; nothing if it is logarithmic and whole."""
    span, begun = look.axis_view.span, look.range_from
    parts = [
        f"zoom {step(span[0])}–{step(span[1])}" if span is not None else "",
        f"zoom from {step(begun)}: z again" if begun is not None else "",
        "linear" if look.axis_view.linear else "",
    ]
    return "  ".join(part for part in parts if part)
