"""An app that sends a terminal no more than it takes: changed cells, and the last frame if it is slow."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from rich.console import RenderableType
from textual.app import App
from textual.screen import Screen
from textual.timer import Timer

from tui.partial_updates import Shown

AGAIN_SECONDS = 0.005
"""How soon to look again whether the terminal has taken what it was sent."""

QUESTION = "\x1b[?2026$p"
"""Asks a terminal whether it can draw a frame at once, as Textual does at the start: its answer comes
after what it was sent before."""

WINDOW = 1000
"""Characters that a terminal is sent beyond those of which it has answered that it has taken them."""

SOON_SECONDS = 0.25
"""Frames that follow each other so soon are paced, as while a key is held."""

LOST_SECONDS = 2.0
"""How long to wait for an answer."""

LAST_SECONDS = 1.0
"""How long to wait when leaving."""


class PacedApp(App[None]):
    """Skips frames while the terminal is behind.

    Textual (8.2) queues up to 30 writes, and what is between the app and the terminal holds more: over
    a slow connection the screen would go on moving for seconds after a key is released. Here a frame
    waits until those before have been taken, and is then drawn as things are by that time. A terminal
    that answers questions is asked; of another it is only known how fast it is written to. Leaving waits
    for the answers under way, which would else arrive at the shell, as if they had been typed.

    Attributes:
        shown: what the terminal shows.
    """

    def __init__(self) -> None:
        super().__init__()
        self.shown = Shown()
        self._owed: Timer | None = None
        self._answers = False
        self._unanswered: deque[tuple[float, int]] = deque()
        self._last_sent = 0.0
        self._leaving = False

    def on_mount(self) -> None:
        """Expect the answer to Textual's own question."""
        if not self.is_headless:
            self._unanswered.append((time.monotonic(), 0))

    def exit(
        self,
        result: None = None,
        return_code: int = 0,
        message: RenderableType | None = None,
    ) -> None:
        """Leave, once the terminal has answered what it was asked."""
        if not self._leaving:
            self._leaving = True
            leave = partial(super().exit, result, return_code, message)
            self._leave(leave, time.monotonic() + LAST_SECONDS)

    def _leave(self, leave: Callable[[], None], latest: float) -> None:
        self._forget_the_lost()
        if self._unanswered and time.monotonic() < latest:
            self.set_timer(AGAIN_SECONDS, partial(self._leave, leave, latest))
        else:
            leave()

    @property
    def is_behind(self) -> bool:
        """Whether something that is to be shown has not been sent yet."""
        return self._owed is not None

    def on_terminal_supports_synchronized_output(self) -> None:
        """Note that the terminal has taken what it was sent before the question."""
        self._answers = True
        if self._unanswered:
            self._unanswered.popleft()

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        """Send the terminal only the cells that have changed, or nothing yet."""
        if renderable is not None and self._is_waiting():
            if self._owed is None:
                self._owed = self.set_timer(AGAIN_SECONDS, self._catch_up)
            return
        before, self.shown.width = self.shown.written, self.size.width
        self.shown.reduce(renderable)
        super()._display(screen, renderable)
        if self.shown.written > before:
            self._have_told(self.shown.written - before)

    def _have_told(self, count: int) -> None:
        """Have the terminal tell when it has taken a frame, if it follows another soon."""
        now = time.monotonic()
        soon, self._last_sent = now - self._last_sent < SOON_SECONDS, now
        if soon and self._answers and not self._leaving and self._driver is not None:
            self._driver.write(QUESTION)
            self._unanswered.append((now, count))

    def _catch_up(self) -> None:
        self._owed = None
        screen = self.screen
        update = screen._compositor.render_update(full=True, screen_stack=self._background_screens)
        self._display(screen, update)

    def _is_waiting(self) -> bool:
        """Whether the terminal has yet to take a write; False where Textual's queue is not found."""
        self._forget_the_lost()
        writer = getattr(self._driver, "_writer_thread", None)
        queue = getattr(writer, "_queue", None)
        return (queue is not None and queue.qsize() > 0) or (
            sum(count for _, count in self._unanswered) > WINDOW
        )

    def _forget_the_lost(self) -> None:
        """Wait no longer for answers that are overdue."""
        if self._unanswered and time.monotonic() - self._unanswered[0][0] > LOST_SECONDS:
            self._unanswered.clear()
