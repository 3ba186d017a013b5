"""URIs of stores and the paths that they stand for."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repdyn.errors import UserError
from repdyn.settings.schema import StoreConfig
from repdyn.storage import reader, search
from repdyn.storage.location import (
    artifact_path,
    artifact_uri,
    database_file,
    is_database_server,
    sqlite_uri,
)
from repdyn.storage.store import connect
from repdyn.storage.writer import RunWriter

NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1)


@given(NAMES)
def test_a_path_comes_back_from_its_uri(name: str) -> None:
    if name in (".", ".."):
        return
    path = Path("/store") / name / "mlflow.db"
    assert database_file(sqlite_uri(path)) == path
    assert artifact_path(artifact_uri(path)) == path


FOLDERS = [
    "My Docs", "Zoë", "a#b", "a?b", "[x]", "a:b", "100%", "-x", "x.", "a%20b", "a%b", "%41", "a%2Fb",
    "a+b", "it's", 'a"b', "\N{SNAKE}", "a&b", "a;b", "a\\b", "a=b", "a@b", "~", "$HOME", "a%3Fb?c#d",
]  # fmt: skip


@pytest.mark.parametrize("name", FOLDERS)
def test_the_default_store_is_made_in_the_working_folder(
    name: str, tmp_path: Path, blank_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / name
    folder.mkdir()
    monkeypatch.chdir(folder)
    for variable in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(variable, raising=False)
    (folder / "mlflow.db").write_bytes(blank_database.read_bytes())
    with RunWriter.create(StoreConfig(), "run", {}, {}) as writer:
        writer.put("grams/x", b"content")
    assert search.find_run(StoreConfig(), "last").run_id == writer.run_id
    assert reader.artifact_sizes(StoreConfig(), "last") == {"grams/x": 7}
    assert [one.name for one in tmp_path.iterdir()] == [name]
    assert {one.name for one in folder.iterdir()} == {"mlflow.db", "mlflow.db.lock", "mlruns"}


@pytest.mark.parametrize("name", ["x y", "x%20y"])
def test_a_relative_uri_names_a_folder_as_it_is_called(
    name: str, tmp_path: Path, blank_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).mkdir()
    (tmp_path / name / "mlflow.db").write_bytes(blank_database.read_bytes())
    store = StoreConfig(tracking_uri=sqlite_uri(Path(name) / "mlflow.db"))
    with RunWriter.create(store, "run", {}, {}) as writer:
        writer.put("grams/x", b"content")
    assert reader.artifact_sizes(store, "last") == {"grams/x": 7}
    assert {one.name for one in tmp_path.iterdir()} == {name, "mlruns"}


@pytest.mark.parametrize(
    "uri",
    ["sqlite://", "sqlite:///a%00b.db", "sqlite:////proc/x.db", "sqlite:///" + "x/" * 400 + "a.db",
     "sqlite:///a%FFb.db", "sqlite:///" + "x" * 300, "sqlite:////dev/null"],
)  # fmt: skip
def test_a_store_that_cannot_be_made_is_one_line_and_leaves_nothing(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as raised:
        connect(StoreConfig(tracking_uri=uri))
    assert len(str(raised.value).splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("uri", "served"),
    [
        ("https://example.org/mlflow", False),
        ("postgresql+psycopg://user@host/runs", True),
        ("postgresql:///runs", True),
        ("mysql://host/runs", True),
        ("sqlite:///mlflow.db", False),
        ("sqlite+pysqlite:////tmp/mlflow.db", False),
        ("mlruns", False),
        ("file:///tmp/mlruns", False),
    ],
)
def test_databases_of_a_server_are_told_from_other_stores(uri: str, served: bool) -> None:
    assert is_database_server(uri) == served
