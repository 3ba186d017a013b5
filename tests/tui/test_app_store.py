"""The app on real stores: many runs, a run that another process writes, MLflow's server."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import threading
import uuid
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from repdyn.records import Phases, RunSummary
from repdyn.score_key import ScoreKey
from repdyn.settings.schema import StoreConfig
from repdyn.storage import schema
from repdyn.storage.writer import RunWriter
from tests.e2e.test_mlflow_ui import served
from tests.support import stored as made
from tests.support.fakes import FakeSource, Stage
from tests.support.present import present
from tui.app import RepdynApp
from tui.listing_cache import ListingCache, listing_key
from tui.screens.runs_table import RunsTable
from tui.source import Source, StoreSource

pytestmark = pytest.mark.slow

MANY = 5000
WRITER = """
import sys, time
from repdyn.settings.schema import StoreConfig
from repdyn.storage.writer import RunWriter
from tests.support import stored as made
store = StoreConfig(tracking_uri=sys.argv[1])
with RunWriter.create(store, "elsewhere", {"epochs": "64"}, {"repdyn.schema": "1"}) as writer:
    for e in range(1, 9):
        dynamics = made.dynamics(e)
        writer.log_metrics(int(dynamics.steps[-1]), {"train/acc": e / 8, "test/acc": 0.5})
        writer.log_dynamics(dynamics)
        writer.flush()
        print(dynamics.steps[-1], flush=True)
        sys.stdin.readline()
