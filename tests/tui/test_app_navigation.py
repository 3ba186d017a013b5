"""Ways through a run: other runs, commands, the clipboard, the browser; and that no key is dead."""

from __future__ import annotations

import re
import time
import webbrowser
from dataclasses import replace
from pathlib import Path

import pytest
from textual.widgets import Input

from repdyn.errors import UserError
from tests.support.fakes import FakeSource, Stage, hurried, play, record, until_epoch
from tests.support.present import present
from tui.actions import RENAMED, VIEWS, by_name, parse_keymap
from tui.screens.layers import Panel
from tui.screens.run import RunScreen, age
from tui.screens.runs import RunsScreen
from tui.widgets.fitted_line import FittedLine
from tui.widgets.footer import KeysFooter
from tui.widgets.heatmap import Heatmap

SIZES = [(60, 20), (80, 24), (120, 40)]


def numbered(count: int) -> FakeSource:
    """Runs, the newest first."""
    return FakeSource([record(i, started=1000 * (count - i)) for i in range(count)])


# --- from run to run


def test_n_opens_the_next_run_of_the_list_as_this_one_was_looked_at() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("run-0  finished")
        await stage.press("2", "greater_than_sign", "greater_than_sign", "comma", "comma")
        await stage.sees("block.0   2 of 4")
        epoch = stage.look.epoch
        await stage.press("n")
        await stage.sees("run-1  ", "block.0   2 of 4")
        assert stage.look.epoch == epoch
        await stage.press("N")
        await stage.sees("run-0  ", "block.0   2 of 4")

    play(scenario, numbered(3), run="run-0", size=(80, 24))


def test_the_layer_is_found_by_its_name_in_the_next_run() -> None:
    first, other = record(0, started=2), record(1, started=1)
    dynamics = present(other.dynamics)
    renamed = replace(dynamics, layers=("block.0", "other", "x", "y"))

    async def scenario(stage: Stage) -> None:
        await stage.sees("run-0")
        await stage.press("2", "greater_than_sign", "greater_than_sign")
        await stage.sees("block.0   2 of 4")
        await stage.press("n")
        await stage.sees("block.0   1 of 4")

    source = FakeSource([first, replace(other, dynamics=renamed)])
    play(scenario, source, run="run-0", size=(80, 24))


def test_at_the_end_of_the_list_there_is_no_next_run() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("finished")
        await stage.press("N")
        await stage.sees("no previous run in the list")

    play(scenario, numbered(2), run="run-0")


def test_the_order_and_the_filter_of_the_list_hold() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("run-0", "run-12")
        await stage.press("slash", *"run-1", "enter")
        await stage.until(lambda: "run-3" not in stage.text)
        await stage.press("end")
        listed = stage.screen
        assert isinstance(listed, RunsScreen)
        last = listed.run_in_question()
        await stage.press("enter")
        await stage.until(lambda: isinstance(stage.screen, RunScreen))
        await stage.sees("epoch 200/200")
        await stage.press("n")
        await stage.sees("no next run in the list")
        await stage.press("N")
        await stage.until(lambda: isinstance(stage.screen, RunScreen) and stage.screen._run != last)
        await stage.sees("run-1", "epoch 200/200")
        await stage.press("q")
        await stage.until(lambda: stage.screen is listed)
        assert listed.run_in_question() != last

    play(scenario, numbered(13))


# --- commands


def test_a_colon_opens_the_actions_with_their_keys() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("epoch 200/200")
        await stage.press("colon")
        await stage.until(lambda: bool(stage.screen.query(Input)))
        await stage.sees("Reference  r", "Next run  n")
        assert "Open run-" not in stage.text
        await stage.press(*"colours")
        await stage.sees("Next colour map.")
        await stage.press("enter")
        await stage.until(lambda: not stage.screen.query(Input))
        await stage.until(lambda: stage.look.cmap != "viridis")

    play(scenario, run="run-0", size=(100, 70))


def test_the_palette_shows_changed_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "repdyn").mkdir()
    (tmp_path / "repdyn" / "keys.yaml").write_text("run.zoom: K\n")

    async def scenario(stage: Stage) -> None:
        await stage.sees("epoch 200/200")
        await stage.press("ctrl+p")
        await stage.until(lambda: bool(stage.screen.query(Input)))
        await stage.press(*"zoom")
        await stage.sees("Zoom  K")

    play(scenario, run="run-0", size=(100, 70))


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_a_former_name_of_an_action_still_changes_its_key(old: str, new: str) -> None:
    assert new in by_name()
    assert parse_keymap("keys.yaml", f"{old}: k\n".encode()) == {new: "k"}


# --- the clipboard, the browser


