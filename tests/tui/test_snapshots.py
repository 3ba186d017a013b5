"""How the views look, with the demo's runs: text, and for each line a digest of its colours.

After an intended change: pytest tests/tui/test_snapshots.py --snapshot-update, and look at the diff.
"""

from __future__ import annotations

import asyncio
from zlib import crc32

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode
from textual.pilot import Pilot

from tui.actions import VIEWS
from tui.app import RepdynApp
from tui.demo.source import DemoSource

RUN = "resnet18-sgd-digits-s0"
SIZES = [(80, 24), (120, 40), (200, 60)]


class Screens(SingleFileSnapshotExtension):
    """A text file for each."""

    _write_mode = WriteMode.TEXT
    file_extension = "txt"

    def serialize(self, data: object, **_: object) -> str:
        return str(data)


@pytest.fixture
def screens(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    return snapshot.use_extension(Screens)


def drawn(app: RepdynApp) -> str:
    """Return the screen's lines, each behind a digest of its colours."""
    lines = []
    for strip in app.screen._compositor.render_strips():
        colours = " ".join(f"{len(text)} {style}" for text, style, _ in strip)
        lines.append(f"{crc32(colours.encode()):08x} |{strip.text.rstrip()}")
    return "\n".join(lines) + "\n"


def look_at(
    keys: tuple[str, ...],
    size: tuple[int, int],
    until: str,
    theme: str = "textual-dark",
    run: str | None = RUN,
) -> str:
    """Return how the screen looks after some keys, when it shows a word."""
    seen = ""

    async def settled(app: RepdynApp, pilot: Pilot[None], word: str) -> str:
        before = ""
        for _ in range(200):
            await pilot.pause(0.05)
            now = drawn(app)
            if now == before and word in now:
                return now
            before = now
        raise AssertionError(f"{word} is not seen in\n{before}")

    async def looking() -> None:
        nonlocal seen
        app = RepdynApp(DemoSource(), run)
        async with app.run_test(size=size) as pilot:
            app.theme = theme
            await settled(app, pilot, "digits")
            await pilot.press(*keys)
            seen = await settled(app, pilot, until)

    asyncio.run(looking())
    return seen


WORDS = {
    "overview": "onset 8",
    "layer": "onset",
    "layers": "logits",
    "regions": "plane 3 of 3",
    "curves": "loss",
    "phases": "fit break",
}


@pytest.mark.parametrize("view", WORDS)  # Info tells how long ago the run was
def test_views(view: str, screens: SnapshotAssertion) -> None:
    assert look_at((str(VIEWS.index(view) + 1),), (120, 40), WORDS[view]) == screens


@pytest.mark.parametrize("size", SIZES, ids=lambda size: "{}x{}".format(*size))
@pytest.mark.parametrize("theme", ["textual-dark", "textual-light"])
def test_overview_by_size_and_theme(
    size: tuple[int, int], theme: str, screens: SnapshotAssertion
) -> None:
    assert look_at(("down", "left", "m"), size, "onset", theme) == screens


def test_overview_without_colours(no_colour: None, screens: SnapshotAssertion) -> None:
    assert look_at((), (120, 40), "onset 8") == screens


def test_comparison(screens: SnapshotAssertion) -> None:
    keys = ("space", "down", "down", "space", "c")
    assert look_at(keys, (150, 45), "fit break", run=None) == screens
