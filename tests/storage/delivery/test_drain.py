"""Runs whose server goes away while they are written; a SQLite store stands for the server."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from repdyn.cli.sync import run_sync
from repdyn.errors import UnsentError, UserError
from repdyn.settings.schema import StoreConfig
from repdyn.storage import codec, opening, reader, schema, search, writer
from repdyn.storage.delivery import drain
from repdyn.storage.delivery.disk_queue import DiskQueue
from repdyn.storage.delivery.drain import Sent, drain_folder, drain_run, queue_folders
from repdyn.storage.delivery.executor import RetryableError, StoreExecutor
from repdyn.storage.delivery.operations import EndRun, Operation, SetTag
from repdyn.storage.delivery.queue_folder import ROOT, QueueFolder
from repdyn.storage.locks import heartbeat, run_lock
from repdyn.storage.writer import RunWriter
from tests.support import stored as made


class Cable:
    """What connects the executor to its store: may be cut, or carry only some operations."""

    def __init__(self) -> None:
        self.cut = False
        self.refused: type[Operation] | None = None


@pytest.fixture
def cable(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cable]:
    cable = Cable()
    do = StoreExecutor._do

    def through(executor: StoreExecutor, operation: Operation) -> None:
        if cable.cut:
            raise RetryableError("http://server: does not respond")
        if cable.refused is not None and isinstance(operation, cable.refused):
            raise OSError("refused")
        do(executor, operation)

    monkeypatch.setattr(StoreExecutor, "_do", through)
    monkeypatch.setattr(run_lock, "is_remote", lambda uri: True)
    for module in (writer, opening, drain):
        monkeypatch.setattr(module, "is_served", lambda uri: True)
    monkeypatch.setattr(drain, "PAUSE", 0.01)
    impatient = partial(DiskQueue, pauses=(0.01, 0.1), patience=0.3)
    monkeypatch.setattr(writer, "DiskQueue", impatient)
    yield cable
    cable.cut = False


def start(store: StoreConfig) -> RunWriter:
    return RunWriter.create(store, "run", {"opt": "sgd"}, {schema.SCHEMA_TAG: "1"})


def write(store: StoreConfig, cable: Cable, *, cut: bool = True) -> RunWriter:
    """Write a run during which the server goes away."""
    with start(store) as run:
        run.log_metrics(0, {"train/acc": 0.5})
        run.flush()
        cable.cut = cut
        run.log_metrics(1, {"train/acc": 1.0})
        run.log_dynamics(made.dynamics(4))
    return run


def left(store: StoreConfig, cable: Cable) -> tuple[str, Path]:
    """Return a run that ended while its server was away, and its queue; the server is back."""
    with pytest.raises(UnsentError):
        write(store, cable)
    cable.cut = False
    run = search.find_run(store, "last").run_id
    return run, Path("repdyn-spool") / run


def whole(store: StoreConfig, run: str) -> None:
    record = reader.load_run(store, run)
    assert record.summary.status == "FINISHED"
    assert record.curves["train/acc"].values.tolist() == [0.5, 1.0]
    assert record.dynamics is not None
    assert record.dynamics.steps.tolist() == [0, 1, 2, 4]
    assert record.summary.tags[schema.LAST_CHECKPOINT_TAG] == "4"


def test_a_run_whose_server_stays_there_leaves_no_queue(
    sqlite_store: StoreConfig, cable: Cable
) -> None:
    whole(sqlite_store, write(sqlite_store, cable, cut=False).run_id)
    assert not ROOT.exists()


def test_what_is_left_is_sent_later(
    sqlite_store: StoreConfig, cable: Cable, capsys: pytest.CaptureFixture[str]
) -> None:
    run, _ = left(sqlite_store, cable)
    assert search.find_run(sqlite_store, run).status == "RUNNING"
    run_sync(ROOT, None)
    said = capsys.readouterr().out.strip()
    dynamics = len(list(codec.encode_dynamics(made.dynamics(4))))
    layers = len(codec.layer_metrics(made.dynamics(4)))
    assert said == (
        f"run {run[:8]}: {1 + layers} metrics and {dynamics} artifacts sent to "
        f"{sqlite_store.tracking_uri}; the run is FINISHED"
    )
    whole(sqlite_store, run)
    assert not ROOT.exists()
    run_sync(ROOT, None)
    assert capsys.readouterr().out == "nothing is queued in repdyn-spool\n"


def test_the_end_is_when_the_run_ended(sqlite_store: StoreConfig, cable: Cable) -> None:
    run, folder = left(sqlite_store, cable)
    ended = heartbeat.now()
    drain_folder(folder)
    recorded = search.find_run(sqlite_store, run).ended
    assert recorded is not None
    assert recorded <= ended


def test_a_queue_is_sent_to_where_the_server_is_now(
    sqlite_store: StoreConfig, cable: Cable
) -> None:
    run, folder = left(sqlite_store, cable)
    queue = QueueFolder(folder)
    away = queue.run()
    queue.sign(type(away)("http://127.0.0.1:9", away.run_id, away.host, away.pid))
    queue.close()
    with pytest.raises(UserError, match="no MLflow server responds"):
        drain_folder(folder)
    sent = drain_folder(folder, sqlite_store.tracking_uri)
    assert sent.uri == sqlite_store.tracking_uri
    whole(sqlite_store, run)


def test_a_server_that_goes_away_again_keeps_the_rest(
    sqlite_store: StoreConfig, cable: Cable
) -> None:
    run, folder = left(sqlite_store, cable)
    cable.refused = EndRun
    with pytest.raises(UserError, match=f"{run}: refused"):
        drain_folder(folder)
    cable.refused = None
    assert drain_folder(folder) == Sent(str(sqlite_store.tracking_uri), run, 0, 0, "FINISHED")
    whole(sqlite_store, run)


def test_a_queue_that_cannot_be_sent_keeps_none_of_the_others(
    sqlite_store: StoreConfig, cable: Cable, capsys: pytest.CaptureFixture[str]
) -> None:
    (_, bad), (good, _) = left(sqlite_store, cable), left(sqlite_store, cable)
    (bad / "00000003" / "job.json").write_text("{")
    with pytest.raises(UserError, match="is damaged") as raised:
        run_sync(ROOT, None)
    assert str(bad) in str(raised.value)
    assert f"run {good[:8]}: " in capsys.readouterr().out
    assert queue_folders(ROOT) == [bad]
    whole(sqlite_store, good)


def test_a_run_that_others_have_gone_on_with_is_not_overwritten(
    sqlite_store: StoreConfig, cable: Cable
) -> None:
    run, folder = left(sqlite_store, cable)
    MlflowClient(sqlite_store.tracking_uri).set_tag(run, heartbeat.PID_TAG, "7")
    with pytest.raises(UserError, match=r"process 7 on .* has since resumed the run"):
        drain_folder(folder)
    assert len(QueueFolder(folder)) > 3


def test_a_queue_that_another_process_has_is_left_to_it(
    sqlite_store: StoreConfig, cable: Cable
) -> None:
    with start(sqlite_store) as run:
        with pytest.raises(UserError, match=r"repdyn-spool/.* held on .* by process \d+"):
            drain_run(run.run_id, sqlite_store)
        with RunWriter.attach(sqlite_store, run.run_id) as beside:
            beside.set_tag("beside", "yes")
    assert search.find_run(sqlite_store, run.run_id).tags["beside"] == "yes"
    assert not ROOT.exists()


def test_a_killed_process_leaves_what_it_has_not_sent(
    sqlite_store: StoreConfig, cable: Cable, capsys: pytest.CaptureFixture[str]
) -> None:
    run, folder = left(sqlite_store, cable)
    end = sorted(path for path in folder.iterdir() if path.is_dir())[-1]
    end.rename(folder / ".00000000")
    run_sync(folder, None)
    assert "its process died: resume it with repdyn train --resume" in capsys.readouterr().out
    drain_run(run, sqlite_store)  # nothing any more


def test_a_run_that_is_stopped_while_its_server_is_away_tells_where_it_waits(
    sqlite_store: StoreConfig, cable: Cable, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(KeyboardInterrupt), start(sqlite_store) as run:  # noqa: PT012 (what the block leaves is tested)
        cable.cut = True
        run.set_tag("a", "b")
        raise KeyboardInterrupt
    notice, place = (record.getMessage() for record in caplog.records)
    assert "training continues" in notice
    assert "repdyn sync" in place
    assert logging.getLogger("repdyn").getEffectiveLevel() <= logging.WARNING
    cable.cut = False
    drain_run(run.run_id, sqlite_store)
    found = search.find_run(sqlite_store, run.run_id)
    assert (found.status, found.tags["a"]) == ("KILLED", "b")


def test_a_rejection_ends_no_run_and_keeps_all(sqlite_store: StoreConfig, cable: Cable) -> None:
    cable.refused = SetTag
    with pytest.raises(UnsentError, match="repdyn sync"), start(sqlite_store) as run:
        run.set_tag("a", "b")
    cable.refused = None
    drain_run(run.run_id, sqlite_store)
    found = search.find_run(sqlite_store, run.run_id)
    assert (found.status, found.tags["a"]) == ("FINISHED", "b")
    assert not queue_folders(ROOT)


def test_sync_tells_what_is_refused_sends_all_else_and_tries_again(
    sqlite_store: StoreConfig, cable: Cable, capsys: pytest.CaptureFixture[str]
) -> None:
    """MLflow itself refuses a name that it does not allow."""
    with pytest.raises(UnsentError, match="1 entry is refused"), start(sqlite_store) as run:  # noqa: PT012 (what the block leaves is tested)
        run.log_metrics(0, {"good": 1.0})
        run.flush()
        run.log_metrics(1, {"bad#name": 1.0})
    short = run.run_id[:8]
    for _ in range(2):
        with pytest.raises(UserError, match=rf"run {short}: 1 entry is refused: metrics bad#name"):
            run_sync(ROOT, None)
        assert "the run is FINISHED" in capsys.readouterr().out
    assert search.find_run(sqlite_store, run.run_id).status == "FINISHED"
    (folder,) = queue_folders(ROOT)
    shutil.rmtree(next(folder.glob("refused-*")))  # given up
    run_sync(ROOT, None)
    assert not ROOT.exists()


def test_a_writer_does_not_send_what_another_has_left(
    sqlite_store: StoreConfig, cable: Cable
) -> None:
    run, folder = left(sqlite_store, cable)
    with RunWriter.attach(sqlite_store, run) as later:
        later.set_tag("later", "yes")
    assert queue_folders(ROOT) == [folder]
    drain_run(run, sqlite_store)
    whole(sqlite_store, run)


def test_what_is_no_queue_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "photos" / ".0").mkdir(parents=True)
    assert drain.queue_folders(tmp_path) == []
    run_sync(tmp_path, None)
    assert (tmp_path / "photos" / ".0").is_dir()
