"""Widgets run in a headless app, and what they draw read back character by character."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from rich.color import Color
from rich.style import Style
from textual.app import App, ComposeResult
from textual.message import Message
from textual.pilot import Pilot
from textual.widget import Widget

Shown = TypeVar("Shown", bound=Widget)
Sent = TypeVar("Sent", bound=Message)


@dataclass
class Stage(Generic[Shown]):
    """A widget on the screen, what drives it, and the messages that the app got from it."""

    widget: Shown
    pilot: Pilot[None]
    messages: list[Message]

    def of(self, kind: type[Sent]) -> list[Sent]:
        """The messages of a kind, once each however many widgets they bubbled through."""
        once = {id(message): message for message in self.messages if type(message) is kind}
        return list(once.values())


@dataclass(frozen=True)
class Character:
    text: str
    colour: Color | None
    background: Color | None
    bold: bool
    reverse: bool


def play(
    widget: Shown,
    scenario: Callable[[Stage[Shown]], Awaitable[None]],
    size: tuple[int, int] = (60, 20),
) -> None:
    """Run a scenario with a widget that fills a screen."""
    messages: list[Message] = []

    class Theatre(App[None]):
        CSS = "Screen { overflow: hidden; }"

        def compose(self) -> ComposeResult:
            yield widget

    async def run() -> None:
        app = Theatre()
        async with app.run_test(size=size, message_hook=messages.append) as pilot:
            widget.focus()
            await pilot.pause()
            await scenario(Stage(widget, pilot, messages))

    asyncio.run(run())


def characters(widget: Widget, line: int) -> list[Character]:
    """Return the characters of a line as drawn."""
    drawn: list[Character] = []
    for segment in widget.render_line(line):
        style = segment.style or Style()
        look = (style.color, style.bgcolor, bool(style.bold), bool(style.reverse))
        drawn.extend(Character(text, *look) for text in segment.text)
    return drawn


def text(widget: Widget, line: int) -> str:
    """Return a line's text, without blanks at its end."""
    return "".join(character.text for character in characters(widget, line)).rstrip()


def screen(widget: Widget) -> str:
    """Return all lines' text."""
    return "\n".join(text(widget, line) for line in range(widget.size.height))


def pixel(widget: Widget, x: int, y: int) -> tuple[int, int, int] | None:
    """Return the colour of a half-block pixel; None where the background is seen."""
    character = characters(widget, y // 2)[x]
    upper = y % 2 == 0
    if character.text not in " ▀▄":
        return None
    if character.text == "▄":
        seen = None if upper else character.colour
    elif character.text == "▀":
        seen = character.colour if upper else character.background
        if not upper and seen == _background(widget):
            seen = None
    else:
        seen = character.background
        if seen == _background(widget):
            seen = None
    return None if seen is None else seen.get_truecolor()


def _background(widget: Widget) -> Color | None:
    return widget.rich_style.bgcolor
