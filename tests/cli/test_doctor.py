"""repdyn doctor: what is fine, what is missing, what is wrong."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient

from repdyn.cli import main
from repdyn.settings.schema import StoreConfig
from repdyn.storage.schema import SCHEMA_TAG, SCHEMA_VERSION

Doctor = Callable[..., tuple[int, dict[str, str]]]


@pytest.fixture
def doctor(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Doctor:
    """Return the exit code and the lines by name."""

    def run(*arguments: str) -> tuple[int, dict[str, str]]:
        monkeypatch.setattr(sys, "argv", ["repdyn", "doctor", *arguments])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        lines = capsys.readouterr().out.splitlines()
        return code, {line[2:].split()[0]: line for line in lines}

    return run


def test_all_is_fine_where_nothing_is_wrong(
    doctor: Doctor, sqlite_store: StoreConfig, tmp_path: Path
) -> None:
    client = MlflowClient(sqlite_store.tracking_uri)
    client.create_run(client.create_experiment("repdyn"), tags={SCHEMA_TAG: str(SCHEMA_VERSION)})
    (tmp_path / "data" / "cifar-10-batches-py").mkdir(parents=True)
    code, lines = doctor()
    assert code == 0
    assert "1 run in repdyn" in lines["store"]
    assert lines["store"].startswith("✓")
    assert lines["torch"].startswith("✓ torch")
    assert lines["digits"].startswith("✓")
    assert lines["cifar10"].startswith("✓")
    assert "not in data" in lines["svhn"]
    assert "cpu" in lines["devices"]
    assert lines["disk"].startswith("✓")


def test_a_store_that_is_not_made_yet_is_no_mistake(
    doctor: Doctor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, lines = doctor("--tracking-uri", "sqlite:///new.db")
    assert code == 0
    assert "does not exist yet" in lines["store"]
    assert not (tmp_path / "new.db").exists()


@pytest.mark.parametrize("wrong", ["no database", "no server", "newer"])
def test_what_is_wrong_is_told_and_ends_with_1(
    doctor: Doctor, sqlite_store: StoreConfig, tmp_path: Path, wrong: str
) -> None:
    uri = sqlite_store.tracking_uri or ""
    if wrong == "no database":
        uri = f"sqlite:///{tmp_path}/text.db"
        (tmp_path / "text.db").write_text("no database at all, but some text\n" * 100)
    elif wrong == "no server":
        uri = "http://127.0.0.1:9"
    else:
        client = MlflowClient(uri)
        client.create_run(client.create_experiment("repdyn"), tags={SCHEMA_TAG: "99"})
    code, lines = doctor("--tracking-uri", uri)
    assert code == 1
    assert lines["store"].startswith("✗")
    expected = {"no server": "no MLflow server responds", "newer": "upgrade repdyn"}
    assert expected.get(wrong, "not a database") in lines["store"]