"""


@pytest.fixture
def store(sqlite_store: StoreConfig) -> StoreConfig:
    return sqlite_store


class Waiting(StoreSource):
    """Gives the first page, and the others when it is told to go on."""

    def __init__(self, store: StoreConfig) -> None:
        super().__init__(store)
        self.go_on = threading.Event()

    def pages(self, matching: str = "") -> Iterator[list[RunSummary]]:
        for page in super().pages(matching):
            yield page
            assert self.go_on.wait(60)


class Late(StoreSource):
    """Reads the store when it is told to."""

    def __init__(self, store: StoreConfig, cache: ListingCache) -> None:
        super().__init__(store, cache)
        self.go_on = threading.Event()

    def pages(self, matching: str = "") -> Iterator[list[RunSummary]]:
        assert self.go_on.wait(60)
        yield from super().pages(matching)


def play(
    source: StoreConfig | Source,
    scenario: Callable[[Stage], Awaitable[None]],
    run: str | None = None,
) -> None:
    async def playing() -> None:
        app = RepdynApp(StoreSource(source) if isinstance(source, StoreConfig) else source, run)
        async with app.run_test(size=(120, 40)) as pilot:
            await scenario(Stage(app, pilot, FakeSource([])))

    asyncio.run(playing())


def written(store: StoreConfig, name: str, version: int = schema.SCHEMA_VERSION) -> str:
    params = {"arch": "resnet18", "opt": "sgd", "epochs": "4"}
    with RunWriter.create(store, name, params, {schema.SCHEMA_TAG: str(version)}) as writer:
        writer.log_metrics(4, {"train/acc": 1.0, "test/acc": 0.75})
        writer.log_dynamics(made.dynamics(4))
        writer.log_phases(Phases(onset=1, fit=2), {ScoreKey("fit_break", "cka"): 1.5}, made.LAYERS)
    return writer.run_id


def multiplied(database: Path, run: str, count: int) -> None:
    """Copy a run within the database; MLflow itself would take minutes."""
    with sqlite3.connect(database) as tables:
        for table in ("runs", "params", "tags", "latest_metrics"):
            cursor = tables.execute(f"select * from {table} where run_uuid = ?", (run,))
            columns = [column[0] for column in cursor.description]
            rows = cursor.fetchall()
            key, name = columns.index("run_uuid"), None
            if table == "runs":
                name = columns.index("name")
            copies = []
            for i in range(count):
                for row in map(list, rows):
                    row[key] = str(uuid.UUID(int=i).hex)
                    if name is not None:
                        row[name] = f"copy-{i}"
                    copies.append(row)
            marks = ", ".join("?" * len(columns))
            tables.executemany(f"insert into {table} values ({marks})", copies)
    tables.close()


def test_five_thousand_runs_arrive_while_the_list_is_used(
    store: StoreConfig, tmp_path: Path
) -> None:
    multiplied(tmp_path / "mlflow.db", written(store, "first"), MANY - 1)
    source = Waiting(store)

    async def scenario(stage: Stage) -> None:
        await stage.until(lambda: "resnet18" in stage.text, seconds=60)
        table = stage.app.screen.query_one(RunsTable)
        await stage.press("down", "down", "up")
        assert table.cursor == 1
        assert f"{MANY} runs" not in stage.text, "keys work before all have arrived"
        source.go_on.set()
        await stage.until(lambda: f"{MANY} runs" in stage.text, seconds=240)
        await stage.press("end")
        await stage.press("slash", *"copy-4242")
        await stage.until(lambda: "copy-4242" in stage.text and "copy-4241" not in stage.text)

    play(source, scenario)


def test_the_next_start_shows_the_last_list_and_then_what_has_changed(
    store: StoreConfig, tmp_path: Path
) -> None:
    cache = ListingCache(tmp_path / "lists")
    removed = written(store, "removed")
    written(store, "kept")

    async def first(stage: Stage) -> None:
        await stage.until(lambda: listing_key(store, "") in kept_keys(), 60)

    def kept_keys() -> list[str]:
        return [file.stem for file in (tmp_path / "lists").glob("*.json")]

    play(StoreSource(store, cache), first)
    StoreSource(store).delete(removed)
    written(store, "new")
    late = Late(store, cache)

    async def second(stage: Stage) -> None:
        assert "removed" in stage.text
        assert "as of" in stage.text
        late.go_on.set()
        await stage.until(lambda: "new" in stage.text and "as of" not in stage.text, 60)
        assert "removed" not in stage.text
        assert "kept" in stage.text

    play(late, second)
    listed = present(cache.load(listing_key(store, "")))
    assert [run.name for run in listed.runs] == ["new", "kept"]


def test_a_run_of_a_newer_schema_says_to_upgrade(store: StoreConfig) -> None:
    run = written(store, "from-the-future", version=schema.SCHEMA_VERSION + 1)

    async def scenario(stage: Stage) -> None:
        await stage.sees("upgrade repdyn", "escape goes back")

    play(store, scenario, run)


def test_a_checkpoint_that_another_process_logs_appears(store: StoreConfig) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(store.tracking_uri)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": ""},
    ) as writer:
        told, said = present(writer.stdin), present(writer.stdout)
        for expected in ("0", "1", "2"):
            assert said.readline().strip() == expected
            told.write("\n")
            told.flush()
        assert said.readline().strip() == "4"

        async def scenario(stage: Stage) -> None:
            await stage.until(lambda: "running" in stage.text and "epoch 4" in stage.text, 60)
            told.write("\n")
            told.flush()
            assert said.readline().strip() == "8"
            await stage.until(lambda: "epoch 8/64" in stage.text, 30)
            for _ in range(3):
                told.write("\n")
                told.flush()
            told.close()
            await stage.until(lambda: "finished" in stage.text, 30)

        play(store, scenario, "elsewhere")


def test_runs_of_a_server_are_listed_and_opened(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with served(tmp_path, "server") as address:
        store = StoreConfig(tracking_uri=address)
        written(store, "served")

        async def scenario(stage: Stage) -> None:
            await stage.until(lambda: "served" in stage.text and "finished" in stage.text, 60)
            await stage.press("enter")
            await stage.until(lambda: "logits" in stage.text and "fit 2" in stage.text, 60)

        play(store, scenario)
    # bars and links of MLflow's would be written over the screen
    assert capfd.readouterr() == ("", "")
