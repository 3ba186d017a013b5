"""Actions: one table for keys, footer, help and palette; keys that a file changes."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from textual.widgets import Input

from repdyn.errors import UserError
from tests.support.fakes import FakeSource, Stage, play, record
from tui.actions import ACTIONS, read_keymap
from tui.widgets.heatmap import Heatmap

HEAVY = ("torch", "torchvision", "timm", "mlflow", "matplotlib", "scipy", "sklearn", "ruptures")


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    # a short path: a message that holds it is not wrapped within a word
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", ".")
    (tmp_path / "repdyn").mkdir()
    return Path("repdyn") / "keys.yaml"


def test_the_screens_import_nothing_heavy() -> None:
    modules = "tui.app, tui.screens.run, tui.screens.compare, tui.screens.help"
    found = subprocess.run(
        [sys.executable, "-c", f"import sys, {modules}; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert not set(HEAVY) & set(found.stdout.split())


def on_a_heatmap(stage: Stage) -> bool:
    """Whether the keys go to a heatmap that has its values."""
    focused = stage.app.focused
    return isinstance(focused, Heatmap) and len(focused.epochs) > 0


FIRST_FRAME = """
import os, sys
from tui.app import RepdynApp
from tui.demo.source import DemoSource
show = RepdynApp._display

def first(app, screen, update):
    show(app, screen, update)
    if any("Loading runs" in strip.text for strip in screen._compositor.render_strips()):
        print(*sys.modules, flush=True)
        os._exit(0)

RepdynApp._display = first
RepdynApp(DemoSource(), "last").run(headless=True)
"""

NOT_AT_FIRST = {*HEAVY, "numpy", "repdyn.records", "tui.screens.run", "tui.screens.compare"}


def test_the_first_frame_imports_no_arrays_and_no_other_screens() -> None:
    found = subprocess.run(
        [sys.executable, "-c", FIRST_FRAME], capture_output=True, text=True, check=True, timeout=30
    )
    loaded = set(found.stdout.split())
    assert "tui.screens.runs" in loaded
    assert not NOT_AT_FIRST & loaded


READING = """
import gc, sys
from repdyn.settings.schema import StoreConfig
from repdyn.errors import UserError
from tui.source import StoreSource

try:
    StoreSource(StoreConfig(tracking_uri="sqlite:///none.db")).experiments()
except UserError:
    print(gc.isenabled(), gc.get_freeze_count() > 10 * len(gc.get_objects()))
    print(*sys.modules)
import pandas
"""


def test_the_reader_is_imported_without_torch_and_pandas_and_the_collector_passes_it_by() -> None:
    found = subprocess.run(
        [sys.executable, "-c", READING], capture_output=True, text=True, check=True, timeout=60
    )
    collector, modules = found.stdout.splitlines()
    assert collector == "True True", "it is enabled, and most objects are frozen"
    loaded = set(modules.split())
    assert "mlflow" in loaded
    assert not {"torch", "torchvision", "timm", "pandas"} & loaded


def test_names_of_actions_are_unique() -> None:
    assert max(Counter(action.name for action in ACTIONS).values()) == 1


def test_within_a_place_a_key_does_one_thing() -> None:
    keys = Counter((action.place, key) for action in ACTIONS for key in action.keys.split(","))
    assert [key for key, count in keys.items() if count > 1] == []


def test_help_shows_the_keys_of_where_one_is() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("CKA with the last checkpoint")
        await stage.until(lambda: on_a_heatmap(stage))
        await stage.press("question_mark")
        await stage.sees(
            "Overview", "overview.reference", "cursor.left", "run.kind", "reaches the lower one"
        )
        assert "curves.log" not in stage.text
        await stage.press("escape")
        await stage.sees("CKA with the last checkpoint")

    play(scenario, run="run-0", size=(120, 100))


def test_the_palette_reaches_actions() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("epoch 200/200")
        await stage.press("ctrl+p")
        await stage.press(*"Meas")
        await stage.sees("Next similarity measure.")
        await stage.pilot.pause(0.3)
        await stage.press("enter")
        await stage.sees("region agreement with the last checkpoint")

    play(scenario, run="run-0")


def test_the_palette_reaches_runs() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("some[b]where")
        await stage.press("ctrl+p")
        await stage.until(lambda: bool(stage.screen.query(Input)))
        await stage.press(*"Open some")
        await stage.sees("Open some[b]where")

    play(scenario, FakeSource([record(name="some[b]where")]))


def test_a_file_changes_keys(home: Path) -> None:
    home.write_text("run.kind: x\n")

    async def scenario(stage: Stage) -> None:
        await stage.sees("epoch 200/200")
        await stage.press("m")
        assert stage.look.measure == "cka"
        await stage.press("x")
        assert stage.look.measure == "regions"

    play(scenario, run="run-0")


def test_a_file_changes_the_cursors_keys(home: Path) -> None:
    home.write_text("cursor.left: w\n")

    async def scenario(stage: Stage) -> None:
        await stage.sees("epoch 200/200")
        await stage.until(lambda: on_a_heatmap(stage))
        await stage.press("w")
        assert stage.look.epoch != 200
        assert stage.look.epoch is not None

    play(scenario, run="run-0")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("run.knid: x", "unknown action run.knid"),
        ("[1, 2]", "action: key"),
        ("a: [", "invalid YAML"),
    ],
)
def test_a_file_that_is_wrong_says_how(home: Path, text: str, why: str) -> None:
    home.write_text(text)
    with pytest.raises(UserError, match=why):
        read_keymap(home)


def test_a_file_that_is_wrong_is_told_on_the_screen(home: Path) -> None:
    home.write_text("run.knid: x")

    async def scenario(stage: Stage) -> None:
        await stage.until(lambda: "unknown action run.knid" in " ".join(stage.text.split()))

    play(scenario)


def test_without_a_file_no_key_is_changed(home: Path) -> None:
    assert read_keymap(home) == {}
