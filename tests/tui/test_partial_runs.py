"""Runs without labels, planes, metrics or measures on the screen: each view shows or says why not."""

from __future__ import annotations

import asyncio
import re

import pytest

from repdyn.settings.schema import StoreConfig
from repdyn.storage.search import find_run
from tests.support.fakes import FakeSource, Stage
from tests.support.partial_runs import PARTIAL
from tui.actions import COMPARED, VIEWS
from tui.app import RepdynApp
from tui.screens.compare import CompareScreen
from tui.screens.curves import NO_METRICS
from tui.screens.regions import NO_PLANES
from tui.screens.run import RunScreen
from tui.screens.view import UNMEASURED, WAITING
from tui.source import StoreSource

SIZES = {"language-model": (200, 60), "text-classifier": (60, 20), "one-layer": (80, 24)}

MISSING = {
    "language-model": {"regions": NO_PLANES},
    "text-classifier": {"regions": NO_PLANES},
    "one-layer": {"regions": NO_PLANES},
    "no-metrics": {"regions": NO_PLANES, "curves": NO_METRICS},
    "one-plane": {},
    "unmeasured": {
        **dict.fromkeys(("overview", "layer", "layers"), UNMEASURED),
        "regions": NO_PLANES,
        "curves": NO_METRICS,
    },
    "just-begun": {"regions": NO_PLANES, "curves": NO_METRICS},
    "before-the-first": dict.fromkeys(("overview", "layer", "layers", "regions"), WAITING),
}
"""The views that have nothing to show, and what they say."""

SEEN = {
    "language-model": {"overview": "train loss", "layer": "of 100", "phases": "No phases: log"},
    "text-classifier": {
        "overview": "train 0.950",
        "phases": "perfect fit",
        "layers": "bert.encoder.layer.11",
    },
    "one-layer": {"overview": "k-NN overlap with", "curves": "eval/perplexity"},
    "no-metrics": {"overview": "CKA with the last", "phases": "No phases: log"},
    "one-plane": {"regions": "plane 1 of 1", "overview": "region agreement"},
    "unmeasured": {"phases": "No phases: log"},
    "just-begun": {"overview": "CKA with"},
    "before-the-first": {"curves": "train/loss", "phases": "No phases: log"},
}
"""Words of other views."""


def squeezed(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("name", PARTIAL)
def test_every_view_shows_something_or_says_why_not(
    name: str, partial_store: StoreConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("repdyn.storage.run_summary.is_silent", lambda *_: False)

    async def playing() -> None:
        app = RepdynApp(StoreSource(partial_store), name)
        async with app.run_test(size=SIZES.get(name, (120, 40)), notifications=True) as pilot:
            stage = Stage(app, pilot, FakeSource())
            await stage.sees(f"{PARTIAL[name].unit} ")
            for number, view in enumerate(VIEWS, start=1):
                await stage.press(str(number))
                words = MISSING[name].get(view) or SEEN[name].get(view, "")
                await stage.until(lambda words=words: squeezed(words) in squeezed(stage.text))  # type: ignore[misc]
                assert not re.search(r"\bnan\b", stage.text)
                there = view == "overview" and "overview" not in MISSING[name]
                assert ("Reference" in stage.text) == there
                if there:
                    assert ("Measure" in stage.text) == (len(PARTIAL[name].measures) > 1)
            await stage.press("[", "]", "<", ">", ".", ",", "m", "4", "p", "b", "1", "a", "r")
            if "overview" in MISSING[name]:
                await stage.press("e")
                await stage.sees("nothing to save in this view")
            offered = []
            screen = stage.screen
            assert isinstance(screen, RunScreen)
            for _ in VIEWS:
                await stage.press("tab")
                offered.append(screen._view)
            assert set(offered) == set(VIEWS) - MISSING[name].keys()

    asyncio.run(playing())


@pytest.mark.parametrize(
    ("names", "missing", "seen"),
    [
        (
            ("text-classifier", "one-plane", "before-the-first"),
            {},
            {
                "overview": "B measured without CKA",
                "regions": "A and C without planes",
                "curves": "train/loss",
            },
        ),
        (
            ("no-metrics", "just-begun"),
            {"regions": NO_PLANES, "curves": NO_METRICS},
            {"overview": "cursors linked by step"},
        ),
    ],
)
def test_runs_with_different_parts_are_compared(
    names: tuple[str, ...],
    missing: dict[str, str],
    seen: dict[str, str],
    partial_store: StoreConfig,
) -> None:
    ids = tuple(find_run(partial_store, name).run_id for name in names)

    async def playing() -> None:
        source = StoreSource(partial_store)
        app = RepdynApp(source)
        async with app.run_test(size=(100, 30)) as pilot:
            stage = Stage(app, pilot, FakeSource())
            await stage.sees("language-model")
            app.push_screen(CompareScreen(source, app._desk, ids))
            await stage.sees(f"A {names[0]}")
            for number, view in enumerate(COMPARED, start=1):
                await stage.press(str(number))
                words = missing.get(view) or seen.get(view, "")
                await stage.until(lambda words=words: squeezed(words) in squeezed(stage.text))  # type: ignore[misc]
                assert not re.search(r"\bnan\b", stage.text)
            await stage.press("1", "m", "]", "a", "2", "m", "right", "1", "tab")

    asyncio.run(playing())
