"""How the views look, with the demo's runs: text, and for each line a digest of its colours.

After an intended change: pytest tests/tui/test_snapshots.py --snapshot-update, and look at the diff.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from zlib import crc32

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode
from textual.pilot import Pilot

from tui.actions import COMPARED, VIEWS
from tui.app import RepdynApp
from tui.demo.source import DemoSource
from tui.screens import preview_cache
from tui.screens.runs import RunsScreen
from tui.screens.runs_listed import ListedRuns
from tui.screens.runs_preview import RunPreview
from tui.screens.runs_table import RunsTable
from tui.widgets.footer import KeysFooter

RUN = "resnet18-sgd-digits-s0"
SIZES = [(80, 24), (120, 40), (200, 60)]


class Screens(SingleFileSnapshotExtension):
    """A text file for each."""

    _write_mode = WriteMode.TEXT
    file_extension = "txt"

    def serialize(self, data: object, **_: object) -> str:
        return str(data)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A clock that stands still two hours after the demo's last run, in UTC."""
    last = max(run.started for page in DemoSource().pages() for run in page)
    monkeypatch.setattr(time, "time", lambda: last / 1000 + 7200)
    with monkeypatch.context() as zone:
        zone.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """All fingerprints are read, however busy the machine is."""
    monkeypatch.setattr(preview_cache, "QUICK_SECONDS", 600.0)


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


def still_reading(app: RepdynApp, now: str) -> bool:
    """Whether the list of runs lacks a fingerprint, or the preview of the run under the cursor."""
    screen = app.screen
    if not isinstance(screen, RunsScreen):
        return False
    run = screen.query_one(RunsTable).run
    beside = screen.query_one(RunPreview).display
    unread = len(screen.query_one(ListedRuns).previews.facts) < len(screen.runs)
    return run is None or unread or (beside and (now.count(run.name) < 2 or "Reading" in now))


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
        for _ in range(400):  # a busy machine takes its time
            await pilot.pause(0.05)
            now = drawn(app)
            told = all(footer.keys == footer._fitting() for footer in app.screen.query(KeysFooter))
            if now == before and word in now and told and not still_reading(app, now):
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
    "overview": "does not stand out",
    "layer": "onset",
    "layers": "logits",
    "regions": "plane 3 of 3",
    "curves": "loss",
    "phases": "In words",
    "info": " ago",
}
SHAPES = [pytest.param(size, id="{}x{}".format(*size)) for size in SIZES]
THEMES = ["textual-dark", "textual-light"]


@pytest.mark.parametrize("view", WORDS)
def test_views(view: str, screens: SnapshotAssertion) -> None:
    assert look_at((str(VIEWS.index(view) + 1),), (120, 40), WORDS[view]) == screens


@pytest.mark.parametrize("size", SHAPES)
@pytest.mark.parametrize("theme", THEMES)
def test_runs_by_size_and_theme(
    size: tuple[int, int], theme: str, screens: SnapshotAssertion
) -> None:
    assert look_at(("space", "down"), size, "1 marked", theme, run=None) == screens


def test_runs_without_colours(no_colour: None, screens: SnapshotAssertion) -> None:
    assert look_at(("space", "down"), (120, 40), "1 marked", run=None) == screens


@pytest.mark.parametrize("size", SHAPES)
@pytest.mark.parametrize("theme", THEMES)
def test_info_by_size_and_theme(
    size: tuple[int, int], theme: str, screens: SnapshotAssertion
) -> None:
    assert look_at(("7",), size, " ago", theme) == screens


@pytest.mark.parametrize("size", SHAPES)
@pytest.mark.parametrize("theme", THEMES)
def test_overview_by_size_and_theme(
    size: tuple[int, int], theme: str, screens: SnapshotAssertion
) -> None:
    assert look_at(("down", "left", "m"), size, "at perfect fit", theme) == screens


def test_overview_without_colours(no_colour: None, screens: SnapshotAssertion) -> None:
    assert look_at((), (120, 40), "does not stand out") == screens


@pytest.mark.parametrize("size", SHAPES)
@pytest.mark.parametrize("theme", THEMES)
def test_phases_by_size_and_theme(
    size: tuple[int, int], theme: str, screens: SnapshotAssertion
) -> None:
    assert look_at(("6",), size, "In words", theme) == screens


def test_phases_without_colours(no_colour: None, screens: SnapshotAssertion) -> None:
    assert look_at(("6",), (120, 40), "In words") == screens


TWO = ("space", "down", "down", "space", "c")

COMPARED_WORDS = {
    "overview": "linked by",
    "regions": "agree on",
    "curves": "test/acc",
    "scores": "test accuracy",
}

FOUR = ("space", "space", "space", "space", "c")


@pytest.mark.parametrize("view", COMPARED)
def test_comparison_of_four(view: str, screens: SnapshotAssertion) -> None:
    words = {"layer": "of two checkpoints", "regions": "D 200, output"}.get(
        view, COMPARED_WORDS.get(view)
    )
    keys = (*FOUR, str(COMPARED.index(view) + 1))
    assert look_at(keys, (80, 24), str(words), run=None) == screens


@pytest.mark.parametrize("view", ["regions", "curves"])
@pytest.mark.parametrize("size", SHAPES)
@pytest.mark.parametrize("theme", THEMES)
def test_comparison_by_size_and_theme(
    view: str, size: tuple[int, int], theme: str, screens: SnapshotAssertion
) -> None:
    keys = (*TWO, str(COMPARED.index(view) + 1))
    assert look_at(keys, size, COMPARED_WORDS[view], theme, run=None) == screens


@pytest.mark.parametrize("view", COMPARED)
def test_comparison_without_colours(view: str, no_colour: None, screens: SnapshotAssertion) -> None:
    words = COMPARED_WORDS.get(view, "of two checkpoints")
    keys = (*TWO, str(COMPARED.index(view) + 1))
    assert look_at(keys, (120, 40), words, run=None) == screens
