"""A sweep: trained, stopped by nothing, compared, reported; and trained again only where needed."""

import csv
import io
import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from mlflow import MlflowClient
from safetensors.torch import load_file

from repdyn.cli import main
from repdyn.data import probe_images
from repdyn.runs.child import Child
from repdyn.runs.cross import cross_cka
from repdyn.runs.experiment import prepare
from repdyn.settings.schema import StoreConfig
from repdyn.settings.text import from_params
from repdyn.storage.reader import load_run
from repdyn.storage.search import find_run, find_sweep, sweep_runs
from tests.e2e.conftest import repdyn
from tests.support.oracles import cka_unbiased

pytestmark = pytest.mark.slow

GRID = """
arch: resnet18
width: 0.0625
opt: [sgd, adam]
batch_size: [100, 5000]
lr: 0.005
epochs: 8
checkpoints: 6
planes: 6
grid: 5
fine_planes: 1
fine_grid: 5
bn: running
probe_images: 40
cka_batch: 20
probe_train: 100
layers: stem|logits
"""
EPOCHS = [0, 1, 2, 3, 5, 8]

Command = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def swept(blank_database: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Return the folder, and what the sweep printed; two of its four runs ask too large batches."""
    folder = tmp_path_factory.mktemp("sweep")
    shutil.copy(blank_database, folder / "mlflow.db")
    (folder / "grid.yaml").write_text(GRID)
    done = repdyn("sweep", "--config", "grid.yaml", "--name", "mine", cwd=folder, ok=False)
    assert done.returncode == 1, done.stdout + done.stderr
    return folder, done.stdout


@pytest.fixture
def folder(swept: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(swept[0])
    return swept[0]


@pytest.fixture
def command(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """Run a command in this process, to import torch once; returns exit code and what it said."""
    monkeypatch.setenv("COLUMNS", "120")

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["repdyn", *arguments])
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        said = capsys.readouterr()
        return code, said.out + said.err

    return run


@pytest.fixture
def runs(folder: Path) -> dict[str, str]:
    """Return the ids of the two finished runs, by optimizer."""
    store = StoreConfig()
    found = sweep_runs(store, find_sweep(store, "mine"))
    return {run.params["opt"]: run.run_id for run in found}


def test_a_failed_run_stops_no_other_and_is_told(swept: tuple[Path, str]) -> None:
    said = swept[1]
    assert (
        len(re.findall(r"^failed: .*batch-size 5000: there are only 1000 training", said, re.M))
        == 2
    )
    assert len(re.findall(r"epoch 8/8", said)) == 2
    assert "run the same command again to retry them" in said


def test_the_sweep_ends_with_the_comparison(swept: tuple[Path, str]) -> None:
    said = swept[1]
    assert "sweep mine" in said.splitlines()
    assert "CKA of each layer with its counterpart" in said
    assert "repdyn report mine" in said


def test_children_hang_under_one_parent(folder: Path, runs: dict[str, str]) -> None:
    client = MlflowClient()
    experiment = client.get_experiment_by_name("repdyn")
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id])
    (parent,) = [run for run in found if "repdyn.sweep" in run.data.tags]
    assert parent.info.run_name == "mine"
    assert parent.data.params["opt"] == "sgd,adam"
    for run in runs.values():
        assert client.get_run(run).data.tags["mlflow.parentRunId"] == parent.info.run_id
    paths = {entry.path for entry in client.list_artifacts(parent.info.run_id)}
    assert {"report.html", "comparison.json", "figures"} <= paths


def test_the_parent_is_no_run_but_listed_above_its_runs(
    command: Command, runs: dict[str, str]
) -> None:
    lines = command("runs")[1].splitlines()
    at = next(i for i, line in enumerate(lines) if "mine (sweep)" in line)
    assert {line.split()[0] for line in lines[at + 1 : at + 3]} == {
        run[:8] for run in runs.values()
    }
    code, said = command("show", "mine")
    assert code == 2
    assert "repdyn compare --sweep mine" in said
    assert find_run(StoreConfig(), "last").run_id in runs.values()


def test_finished_runs_are_not_trained_again(command: Command) -> None:
    again = ("sweep", "--config", "grid.yaml", "--name", "mine", "--dry-run")
    assert "2 to train, 2 already finished" in command(*again)[1]
    code, said = command("sweep", "--config", "grid.yaml", "--name", "mine", "--lr", "0.1")
    assert code == 2
    assert "different settings" in said


def test_a_sweep_that_is_stopped_says_how_it_goes_on(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = []

    def stopped(child: Child, *_: object) -> str:
        begun.append(child.name)
        raise KeyboardInterrupt

    monkeypatch.setattr("repdyn.runs.sweep.train_child", stopped)
    code, said = command("sweep", "--config", "grid.yaml", "--experiment", "stopped")
    assert code == 130
    assert len(begun) == 1
    assert "run the same command again to resume it" in said


def test_cka_between_runs_is_that_of_their_networks(folder: Path, runs: dict[str, str]) -> None:
    """Oracle: both networks' logits on the probe images, HSIC₁ by loops in float64."""
    sgd, adam = (load_run(StoreConfig(), runs[opt]) for opt in ("sgd", "adam"))
    cross = cross_cka(sgd, adam, StoreConfig())
    assert cross.steps.tolist() == EPOCHS
    logits = []
    for record in (sgd, adam):
        experiment = prepare(from_params(record.summary.params))
        model = experiment.new_model().eval()
        path = f"{record.summary.run_id}/artifacts/checkpoints/epoch_00008.safetensors"
        (weights,) = folder.glob(f"mlruns/*/{path}")
        model.load_state_dict(load_file(weights))
        chosen = probe_images(experiment.images, 40, 0)
        with torch.no_grad():
            images = experiment.data.inputs(experiment.images.test_images[chosen])
            logits.append(model(images).double().numpy())
    x, y = logits
    expected = cka_unbiased(x, y, [20, 20])
    assert cross.values[-1, -1, -1] == pytest.approx(expected, abs=2e-3)


def test_json_holds_the_scores_of_the_runs(command: Command, runs: dict[str, str]) -> None:
    found = json.loads(command("compare", "--sweep", "mine", "--json")[1])["runs"]
    assert {run["summary"]["run_id"] for run in found} == set(runs.values())
    for run in found:
        logged = load_run(StoreConfig(), run["summary"]["run_id"])
        scores = {key.name: value for key, value in logged.scores.items()}
        found_scores = {name: v for name, v in run["scores"].items() if v is not None}
        assert found_scores == pytest.approx(scores, rel=1e-4)
        assert run["phases"]["fit"] == logged.phases.fit


def test_csv_has_a_row_a_run(command: Command) -> None:
    rows = list(csv.DictReader(io.StringIO(command("compare", "--sweep", "mine", "--csv")[1])))
    assert sorted(row["opt"] for row in rows) == ["adam", "sgd"]
    assert {row["lr"] for row in rows} == {"0.005"}


def test_csv_is_compared_as_its_runs_are(
    command: Command, folder: Path, runs: dict[str, str]
) -> None:
    (folder / "kept.csv").write_text(command("compare", "--sweep", "mine", "--csv")[1])
    code, said = command("compare", "kept.csv", "--scores")
    assert code == 0
    stored = command("compare", "--sweep", "mine", "--scores")[1]
    numbers = "Findings", "resnet18 sgd", "perfect fit", "synchrony (CKA)"
    shared = [line for line in stored.splitlines() if any(word in line for word in numbers)]
    assert len(shared) >= len(numbers)
    assert all(line in said for line in shared)
    assert "2 runs as they stand in files" in said
    code, said = command("compare", "kept.csv", runs["sgd"])
    assert code == 2
    assert f"{runs['sgd']}: this run is given twice" in said
    (folder / "same.csv").write_text((folder / "kept.csv").read_text())
    code, said = command("compare", "kept.csv", "same.csv")
    assert code == 2
    assert "same.csv: run " in said
    assert "also in kept.csv, is given twice" in said


def test_two_runs_are_compared_and_an_epoch_is_chosen(
    command: Command, runs: dict[str, str]
) -> None:
    assert "at epoch 3:" in command("compare", *runs.values(), "--epoch", "3")[1]
    code, said = command("compare", *runs.values(), "--epoch", "4")
    assert code == 2
    assert "0, 1, 2, 3, 5, 8" in said


def test_the_report_needs_nothing_else(command: Command, folder: Path) -> None:
    assert command("report", "mine", "--out", "page.html")[0] == 0
    page = (folder / "page.html").read_text()
    sources = re.findall(r"""(?:src|href)=["']?([^"'> ]{0,30})""", page)
    assert sources
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert "undecided" in page
    assert "git commit" in page  # what the runs were trained with was recorded


MISTAKES = [
    (("compare", "last"), "two or more runs"),
    (("compare", "none.csv"), "none.csv: No such file"),
    (("compare", "--sweep", "last"), "is not a sweep"),
    (("compare", "--sweep", "mine", "last"), "omit the others"),
    (("compare", "--sweep", "mine", "--json", "--csv"), "give only one"),
    (("report", "nothing"), "nothing"),
    (("report", "mine", "--out", "missing/page.html"), "missing/page.html"),
]


@pytest.mark.parametrize(("arguments", "said"), MISTAKES)
def test_mistakes_are_told(command: Command, arguments: tuple[str, ...], said: str) -> None:
    code, told = command(*arguments)
    assert code == 2
    assert said in told
    assert len(told.splitlines()) == 1


def test_a_sweeps_run_is_the_run_that_train_trains(
    folder: Path, runs: dict[str, str], command: Command
) -> None:
    settings = GRID.replace("[sgd, adam]", "sgd").replace("[100, 5000]", "100")
    (folder / "alone.yaml").write_text(settings)
    assert command("train", "--config", "alone.yaml", "--experiment", "alone")[0] == 0
    alone = load_run(StoreConfig(experiment="alone"), "last")
    beside = load_run(StoreConfig(), runs["sgd"])
    assert alone.dynamics is not None
    assert beside.dynamics is not None
    assert np.array_equal(alone.dynamics.similarity["cka"], beside.dynamics.similarity["cka"])
    for name, curve in alone.curves.items():
        assert np.array_equal(curve.values, beside.curves[name].values)
