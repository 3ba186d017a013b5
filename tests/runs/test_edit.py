"""Changing stored runs: what is written, what is refused, and what stays."""

from __future__ import annotations

import subprocess
import sys

import pytest
from mlflow.entities import Metric, RunTag
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from repdyn.errors import UserError
from repdyn.run_tags import NOTE, TagChanges
from repdyn.runs.edit import change_tags, delete, deleted_runs, nested_runs, restore
from repdyn.settings.schema import StoreConfig
from repdyn.storage import schema
from repdyn.storage.locks import heartbeat
from repdyn.storage.search import list_runs
from repdyn.storage.writer import RunWriter


@pytest.fixture
def client(sqlite_store: StoreConfig) -> MlflowClient:
    return MlflowClient(sqlite_store.tracking_uri)


@pytest.fixture
def experiment(client: MlflowClient) -> str:
    return str(client.create_experiment("repdyn"))


def ended(client: MlflowClient, experiment: str, **tags: str) -> str:
    run = client.create_run(experiment, run_name="mine", tags=tags)
    client.set_terminated(run.info.run_id)
    return str(run.info.run_id)


def ids(store: StoreConfig) -> set[str]:
    return {run.run_id for run in list_runs(store)}


def test_tags_and_note_are_set_and_removed(
    sqlite_store: StoreConfig, client: MlflowClient, experiment: str
) -> None:
    run = ended(client, experiment, old="1", kept="2")
    change_tags(sqlite_store, run, TagChanges({"new": "a=b"}, ("old",), "two\nlines"))
    tags = client.get_run(run).data.tags
    assert (tags["new"], tags["kept"], tags[NOTE]) == ("a=b", "2", "two\nlines")
    assert "old" not in tags
    change_tags(sqlite_store, run, TagChanges(note=""))
    assert NOTE not in client.get_run(run).data.tags


def test_a_tag_that_is_gone_already_is_no_error(
    sqlite_store: StoreConfig, client: MlflowClient, experiment: str
) -> None:
    change_tags(sqlite_store, ended(client, experiment), TagChanges(removed=("gone",)))


@pytest.mark.parametrize("name", ["repdyn.schema", "mlflow.user", NOTE])
def test_tags_that_repdyn_or_mlflow_need_are_refused(
    sqlite_store: StoreConfig, client: MlflowClient, experiment: str, name: str
) -> None:
    run = ended(client, experiment, **{name: "before"})
    for changes in (TagChanges({name: "x", "mine": "y"}), TagChanges(removed=(name,))):
        with pytest.raises(UserError, match=name):
            change_tags(sqlite_store, run, changes)
    tags = client.get_run(run).data.tags
    assert tags[name] == "before"
    assert "mine" not in tags


def test_of_tags_of_which_the_store_rejects_one_none_is_set(
    sqlite_store: StoreConfig, client: MlflowClient, experiment: str
) -> None:
    run = ended(client, experiment)
    with pytest.raises(UserError):
        change_tags(sqlite_store, run, TagChanges({"good": "1", "bad\nname": "2"}))
    assert "good" not in client.get_run(run).data.tags


def test_a_deleted_run_is_listed_and_restored(
    sqlite_store: StoreConfig, client: MlflowClient, experiment: str
) -> None:
    run, other = ended(client, experiment), ended(client, experiment)
    assert delete(sqlite_store, run) == 1
    assert ids(sqlite_store) == {other}
    assert [one.run_id for one in deleted_runs(sqlite_store)] == [run]
    assert restore(sqlite_store, run) == 1
    assert ids(sqlite_store) == {run, other}
    assert deleted_runs(sqlite_store) == []


def test_a_sweep_goes_and_comes_with_its_runs(
    sqlite_store: StoreConfig, client: MlflowClient, experiment: str
) -> None:
    sweep = ended(client, experiment, **{schema.SWEEP_TAG: "digest"})
    runs = [ended(client, experiment, **{MLFLOW_PARENT_RUN_ID: sweep}) for _ in range(3)]
    apart = ended(client, experiment)
    assert nested_runs(sqlite_store, sweep) == 3
    assert delete(sqlite_store, sweep) == 4
    assert ids(sqlite_store) == {apart}
    assert [one.run_id for one in deleted_runs(sqlite_store)] == [sweep]
    assert restore(sqlite_store, sweep) == 4
    assert ids(sqlite_store) == {apart, *runs}


def test_a_run_that_this_machine_writes_is_not_deleted(sqlite_store: StoreConfig) -> None:
    with RunWriter.create(sqlite_store, "mine", {}, {schema.SCHEMA_TAG: "1"}) as writer:
        with pytest.raises(UserError, match="mine: is being written by process"):
            delete(sqlite_store, writer.run_id)
        assert ids(sqlite_store) == {writer.run_id}
    assert delete(sqlite_store, writer.run_id) == 1


def test_a_run_that_another_machine_writes_is_not_deleted_until_its_heartbeat_stops(
    sqlite_store: StoreConfig, client: MlflowClient, experiment: str
) -> None:
    tags = heartbeat.signature() | {heartbeat.HOST_TAG: "elsewhere", heartbeat.PID_TAG: "7"}
    run = client.create_run(experiment, tags=tags).info.run_id
    with pytest.raises(UserError, match="by process 7 on elsewhere"):
        delete(sqlite_store, run)
    client.set_tag(run, heartbeat.TAG, str(heartbeat.now() - 3_600_000))
    assert delete(sqlite_store, run) == 1


def test_a_run_whose_process_was_killed_is_deleted(
    sqlite_store: StoreConfig, client: MlflowClient, experiment: str
) -> None:
    gone = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True
    )
    tags = heartbeat.signature() | {heartbeat.PID_TAG: gone.stdout.decode().strip()}
    assert delete(sqlite_store, client.create_run(experiment, tags=tags).info.run_id) == 1


def test_a_run_of_another_program_is_deleted_once_it_logs_no_longer(
    sqlite_store: StoreConfig, client: MlflowClient, experiment: str
) -> None:
    long_ago = heartbeat.now() - 3_600_000
    quiet = client.create_run(experiment, start_time=long_ago).info.run_id
    busy = client.create_run(experiment, start_time=long_ago).info.run_id
    client.log_batch(
        busy, metrics=[Metric("loss", 1.0, heartbeat.now(), 1)], tags=[RunTag("a", "b")]
    )
    assert delete(sqlite_store, quiet) == 1
    with pytest.raises(UserError, match="is being written"):
        delete(sqlite_store, busy)


def test_while_one_run_of_a_sweep_is_written_none_is_deleted(
    sqlite_store: StoreConfig, client: MlflowClient, experiment: str
) -> None:
    sweep = ended(client, experiment, **{schema.SWEEP_TAG: "digest"})
    parent = {MLFLOW_PARENT_RUN_ID: sweep}
    done = ended(client, experiment, **parent)
    client.create_run(experiment, tags=parent)
    with pytest.raises(UserError, match="Nothing was deleted"):
        delete(sqlite_store, sweep)
    assert done in ids(sqlite_store)
