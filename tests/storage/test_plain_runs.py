"""MLflow runs of other programs are read: curves of any steps and values, all artifacts."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from repdyn.errors import UserError
from repdyn.settings.schema import StoreConfig
from repdyn.storage import reader
from tests.support import plain_runs


@pytest.fixture
def store(tmp_path: Path) -> StoreConfig:
    return StoreConfig(tracking_uri=f"sqlite:///{tmp_path}/theirs.db", experiment="theirs")


def test_curves_and_artifacts_of_another_program_are_read(
    store: StoreConfig, tmp_path: Path
) -> None:
    run = plain_runs.ordinary(store, tmp_path / "files")
    record = reader.load_run(store, run)
    assert record.dynamics is None
    assert record.unit == "step"
    assert record.curves.keys() == plain_runs.metrics(0).keys()
    assert record.curves["lr"].values[3] == plain_runs.metrics(3)["lr"]
    assert record.unread == ()
    sizes = reader.artifact_sizes(store, run)
    assert sizes["config/model.yaml"] == len("depth: 12\nwidth: 64\n")
    assert reader.artifact_head(store, run, "report.txt", 5) == b"first"
    assert reader.artifact_head(store, run, "report.txt", 500).decode().endswith("größer\n")


@pytest.mark.parametrize("path", ["nothing.txt", "config", "../theirs.db"])
def test_what_is_no_artifact_is_a_line(path: str, store: StoreConfig, tmp_path: Path) -> None:
    run = plain_runs.ordinary(store, tmp_path / "files")
    with pytest.raises(UserError, match=path.replace(".", r"\.")):
        reader.artifact_head(store, run, path, 100)


def test_metrics_keep_their_steps_and_what_is_not_finite(store: StoreConfig) -> None:
    record = reader.load_run(store, plain_runs.write(store, "odd", plain_runs.ODD))
    for name, points in plain_runs.ODD.items():
        assert record.curves[name].steps.tolist() == [step for step, _ in points]
        expected = [value for _, value in points]
        np.testing.assert_array_equal(record.curves[name].values, np.array(expected))


def test_of_very_many_metrics_some_are_read_when_asked_for(store: StoreConfig) -> None:
    names = [f"grad/w{i:04}" for i in range(2 * reader.MOST_CURVES)]
    logged = {name: [(0, float(i))] for i, name in enumerate(names)} | {"z/loss": [(0, 1.0)]}
    run = plain_runs.write(store, "many", logged)
    assert reader.load_run(store, run).curves.keys() == logged.keys()
    record = reader.load_run(store, run, most=reader.MOST_CURVES)
    assert len(record.curves) == reader.MOST_CURVES
    assert "z/loss" in record.curves
    assert {*record.curves, *record.unread} == logged.keys()
    more = reader.load_curves(store, record.summary, record.unread[:2])
    assert [curve.values[0] for curve in more.values()] == [
        logged[name][0][1] for name in record.unread[:2]
    ]


def test_artifacts_out_of_reach_do_not_hide_the_curves(store: StoreConfig, tmp_path: Path) -> None:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(store.tracking_uri)
    experiment = client.create_experiment("theirs", "dbfs-of-nobody://nowhere/x")
    run = client.create_run(experiment).info.run_id
    client.log_metric(run, "loss", math.e)
    assert reader.load_run(store, run).curves["loss"].values.tolist() == [math.e]
