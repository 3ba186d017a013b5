"""The list of runs: what it shows, sorts, filters, marks and opens, and how it says what is wrong."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from repdyn.analysis.phases import find_phases
from repdyn.errors import UserError
from repdyn.records import Curve, RunRecord
from tests.support.fakes import FakeSource, Stage, hurried, play, record, until_epoch
from tui.screens.run_columns import COLUMNS
from tui.screens.runs import RunsScreen
from tui.screens.runs_listed import ListedRuns
from tui.screens.runs_table import RunsTable

Scenario = Callable[[Stage], Awaitable[None]]


def some_runs() -> FakeSource:
    adam = {"opt": "adam", "arch": "vit_tiny", "epochs": "200"}
    return FakeSource(
        [
            record(1, name="older", metrics={"test/acc": 0.9}, started=1_000),
            record(2, name="newer", metrics={"test/acc": 0.5}, params=adam, started=2_000),
        ]
    )


def lines_with(stage: Stage, *words: str) -> list[int]:
    lines = [line.partition("│")[0] for line in stage.text.splitlines()]  # without the preview
    return [next(i for i, line in enumerate(lines) if word in line) for word in words]


def test_the_first_frame_does_not_wait_for_the_store() -> None:
    source = FakeSource()
    source.answers.clear()

    async def scenario(stage: Stage) -> None:
        assert "Loading runs" in stage.text

    play(scenario, source)


def test_questions_are_asked_in_a_thread_of_their_own() -> None:
    source = FakeSource()

    async def scenario(stage: Stage) -> None:
        await stage.sees("run-0")

    play(scenario, source)
    assert source.threads == {"reader"}


def test_a_run_is_shown_with_what_tells_it_from_others() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("run-0", "finished", "resnet18 ×0.25", "sgd", ".872", "29")

    play(scenario)


def test_foreign_text_is_shown_as_it_is() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("[bold]x[/bold] [@click=app.quit]y")

    odd = record(name="[bold]x[/bold] [@click=app.quit]y\x1b[31m")
    play(scenario, FakeSource([odd]), size=(200, 40))


def test_pages_after_the_first_are_shown_too() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("5000 runs")
        await stage.press("end")
        await stage.sees("run-4999")

    play(scenario, FakeSource([record(i, started=10**9 - i) for i in range(5000)]))


def test_the_newest_run_is_first() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("older")
        newer, older = lines_with(stage, "newer", "older")
        assert newer < older

    play(scenario, some_runs())


def test_sorting_by_a_column_keeps_the_cursor_on_its_run() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("older")
        for _ in range(20):
            if "test▲" in stage.text:
                break
            await stage.press("s")
        await stage.press("I")
        older, newer = lines_with(stage, "older", "newer")
        assert older < newer
        run = stage.screen.query_one(RunsTable).run
        assert run is not None
        assert run.name == "newer"

    play(scenario, some_runs())


def test_clicking_a_head_sorts_by_it() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("older")
        line = stage.text.splitlines()[1]
        await stage.pilot.click(offset=(line.index("name"), 1))
        await stage.sees("name▲")

    play(scenario, some_runs())


def test_a_filter_keeps_the_runs_with_all_of_its_words() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("older")
        await stage.press("slash", *"VIT new")
        await stage.sees("1 of 2 runs")
        assert "older" not in stage.text

    play(scenario, some_runs())


def test_a_filter_that_nothing_matches_says_how_to_go_on() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("older")
        await stage.press("slash", *"zzz")
        await stage.sees("No run matches", "escape")
        await stage.press("escape")
        await stage.sees("older", "newer")

    play(scenario, some_runs())


def test_mlflows_own_filter_goes_to_the_store_on_enter() -> None:
    source = some_runs()

    async def scenario(stage: Stage) -> None:
        await stage.sees("older")
        await stage.press("slash", *"params.opt", "space", "equals_sign", *" 'sgd'", "enter")
        await stage.until(lambda: "params.opt = 'sgd'" in source.filters)

    play(scenario, source)


def test_enter_opens_the_run() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("run-0")
        await stage.press("enter")
        await stage.sees("1 Overview", "run-0", "block.1")

    play(scenario)


def test_another_experiment_is_chosen_by_name() -> None:
    other = FakeSource([record(7, name="elsewhere", experiment="[b]other")])
    source = FakeSource(others={"[b]other": other})

    async def scenario(stage: Stage) -> None:
        await stage.sees("run-0")
        await stage.press("x")
        await stage.sees("Experiment", "[b]other")
        await stage.press("down", "enter")
        await stage.sees("elsewhere", "experiment [b]other")
        await stage.until(lambda: "run-0" not in stage.text)
        await stage.press("x")
        await stage.sees("Experiment")
        await stage.press("escape")
        await stage.sees("elsewhere")

    play(scenario, source)


def test_one_marked_run_is_not_enough_to_compare() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("older")
        await stage.press("space", "c")
        await stage.sees("mark 2 to 4 runs")
        assert isinstance(stage.screen, RunsScreen)

    play(scenario, some_runs())


def test_the_id_of_the_run_is_copied() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("older")
        await stage.press("y")
        assert stage.app.clipboard == f"{2:032x}"

    play(scenario, some_runs())


def test_a_store_without_runs_says_what_to_do_and_opens_the_demo() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("no runs yet", "repdyn train --arch", "d opens four recorded runs")
        await stage.press("d")
        await stage.sees("resnet18-sgd-digits-s0", "4 runs")
        await stage.press("escape")
        await stage.sees("no runs yet")

    play(scenario, FakeSource([]))


def test_a_store_without_runs_offers_only_keys_that_do_something() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("no runs yet", "x shows another experiment, U deleted runs", "Demo")
        footer = stage.text.splitlines()[-1]
        assert not any(word in footer for word in ("Open", "Mark", "Compare", "Sort", "Group"))
        await stage.press("enter", "space", "c", "s", "g")
        await stage.sees("no runs yet")
        assert isinstance(stage.screen, RunsScreen)

    play(scenario, FakeSource([]), size=(60, 20))


def test_with_runs_the_key_of_the_demo_does_nothing() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("run-0")
        await stage.press("d")
        await stage.sees("run-0", "1 run ")
        assert len(stage.app.screen_stack) == 1

    play(scenario)


def test_a_missing_store_says_what_to_do() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("no such store; name another with --tracking-uri", "d opens four recorded")

    error = UserError("sqlite:///x: there is no such store; name another with `tracking_uri`")
    play(scenario, FakeSource(error=error))


def test_numbers_of_a_run_that_trains_move(monkeypatch: pytest.MonkeyPatch) -> None:
    hurried(monkeypatch.setattr)

    async def scenario(stage: Stage) -> None:
        await stage.sees("running", ".111")
        stage.source.records = [record(status="RUNNING", metrics={"test/acc": 0.222})]
        await stage.sees(".222")

    play(scenario, FakeSource([record(status="RUNNING", metrics={"test/acc": 0.111})]))


def test_when_the_store_fails_the_runs_stay_and_it_is_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hurried(monkeypatch.setattr)

    async def scenario(stage: Stage) -> None:
        await stage.sees("run-0")
        stage.source.error = OSError("connection refused")
        await stage.sees("connection refused", "retrying", "run-0")
        stage.source.error = None
        await stage.until(lambda: "connection refused" not in stage.text)

    play(scenario, FakeSource([record(status="RUNNING")]))


@pytest.mark.parametrize("size", [(59, 30), (100, 19)])
def test_without_room_one_sentence_says_so(size: tuple[int, int]) -> None:
    async def scenario(stage: Stage) -> None:
        assert "60 columns and 20 lines" in " ".join(stage.text.split())

    play(scenario, size=size)


def test_the_name_stays_whole_where_other_columns_have_to_go() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("a-rather-long-name-2026")
        assert "arch" not in stage.text

    play(scenario, FakeSource([record(name="a-rather-long-name-2026")]), size=(60, 20))


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (200, 60)])
def test_sorting_goes_through_the_columns_that_are_shown(size: tuple[int, int]) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("older")
        previews = stage.screen.query_one(ListedRuns).previews
        await stage.until(lambda: len(previews.facts) == 2)  # which tell of onset and fit
        table = stage.screen.query_one(RunsTable)
        seen = set()
        for _ in table.columns:
            head = stage.text.splitlines()[1]
            assert "▲" in head
            seen.add(head.partition("▲")[0].split("  ")[-1].strip())
            await stage.press("s")
        assert seen == {COLUMNS[i].title for i in table.columns if COLUMNS[i].key is not None}

    play(scenario, some_runs(), size=size)


def test_the_architecture_is_whole_where_there_is_space() -> None:
    long = record(params={"arch": "vit_tiny_patch16_224", "width": "0.25"})

    async def scenario(stage: Stage) -> None:
        await stage.sees("vit_tiny_patch16_224 ×0.25")
        assert "…" not in stage.text.partition("│")[0]

    play(scenario, FakeSource([long]), size=(200, 60))


def stopped_at_80() -> RunRecord:
    """Killed at epoch 80: after the last checkpoint, with a perfect fit that MLflow has not."""
    cut = until_epoch(record(), 70)
    curves = {
        name: Curve(curve.steps[curve.steps <= 80], curve.values[curve.steps <= 80])
        for name, curve in cut.curves.items()
    }
    run = replace(
        cut.summary, status="KILLED", ended=2, metrics={"test/acc": 0.5}, params={"epochs": "200"}
    )
    return replace(cut, summary=run, curves=curves, phases=find_phases(curves, None))


def test_the_list_and_the_run_agree_on_the_epochs_of_a_stopped_run() -> None:
    run = stopped_at_80()
    assert run.phases.fit is not None
    assert run.phases.onset is not None

    async def scenario(stage: Stage) -> None:
        await stage.sees("80/200", "onset", str(run.phases.onset), str(run.phases.fit))
        line = next(line for line in stage.text.splitlines() if "killed" in line)
        listed = line.partition("│")[0].split()
        assert {"80/200", str(run.phases.onset), str(run.phases.fit)} <= {*listed}
        await stage.press("enter")
        await stage.sees("epoch 80/200", f"onset {run.phases.onset}", f"fit {run.phases.fit}")

    play(scenario, FakeSource([run]), size=(200, 40))
