"""Plays the demo's runs on a screen that nobody sees, and draws what it shows."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from unittest.mock import patch

from PIL import Image
from textual.pilot import Pilot
from textual.strip import Strip

from docs.pictures.terminal import draw_screen
from tui.app import RepdynApp
from tui.demo.source import DemoSource
from tui.screens import preview_cache

LONG_AFTER = 7200
"""Seconds after the demo's last run at which the clock stands still."""

QUIET_SECONDS = 0.4
"""How long nothing may change for a screen to be complete."""

MOST_SECONDS = 60.0


class Stage:
    """The app while it is shown."""

    def __init__(self, app: RepdynApp, pilot: Pilot[None]) -> None:
        self._app = app
        self._pilot = pilot

    async def press(self, key: str, until: str = "") -> None:
        """Press a key, if one is given, and wait for what it shows; see `settle`."""
        if key:
            await self._pilot.press(key)
        await self.settle(until)

    async def settle(self, until: str = "") -> None:
        """Wait until the screen no longer changes and shows a text.

        Raises:
            TimeoutError: it does not.
        """
        before: list[Strip] = []
        quiet = 0.0
        end = time.monotonic() + MOST_SECONDS
        while quiet < QUIET_SECONDS or until not in self.text():
            if time.monotonic() > end:
                raise TimeoutError(f"{until!r} is not seen in\n{self.text()}")
            await self._pilot.pause(0.1)
            now = self._strips()
            quiet = quiet + 0.1 if now == before else 0.0
            before = now

    def text(self) -> str:
        """Return the text that is shown."""
        return "\n".join(strip.text for strip in self._strips())

    def picture(self) -> Image.Image:
        """Return the screen as an image."""
        return draw_screen(self._strips())

    def _strips(self) -> list[Strip]:
        return list(self._app.screen._compositor.render_strips())


@asynccontextmanager
async def staged(run: str | None = None, size: tuple[int, int] = (110, 34)) -> AsyncIterator[Stage]:
    """Start the app with the demo's runs in a terminal with true colour."""
    with _terminal():
        app = RepdynApp(DemoSource(), run)
        async with app.run_test(size=size) as pilot:
            stage = Stage(app, pilot)
            await stage.settle(run or "CKA with last checkpoint")
            yield stage


@contextmanager
def _terminal() -> Iterator[None]:
    """A terminal and a clock that are the same everywhere."""
    settings = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "TZ": "UTC"}
    last = max(run.started for page in DemoSource().pages() for run in page)
    with (
        patch.dict(os.environ, settings),
        patch.object(time, "time", lambda: last / 1000 + LONG_AFTER),
        patch.object(preview_cache, "QUICK_SECONDS", MOST_SECONDS),
    ):
        os.environ.pop("NO_COLOR", None)
        time.tzset()
        yield
    time.tzset()
