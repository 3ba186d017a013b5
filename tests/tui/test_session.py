"""What a session leaves for the next one."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from repdyn.errors import UserError
from repdyn.settings.schema import StoreConfig
from tui.session import MOST_FILTERS, MOST_STORES, Session, session_file, store_key


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "repdyn" / "screen.json"


def left(file: Path, store: str = "a") -> Session:
    session = Session(file, store)
    session.of_store.view, session.of_store.sort, session.of_store.reverse = "layer", "test", True
    session.of_store.words, session.of_store.matching = "vit", "params.opt = 'sgd'"
    session.of_store.toggle_pin("run")
    session.add_filter("params.opt = 'sgd'")
    session.theme = "nord"
    session.save()
    return session


def test_the_next_session_finds_what_was_left(file: Path) -> None:
    before, after = left(file), Session(file, "a")
    assert after.of_store == before.of_store
    assert (after.filters, after.theme, after.damage) == (["params.opt = 'sgd'"], "nord", "")


def test_another_store_has_its_own_but_the_theme_and_the_filters(file: Path) -> None:
    left(file)
    other = Session(file, "b")
    assert (other.of_store.view, other.of_store.pins) == ("", [])
    assert (other.theme, other.filters) == ("nord", ["params.opt = 'sgd'"])
    other.of_store.toggle_pin("another")
    other.save()
    assert Session(file, "a").of_store.pins == ["run"]


def test_only_its_owner_reads_the_file(file: Path) -> None:
    left(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [one.name for one in file.parent.iterdir()] == [file.name]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b"{}",
        b'{"theme": 1, "filters": [], "stores": {}}',
        b'{"theme": "", "filters": 7, "stores": {}}',
        b'{"theme": "", "filters": [], "stores": []}',
        b'{"theme": "", "filters": [], "stores": {"a": {"pins": [1]}}}',
        b"[" * 100_000,
        b" " * (2**20 + 1),
    ],
)
def test_a_damaged_file_is_ignored_told_and_written_anew(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    session = Session(file, "a")
    assert "is damaged" in session.damage
    assert session.of_store.pins == []
    session.of_store.toggle_pin("run")
    session.save()
    again = Session(file, "a")
    assert (again.damage, again.of_store.pins) == ("", ["run"])


def test_without_changes_nothing_is_written(file: Path) -> None:
    session = Session(file, "a")
    assert not session.is_changed
    session.save()
    assert not file.exists()


def test_without_a_path_nothing_is_remembered() -> None:
    session = Session()
    session.of_store.toggle_pin("run")
    assert not session.is_changed
    session.save()


def test_a_folder_that_cannot_be_written_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("no folder")
    session = Session(tmp_path / "state" / "screen.json", "a")
    assert session.damage == ""
    session.of_store.toggle_pin("run")
    with pytest.raises(UserError, match="cannot be written"):
        session.save()
    assert not session.is_changed


def test_only_so_much_is_kept(file: Path) -> None:
    for number in range(MOST_STORES + 5):
        session = Session(file, str(number))
        session.of_store.toggle_pin("run")
        session.add_filter(f"metrics.x > {number}")
        session.save()
    kept = json.loads(file.read_text())
    assert len(kept["stores"]) == MOST_STORES
    assert "0" not in kept["stores"]
    assert len(kept["filters"]) == MOST_FILTERS
    assert kept["filters"][0] == f"metrics.x > {MOST_STORES + 4}"


def test_a_store_is_known_by_its_uri_and_a_local_one_by_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    places = [tmp_path / "a", tmp_path / "b"]

    def key(uri: str | None, place: Path) -> str:
        place.mkdir(exist_ok=True)
        monkeypatch.chdir(place)
        return store_key(StoreConfig(tracking_uri=uri))

    for local in (None, "sqlite:///mlflow.db"):
        assert key(local, places[0]) != key(local, places[1])
    for fixed in ("http://host:5000", "sqlite:////srv/mlflow.db"):
        assert key(fixed, places[0]) == key(fixed, places[1])
    secret = key("postgresql://me:secret@host/db", places[0])
    assert "secret" not in secret


def test_the_file_is_in_the_users_state_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert session_file() == Path("/state/repdyn/screen.json")
