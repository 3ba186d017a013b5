"""An app that sends a terminal no more than it takes: changed cells, and the last frame if it is slow."""

from __future__ import annotations

from typing import Any

from rich.console import RenderableType
from textual.app import App
from textual.screen import Screen
from textual.timer import Timer

from tui.partial_updates import Shown

AGAIN_SECONDS = 0.005
"""How soon to look again whether the terminal has taken what it was sent."""


class PacedApp(App[None]):
    """Skips frames while the terminal is behind.

    Textual (8.2) queues up to 30 writes: over a slow connection the screen would go on moving for
    seconds after a key is released. Here a frame waits until the one before has been taken, and is
    then drawn as things are by that time.

    Attributes:
        shown: what the terminal shows.
    """

    def __init__(self) -> None:
        super().__init__()
        self.shown = Shown()
        self._owed: Timer | None = None

    @property
    def is_behind(self) -> bool:
        """Whether something that is to be shown has not been sent yet."""
        return self._owed is not None

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        """Send the terminal only the cells that have changed, or nothing yet."""
        if renderable is not None and self._is_waiting():
            if self._owed is None:
                self._owed = self.set_timer(AGAIN_SECONDS, self._catch_up)
            return
        self.shown.reduce(renderable)
        super()._display(screen, renderable)

    def _catch_up(self) -> None:
        self._owed = None
        screen = self.screen
        update = screen._compositor.render_update(full=True, screen_stack=self._background_screens)
        self._display(screen, update)

    def _is_waiting(self) -> bool:
        """Whether the terminal has yet to take a write; False where Textual's queue is not found."""
        writer = getattr(self._driver, "_writer_thread", None)
        queue = getattr(writer, "_queue", None)
        return queue is not None and queue.qsize() > 0