def test_y_copies_what_the_cursor_is_on() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("epoch 200/200")
        for view in ("overview", "layer", "layers", "regions", "curves"):
            await stage.press(str(VIEWS.index(view) + 1))
            await stage.until(lambda: copied_by(stage, "comma"))
            await stage.press("comma")
            await stage.sees(str(present(stage.look.epoch)))
            await stage.until(lambda: bool(copied_by(stage, "y")))
            line = stage.screen.query_one(f"#{view} .readout", FittedLine).whole.plain
            await stage.press("y")
            text = stage.app.clipboard
            assert text == line
            assert str(stage.look.epoch) in text
            if view not in ("regions", "curves"):
                assert text.startswith("logits")

    play(scenario, run="run-0", size=(160, 40))


def copied_by(stage: Stage, key: str) -> bool:
    """Whether a key is available."""
    return any(a.binding.key == key and a.enabled for a in stage.screen.active_bindings.values())


def test_capital_y_copies_the_runs_id() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("epoch 200/200")
        await stage.press("Y")
        assert stage.app.clipboard == record().summary.run_id

    play(scenario, run="run-0")


def on_a_desk(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A machine with a display; returns what its browser is asked to open."""
    opened: list[str] = []
    monkeypatch.setattr("tui.browser.has_display", lambda: True)

    def open_url(url: str) -> bool:
        opened.append(url)
        return True

    monkeypatch.setattr(webbrowser, "open", open_url)
    return opened


def test_o_opens_the_run_in_the_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = on_a_desk(monkeypatch)
    run = f"https://ml.example/#/experiments/1/runs/{record().summary.run_id}"
    address = f"{run}?workflowType=x"

    async def scenario(stage: Stage) -> None:
        await stage.sees("epoch 200/200")
        await stage.press("o")
        await stage.until(lambda: opened == [address])
        await stage.sees("opened", "https://ml.example/")

    play(scenario, FakeSource(server="https://ml.example"), run="run-0")


def test_without_a_display_the_address_is_shown_and_copied(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(webbrowser, "open", lambda _: pytest.fail("there is no display"))

    async def scenario(stage: Stage) -> None:
        await stage.sees("epoch 200/200")
        await stage.press("o")
        await stage.sees("https://ml.example/", "(copied)")
        assert stage.app.clipboard.startswith("https://ml.example/#/experiments/1/runs/0000")

    play(scenario, FakeSource(server="https://ml.example"), run="run-0")


def test_for_a_local_store_o_gives_the_command() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("epoch 200/200")
        await stage.press("o")
        await stage.sees("mlflow ui", "(copied)")

    play(scenario, run="run-0")


# --- the age of the data


def test_capital_r_reads_the_run_again() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("epoch 200/200")
        stage.source.records = [record(name="renamed", run_id=record().summary.run_id)]
        stage.screen._run = record().summary.run_id  # type: ignore[attr-defined]
        await stage.press("R")
        await stage.sees("read again", "renamed")

    play(scenario, run="run-0")


def test_the_header_of_a_live_run_says_how_old_the_data_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hurried(monkeypatch.setattr)

    async def scenario(stage: Stage) -> None:
        await stage.sees("running", "read now")
        stage.source.error = OSError("no route")
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + 90)
        await stage.sees("read 1 min ago")

    play(scenario, FakeSource([until_epoch(record(), 30)]), run="run-0")


def test_ages() -> None:
    assert [age(s) for s in (0, 4.9, 12, 300)] == [
        "read now",
        "read now",
        "read 12 s ago",
        "read 5 min ago",
    ]


# --- in little room


@pytest.mark.parametrize("size", SIZES, ids=lambda size: "{}x{}".format(*size))
def test_all_tabs_and_all_keys_of_the_footer_are_visible(size: tuple[int, int]) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("epoch 200/200")
        for number, view in enumerate(VIEWS, start=1):
            await stage.press(str(number))
            await stage.until(lambda view=view: stage.screen._view == view)  # type: ignore[attr-defined,misc]
            line = stage.text.splitlines()[1]
            assert all(f"{i} " in line for i in range(1, len(VIEWS) + 1))
            assert line.rstrip().endswith("7 Info")
            await stage.pilot.pause(0.1)
            footer = stage.text.splitlines()[-1]
            keys = stage.screen.query_one(KeysFooter).keys
            assert {"back", "app.help", "app.commands"} <= {key.action for key in keys}
            missing = [key.description for key in keys if key.description not in footer]
            assert not missing, f"{view}: {missing} in {footer!r}"

    play(scenario, run="run-0", size=size)


def test_a_click_on_a_key_of_the_footer_presses_it() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("epoch 200/200", "Help")
        footer = stage.screen.query_one(KeysFooter)
        line = stage.text.splitlines()[-1]
        await stage.pilot.hover(offset=(line.index("Help"), 39))
        assert footer.hovered is not None
        assert footer.keys[footer.hovered].description == "Help"
        await stage.pilot.hover(offset=(5, 10))
        assert footer.hovered is None
        await stage.pilot.click(offset=(line.index("Help"), 39))
        await stage.until(lambda: stage.screen is not footer.screen)

    play(scenario, run="run-0")


def test_a_click_on_the_last_of_the_close_tabs_opens_it() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("epoch 200/200")
        at = stage.text.splitlines()[1].index("Info")
        await stage.pilot.click(offset=(at, 1))
        await stage.sees("label_noise")

    play(scenario, run="run-0", size=(60, 20))


def test_labels_of_layers_are_cut_between_their_parts() -> None:
    names = tuple(f"backbone.stages.{i}.blocks.11.attention_output" for i in range(4))
    long = replace(record(), dynamics=replace(present(record().dynamics), layers=names))

    async def scenario(stage: Stage) -> None:
        await stage.sees("epoch 200/200")
        labels: list[str] = []
        heatmap = stage.screen.query_one("Overview Heatmap", Heatmap)

        def drawn() -> bool:
            labels[:] = [] if heatmap._arranged is None else heatmap._arranged.names
            return bool(labels)

        await stage.until(drawn)
        assert len(set(labels)) == len(names)
        words = {word for name in names for word in re.split(r"[._]", name)}
        shown = {word for label in labels for word in re.split(r"[._…]", label) if word}
        assert shown <= words
        await stage.press("g")
        await stage.sees(names[0])  # whole in the readout
        await stage.press("3")
        await stage.until(lambda: len(stage.screen.query(Panel)) == len(names))
        await stage.sees(names[0])

    play(scenario, FakeSource([long]), run="run-0", size=(60, 20))


# --- where views open


def test_layer_opens_on_the_layer_that_changes_most_and_regions_on_the_output_beside_fit() -> None:
    found = present(record().dynamics)
    means = {
        name: matrix.mean()
        for name, matrix in zip(found.layers, found.similarity["cka"], strict=True)
    }
    most = min(means, key=lambda name: means[name])

    async def scenario(stage: Stage) -> None:
        await stage.sees("epoch 200/200")
        await stage.press("2")
        await stage.sees(f"{most}   {found.layers.index(most) + 1} of 4")
        await stage.press("4")
        fit = present(record().phases.fit)
        near = min(found.steps.tolist(), key=lambda epoch: abs(epoch - fit))
        await stage.sees("output", "mislabelled", f"epoch {near} (pinned)", "epoch 200")
        await stage.press("1", "g", "4")
        await stage.sees("probe of stem")

    play(scenario, run="run-0")


# --- no dead keys


DIFFERENT_BY = ("app.help", "app.commands", "run.back", "run.export")
"""Actions that do what no view shows: another screen, or files."""


@pytest.mark.parametrize("view", VIEWS)
def test_each_key_of_the_footer_does_something(
    view: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)

    async def scenario(stage: Stage) -> None:
        await stage.sees("epoch 200/200")
        await stage.press(str(VIEWS.index(view) + 1))
        await stage.pilot.pause(0.3)
        screen = stage.screen
        offered = [a.binding for a in screen.active_bindings.values() if a.binding.show]
        assert {by_name()[present(b.id)].name for b in offered} >= {"app.help", "run.back"}
        for binding in offered:
            if binding.id in DIFFERENT_BY:
                continue
            before = stage.text
            await stage.press(binding.key)
            await stage.until(lambda before=before: stage.text != before, seconds=10)  # type: ignore[misc]
            assert stage.screen is screen or binding.id == "overview.open"
        assert stage.screen is screen
        assert screen.query_one(KeysFooter).is_mounted

    play(scenario, run="run-0")


@pytest.mark.parametrize("view", ["curves", "phases", "info"])
def test_keys_of_heatmaps_are_offered_where_there_is_one(view: str) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("epoch 200/200", "Measure")
        await stage.press(str(VIEWS.index(view) + 1))
        await stage.until(lambda: "Measure" not in stage.text.splitlines()[-1])
        names = {a.binding.id for a in stage.screen.active_bindings.values() if a.enabled}
        assert not names & {"run.kind", "run.contrast_on", "run.cmap", "run.layer_on"}

    play(scenario, run="run-0")


def test_an_unknown_action_is_refused() -> None:
    with pytest.raises(UserError, match="unknown action"):
        parse_keymap("keys.yaml", b"run.strech: k\n")
