"""What a session remembers, and runs that are pinned and watched."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from repdyn.records import RunRecord
from repdyn.settings.schema import StoreConfig
from tests.support.fakes import FakeSource, Stage, hurried, play, record
from tui import app as tui_app
from tui.screens.run import RunScreen
from tui.screens.runs_table import RunsTable
from tui.session import Session


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "screen.json"


def three() -> FakeSource:
    return FakeSource(
        [
            record(i, name=f"run-{i}", started=10_000 - i, metrics={"test/acc": 0.1 * i})
            for i in range(1, 4)
        ]
    )


def order(stage: Stage) -> list[str]:
    """The runs' names, from top to bottom."""
    rows = stage.screen.query_one(RunsTable)._rows
    return [row.run.name for row in rows if row.run is not None]


def test_order_and_words_are_found_again(file: Path) -> None:
    async def leaves(stage: Stage) -> None:
        await stage.sees("run-3")
        for _ in range(20):
            if "test▲" in stage.text:
                break
            await stage.press("s")
        await stage.press(stage_reverse(stage))
        await stage.sees("test▼")
        await stage.press("slash", *"resnet", "enter")

    async def finds(stage: Stage) -> None:
        await stage.sees("test▼", "resnet")
        assert order(stage)[:3] == ["run-3", "run-2", "run-1"]

    play(leaves, three(), session=Session(file, "a"))
    play(finds, three(), session=Session(file, "a"))


def stage_reverse(stage: Stage) -> str:
    """The key that reverses the order."""
    active = stage.screen.active_bindings
    return next(key for key, one in active.items() if one.binding.id == "runs.reverse")


def test_mlflows_filter_is_asked_for_again(file: Path) -> None:
    async def leaves(stage: Stage) -> None:
        await stage.sees("run-3")
        await stage.press("slash", *"params.opt", "space", "equals_sign", *" 'sgd'", "enter")
        await stage.until(lambda: "params.opt = 'sgd'" in stage.source.filters)

    async def finds(stage: Stage) -> None:
        await stage.sees("params.opt = 'sgd'", "run-3")

    source = three()
    play(leaves, three(), session=Session(file, "a"))
    play(finds, source, session=Session(file, "a"))
    assert source.filters[0] == "params.opt = 'sgd'"


def test_the_view_of_a_run_and_the_theme_are_found_again(file: Path) -> None:
    async def leaves(stage: Stage) -> None:
        await stage.sees("epoch 200/200")
        await stage.press("7")
        stage.app.theme = "nord"
        await stage.sees("Params")

    async def finds(stage: Stage) -> None:
        await stage.sees("Params")
        assert isinstance(stage.screen, RunScreen)
        assert stage.app.theme == "nord"

    play(leaves, run="run-0", session=Session(file, "a"))
    play(finds, run="run-0", session=Session(file, "a"))


def test_a_run_is_pinned_at_the_top_and_stays_there(file: Path) -> None:
    async def pins(stage: Stage) -> None:
        await stage.sees("run-3")
        assert order(stage)[:3] == ["run-1", "run-2", "run-3"]
        await stage.press("end", "p")
        await stage.sees("↑")
        assert order(stage)[0] == "run-3"
        run = stage.screen.query_one(RunsTable).run
        assert run is not None
        assert run.name == "run-3"

    async def finds(stage: Stage) -> None:
        await stage.sees("↑")
        assert order(stage)[0] == "run-3"
        await stage.press("home", "p")
        await stage.until(lambda: order(stage)[0] == "run-1")

    play(pins, three(), session=Session(file, "a"))
    play(finds, three(), session=Session(file, "a"))
    assert Session(file, "a").of_store.pins == []


def test_what_is_remembered_is_saved_while_the_app_runs(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tui_app, "SAVING_SECONDS", 0.05)

    async def scenario(stage: Stage) -> None:
        await stage.sees("run-3")
        await stage.press("p")
        await stage.until(lambda: bool(file.exists() and Session(file, "a").of_store.pins))

    source = three()
    play(scenario, source, session=Session(file, "a"))


def test_a_damaged_file_is_told_and_the_app_runs(file: Path) -> None:
    file.write_text("{")

    async def scenario(stage: Stage) -> None:
        await stage.until(lambda: "is damaged" in " ".join(stage.text.split()))
        await stage.sees("run-3")

    play(scenario, three(), session=Session(file, "a"))


def live(**changes: Any) -> RunRecord:
    return record(status="RUNNING", ended=None, **changes)


def test_a_watched_run_is_told_of_when_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    hurried(monkeypatch.setattr)
    sent: list[tuple[str, str]] = []
    monkeypatch.setattr(tui_app, "tell", lambda app, title, text: sent.append((title, text)))

    async def scenario(stage: Stage) -> None:
        await stage.sees("running")
        await stage.press("w")
        await stage.sees("watching run-0", "○")
        stage.source.records = [record(status="FAILED")]
        await stage.sees("failed after 4 min", "!")
        await stage.press("w")
        await stage.sees("no longer watched")

    play(scenario, FakeSource([live()]))
    assert [title for title, _ in sent] == ["run-0"]
    assert sent[0][1].startswith("failed after 4 min")


def test_a_run_that_is_open_is_watched_too(monkeypatch: pytest.MonkeyPatch) -> None:
    hurried(monkeypatch.setattr)

    async def scenario(stage: Stage) -> None:
        await stage.sees("epoch 200/200")
        await stage.press("w")
        await stage.sees("watching run-0", "running ○")
        changed = live(metrics={"train/loss": math.nan})
        stage.source.records = [changed]
        await stage.sees("train/loss is nan")

    play(scenario, FakeSource([live(metrics={"train/loss": 1.0})]), run="run-0")


def test_a_run_that_has_ended_is_not_watched() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("run-0")
        await stage.press("w")
        await stage.sees("run-0 has ended")

    play(scenario)


def test_a_watched_run_that_is_deleted_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    hurried(monkeypatch.setattr)

    async def scenario(stage: Stage) -> None:
        await stage.sees("running")
        await stage.press("w")
        await stage.sees("○")
        stage.source.records = [replace(one) for one in three().records]
        await stage.sees("run-3")
        asked = stage.source.questions
        await stage.until(lambda: stage.source.questions > asked + 3)

    play(scenario, FakeSource([live()]))


def test_an_app_that_has_failed_is_a_failed_command(monkeypatch: pytest.MonkeyPatch) -> None:
    def ends_with(code: int) -> None:
        monkeypatch.setattr(
            tui_app.RepdynApp, "run", lambda app: setattr(app, "_return_code", code)
        )

    monkeypatch.setattr(tui_app, "end_on_hangup", lambda app: app)
    ends_with(0)
    tui_app.run(None, StoreConfig(), demo=True)
    ends_with(1)
    with pytest.raises(SystemExit):
        tui_app.run(None, StoreConfig(), demo=True)
