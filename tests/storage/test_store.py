"""Runs written into and read out of a real SQLite store."""

import json
import logging
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from mlflow.tracking import MlflowClient
from sqlalchemy import Connection, create_engine, event

from repdyn.cli.show import list_all
from repdyn.errors import UserError
from repdyn.records import Phases
from repdyn.score_key import ScoreKey
from repdyn.settings.schema import StoreConfig
from repdyn.storage import reader, schema, search
from repdyn.storage import store as store_module
from repdyn.storage.delivery import memory_queue
from repdyn.storage.delivery.memory_queue import MemoryQueue
from repdyn.storage.delivery.operations import Operation, SetTag
from repdyn.storage.location import database_file
from repdyn.storage.locks import heartbeat
from repdyn.storage.locks.heartbeat import Heartbeat
from repdyn.storage.writer import RunWriter
from tests.storage.test_codec import assert_same
from tests.support import stored as made
from tests.support.present import present


@pytest.fixture
def store(sqlite_store: StoreConfig) -> StoreConfig:
    return sqlite_store


TAGS = {schema.SCHEMA_TAG: "1"}


def start(store: StoreConfig, name: str = "run", **settings: str) -> RunWriter:
    return RunWriter.create(store, name, {"opt": "sgd"} | settings, TAGS)


def written(store: StoreConfig, name: str = "run") -> str:
    """Write a small whole run."""
    with start(store, name) as writer:
        writer.log_planes(made.planes())
        for epoch in range(3):
            writer.log_metrics(epoch, {"train/acc": epoch / 2, "test/acc": 0.5})
        for e in (3, 4):
            writer.log_dynamics(made.dynamics(e))
        writer.log_label_maps(made.label_maps(4))
        writer.log_summaries("cka", 4, np.ones((3, 5), np.float16))
        phases = Phases(onset=1, fit=2, change_points=((), (1,), ()))
        writer.log_phases(
            phases,
            {ScoreKey("fit_break", "cka"): 1.5, ScoreKey("synchrony", "cka"): float("nan")},
            made.LAYERS,
        )
        writer.log_input("digits", "scikit-learn", "train", {"images": 10})
        writer.put(schema.checkpoint_path(4), b"weights")
    return writer.run_id


def test_a_run_comes_back_whole(store: StoreConfig) -> None:
    run_id = written(store)
    record = reader.load_run(store, "last")
    assert record.summary.run_id == run_id
    assert record.summary.status == "FINISHED"
    assert record.summary.params == {"opt": "sgd"}
    assert record.summary.tags[schema.LAST_CHECKPOINT_TAG] == "4"
    assert record.dynamics is not None
    assert_same(record.dynamics, made.dynamics(4))
    assert set(record.curves) == {"train/acc", "test/acc"}
    assert record.curves["train/acc"].values.tolist() == [0, 0.5, 1]
    assert record.phases == Phases(onset=1, fit=2, change_points=((), (1,), ()))
    assert record.scores == {ScoreKey("fit_break", "cka"): 1.5}
    assert_same(reader.load_planes(store, run_id), made.planes())
    assert_same(reader.load_label_maps(store, run_id, 4), made.label_maps(4))
    assert reader.load_summaries(store, run_id, "cka", 4).shape == (3, 5)
    assert reader.load_weights(store, run_id, 4) == b"weights"
    assert reader.saved_epochs(store, run_id) == [4]
    assert reader.artifact_sizes(store, run_id)[schema.checkpoint_path(4)] == 7


def test_an_artifact_is_removed_and_a_missing_one_is_no_mistake(store: StoreConfig) -> None:
    with start(store) as writer:
        for epoch in (1, 2):
            writer.put(schema.checkpoint_path(epoch), b"weights")
        writer.remove(schema.checkpoint_path(1))
        writer.remove(schema.checkpoint_path(0))
    assert reader.saved_epochs(store, writer.run_id) == [2]


