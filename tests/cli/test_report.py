"""`repdyn report` of a run, which is logged to it, and of several runs; and CSV of one."""

import csv
import io
from pathlib import Path

import pytest
from mlflow import MlflowClient

from repdyn.cli import main
from repdyn.cli.report import write_report
from repdyn.errors import SettingError
from repdyn.settings.schema import StoreConfig
from repdyn.storage import schema
from tests.support import partial_runs


@pytest.fixture
def runs(sqlite_store: StoreConfig) -> dict[str, str]:
    """Return the ids of two stored runs of a user's own loop, by name."""
    return {name: partial_runs.store(name, sqlite_store) for name in ("one-plane", "one-layer")}


def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    monkeypatch.setattr("sys.argv", ["repdyn", *words])
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_the_report_of_a_run_is_a_file_and_among_its_artifacts(
    runs: dict[str, str],
    sqlite_store: StoreConfig,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    last = runs["one-layer"]
    told = said(monkeypatch, capsys, "report", "last")
    assert told == f"one-layer.html (and in the artifacts of run {last[:8]})\n"
    client = MlflowClient(sqlite_store.tracking_uri)
    logged = Path(client.download_artifacts(last, schema.REPORT)).read_text()
    assert logged == Path("one-layer.html").read_text()
    assert "Overlap of nearest neighbours between checkpoints" in logged
    assert client.get_run(last).info.status == "FINISHED"


def test_the_report_of_two_runs_compares_them_and_is_only_a_file(
    runs: dict[str, str],
    sqlite_store: StoreConfig,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = said(monkeypatch, capsys, "report", "one-plane", "one-layer", "--out", "both.html")
    assert told == "both.html\n"
    text = Path("both.html").read_text()
    assert "one-plane and one-layer" in text
    assert "2 runs in 2 groups" in text
    client = MlflowClient(sqlite_store.tracking_uri)
    for run_id in runs.values():
        assert schema.REPORT not in {file.path for file in client.list_artifacts(run_id)}


def test_show_prints_a_row_of_csv(
    runs: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (row,) = csv.DictReader(io.StringIO(said(monkeypatch, capsys, "show", "one-plane", "--csv")))
    assert row["run_id"] == runs["one-plane"]
    assert (row["arch"], row["fit"], row["fit_break_cka"]) == ("", "", "")


def test_a_folder_that_is_missing_is_told_before_a_figure_is_drawn(
    runs: dict[str, str], sqlite_store: StoreConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("repdyn.runs.reporting.standard_figures", pytest.fail)
    with pytest.raises(SettingError, match="No such file or directory"):
        write_report(["last"], sqlite_store, Path("no/x.html"))
    client = MlflowClient(sqlite_store.tracking_uri)
    assert schema.REPORT not in {file.path for file in client.list_artifacts(runs["one-layer"])}
