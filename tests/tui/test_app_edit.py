"""Tags and note, deletion and restoration from the screen."""

from __future__ import annotations

from dataclasses import replace

import pytest
from textual.widgets import TextArea

from repdyn.errors import UserError
from repdyn.records import RunRecord
from repdyn.run_tags import NOTE
from tests.support.fakes import FakeSource, Stage, play, record
from tui.screens.edit import EditScreen
from tui.screens.runs import RunsScreen


def tagged(number: int = 0, **tags: str) -> RunRecord:
    found = record(number)
    return replace(found, summary=replace(found.summary, tags={**found.summary.tags, **tags}))


async def edit(stage: Stage) -> tuple[TextArea, TextArea]:
    """Open the fields of the run under the cursor."""
    await stage.sees("run-0")
    await stage.press("E")
    await stage.sees("name=value", "ctrl+s")
    screen = stage.screen
    return screen.query_one("#note", TextArea), screen.query_one("#tags", TextArea)


def tags_of(source: FakeSource) -> dict[str, str]:
    return dict(source.records[0].summary.tags)


def test_a_tag_and_the_note_are_written() -> None:
    source = FakeSource([tagged(stage="draft")])

    async def scenario(stage: Stage) -> None:
        _, tags = await edit(stage)
        assert tags.text == "stage=draft"
        await stage.press(*"good", "tab")
        tags.load_text("stage=final\nby=me")
        await stage.press("ctrl+s")
        await stage.sees("saved")
        assert isinstance(stage.screen, RunsScreen)

    play(scenario, source)
    assert tags_of(source) == {
        "repdyn.schema": "1",
        "stage": "final",
        "by": "me",
        NOTE: "good",
    }
    assert source.threads == {"reader"}


def test_a_run_that_is_open_is_edited_too() -> None:
    source = FakeSource([tagged(stage="draft")])

    async def scenario(stage: Stage) -> None:
        await stage.sees("epoch 200/200")
        await edit(stage)
        await stage.press("tab", "end", *"s", "ctrl+s")
        await stage.sees("saved")

    play(scenario, source, run="run-0")
    assert tags_of(source)["stage"] == "drafts"


@pytest.mark.parametrize(
    ("line", "said"),
    [("nonsense", "line 1: write name=value"), ("repdyn.schema=9", "repdyn's own tag")],
)
def test_a_wrong_line_is_refused_and_what_was_written_stays(line: str, said: str) -> None:
    source = FakeSource([tagged()])

    async def scenario(stage: Stage) -> None:
        note, tags = await edit(stage)
        note.load_text("a long note")
        tags.load_text(line)
        await stage.press("ctrl+s")
        await stage.sees(said)
        assert (note.text, tags.text) == ("a long note", line)

    play(scenario, source)
    assert tags_of(source) == {"repdyn.schema": "1"}


def test_what_the_store_refuses_stays_on_the_screen() -> None:
    source = FakeSource([tagged()])

    async def scenario(stage: Stage) -> None:
        note, _ = await edit(stage)
        source.refusal = UserError("the disk is full")
        note.load_text("a long note")
        await stage.press("ctrl+s")
        await stage.sees("the disk is full", "a long note")
        source.refusal = None
        await stage.press("ctrl+s")
        await stage.sees("saved")

    play(scenario, source)
    assert tags_of(source)[NOTE] == "a long note"


def test_unsaved_text_is_left_only_the_second_time() -> None:
    source = FakeSource([tagged()])

    async def scenario(stage: Stage) -> None:
        await edit(stage)
        await stage.press("x", "escape")
        await stage.sees("not saved yet")
        assert isinstance(stage.screen, EditScreen)
        await stage.press("escape")
        await stage.until(lambda: isinstance(stage.screen, RunsScreen))

    play(scenario, source)
    assert NOTE not in tags_of(source)


def test_without_changes_escape_leaves_at_once() -> None:
    async def scenario(stage: Stage) -> None:
        await edit(stage)
        await stage.press("escape")
        assert isinstance(stage.screen, RunsScreen)

    play(scenario, FakeSource([tagged(odd="a\nb\x1b[31m")]))


def test_foreign_text_in_the_note_is_harmless() -> None:
    async def scenario(stage: Stage) -> None:
        note, tags = await edit(stage)
        assert note.text == "a[31m\nb"
        assert tags.text == ""

    play(scenario, FakeSource([tagged(0, odd="\x1b[31m", **{NOTE: "a\x1b[31m\nb"})]))


def test_a_run_is_deleted_after_a_question_that_names_it() -> None:
    source = FakeSource([record(1), record(2)])

    async def scenario(stage: Stage) -> None:
        await stage.sees("run-1")
        await stage.press("D")
        await stage.sees("Delete run-1 (00000000)?", "y delete")
        await stage.press("n")
        assert len(source.records) == 2
        await stage.press("D")
        await stage.sees("Delete run-1")
        await stage.press("y")
        await stage.sees("deleted 1 run; U restores")
        await stage.until(lambda: "run-1 " not in stage.text)
        await stage.press("U")
        await stage.sees("Deleted runs", "00000000  run-1")
        await stage.press("enter")
        await stage.sees("restored 1 run")
        await stage.until(lambda: "2 runs" in stage.text)

    play(scenario, source)


def test_the_question_counts_the_runs_of_a_sweep() -> None:
    source = FakeSource([record(1)], nested_in={f"{1:032x}": 12})

    async def scenario(stage: Stage) -> None:
        await stage.sees("run-1")
        await stage.press("D")
        await stage.sees("and the 12 runs in it?")

    play(scenario, source)


def test_a_run_that_is_being_written_stays() -> None:
    source = FakeSource([record(1)], refusal=UserError("run-1: is being written by process 7"))

    async def scenario(stage: Stage) -> None:
        await stage.sees("run-1")
        await stage.press("D")
        await stage.sees("Delete run-1")
        await stage.press("y")
        await stage.sees("is being written by process 7", "run-1")

    play(scenario, source)
    assert len(source.records) == 1


def test_without_deleted_runs_it_is_said() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("run-0")
        await stage.press("U")
        await stage.sees("no deleted runs")

    play(scenario)


def test_where_nothing_can_be_changed_it_is_said_before_anything_is_typed() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("run-0")
        await stage.press("E")
        await stage.sees("the demo's runs cannot be changed")
        assert isinstance(stage.screen, RunsScreen)

    play(scenario, FakeSource(refusal=UserError("the demo's runs cannot be changed")))
