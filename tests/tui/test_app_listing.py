"""The list as it was last read, shown until the store has answered."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from repdyn.display.preview import Preview
from repdyn.errors import UserError
from repdyn.records import RunRecord
from repdyn.settings.schema import StoreConfig
from tests.support.fakes import FakeSource, Stage, hurried, play, record
from tests.tui.test_app_actions import NOT_AT_FIRST
from tui.listing_cache import Listing, ListingCache, listing_key
from tui.screens.runs import RunsScreen
from tui.screens.runs_table import RunsTable
from tui.session import Session
from tui.source import StoreSource

HOURS = 3600.0


def listing(*runs: RunRecord, hours: float = 3.0) -> Listing:
    return Listing([one.summary for one in runs], time.time() - HOURS * hours, len(runs))


def known(*runs: RunRecord, listed: tuple[RunRecord, ...]) -> FakeSource:
    """A store that does not answer yet, and the runs that it had three hours ago."""
    source = FakeSource([*runs], kept={"": listing(*listed)})
    source.answers.clear()
    return source


def run(number: int, **changes: Any) -> RunRecord:
    return record(number, name=f"run-{number}", started=10_000 + number, **changes)


def title(stage: Stage) -> str:
    return stage.text.splitlines()[0]


def names(stage: Stage) -> list[str]:
    rows = stage.screen.query_one(RunsTable)._rows
    return [row.run.name for row in rows if row.run is not None]


def test_the_last_list_is_shown_with_its_age_before_the_store_answers() -> None:
    source = known(run(2), run(1), listed=(run(1),))

    async def scenario(stage: Stage) -> None:
        assert "run-1" in stage.text
        assert "as of 3 h ago, reading …" in title(stage)
        assert "1 run" in title(stage)
        source.answers.set()
        await stage.sees("run-2")
        await stage.until(lambda: "as of" not in title(stage))
        assert names(stage) == ["run-2", "run-1"]

    play(scenario, source)


def test_what_a_run_has_become_replaces_what_was_listed() -> None:
    source = known(run(1), listed=(run(1, status="RUNNING", ended=None),))

    async def scenario(stage: Stage) -> None:
        assert "running" in stage.text
        source.answers.set()
        await stage.sees("finished")
        await stage.until(lambda: "running" not in stage.text)

    play(scenario, source)


def test_a_run_that_was_deleted_since_goes_with_its_mark() -> None:
    source = known(run(1), listed=(run(2), run(1)))

    async def scenario(stage: Stage) -> None:
        await stage.press("space", "space")
        await stage.sees("2 marked")
        source.answers.set()
        await stage.sees("1 marked")
        assert names(stage) == ["run-1"]

    play(scenario, source)


def test_all_runs_may_be_gone() -> None:
    source = known(listed=(run(1),))

    async def scenario(stage: Stage) -> None:
        assert "run-1" in stage.text
        source.answers.set()
        await stage.sees("There are no runs yet")
        assert "as of" not in title(stage)

    play(scenario, source)


def test_pages_that_arrive_replace_their_part_of_the_list() -> None:
    listed = tuple(run(i) for i in (3, 2, 1))
    source = known(*(run(i, status="FAILED") for i in (3, 2, 1)), listed=listed)
    source.page = 1
    go_on = threading.Event()
    pages = source.pages

    def slowly(matching: str = "") -> Any:
        for number, page in enumerate(pages(matching)):
            assert number == 0 or go_on.wait(30)
            yield page

    source.pages = slowly  # type: ignore[method-assign]  # of a fake

    async def scenario(stage: Stage) -> None:
        source.answers.set()
        await stage.sees("failed", "finished", "as of 3 h ago")
        assert names(stage) == ["run-3", "run-2", "run-1"]
        go_on.set()
        await stage.until(lambda: "finished" not in stage.text.partition("│")[0])
        await stage.until(lambda: "as of" not in title(stage))

    play(scenario, source)


def test_a_server_that_is_away_leaves_the_list_with_its_age_and_the_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hurried(monkeypatch.setattr)
    monkeypatch.setattr("tui.screens.runs_read.IDLE_SECONDS", 0.1)
    source = known(run(1), listed=(run(1),))
    source.error = UserError("http://host: no MLflow server responds")
    source.answers.set()

    async def scenario(stage: Stage) -> None:
        await stage.sees("no MLflow server responds; retrying", "run-1")
        await stage.until(lambda: "as of 3 h ago   experiment" in title(stage))
        source.error = None
        await stage.until(lambda: "as of" not in title(stage))
        assert "retrying" not in stage.text
        # kept by the reader's thread, after it has answered
        await stage.until(lambda: source.kept[""].read_at > time.time() - HOURS / 2)

    play(scenario, source)


def test_a_list_that_was_never_read_is_not_kept_as_new() -> None:
    source = known(run(1), listed=(run(1),))
    before = source.kept[""]
    source.error = UserError("away")
    source.answers.set()

    async def scenario(stage: Stage) -> None:
        await stage.sees("away; retrying")

    play(scenario, source)
    assert source.kept[""] is before


def test_the_list_is_kept_when_it_has_been_read_and_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hurried(monkeypatch.setattr)
    source = FakeSource([run(1, status="RUNNING", ended=None)])

    async def scenario(stage: Stage) -> None:
        await stage.until(lambda: "" in source.kept)
        assert source.kept[""].runs[0].status == "RUNNING"
        source.records = [run(1)]
        await stage.sees("finished")
        assert source.kept[""].runs[0].status == "RUNNING"

    play(scenario, source)
    assert source.kept[""].runs[0].status == "FINISHED"


def test_a_filter_and_an_experiment_have_lists_of_their_own() -> None:
    matching = "params.opt = 'sgd'"
    other = FakeSource([run(5)], kept={"": listing(run(5))})
    source = FakeSource([run(1)], kept={matching: listing(run(2))}, others={"other": other})

    async def scenario(stage: Stage) -> None:
        await stage.until(lambda: names(stage) == ["run-1"])
        source.answers.clear()
        screen = stage.screen
        assert isinstance(screen, RunsScreen)
        screen.show_filter(matching)
        await stage.until(lambda: names(stage) == ["run-2"])
        assert "as of 3 h ago" in title(stage)
        source.answers.set()
        await stage.until(lambda: names(stage) == ["run-1"])
        other.answers.clear()
        screen._go_to("other")
        screen.show_filter("")
        await stage.until(lambda: names(stage) == ["run-5"])
        assert "as of 3 h ago" in title(stage)
        other.answers.set()
        await stage.until(lambda: "as of" not in title(stage))

    play(scenario, source)


def test_words_and_order_of_the_last_session_hold_for_the_listed_runs(tmp_path: Path) -> None:
    session = Session(tmp_path / "screen.json", "a")
    session.of_store.words = "run-1"
    source = known(run(2), run(1), listed=(run(2), run(1)))

    async def scenario(stage: Stage) -> None:
        assert names(stage) == ["run-1"]
        assert "1 of 2 runs" in title(stage)

    play(scenario, source, session=session)


def test_a_run_opened_from_the_list_waits_for_the_store_and_says_so() -> None:
    source = known(run(1), listed=(run(1),))

    async def scenario(stage: Stage) -> None:
        await stage.press("enter")
        await stage.sees("Opening the run, once the store is open")
        await stage.press("escape")
        await stage.sees("as of 3 h ago")
        await stage.press("enter")
        source.answers.set()
        await stage.sees("epoch 200/200", "logits")

    play(scenario, source)


def test_runs_compared_from_the_list_wait_for_the_store_and_say_so() -> None:
    source = known(run(2), run(1), listed=(run(2), run(1)))

    async def scenario(stage: Stage) -> None:
        await stage.press("space", "space", "c")
        await stage.sees("Opening the runs, once the store is open")
        source.answers.set()
        await stage.sees("run-1", "run-2", "logits")

    play(scenario, source)


def test_a_run_that_was_deleted_since_cannot_be_opened_and_says_so() -> None:
    source = known(run(1), listed=(run(2), run(1)))

    async def scenario(stage: Stage) -> None:
        await stage.press("enter")
        source.answers.set()
        await stage.sees("there is no such run", "escape goes back")

    play(scenario, source)


@pytest.mark.parametrize(("key", "shown"), [("D", "Delete run-1"), ("E", "run-1")])
def test_a_key_that_needs_the_store_says_that_it_waits_and_counts_once(
    key: str, shown: str
) -> None:
    source = known(run(1), listed=(run(1),))

    async def scenario(stage: Stage) -> None:
        await stage.press(key)
        await stage.sees("the store is being opened; this follows")
        await stage.press(key)
        source.answers.set()
        await stage.until(lambda: not isinstance(stage.screen, RunsScreen))
        await stage.sees(shown)
        await stage.press("escape")
        await stage.until(lambda: isinstance(stage.screen, RunsScreen))
        await stage.pilot.pause(0.1)
        assert isinstance(stage.screen, RunsScreen)

    play(scenario, source)


class ListFirst(FakeSource):
    """Has a preview only once its list was asked for."""

    def preview(self, run: str) -> Preview:
        assert self.filters
        return super().preview(run)


def test_no_preview_is_asked_for_before_the_list_itself() -> None:
    source = ListFirst([run(1)], kept={"": listing(run(1))})
    source.answers.clear()

    async def scenario(stage: Stage) -> None:
        await stage.pilot.pause(0.4)
        source.answers.set()
        await stage.until(lambda: bool(source.previewed))

    play(scenario, source)
    assert len(source.previewed) == 1


FIRST_LIST = """
import os, sys
from pathlib import Path
from repdyn.settings.schema import StoreConfig
from tui.app import RepdynApp
from tui.listing_cache import ListingCache
from tui.source import StoreSource
show = RepdynApp._display

def first(app, screen, update):
    show(app, screen, update)
    if any("kept-run" in strip.text for strip in screen._compositor.render_strips()):
        print(*sys.modules, flush=True)
        os._exit(0)

RepdynApp._display = first
store = StoreConfig(tracking_uri="https://example.invalid")
RepdynApp(StoreSource(store, ListingCache(Path(sys.argv[1])))).run(headless=True)
"""


def test_the_first_frame_has_the_last_list_without_arrays_and_without_mlflow(
    tmp_path: Path,
) -> None:
    store = StoreConfig(tracking_uri="https://example.invalid")
    kept = replace(run(1).summary, name="kept-run")
    StoreSource(store, ListingCache(tmp_path)).keep(Listing([kept], time.time(), 1))
    assert (tmp_path / f"{listing_key(store, '')}.json").exists()
    found = subprocess.run(
        [sys.executable, "-c", FIRST_LIST, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    loaded = set(found.stdout.split())
    assert "tui.screens.runs" in loaded
    assert not (NOT_AT_FIRST | {"mlflow"}) & loaded
