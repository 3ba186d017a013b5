"""Two processes never go on with one run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from repdyn.errors import UserError
from repdyn.runs import ownership
from repdyn.runs.ownership import CLAIM_TAG, claimed
from repdyn.settings.schema import StoreConfig
from repdyn.storage import schema
from repdyn.storage.locks import heartbeat
from repdyn.storage.locks.process_lock import HeldError
from repdyn.storage.opening import end_run
from repdyn.storage.writer import RunWriter

CLAIM = """
import os, socket, sys
from repdyn.runs.ownership import claimed
from repdyn.settings.schema import StoreConfig
with claimed(StoreConfig(tracking_uri=sys.argv[1]), sys.argv[2]):
    print(socket.gethostname(), os.getpid(), flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def run(sqlite_store: StoreConfig) -> str:
    """Return a run that was stopped."""
    with (
        pytest.raises(KeyboardInterrupt),
        RunWriter.create(sqlite_store, "stopped", {}, {schema.SCHEMA_TAG: "1"}) as writer,
    ):
        raise KeyboardInterrupt
    return writer.run_id


@pytest.fixture
def by_tag(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the store for one without locks, as a server's is."""
    monkeypatch.setattr(ownership, "run_lock", lambda client, run: None)
    monkeypatch.setattr(ownership, "CLAIM_SECONDS", 0.3)


def test_a_claim_is_for_one_process_and_ends_with_it(sqlite_store: StoreConfig, run: str) -> None:
    uri = str(sqlite_store.tracking_uri)
    other = subprocess.Popen(
        [sys.executable, "-c", CLAIM, uri, run],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdout is not None
    host, pid = other.stdout.readline().split()
    with pytest.raises(UserError) as raised, claimed(sqlite_store, run):
        pass
    assert str(raised.value) == f"stopped: is being trained on {host} by process {pid}"
    other.kill()
    other.communicate()
    with claimed(sqlite_store, run) as again:
        assert again.status == "KILLED"
    with claimed(sqlite_store, run):
        pass


def test_a_run_that_is_written_is_not_claimed(sqlite_store: StoreConfig) -> None:
    with RunWriter.create(sqlite_store, "open", {}, {}) as writer:
        end_run(sqlite_store, writer.run_id, "FAILED")  # others take it for dead
        with (
            pytest.raises(UserError, match="is being trained"),
            claimed(sqlite_store, writer.run_id),
        ):
            pass


def test_a_run_that_runs_elsewhere_is_not_claimed(sqlite_store: StoreConfig, run: str) -> None:
    client = MlflowClient(sqlite_store.tracking_uri)
    client.set_tag(run, heartbeat.HOST_TAG, "else\x1bwhere")
    client.update_run(run, status="RUNNING")
    with pytest.raises(UserError, match="on elsewhere by process"), claimed(sqlite_store, run):
        pass


def test_a_process_that_has_the_number_of_one_that_died_goes_on(
    sqlite_store: StoreConfig, run: str
) -> None:
    """As in a container that is started again: host and number are those of before."""
    client = MlflowClient(sqlite_store.tracking_uri)
    client.update_run(run, status="RUNNING")
    with claimed(sqlite_store, run) as claimed_run:
        assert claimed_run.run_id == run


@pytest.mark.usefixtures("by_tag")
def test_so_it_does_on_a_server(sqlite_store: StoreConfig, run: str) -> None:
    client = MlflowClient(sqlite_store.tracking_uri)
    client.update_run(run, status="RUNNING")
    with claimed(sqlite_store, run) as claimed_run:
        assert claimed_run.run_id == run
    client.set_tag(run, heartbeat.PID_TAG, str(os.getppid()))
    with pytest.raises(UserError, match=f"by process {os.getppid()}"), claimed(sqlite_store, run):
        pass


@pytest.mark.usefixtures("by_tag")
def test_of_two_claims_by_tag_one_holds(
    sqlite_store: StoreConfig, run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both look at the same moment, each in a thread that stands for a process."""
    gate, local = threading.Barrier(2), threading.local()
    held: list[str] = []
    refused: list[HeldError] = []

    def sign() -> dict[str, str]:
        gate.wait()  # both have seen that there is no claim
        return {heartbeat.TAG: "1", heartbeat.HOST_TAG: "h", heartbeat.PID_TAG: local.pid}

    def go(pid: str) -> None:
        local.pid = pid
        try:
            ownership._claim_by_tag(MlflowClient(sqlite_store.tracking_uri), run)
            held.append(pid)
        except HeldError as error:
            refused.append(error)

    monkeypatch.setattr(ownership, "signature", sign)
    threads = [threading.Thread(target=go, args=(pid,)) for pid in ("1", "2")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(held) == len(refused) == 1
    assert refused[0].owner == ("h", held[0])


@pytest.mark.usefixtures("by_tag")
def test_a_claim_by_tag_is_taken_back(sqlite_store: StoreConfig, run: str) -> None:
    client = MlflowClient(sqlite_store.tracking_uri)
    with claimed(sqlite_store, run):
        assert CLAIM_TAG in client.get_run(run).data.tags
        with pytest.raises(UserError, match="is being trained on"), claimed(sqlite_store, run):
            pass
    assert CLAIM_TAG not in client.get_run(run).data.tags


@pytest.mark.usefixtures("by_tag")
@pytest.mark.parametrize(
    "tag",
    [
        "no JSON",
        "[]",
        json.dumps({heartbeat.TAG: "1", heartbeat.HOST_TAG: "elsewhere", heartbeat.PID_TAG: "1"}),
    ],
)
def test_a_claim_that_is_old_or_none_does_not_count(
    tag: str, sqlite_store: StoreConfig, run: str
) -> None:
    MlflowClient(sqlite_store.tracking_uri).set_tag(run, CLAIM_TAG, tag)
    with claimed(sqlite_store, run) as claimed_run:
        assert claimed_run.run_id == run


@pytest.mark.usefixtures("by_tag")
def test_a_store_that_takes_no_claim_is_one_line(
    sqlite_store: StoreConfig, run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise MlflowException("forbidden")

    monkeypatch.setattr(MlflowClient, "set_tag", refuse)
    with pytest.raises(UserError, match="forbidden"), claimed(sqlite_store, run):
        pass


def test_a_run_that_does_not_exist_is_not_claimed(sqlite_store: StoreConfig, run: str) -> None:
    with pytest.raises(UserError), claimed(sqlite_store, "0" * 32):
        pass


def test_a_lock_lies_beside_the_artifacts(sqlite_store: StoreConfig, run: str) -> None:
    folder = Path(MlflowClient(sqlite_store.tracking_uri).get_run(run).info.artifact_uri)
    assert (folder.parent / "repdyn.lock").is_file()
    assert not folder.exists()
