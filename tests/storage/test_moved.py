"""A store that was copied is refused until it is rebound; the original never changes."""

import shutil
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from repdyn.cli import main
from repdyn.errors import UserError
from repdyn.run_tags import TagChanges
from repdyn.runs import edit
from repdyn.runs.ownership import claimed
from repdyn.settings.schema import StoreConfig
from repdyn.storage import reader
from repdyn.storage.location import sqlite_uri
from repdyn.storage.rebinding import rebind
from repdyn.storage.writer import RunWriter
from tests.support.present import present


def _contents(folder: Path) -> dict[Path, bytes]:
    return {one: one.read_bytes() for one in folder.rglob("*") if one.is_file()}


@pytest.mark.parametrize("kept", [True, False], ids=["copied", "moved"])
@pytest.mark.parametrize("name", ["copy", "a%20b"])
def test_a_copied_store_is_written_once_it_is_rebound(
    name: str, kept: bool, tmp_path: Path, blank_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = tmp_path / "old", tmp_path / name
    old.mkdir()
    shutil.copy(blank_database, old / "mlflow.db")
    monkeypatch.chdir(old)
    first = StoreConfig(tracking_uri=sqlite_uri(old / "mlflow.db"))
    with RunWriter.create(first, "run", {}, {}) as writer:
        writer.put("grams/x", b"content")
    shutil.copytree(old, new)
    monkeypatch.chdir(new)
    if not kept:
        shutil.rmtree(old)
    before, copied = _contents(old), _contents(new)
    store = StoreConfig(tracking_uri=sqlite_uri(new / "mlflow.db"))

    def claim() -> None:
        with claimed(store, writer.run_id):
            pass

    for write in (
        lambda: RunWriter.create(store, "second", {}, {}),
        lambda: RunWriter.restart(store, writer.run_id),
        lambda: RunWriter.attach(store, writer.run_id),
        claim,
        lambda: edit.change_tags(store, writer.run_id, TagChanges({"mine": "1"})),
        lambda: edit.delete(store, writer.run_id),
        lambda: edit.restore(store, writer.run_id),
    ):
        with pytest.raises(UserError, match="rebind") as raised:
            write()
        message = str(raised.value)
        assert str(old) in message
        assert str(new) in message
        assert "\n" not in message
    assert rebind(store, write=False)
    assert _contents(new) == copied
    assert rebind(store, write=True)
    assert not rebind(store, write=True)
    with RunWriter.create(store, "second", {}, {}) as second:
        second.put("grams/x", b"more")
    assert reader.artifact_sizes(store, second.run_id) == {"grams/x": 4}
    assert list(new.glob(f"mlruns/*/{second.run_id}/artifacts/grams/x"))
    assert _contents(old) == before
    assert old.exists() == kept


def made(folder: Path, monkeypatch: pytest.MonkeyPatch, blank: Path) -> tuple[StoreConfig, str]:
    """Make a store with one run in a folder."""
    folder.mkdir(parents=True)
    shutil.copy(blank, folder / "mlflow.db")
    monkeypatch.chdir(folder)
    store = StoreConfig(tracking_uri=sqlite_uri(folder / "mlflow.db"))
    with RunWriter.create(store, "run", {}, {}) as writer:
        writer.put("grams/x", b"content")
    return store, writer.run_id


def test_a_store_that_a_link_leads_to_is_not_moved(
    tmp_path: Path, blank_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(tmp_path / "real", monkeypatch, blank_database)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    store = StoreConfig(tracking_uri=sqlite_uri(tmp_path / "link" / "mlflow.db"))
    assert rebind(store, write=True) == []
    with RunWriter.create(store, "second", {}, {}) as second:
        second.put("grams/x", b"more")
    assert reader.artifact_sizes(store, second.run_id) == {"grams/x": 4}


def test_newer_runs_do_not_hide_that_a_store_was_copied(
    tmp_path: Path, blank_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, _ = made(tmp_path / "old", monkeypatch, blank_database)
    client = MlflowClient(store.tracking_uri)
    for _ in range(25):
        client.create_run(present(client.get_experiment_by_name("repdyn")).experiment_id)
    shutil.copytree(tmp_path / "old", tmp_path / "new")
    monkeypatch.chdir(tmp_path / "new")
    copy = StoreConfig(tracking_uri=sqlite_uri(tmp_path / "new" / "mlflow.db"))
    with pytest.raises(UserError, match="was copied or moved"):
        RunWriter.create(copy, "second", {}, {})


def test_a_folder_above_may_be_renamed(
    tmp_path: Path, blank_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(tmp_path / "a" / "b", monkeypatch, blank_database)
    (tmp_path / "a").rename(tmp_path / "My Docs")
    here = tmp_path / "My Docs" / "b"
    monkeypatch.chdir(here)
    store = StoreConfig(tracking_uri=sqlite_uri(here / "mlflow.db"))
    with pytest.raises(UserError, match="rebind"):
        RunWriter.create(store, "second", {}, {})
    assert not (tmp_path / "a").exists()
    rebind(store, write=True)
    with RunWriter.create(store, "second", {}, {}) as second:
        second.put("grams/x", b"more")
    assert list(here.glob(f"mlruns/*/{second.run_id}/artifacts/grams/x"))
    assert not (tmp_path / "a").exists()


def test_artifacts_that_are_elsewhere_on_purpose_stay_there(
    tmp_path: Path, blank_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, _ = made(tmp_path / "here", monkeypatch, blank_database)
    disk = tmp_path / "disk"
    client = MlflowClient(store.tracking_uri)
    client.create_experiment("large", str(disk / "large"))
    # beside the database lies a backup of it
    backup = tmp_path / "here" / "mlruns" / "large"
    client.create_experiment("from above", str(tmp_path / "mlruns" / "7"))
    large = StoreConfig(tracking_uri=store.tracking_uri, experiment="large")
    # as it is for a store in one folder that is trained into from another
    other = StoreConfig(tracking_uri=store.tracking_uri, experiment="from above")
    for one in (large, other, other):
        with RunWriter.create(one, "run", {}, {}) as writer:
            writer.put("grams/x", b"content")
    shutil.copytree(disk / "large", backup)
    assert rebind(store, write=True) == []
    assert list(disk.glob("large/*/artifacts/grams/x"))
    assert len(list(tmp_path.glob("mlruns/*/*/artifacts/grams/x"))) == 2


def test_a_store_is_not_rebound_while_it_is_written(
    tmp_path: Path, blank_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, _ = made(tmp_path / "old", monkeypatch, blank_database)
    new = tmp_path / "new"
    with RunWriter.create(store, "running", {}, {}):
        shutil.copytree(tmp_path / "old", new)
    moved = StoreConfig(tracking_uri=sqlite_uri(new / "mlflow.db"))
    monkeypatch.chdir(new)
    with pytest.raises(UserError, match="running is being written"):
        rebind(moved, write=True)


@pytest.mark.parametrize("uri", ["http://127.0.0.1:1", "sqlite:///none.db"])
def test_only_sqlite_stores_that_exist_are_rebound(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError):
        rebind(StoreConfig(tracking_uri=uri), write=True)
    assert not list(tmp_path.iterdir())


def test_the_command_lists_before_it_writes_and_doctor_says_so(
    tmp_path: Path,
    blank_database: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    made(tmp_path / "old", monkeypatch, blank_database)
    (tmp_path / "old").rename(tmp_path / "new")
    monkeypatch.chdir(tmp_path / "new")
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)

    def said(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["repdyn", *arguments])
        with suppress(SystemExit):
            main()
        return " ".join(capsys.readouterr().out.split())

    assert "was copied or moved" in said("doctor")
    listed = said("rebind")
    assert f"{tmp_path}/old/mlruns" in listed
    assert "nothing was changed" in listed
    assert said("rebind", "--yes").count("->") == listed.count("->") > 0
    assert said("rebind") == "nothing to rebind"
    assert "was copied or moved" not in said("doctor")
