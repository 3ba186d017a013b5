"""What is sent to a terminal that is behind."""

from __future__ import annotations

import asyncio
import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from queue import Queue
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import RenderableType
from textual._compositor import CompositorUpdate
from textual.app import App, ComposeResult
from textual.drivers._writer_thread import WriterThread
from textual.messages import TerminalSupportsSynchronizedOutput
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Static

from tui import paced_app
from tui.paced_app import QUESTION, PacedApp

CONTROL = re.compile(r"\x1b\[[\d;]*[A-Za-z]")


class Count(PacedApp):
    """Shows a number."""

    def compose(self) -> ComposeResult:
        yield Static("frame 0")


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the app has the terminal show, one text a frame."""
    frames: list[str] = []

    def display(app: App[Any], screen: Screen[Any], renderable: RenderableType | None) -> None:
        if isinstance(renderable, CompositorUpdate):
            frames.append(CONTROL.sub("", renderable.render_segments(app.console)))

    monkeypatch.setattr(App, "_display", display)
    return frames


async def settled(pilot: Pilot[None]) -> None:
    for _ in range(5):
        await pilot.pause(0.02)


def play(scenario: Callable[[Count, Pilot[None]], Awaitable[None]]) -> None:
    async def run() -> None:
        app = Count()
        async with app.run_test(size=(20, 3)) as pilot:
            await settled(pilot)
            await scenario(app, pilot)

    asyncio.run(run())


def writes_of(app: App[Any]) -> Queue[str]:
    """Give the headless driver what one of a terminal has."""
    writes: Queue[str] = Queue()
    app._driver._writer_thread = SimpleNamespace(_queue=writes)  # type: ignore[union-attr]
    return writes


def test_frames_wait_for_a_slow_terminal_and_only_the_last_is_sent(sent: list[str]) -> None:
    async def scenario(app: Count, pilot: Pilot[None]) -> None:
        writes = writes_of(app)
        writes.put("not taken yet")
        sent.clear()
        for number in range(1, 6):
            app.query_one(Static).update(f"frame {number}")
            await pilot.pause(0.02)
        assert not sent
        assert app.is_behind
        writes.get()
        await settled(pilot)
        assert not app.is_behind
        assert sent == ["5"]  # of "frame 5", what differs from "frame 0"

    play(scenario)


def test_a_terminal_that_keeps_up_gets_each_frame(sent: list[str]) -> None:
    async def scenario(app: Count, pilot: Pilot[None]) -> None:
        writes_of(app)
        sent.clear()
        for number in range(1, 4):
            app.query_one(Static).update(f"frame {number}")
            await pilot.pause(0.02)
        assert sent == ["1", "2", "3"]
        assert not app.is_behind

    play(scenario)


def asked_of(app: App[Any], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a terminal is written beside the frames, after it has answered Textual's own question."""
    written: list[str] = []
    assert app._driver is not None
    monkeypatch.setattr(app._driver, "write", written.append)
    app.post_message(TerminalSupportsSynchronizedOutput())
    return written


def test_frames_wait_until_a_terminal_answers_that_it_has_taken_those_before(
    sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paced_app, "WINDOW", 8)
    monkeypatch.setattr(paced_app, "SOON_SECONDS", 60.0)

    async def scenario(app: Count, pilot: Pilot[None]) -> None:
        asked = asked_of(app, monkeypatch)
        await settled(pilot)
        sent.clear()
        for number in range(1, 6):
            app.query_one(Static).update(f"frame {number}")
            await pilot.pause(0.02)
        assert sent == ["1"]
        assert asked == [QUESTION]
        assert app.is_behind
        app.post_message(TerminalSupportsSynchronizedOutput())
        await settled(pilot)
        assert sent == ["1", "5"]

    play(scenario)


def test_a_terminal_that_stops_answering_is_not_waited_for(
    sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paced_app, "WINDOW", 8)
    monkeypatch.setattr(paced_app, "SOON_SECONDS", 60.0)
    monkeypatch.setattr(paced_app, "LOST_SECONDS", 0.0)

    async def scenario(app: Count, pilot: Pilot[None]) -> None:
        asked_of(app, monkeypatch)
        await settled(pilot)
        sent.clear()
        for number in range(1, 4):
            app.query_one(Static).update(f"frame {number}")
            await pilot.pause(0.02)
        assert sent == ["1", "2", "3"]

    play(scenario)


def test_single_frames_ask_nothing(sent: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paced_app, "SOON_SECONDS", 0.0)

    async def scenario(app: Count, pilot: Pilot[None]) -> None:
        asked = asked_of(app, monkeypatch)
        app.query_one(Static).update("frame 1")
        await settled(pilot)
        assert sent[-1] == "1"
        assert asked == []

    play(scenario)


ANSWER = b"\x1b[?2026;2$y"

LEAVING = """
import os, select, sys, termios, tty
from textual.widgets import Static
from tui import paced_app

paced_app.SOON_SECONDS = 60.0
paced_app.LAST_SECONDS = 10.0

class Leaving(paced_app.PacedApp):
    def compose(self):
        yield Static("frame")

    def on_key(self, event):
        self.query_one(Static).update(event.key)
        if event.key == "q":
            self.exit()

Leaving().run()
tty.setcbreak(0)
print("left", os.read(0, 100) if select.select([0], [], [], 1.0)[0] else b"nothing", "end")
"""


@pytest.mark.timeout(120)
def test_no_answer_of_the_terminal_reaches_the_shell() -> None:
    """The answers come late: while the app is about to leave, or has left."""
    ours, terminal = os.openpty()
    app = subprocess.Popen(
        [sys.executable, "-c", LEAVING],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=os.environ | {"TERM": "xterm-256color"},
    )
    os.close(terminal)
    said, asked = b"", 0
    typed: list[tuple[float, bytes]] = []
    try:
        while b"end" not in said.rpartition(b"left")[2]:
            if select.select([ours], [], [], 0.02)[0]:
                said += os.read(ours, 65536)
            for _ in range(said.count(QUESTION.encode()) - asked):
                now, asked = time.monotonic(), asked + 1
                typed.append((now + 0.8, ANSWER))
                typed += {1: [(now + 0.9, b"a")], 2: [(now + 0.1, b"q")]}.get(asked, [])
            for when, text in [one for one in typed if one[0] < time.monotonic()]:
                typed.remove((when, text))
                os.write(ours, text)
    finally:
        app.kill()
        app.wait()
        os.close(ours)
    assert asked > 1, "not only Textual asks"
    assert b"left b'nothing' end" in said


def test_textual_queues_its_writes_where_they_are_looked_for() -> None:
    class Nowhere:
        def fileno(self) -> int:
            return 1

    writer = WriterThread(Nowhere())  # type: ignore[arg-type]
    writer.write("text")
    assert writer._queue.qsize() == 1
