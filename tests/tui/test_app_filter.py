"""The line for MLflow's filters: completion, history, and how it says what is wrong."""

from __future__ import annotations

from textual.widgets import Input

from repdyn.errors import UserError
from tests.support.fakes import FakeSource, Stage, play, record
from tui.screens.filter import FilterScreen
from tui.screens.runs import RunsScreen


async def opened(stage: Stage) -> Input:
    await stage.sees("run-0")
    await stage.press("f")
    await stage.sees("MLflow's language")
    return stage.screen.query_one(Input)


def test_tab_completes_names_operators_and_values() -> None:
    source = FakeSource()

    async def scenario(stage: Stage) -> None:
        line = await opened(stage)
        for keys, seen in [
            (["p", "tab"], "params."),
            (["o", "tab"], "params.opt "),
            (["tab"], "params.opt = "),
            (["tab"], "params.opt = 'sgd'"),
            (["tab"], "params.opt = 'sgd' AND "),
        ]:
            await stage.press(*keys)
            assert line.value == seen
        await stage.press(*["backspace"] * 5, "enter")
        await stage.until(lambda: "params.opt = 'sgd'" in source.filters)
        assert isinstance(stage.screen, RunsScreen)
        await stage.sees("params.opt = 'sgd'")

    play(scenario, source)


def test_an_offer_is_chosen_with_the_arrows() -> None:
    async def scenario(stage: Stage) -> None:
        line = await opened(stage)
        await stage.press("down", "down", "enter")
        assert line.value == "params."
        await stage.press("down", "up", "enter")
        await stage.sees("character 8")
        assert isinstance(stage.screen, FilterScreen)

    play(scenario)


def test_a_wrong_filter_says_where_and_stays() -> None:
    source = FakeSource()

    async def scenario(stage: Stage) -> None:
        line = await opened(stage)
        line.value = "params.opt = sgd"
        await stage.press("enter")
        await stage.sees("character 14: expected a text in quotes")
        assert line.value == "params.opt = sgd"
        assert line.cursor_position == 13

    play(scenario, source)
    assert set(source.filters) == {""}


def test_earlier_filters_come_back() -> None:
    async def scenario(stage: Stage) -> None:
        for text in ("status = 'FAILED'", "metrics.`test/acc` > 0.5"):
            line = await opened(stage)
            line.value = text
            await stage.press("enter")
            await stage.sees("run-0")
        line = await opened(stage)
        assert line.value == "metrics.`test/acc` > 0.5"
        line.value = ""
        await stage.press("up")
        assert line.value == "metrics.`test/acc` > 0.5"
        await stage.press("up")
        assert line.value == "status = 'FAILED'"
        await stage.press("up", "down")
        assert line.value == "metrics.`test/acc` > 0.5"

    play(scenario)


def test_an_empty_filter_shows_all_runs_again() -> None:
    source = FakeSource()

    async def scenario(stage: Stage) -> None:
        line = await opened(stage)
        line.value = "status = 'FAILED'"
        await stage.press("enter")
        await stage.until(lambda: source.filters[-1] == "status = 'FAILED'")
        line = await opened(stage)
        line.value = ""
        await stage.press("enter")
        await stage.until(lambda: source.filters[-1] == "")

    play(scenario, source)


def test_escape_changes_nothing() -> None:
    source = FakeSource()

    async def scenario(stage: Stage) -> None:
        line = await opened(stage)
        line.value = "status = 'FAILED'"
        await stage.press("escape")
        assert isinstance(stage.screen, RunsScreen)

    play(scenario, source)
    assert set(source.filters) == {""}


def test_what_the_store_says_of_a_filter_is_shown() -> None:
    source = FakeSource()

    async def scenario(stage: Stage) -> None:
        line = await opened(stage)
        source.error = UserError("sqlite:///x: no such column")
        line.value = "status = 'FAILED'"
        await stage.press("enter")
        await stage.sees("no such column")

    play(scenario, source)


def test_what_cannot_be_typed_is_not_offered() -> None:
    odd = record(params={"opt": "[red]x", "lr": "\x1b[31m", "[b]y\n": "1"})

    async def scenario(stage: Stage) -> None:
        line = await opened(stage)
        line.insert_text_at_cursor("params.")
        await stage.sees("params.lr", "params.opt")
        assert "[b]y" not in stage.text
        line.insert_text_at_cursor("opt = ")
        await stage.sees("'[red]x'")
        line.value = ""
        line.insert_text_at_cursor("params.lr = ")
        await stage.until(lambda: "[red]" not in stage.text)
        assert "[31m" not in stage.text

    play(scenario, FakeSource([odd]))


def test_after_a_filter_the_keys_are_the_lists_again() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("run-0")
        await stage.press("slash", *"params.opt", "space", "equals_sign", *" 'sgd'", "enter")
        await stage.until(lambda: "params.opt = 'sgd'" in stage.source.filters)
        await stage.sees("run-0")
        await stage.press("space")
        await stage.sees("1 marked")

    play(scenario)