def test_mlflows_client_sees_metrics_by_epoch_and_the_data_set(store: StoreConfig) -> None:
    run_id = written(store)
    client = MlflowClient(store.tracking_uri)
    run = client.get_run(run_id)
    assert run.data.metrics["phase/fit"] == 2
    assert run.data.metrics["score/fit_break_cka"] == 1.5
    assert [m.step for m in client.get_metric_history(run_id, "watched/cka_drift/block")] == [2, 4]
    (given,) = present(run.inputs).dataset_inputs
    assert given.dataset.name == "digits"
    assert json.loads(present(given.dataset.profile)) == {"images": 10}
    assert {"mlflow.user", "mlflow.source.name"} <= set(run.data.tags)


def test_a_run_that_goes_on_is_read_up_to_now(store: StoreConfig) -> None:
    writer = start(store)
    writer.log_metrics(0, {"train/acc": 0.2})
    writer.flush()
    record = reader.load_run(store, "last")
    assert record.summary.status == "RUNNING"
    assert record.dynamics is None
    assert record.curves["train/acc"].steps.tolist() == [0]
    writer.log_metrics(1, {"train/acc": 1.0})
    writer.log_dynamics(made.dynamics(2))
    writer.flush()
    record = reader.load_run(store, "last")
    assert record.dynamics is not None
    assert record.dynamics.steps.tolist() == [0, 1]
    assert record.phases.fit == 1, "found from the curves, before the run has stored any"
    with writer:
        pass


@pytest.mark.parametrize(
    ("error", "status"), [(KeyboardInterrupt, "KILLED"), (ValueError, "FAILED")]
)
def test_a_run_that_breaks_off_keeps_what_was_logged(
    error: type[BaseException], status: str, store: StoreConfig
) -> None:
    with pytest.raises(error), start(store) as writer:  # noqa: PT012 (the block is what is tested)
        writer.log_metrics(0, {"train/acc": 0.2})
        writer.log_dynamics(made.dynamics(2))
        raise error
    record = reader.load_run(store, "last")
    assert record.summary.status == status
    assert record.dynamics is not None
    assert record.curves["train/acc"].values.tolist() == [0.2]


def test_a_run_that_cannot_be_opened_is_not_left_running(store: StoreConfig) -> None:
    Path("mlruns").write_text("a file where artifacts would be")
    with pytest.raises(UserError):
        start(store)
    (run,) = MlflowClient(store.tracking_uri).search_runs(["1"])
    assert run.info.status == "FAILED"


def test_a_database_that_is_full_is_one_line(
    store: StoreConfig, capfd: pytest.CaptureFixture[str]
) -> None:
    writer = start(store)
    with closing(sqlite3.connect("mlflow.db")) as database:
        pages = database.execute("PRAGMA page_count").fetchone()[0]
    # SQLite says of a file that may not grow what it says of one whose disk is full
    engine = writer._executor._client._tracking_client.store.engine

    @event.listens_for(engine, "begin")
    def bound(connection: Connection) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")

    engine.dispose()
    with pytest.raises(UserError) as raised, writer:  # noqa: PT012
        for epoch in range(50):
            writer.log_metrics(epoch, {f"train/{i}": 0.1 for i in range(1000)})
        writer.flush()
    assert "mlflow.db: the disk is full, at least 4,096 more bytes are needed" in str(raised.value)
    assert not capfd.readouterr().err


def test_an_empty_file_is_no_store_yet(tmp_path: Path) -> None:
    (tmp_path / "new.db").touch()
    made = StoreConfig(tracking_uri=f"sqlite:///{tmp_path}/new.db")
    with start(made):
        assert not list(tmp_path.glob(".repdyn-*"))
    assert search.find_run(made, "last").status == "FINISHED"


