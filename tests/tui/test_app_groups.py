"""Sweeps and groups in the list of runs: what they show, how they fold."""

from __future__ import annotations

from tests.support.fakes import FakeSource, Stage, play, record
from tui.screens.runs_table import RunsTable

SWEEP = f"{50:032x}"
BELOW = {"mlflow.parentRunId": SWEEP}


def swept() -> FakeSource:
    """A sweep of three runs, one of which failed, and two other runs."""
    parent = record(
        50, name="the-sweep", started=500, tags={"repdyn.sweep": "x"}, metrics={}, params={}
    )
    children = [
        record(
            i,
            name=f"child-{i}",
            tags=BELOW,
            started=500 + i,
            status="FAILED" if i == 2 else "FINISHED",
            metrics={"test/acc": 0.5 + i / 10},
        )
        for i in range(3)
    ]
    newer = record(7, name="newer", started=900, params={"opt": "adam", "seed": "1"})
    older = record(8, name="older", started=100, params={"opt": "adam", "seed": "2"})
    return FakeSource([newer, *children, parent, older], judged={"synchrony": "supported"})


def listed(stage: Stage) -> list[str]:
    """The lines of the list, without its heading."""
    table = stage.screen.query_one(RunsTable)
    lines = [line.partition("│")[0] for line in stage.text.splitlines()]
    return lines[2 : 2 + len(table._rows)]


def test_a_sweep_is_one_line_that_enter_unfolds_and_folds() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("the-sweep", "3 runs, 2 finished, 1 failed", "older")
        assert "child-1" not in "\n".join(listed(stage))
        await stage.press("down", "enter")
        await stage.until(lambda: "child-1" in "\n".join(listed(stage)))
        names = [
            next(w for w in line.split() if "-" in w or "er" in w[-2:]) for line in listed(stage)
        ]
        assert names == ["newer", "the-sweep", "child-2", "child-1", "child-0", "older"]
        await stage.press("enter")
        await stage.until(lambda: "child-1" not in "\n".join(listed(stage)))

    play(scenario, swept())


def test_left_on_a_run_of_a_sweep_folds_it_and_goes_to_its_line() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("the-sweep")
        await stage.press("down", "right", "down", "down", "left")
        table = stage.screen.query_one(RunsTable)
        assert table.row is not None
        assert table.row.id == SWEEP
        assert table.row.folded

    play(scenario, swept())


def test_the_title_counts_runs_without_sweeps() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("the-sweep", "5 runs")

    play(scenario, swept())


def test_a_filter_finds_runs_within_a_folded_sweep() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("the-sweep")
        await stage.press("slash", *"child-1")
        await stage.sees("1 of 5 runs", "child-1", "the-sweep")
        await stage.until(lambda: "child-0" not in stage.text)  # the preview follows

    play(scenario, swept())


def test_the_name_of_a_sweep_finds_its_runs() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("the-sweep")
        await stage.press("slash", *"the-sw")
        await stage.sees("3 of 5 runs", "child-0", "child-1", "child-2")

    play(scenario, swept())


def test_a_sweep_is_where_its_first_run_would_be() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("the-sweep")
        while "test▲" not in stage.text:
            await stage.press("s")
        assert "the-sweep" in listed(stage)[0]

    play(scenario, swept())


def test_the_preview_of_a_sweep_shows_its_runs_and_verdicts() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("the-sweep")
        await stage.press("down")
        await stage.sees("Verdicts", "synchrony  supported", "failed     .700  child-2")

    play(scenario, swept())


def test_a_sweep_is_not_marked_to_be_compared() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("the-sweep")
        await stage.press("down", "space")
        assert "marked" not in stage.text

    play(scenario, swept())


def test_a_plain_parent_of_nested_runs_opens_and_folds() -> None:
    parent = record(50, name="outer", started=5)
    source = FakeSource([parent, record(1, name="inner", tags=BELOW, started=6)])

    async def scenario(stage: Stage) -> None:
        await stage.sees("outer")
        assert "inner" not in "\n".join(listed(stage))
        await stage.press("right")
        await stage.until(lambda: "inner" in "\n".join(listed(stage)))
        await stage.press("enter")
        await stage.sees("1 Overview", "outer")

    play(scenario, source)


def test_grouping_goes_from_architecture_to_optimizer_to_a_chosen_param_to_none() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("the-sweep")
        await stage.press("g")
        await stage.sees(
            "by arch", "not set  2 runs", "resnet18 ×0.25  3 runs, 2 finished, 1 failed"
        )
        await stage.press("g")
        await stage.sees("by opt", "adam  2 runs", "sgd  3 runs")
        await stage.press("g")
        await stage.sees("Group by", "opt", "seed")
        await stage.press("down", "enter")
        await stage.sees("by seed", "▾ 1  1 run", "▾ not set  3 runs")
        await stage.press("g")
        await stage.until(lambda: "by seed" not in stage.text)
        await stage.sees("the-sweep")

    play(scenario, swept())


def test_a_group_folds_and_its_preview_lists_its_runs() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("the-sweep")
        await stage.press("g", "g", "home", "enter")
        await stage.until(lambda: listed(stage)[0].startswith(" ▸ "))
        assert not any("newer" in line or "older" in line for line in listed(stage))
        await stage.sees("opt adam", "newer")  # in the preview

    play(scenario, swept())
