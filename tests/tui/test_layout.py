"""Layout: a widget is told its first size whatever was asked of the screen before."""

from __future__ import annotations

import asyncio

from textual import events
from textual.app import App
from textual.containers import Vertical
from textual.screen import Screen

from tui.layout import CarefulCompositor


class Told(Vertical):
    """Counts what it is told."""

    sizes = 0

    def on_resize(self, event: events.Resize) -> None:
        self.sizes += bool(event.size)


def told(careful: bool) -> int:
    """Mount a widget, ask for its region before the next layout, and return how often it was told."""

    async def playing() -> int:
        app: App[None] = App()
        async with app.run_test() as pilot:
            screen: Screen[None] = Screen()
            if careful:
                screen._compositor = CarefulCompositor()
            await app.push_screen(screen)
            await pilot.pause()
            widget = Told()
            screen.mount(widget)
            with app.batch_update():  # no layout meanwhile
                while not widget.region.width:
                    screen._compositor._full_map_invalidated = True
                    await asyncio.sleep(0)
            await pilot.pause(0.1)
            return widget.sizes

    return asyncio.run(playing())


def test_a_new_widget_whose_region_was_asked_for_is_told_its_size_once() -> None:
    assert told(careful=True) == 1


def test_textual_does_not_tell_it() -> None:
    """Once this fails, layout.py can go."""
    assert told(careful=False) == 0
