"""Runs of strangers: what is wrong with one is said in a line that names it; the others are read."""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import pytest
from mlflow.tracking import MlflowClient

from repdyn.errors import UserError
from repdyn.records import RunSummary
from repdyn.settings.schema import StoreConfig
from repdyn.storage import reader, schema, search
from repdyn.storage.locks import heartbeat
from repdyn.storage.run_artifacts import RunArtifacts
from repdyn.storage.writer import RunWriter
from tests.storage.test_codec import assert_same
from tests.support import stored as made


@pytest.fixture
def store(sqlite_store: StoreConfig) -> StoreConfig:
    return sqlite_store


def written(store: StoreConfig, **tags: str) -> str:
    with RunWriter.create(store, "run", {}, {schema.SCHEMA_TAG: "1"} | tags) as writer:
        writer.log_planes(made.planes())
        writer.log_dynamics(made.dynamics())
        writer.log_label_maps(made.label_maps(4))
        writer.log_summaries("cka", 4, np.ones((3, 5), np.float16))
    return writer.run_id


def folder(store: StoreConfig, run: str) -> Path:
    return Path(MlflowClient(store.tracking_uri).get_run(run).info.artifact_uri)


def link_outside(file: Path) -> None:
    outside = Path(tempfile.mkdtemp(dir=file.parents[3])) / "outside"
    file.rename(outside)
    file.symlink_to(outside)


def link_folder_outside(file: Path) -> None:
    outside = Path(tempfile.mkdtemp(dir=file.parents[3])) / "outside"
    file.parent.rename(outside)
    file.parent.symlink_to(outside)


def make_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def make_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def make_loop(file: Path) -> None:
    file.unlink()
    file.symlink_to(file)


def make_huge(file: Path) -> None:
    os.truncate(file, 2**40)


def truncate(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


DAMAGE = [
    (link_outside, "points outside the run's folder"),
    (link_folder_outside, "points outside the run's folder"),
    (make_pipe, "is not a regular file"),
    (make_folder, "is not a regular file"),
    (make_loop, "cannot be read"),
    (make_huge, "bytes, more than"),
    (truncate, "damaged"),
]

READERS: dict[str, Callable[[StoreConfig, str], object]] = {
    "dynamics/cka.npy": reader.load_run,
    "dynamics/layers.json": reader.load_run,
    "regions/planes.npz": reader.load_planes,
    "regions/epoch_00004.npz": lambda store, run: reader.load_label_maps(store, run, 4),
    "grams/epoch_00004.npy": lambda store, run: reader.load_summaries(store, run, "cka", 4),
}


@pytest.mark.parametrize(("damage", "said"), DAMAGE)
def test_damage_of_one_run_is_a_line_that_names_it_and_the_others_are_read(
    damage: Callable[[Path], None], said: str, store: StoreConfig
) -> None:
    whole, run = written(store), written(store)
    at, kept = folder(store, run), folder(store, run).with_name("kept")
    shutil.copytree(at, kept)
    for path, read in READERS.items():
        shutil.rmtree(at)
        shutil.copytree(kept, at)
        damage(at / path)
        with pytest.raises(UserError, match=said) as raised:
            read(store, run)
        line = str(raised.value)
        assert line.startswith(f"run {run[:8]}: {Path(path).parent}/"), line
        assert len(line.splitlines()) == 1
        assert reader.artifact_sizes(store, run)
    assert {run.run_id for run in search.list_runs(store)} == {whole, run}
    assert_same(reader.load_run(store, whole).dynamics, made.dynamics())


def test_a_run_folder_that_is_a_link_itself_is_read(store: StoreConfig, tmp_path: Path) -> None:
    run = written(store)
    at = folder(store, run)
    at.rename(tmp_path / "elsewhere")
    at.symlink_to(tmp_path / "elsewhere")
    assert reader.load_run(store, run).dynamics is not None


def test_sizes_leave_out_what_is_linked_from_outside(store: StoreConfig) -> None:
    run = written(store)
    link_outside(folder(store, run) / "dynamics" / "cka.npy")
    sizes = reader.artifact_sizes(store, run)
    assert "dynamics/regions.npy" in sizes
    assert "dynamics/cka.npy" not in sizes


def test_phases_of_other_layers_are_passed_over(store: StoreConfig) -> None:
    """They stand there until a run that is measured again with other layers is finished."""
    run = written(store)
    with RunWriter.attach(store, run) as writer:
        writer.put(
            schema.PHASES,
            b'{"onset": 1, "fit": 2, "test_min": 3, "test_peak": 4, "change_points": [[1], [2]]}',
        )
    assert reader.load_run(store, run).phases.markers() == {}


STRANGE_TAGS = {
    schema.MEASURES_TAG: "[" * 4000,
    schema.SCHEMA_TAG: "٣" * 4400,
    heartbeat.TAG: "9" * 4400,
    heartbeat.PID_TAG: "9" * 400,
}


@pytest.mark.parametrize("tag", STRANGE_TAGS)
def test_a_run_with_strange_tags_is_listed(tag: str, store: StoreConfig) -> None:
    whole = written(store)
    strange = RunWriter.create(store, "strange", {}, {tag: STRANGE_TAGS[tag]}).run_id
    listed: list[RunSummary] = search.list_runs(store)
    assert {run.run_id for run in listed} == {whole, strange}
    with suppress(UserError):  # of a schema that is newer
        reader.load_run(store, strange)


@pytest.mark.parametrize("uri", ["file://[x/y", "s3://nowhere/at/all", "nonsense://x"])
def test_artifacts_that_cannot_be_had_are_one_line(uri: str, store: StoreConfig) -> None:
    run_id = written(store)
    with closing(sqlite3.connect(str(store.tracking_uri).removeprefix("sqlite:///"))) as tables:
        tables.execute("update runs set artifact_uri = ? where run_uuid = ?", (uri, run_id))
        tables.commit()
    client = MlflowClient(store.tracking_uri)
    run = client.get_run(run_id)
    assert run.info.artifact_uri == uri
    with pytest.raises((UserError, FileNotFoundError)) as raised:
        RunArtifacts(client, run).read("dynamics/cka.npy", 1000)
    assert len(str(raised.value).splitlines()) == 1


class Server:
    """Answers as MLflow's client does of a server; notes what is fetched."""

    tracking_uri = "http://localhost"

    def __init__(self, listed: int, content: bytes) -> None:
        self.listed, self.content = listed, content
        self.fetched: list[str] = []

    def list_artifacts(self, run_id: str, path: str) -> list[object]:
        from mlflow.entities import FileInfo

        return [FileInfo(f"{path}/cka.npy", False, self.listed)]

    def download_artifacts(self, run_id: str, path: str, into: str) -> str:
        self.fetched.append(path)
        file = Path(into) / Path(path).name
        file.write_bytes(self.content)
        return str(file)


@pytest.mark.parametrize(("listed", "fetched"), [(2000, 0), (10, 1)])
def test_what_a_server_lists_as_too_large_is_not_fetched(
    listed: int, fetched: int, store: StoreConfig
) -> None:
    run = MlflowClient(store.tracking_uri).get_run(written(store))
    run.info._artifact_uri = "mlflow-artifacts:/1/x/artifacts"
    server = Server(listed, bytes(2000))
    artifacts = RunArtifacts(server, run)  # type: ignore[arg-type]  # all that it calls
    with pytest.raises(UserError, match="more than"):
        artifacts.read("dynamics/cka.npy", 1000)
    assert len(server.fetched) == fetched
    assert artifacts.read("dynamics/cka.npy", 2000) == bytes(2000)
