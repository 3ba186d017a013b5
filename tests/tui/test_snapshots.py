"""How the views look, with the demo's runs: text, and for each line a digest of its colours.

After an intended change: pytest tests/tui/test_snapshots.py --snapshot-update, and look at the diff.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
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


@dataclass(frozen=True)
class Step:
    """A look at the screen: after some keys, in a theme, when it shows a word."""

    name: str
    keys: tuple[str, ...]
    until: str
    theme: str = "textual-dark"


def looks(
    steps: Iterable[Step], size: tuple[int, int], run: str | None = RUN
) -> Iterator[tuple[str, str]]:
    """Return each step's name and how the screen looks then; one app takes them one after another."""
    seen: dict[str, str] = {}

    async def settled(app: RepdynApp, pilot: Pilot[None], word: str, earlier: str = "") -> str:
        before = ""
        for _ in range(400):  # a busy machine takes its time
            await pilot.pause(0.05)
            now = drawn(app)
            told = all(footer.keys == footer._fitting() for footer in app.screen.query(KeysFooter))
            stays = now == before != earlier
            if stays and word in now and told and not still_reading(app, now):
                return now
            before = now
        raise AssertionError(f"{word} is not seen in\n{before}")

    async def looking() -> None:
        app = RepdynApp(DemoSource(), run)
        async with app.run_test(size=size) as pilot:
            now = await settled(app, pilot, "digits")
            for step in steps:
                earlier = now if step.keys or step.theme != app.theme else ""
                app.theme = step.theme
                await pilot.press(*step.keys)
                seen[step.name] = now = await settled(app, pilot, step.until, earlier)

    asyncio.run(looking())
    return iter(seen.items())


def assert_looks(
    screens: SnapshotAssertion,
    steps: Iterable[Step],
    size: tuple[int, int],
    run: str | None = RUN,
) -> None:
    for name, seen in looks(steps, size, run):
        assert seen == screens(name=name), name


def in_themes(keys: tuple[str, ...], until: str) -> list[Step]:
    """Return a look in each theme."""
    first, *others = THEMES
    return [Step(first, keys, until, first), *(Step(theme, (), until, theme) for theme in others)]


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


def test_views(screens: SnapshotAssertion) -> None:
    others = [Step(view, (str(VIEWS.index(view) + 1),), WORDS[view]) for view in list(WORDS)[1:]]
    assert_looks(screens, [Step("overview", (), WORDS["overview"]), *others], (120, 40))


@pytest.mark.parametrize("size", SHAPES)
def test_runs_by_size_and_theme(size: tuple[int, int], screens: SnapshotAssertion) -> None:
    assert_looks(screens, in_themes(("space", "down"), "1 marked"), size, run=None)


@pytest.mark.parametrize("size", SHAPES)
def test_info_by_size_and_theme(size: tuple[int, int], screens: SnapshotAssertion) -> None:
    assert_looks(screens, in_themes(("7",), " ago"), size)


@pytest.mark.parametrize("size", SHAPES)
def test_overview_by_size_and_theme(size: tuple[int, int], screens: SnapshotAssertion) -> None:
    assert_looks(screens, in_themes(("down", "left", "m"), "at perfect fit"), size)


@pytest.mark.parametrize("size", SHAPES)
def test_phases_by_size_and_theme(size: tuple[int, int], screens: SnapshotAssertion) -> None:
    assert_looks(screens, in_themes(("6",), "In words"), size)


def test_runs_without_colours(no_colour: None, screens: SnapshotAssertion) -> None:
    assert_looks(screens, [Step("runs", ("space", "down"), "1 marked")], (120, 40), run=None)


def test_views_without_colours(no_colour: None, screens: SnapshotAssertion) -> None:
    steps = [Step("overview", (), "does not stand out"), Step("phases", ("6",), "In words")]
    assert_looks(screens, steps, (120, 40))


TWO = ("space", "down", "down", "space", "c")

COMPARED_WORDS = {
    "overview": "linked by",
    "layer": "of two checkpoints",
    "regions": "agree on",
    "curves": "test/acc",
    "scores": "test accuracy",
}

FOUR = ("space", "space", "space", "space", "c")


def compared(marks: tuple[str, ...], words: Mapping[str, str]) -> list[Step]:
    """Return a look at each view of a comparison; the marked runs are compared first."""
    first, *others = (Step(v, (str(i),), words[v]) for i, v in enumerate(COMPARED, start=1))
    return [replace(first, keys=(*marks, *first.keys)), *others]


def test_comparison_of_four(screens: SnapshotAssertion) -> None:
    steps = compared(FOUR, {**COMPARED_WORDS, "regions": "D 200, output"})
    assert_looks(screens, steps, (80, 24), run=None)


@pytest.mark.parametrize("size", SHAPES)
def test_comparison_by_size_and_theme(size: tuple[int, int], screens: SnapshotAssertion) -> None:
    steps = [
        Step(f"{theme}-{view}", keys, COMPARED_WORDS[view], theme)
        for theme, view, keys in (
            ("textual-dark", "regions", (*TWO, str(COMPARED.index("regions") + 1))),
            ("textual-light", "regions", ()),
            ("textual-light", "curves", (str(COMPARED.index("curves") + 1),)),
            ("textual-dark", "curves", ()),
        )
    ]
    assert_looks(screens, steps, size, run=None)


def test_comparison_without_colours(no_colour: None, screens: SnapshotAssertion) -> None:
    assert_looks(screens, compared(TWO, COMPARED_WORDS), (120, 40), run=None)