def test_epochs_that_a_run_repeats_are_logged_once(store: StoreConfig) -> None:
    losses = {"train/loss": float("nan"), "test/loss": float("inf")}
    with pytest.raises(KeyboardInterrupt), start(store) as writer:  # noqa: PT012
        for epoch in range(3):
            writer.log_metrics(epoch, {"train/acc": epoch / 3, **losses})
        raise KeyboardInterrupt
    with RunWriter.restart(store, writer.run_id) as again:
        for epoch in range(1, 4):
            value = 0.9 if epoch == 2 else epoch / 3  # a GPU may come to another value
            again.log_metrics(epoch, {"train/acc": value, **losses})
    client = MlflowClient(store.tracking_uri)
    histories = {
        name: [(m.step, m.value) for m in client.get_metric_history(writer.run_id, name)]
        for name in ("train/acc", *losses)
    }
    assert sorted(histories["train/acc"]) == [(0, 0), (1, 1 / 3), (2, 2 / 3), (2, 0.9), (3, 1)]
    for name in losses:
        assert sorted(step for step, _ in histories[name]) == [0, 1, 2, 3]
    curve = reader.load_run(store, writer.run_id).curves["train/acc"]
    assert curve.values.tolist() == [0, 1 / 3, 0.9, 1]


def test_of_a_process_of_this_machine_it_is_known_at_once_that_it_is_gone(
    store: StoreConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    writer = start(store, arch="resnet18", dataset="digits", train_size="1000")
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    writer.set_tag(heartbeat.PID_TAG, str(gone.pid))
    writer.flush()
    assert search.find_run(store, writer.run_id).status == "DIED"
    list_all(store, 10, as_json_text=False)
    assert f"repdyn train --resume {writer.run_id[:8]}" in capsys.readouterr().out


def test_a_run_whose_process_is_gone_is_shown_as_dead(store: StoreConfig) -> None:
    writer = start(store)
    assert search.find_run(store, writer.run_id).status == "RUNNING"
    long_ago = heartbeat.now() - int(heartbeat.DEAD_SECONDS * 1000) - 1000
    writer.set_tag(heartbeat.TAG, str(long_ago))
    writer.flush()
    assert search.find_run(store, writer.run_id).status == "DIED"
    with writer:
        pass
    assert search.find_run(store, writer.run_id).status == "FINISHED"


def test_a_heart_beats_until_it_is_stopped() -> None:
    beats: list[int] = []
    heart = Heartbeat(beats.append, seconds=0.01)
    while len(beats) < 3:
        threading.Event().wait(0.01)
    heart.stop()
    counted = len(beats)
    threading.Event().wait(0.05)
    assert len(beats) == counted
    assert beats == sorted(beats)


@pytest.mark.parametrize("tag", ["", "soon", "-1", "1e3"])
def test_a_heartbeat_that_is_none_is_no_death(tag: str) -> None:
    assert not heartbeat.is_silent({heartbeat.TAG: tag})


def test_what_cannot_be_written_is_said_and_fails_the_run(store: StoreConfig) -> None:
    writer = start(store)
    folder = Path(MlflowClient(store.tracking_uri).get_run(writer.run_id).info.artifact_uri)
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("a file where the folder should be")
    with pytest.raises(UserError, match=writer.run_id[:8]), writer:  # noqa: PT012 (the block is what is tested)
        writer.put("dynamics/x.npy", b"")
        writer.flush()
    assert search.find_run(store, writer.run_id).status == "FAILED"


def test_runs_are_found_by_id_prefix_name_and_last(store: StoreConfig) -> None:
    ids = [written(store, name) for name in ("one", 'it"s', "it's")]
    for text, expected in (
        (ids[0], 0),
        ("one", 0),
        ('it"s', 1),
        ("it's", 2),
        ("last", 2),
        (_unique_prefix(ids, 1), 1),
    ):
        assert search.find_run(store, text).run_id == ids[expected], text


def _unique_prefix(ids: list[str], i: int) -> str:
    return next(
        ids[i][:n] for n in range(1, 32) if sum(run.startswith(ids[i][:n]) for run in ids) == 1
    )


def test_a_name_that_several_runs_have_is_ambiguous(store: StoreConfig) -> None:
    ids = [start(store, "twin").run_id for _ in range(2)]
    with pytest.raises(UserError, match="ambiguous: matches several runs") as raised:
        search.find_run(store, "twin")
    assert all(run[:8] in str(raised.value) for run in ids)


@pytest.mark.parametrize("text", ["zzz", "", "f" * 32, "a'b\"c", "%"])
def test_a_run_that_does_not_exist_is_said(text: str, store: StoreConfig) -> None:
    start(store)
    with pytest.raises(UserError, match="repdyn runs"):
        search.find_run(store, text)


def test_runs_are_listed_newest_first_a_page_at_a_time(store: StoreConfig) -> None:
    names = [f"run{i}" for i in range(5)]
    for name in names:
        start(store, name)
    listed = search.list_runs(store)
    assert {run.name for run in listed} == set(names)
    assert [run.started for run in listed] == sorted((r.started for r in listed), reverse=True)
    assert [len(page) for page in search.pages(store, size=2)] == [2, 2, 1]
    assert len(search.list_runs(store, limit=3)) == 3
    chosen = next(search.pages(store, matching="attributes.run_name = 'run3'"))
    assert [run.name for run in chosen] == ["run3"]


def test_the_sweep_of_a_listed_run_is_listed_whatever_the_limit(store: StoreConfig) -> None:
    with RunWriter.create(store, "grid", {}, {schema.SWEEP_TAG: "x"}) as parent:
        for name in ("one", "two"):
            with RunWriter.create(store, name, {}, {}, parent_run_id=parent.run_id):
                pass
    assert {run.name for run in search.list_runs(store)} == {"one", "two"}
    for limit in (1, 50):
        listed = [run.name for run in search.list_runs(store, limit, sweeps=True)]
        assert listed.count("grid") == 1
        assert len(listed) == min(limit, 2) + 1


def test_a_filter_that_is_none_is_one_line(store: StoreConfig) -> None:
    start(store)
    with pytest.raises(UserError) as raised:
        next(search.pages(store, matching="params.opt ="))
    assert "\n" not in str(raised.value)


def test_reading_makes_no_store(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="repdyn train"):
        search.list_runs(StoreConfig(tracking_uri=f"sqlite:///{tmp_path}/none/mlflow.db"))
    assert not (tmp_path / "none").exists()


def test_an_experiment_that_does_not_exist_names_those_that_do(store: StoreConfig) -> None:
    start(store)
    with pytest.raises(UserError, match="repdyn") as raised:
        search.list_runs(StoreConfig(tracking_uri=store.tracking_uri, experiment="other"))
    assert "experiment other: there is no" in str(raised.value)


def test_experiments_are_listed_the_last_changed_first(store: StoreConfig) -> None:
    for name in ("one", "two"):
        with RunWriter.create(
            StoreConfig(tracking_uri=store.tracking_uri, experiment=name), "r", {}, {}
        ):
            pass
    assert search.list_experiments(store)[:2] == ["two", "one"]


def test_the_environment_names_store_and_experiment(
    store: StoreConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", str(store.tracking_uri))
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    with start(StoreConfig()):
        pass
    assert search.list_runs(StoreConfig())[0].experiment == "mine"


def test_a_store_copied_from_elsewhere_opens(store: StoreConfig, tmp_path: Path) -> None:
    written(store)
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in ("mlflow.db", "mlruns"):
        shutil.move(tmp_path / name, moved / name)
    record = reader.load_run(StoreConfig(tracking_uri=f"sqlite:///{moved}/mlflow.db"), "last")
    assert record.dynamics is not None
    assert_same(record.dynamics, made.dynamics(4))


def test_a_newer_schema_is_said(store: StoreConfig) -> None:
    with RunWriter.create(store, "new", {}, {}) as writer:
        writer.set_tag(schema.SCHEMA_TAG, str(schema.SCHEMA_VERSION + 1))
    with pytest.raises(UserError, match="newer repdyn"):
        reader.load_run(store, "last")


def test_settings_measured_again_in_place_stand_over_the_params(store: StoreConfig) -> None:
    run_id = written(store)
    with RunWriter.attach(store, run_id) as writer:
        writer.set_tag(schema.MEASURES_TAG, json.dumps({"opt": "changed"}))
    found = search.find_run(store, run_id)
    assert found.params["opt"] == "changed"
    assert found.status == "FINISHED"


def test_a_nested_run_names_its_parent(store: StoreConfig) -> None:
    parent = written(store)
    with RunWriter.create(store, "child", {}, TAGS, parent_run_id=parent) as writer:
        pass
    assert search.find_run(store, writer.run_id).tags["mlflow.parentRunId"] == parent


def test_no_half_file_is_ever_seen(store: StoreConfig) -> None:
    """A reader that looks all the time, while files are replaced, sees whole ones."""
    writer = start(store)
    contents = [bytes([i]) * 300_000 for i in range(2)]
    writer.put("dynamics/x", contents[0])
    writer.flush()
    path = Path(MlflowClient(store.tracking_uri).get_run(writer.run_id).info.artifact_uri)
    seen, stop = set(), threading.Event()

    def look() -> None:
        while not stop.is_set():
            seen.add((path / "dynamics" / "x").read_bytes())

    looking = threading.Thread(target=look)
    looking.start()
    with writer:
        for i in range(200):
            writer.put("dynamics/x", contents[i % 2])
    stop.set()
    looking.join()
    assert seen <= set(contents)
    assert [file.name for file in (path / "dynamics").iterdir()] == ["x"]


@pytest.mark.parametrize(
    "uri", ["nonsense://x", "http://127.0.0.1:9", "sqlite:////proc/none/mlflow.db"]
)
def test_a_store_that_cannot_be_had_is_one_line(uri: str) -> None:
    with pytest.raises(UserError) as raised:
        start(StoreConfig(tracking_uri=uri))
    assert "\n" not in str(raised.value)
    assert uri in str(raised.value)


def test_a_file_that_is_no_database_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    path.write_text("no database" * 100)
    with pytest.raises(UserError) as raised:
        search.list_runs(StoreConfig(tracking_uri=f"sqlite:///{path}"))
    assert "\n" not in str(raised.value)


KILLED_WHILE_IT_MAKES_TABLES = """
import os, sys
from alembic.ddl.impl import DefaultImpl
from mlflow.tracking import MlflowClient
from repdyn.settings.schema import StoreConfig
from repdyn.storage.store import connect

DefaultImpl.drop_table = lambda *given, **named: os._exit(9)
who, uri = sys.argv[1:]
MlflowClient(uri) if who == "mlflow" else connect(StoreConfig(tracking_uri=uri))
"""


def kill_the_making_of(store: StoreConfig, who: str) -> None:
    """Kill a process between a table's copy and the removal of the old one."""
    arguments = ["-c", KILLED_WHILE_IT_MAKES_TABLES, who, str(store.tracking_uri)]
    assert subprocess.run([sys.executable, *arguments], check=False).returncode == 9


def test_a_store_whose_making_was_killed_is_made_anew(tmp_path: Path) -> None:
    store = StoreConfig(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")
    kill_the_making_of(store, "repdyn")
    assert {file.name for file in tmp_path.iterdir()} > {"mlflow.db.lock"}
    assert not (tmp_path / "mlflow.db").exists()
    run = written(store)
    assert search.find_run(store, "last").run_id == run
    assert {file.name for file in tmp_path.iterdir()} <= {"mlflow.db", "mlflow.db.lock", "mlruns"}


def test_a_store_that_mlflow_left_half_made_is_one_line(tmp_path: Path) -> None:
    store = StoreConfig(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")
    kill_the_making_of(store, "mlflow")
    with pytest.raises(UserError, match="a process was killed while it created") as raised:
        search.list_runs(store)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("sqlite:///mlflow.db", Path("mlflow.db")),
        ("sqlite:////a/mlflow.db", Path("/a/mlflow.db")),
        ("sqlite:///mlflow.db?timeout=60", Path("mlflow.db")),
        ("sqlite:///file:mlflow.db?uri=true", None),
        ("sqlite:///:memory:", None),
        ("http://localhost:5000", None),
    ],
)
def test_the_file_of_a_sqlite_store(uri: str, path: Path | None) -> None:
    assert database_file(uri) == path


def test_the_queue_keeps_order_and_raises_what_failed() -> None:
    done: list[Operation] = []

    def send(operation: Operation) -> None:
        if operation == SetTag("fail", ""):
            raise OSError("full")
        done.append(operation)

    queue = MemoryQueue(send)
    operations = [SetTag(str(i), "") for i in range(100)]
    for operation in operations:
        queue.put(operation)
    queue.flush()
    assert done == operations

    queue.put(SetTag("fail", ""))
    with pytest.raises(OSError, match="full"):
        queue.flush()
    with pytest.raises(OSError, match="full"):
        queue.put(SetTag("more", ""))
    with pytest.raises(OSError, match="full"):
        queue.close(SetTag("last", ""))
    assert done == operations


def test_a_beat_does_not_wait_for_operations_that_wait() -> None:
    go_on, done = threading.Event(), []

    def send(operation: Operation) -> None:
        go_on.wait()
        done.append(operation)

    queue = MemoryQueue(send)
    for i in range(memory_queue.WAITING + 1):  # one is being sent
        queue.put(SetTag(str(i), ""))
    queue.beat(SetTag("beat", ""))
    go_on.set()
    queue.flush()
    queue.beat(SetTag("beat", ""))
    queue.close(SetTag("last", ""))
    assert done[-3:] == [
        SetTag(str(memory_queue.WAITING), ""),
        SetTag("beat", ""),
        SetTag("last", ""),
    ]


def test_reading_writing_and_changing_runs_need_no_torch() -> None:
    import subprocess

    script = (
        "import sys; import repdyn.storage.reader, repdyn.storage.writer, repdyn.runs.edit\n"
        "print(sorted({'torch', 'torchvision', 'timm', 'ruptures'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_store_that_others_keep_locked_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "LOCKED_PAUSE", 0.01)
    tries: list[int] = []

    def write(
        succeeds_at: int, message: str = "(sqlite3.OperationalError) database is locked"
    ) -> str:
        tries.append(1)
        if len(tries) < succeeds_at:
            raise OSError(message)
        return "written"

    assert store_module.patiently(lambda: write(3)) == "written"
    assert len(tries) == 3
    tries.clear()
    twice = "(sqlite3.IntegrityError) UNIQUE constraint failed: datasets.experiment_id"
    assert store_module.patiently(lambda: write(2, twice)) == "written"
    tries.clear()
    with pytest.raises(OSError, match="full"):
        store_module.patiently(lambda: write(3, "disk full"))
    assert len(tries) == 1
    monkeypatch.setattr(store_module, "LOCKED_SECONDS", 0.05)
    with pytest.raises(OSError, match="locked"):
        store_module.patiently(lambda: write(10**6))
    assert 2 < len(tries) < 20


def test_a_store_in_a_folder_that_cannot_be_written_is_read(
    store: StoreConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = written(store)
    lock = tmp_path / "mlflow.db.lock"
    lock.unlink()
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert search.find_run(store, run_id).status == "FINISHED"
    assert not lock.exists()


@pytest.mark.slow
def test_mlflows_own_patience_with_a_server_is_cut_but_the_users_is_kept() -> None:
    script = (
        "import repdyn.storage.store\n"
        "from mlflow.environment_variables import MLFLOW_HTTP_REQUEST_MAX_RETRIES as retries\n"
        "from mlflow.environment_variables import MLFLOW_HTTP_REQUEST_TIMEOUT as timeout\n"
        "print(retries.get(), timeout.get())"
    )

    def said(**environment: str) -> str:
        return subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            text=True,
            check=True,
            env={k: v for k, v in os.environ.items() if "MLFLOW" not in k} | environment,
        ).stdout.strip()

    assert said() == "1 30"
    assert said(MLFLOW_HTTP_REQUEST_TIMEOUT="300", MLFLOW_HTTP_REQUEST_MAX_RETRIES="5") == "5 300"


def test_a_database_connection_that_was_lost_is_returned_in_silence(
    caplog: pytest.LogCaptureFixture,
) -> None:
    connection = create_engine("sqlite://").raw_connection()
    present(connection.dbapi_connection).close()
    connection.close()
    assert not caplog.records


def test_what_psycopg_ignores_of_a_lost_connection_is_not_printed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    logging.getLogger("psycopg").warning("error ignored terminating %r", "a pipeline")
    assert not caplog.records
