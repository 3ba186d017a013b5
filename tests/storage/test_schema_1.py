"""A run that repdyn stored in schema 1, with the output's matrix in a file of its own.

Made by the last commit of that schema: `repdyn train --width 0.125 --epochs 6 --checkpoints 5
--train-size 64 --batch-size 32 --planes 3 --fine-planes 1 --grid 8 --fine-grid 12 --label-noise 0.2
--probe-images 32 --cka-batch 16 --probe-train 64 --seed 3`, without weights and figures.
"""

import io
import json
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from mlflow.entities import Metric, Param, RunTag
from mlflow.tracking import MlflowClient

from repdyn.cli.show import show_run
from repdyn.score_key import ScoreKey
from repdyn.settings.schema import StoreConfig
from repdyn.storage import reader, schema
from repdyn.storage.store import tracking_uri
from repdyn.storage.writer import RunWriter

STORED = Path(__file__).parent / "schema_1.zip"


@pytest.fixture
def run_id(sqlite_store: StoreConfig, tmp_path: Path) -> str:
    client = MlflowClient(tracking_uri(sqlite_store))
    experiment = client.create_experiment("old", artifact_location=(tmp_path / "old").as_uri())
    with ZipFile(STORED) as archive:
        said = json.loads(archive.read("run.json"))
        run = client.create_run(experiment, run_name=said["name"])
        folder = tmp_path / "old" / run.info.run_id / "artifacts"
        for name in set(archive.namelist()) - {"run.json"}:
            archive.extract(name, folder)
    client.log_batch(
        run.info.run_id,
        [Metric(key, value, 0, step) for key, step, value in said["metrics"]],
        [Param(key, value) for key, value in said["params"].items()],
        [RunTag(key, value) for key, value in said["tags"].items()],
    )
    client.set_terminated(run.info.run_id)
    return str(run.info.run_id)


def array(name: str) -> np.ndarray:
    with ZipFile(STORED) as archive:
        stored: np.ndarray = np.load(io.BytesIO(archive.read(name)))
        return stored


def test_it_comes_back_whole(sqlite_store: StoreConfig, run_id: str) -> None:
    store = StoreConfig(tracking_uri=sqlite_store.tracking_uri, experiment="old")
    record = reader.load_run(store, run_id)
    assert record.summary.tags[schema.SCHEMA_TAG] == "1"
    found = record.dynamics
    assert found is not None
    assert found.steps.tolist() == [0, 1, 2, 3, 6]
    assert list(found.similarity) == ["cka", "regions"]
    assert np.array_equal(found.similarity["cka"], array("dynamics/cka.npy"))
    assert np.array_equal(found.matrices("regions"), array("dynamics/regions.npy"))
    assert np.array_equal(found.similarity["regions"][-1], array("dynamics/output_regions.npy"))
    for name in ("probe_acc", "fragmentation", "areas"):
        assert np.array_equal(getattr(found, name), array(f"dynamics/{name}.npy"), equal_nan=True)
    assert record.curves["train/acc"].steps.tolist() == list(range(7))
    with ZipFile(STORED) as archive:
        metrics = {key: value for key, _, value in json.loads(archive.read("run.json"))["metrics"]}
    scores = {name: value for name, value in metrics.items() if name.startswith("score/")}
    assert {f"score/{key.name}": value for key, value in record.scores.items()} == scores
    assert ScoreKey("synchrony", "cka") in record.scores
    maps = reader.load_label_maps(store, run_id, 6)
    assert maps.maps.shape == (len(found.layers) + 1, 3, 8, 8)
    assert maps.fit(reader.load_planes(store, run_id))
    assert len(list(reader.load_summaries(store, run_id, "cka", 6))) == len(found.layers)


def test_scores_by_their_names_of_then_are_those_of_today(
    sqlite_store: StoreConfig, run_id: str
) -> None:
    client = MlflowClient(sqlite_store.tracking_uri)
    for value, name in enumerate(
        ("fit_break_least_rank_cka", "amplitude_cv_regions", "amplitude_cv_rank_cka")
    ):
        client.log_metric(run_id, f"score/{name}", value)
    scores = reader.load_run(sqlite_store, run_id).scores
    assert scores[ScoreKey("fit_break_weakest_layer_rank", "cka")] == 0
    assert scores[ScoreKey("change_spread", "regions")] == 1
    assert scores[ScoreKey("change_spread_rank", "cka")] == 2
    client.log_metric(run_id, "score/change_spread_regions", 3)
    scores = reader.load_run(sqlite_store, run_id).scores
    assert scores[ScoreKey("change_spread", "regions")] == 3, "analysed again: today's counts"


def test_it_is_shown(
    sqlite_store: StoreConfig, run_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    show_run(
        run_id,
        StoreConfig(tracking_uri=sqlite_store.tracking_uri, experiment="old"),
        form="text",
        scores=True,
    )
    assert "schema-one" in capsys.readouterr().out


def test_what_is_written_into_it_is_of_the_schema_of_now(
    sqlite_store: StoreConfig, run_id: str
) -> None:
    store = StoreConfig(tracking_uri=sqlite_store.tracking_uri, experiment="old")
    before = reader.load_run(store, run_id).dynamics
    assert before is not None
    with RunWriter.attach(store, run_id) as writer:
        writer.log_dynamics(before.at_checkpoints(slice(4)))
    after = reader.load_run(store, run_id)
    assert after.summary.tags[schema.SCHEMA_TAG] == str(schema.SCHEMA_VERSION)
    assert after.dynamics is not None
    assert np.array_equal(
        after.dynamics.similarity["regions"], before.similarity["regions"][:, :4, :4]
    )
