"""A whole run: what it prints, what MLflow holds, what the commands read back."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from PIL import Image
from safetensors.numpy import load as load_tensors

import repdyn as api
from repdyn.settings.schema import StoreConfig
from repdyn.storage.reader import saved_epochs
from tests.e2e.conftest import SETTINGS, repdyn

EPOCHS = [0, 1, 2, 4, 7, 12]
LAYERS = ["stem", "layer2.1", "layer4.1", "logits"]


@pytest.fixture
def client(store: Path) -> MlflowClient:
    return MlflowClient()


@pytest.fixture
def run(client: MlflowClient) -> Run:
    experiment = client.get_experiment_by_name("repdyn")
    assert experiment is not None
    (found,) = client.search_runs([experiment.experiment_id], "attributes.run_name = 'small'")
    return found


def artifacts_of(client: MlflowClient, run: Run, folder: str = "") -> set[str]:
    return {entry.path for entry in client.list_artifacts(run.info.run_id, folder)}


def array(client: MlflowClient, run: Run, path: str) -> np.ndarray:
    content: np.ndarray = np.load(
        client.download_artifacts(run.info.run_id, path), allow_pickle=False
    )
    return content


def test_training_says_what_it_does_and_where_the_run_is(trained: tuple[Path, str]) -> None:
    said = trained[1]
    assert "150 with a flipped label" in said
    assert "defaults: " in said
    assert "batch-size 64" in said
    assert "epoch 12/12" in said
    assert "repdyn show" in said
    assert "mlflow ui" in said


def test_the_run_is_finished_with_its_params_and_tags(run: Run) -> None:
    assert run.info.status == "FINISHED"
    assert run.data.params["arch"] == "resnet18"
    assert run.data.params["label_noise"] == "0.15"
    assert run.data.params["planes"] == "6"
    assert run.data.tags["repdyn.schema"] == "2"
    assert run.data.tags["repdyn.layers"] == "4"
    assert run.data.tags["repdyn.last_checkpoint"] == "12"


def test_the_data_sets_are_logged(run: Run) -> None:
    assert run.inputs is not None
    contexts = {tag.value for i in run.inputs.dataset_inputs for tag in i.tags}
    assert contexts == {"train", "test"}


def test_every_epoch_has_its_metrics(client: MlflowClient, run: Run) -> None:
    keys = ["train/loss", "train/acc", "train/acc_clean", "train/acc_noisy", "test/acc", "lr"]
    for key in [*keys, "test/loss"]:
        history = client.get_metric_history(run.info.run_id, key)
        assert sorted(m.step for m in history) == list(range(13)), key


def test_every_checkpoint_has_its_metrics_by_layer(client: MlflowClient, run: Run) -> None:
    for layer in LAYERS:
        for key in ("probe_acc", "fragmentation"):
            history = client.get_metric_history(run.info.run_id, f"watched/{key}/{layer}")
            assert sorted(m.step for m in history) == EPOCHS
        for key in ("cka_drift", "regions_drift"):
            history = client.get_metric_history(run.info.run_id, f"watched/{key}/{layer}")
            assert sorted(m.step for m in history) == EPOCHS[2:]


def test_the_arrays_are_there_with_their_shapes(client: MlflowClient, run: Run) -> None:
    assert array(client, run, "dynamics/epochs.npy").tolist() == EPOCHS
    path = client.download_artifacts(run.info.run_id, "dynamics/layers.json")
    assert json.loads(Path(path).read_text()) == LAYERS
    for name, compared in (("cka", 4), ("regions", 5)):  # the output too
        matrix = array(client, run, f"dynamics/{name}.npy")
        assert matrix.shape == (compared, 6, 6)
        assert matrix.dtype == np.float32
        np.testing.assert_allclose(np.diagonal(matrix, axis1=1, axis2=2), 1, atol=1e-5)
        np.testing.assert_allclose(matrix, matrix.swapaxes(1, 2), atol=1e-6)
    maps = np.load(client.download_artifacts(run.info.run_id, "regions/epoch_00012.npz"))
    assert maps["maps"].shape == (5, 6, 5, 5)
    assert maps["fine"].shape == (5, 3, 9, 9)


def test_the_matrices_follow_from_the_stored_rows_and_label_maps(
    client: MlflowClient, run: Run
) -> None:
    """What is stored fits together, computed here without repdyn."""
    rows = np.stack(
        [array(client, run, f"grams/epoch_{e:05d}.npy").astype(np.float64) for e in EPOCHS]
    )
    products = np.einsum("elm,flm->lef", rows, rows)
    norms = np.sqrt(np.einsum("lee->le", products))
    expected = products / norms[:, :, None] / norms[:, None, :]
    np.testing.assert_allclose(array(client, run, "dynamics/cka.npy"), expected, atol=1e-5)
    maps = np.stack(
        [
            np.load(client.download_artifacts(run.info.run_id, f"regions/epoch_{e:05d}.npz"))[
                "maps"
            ]
            for e in EPOCHS
        ]
    )
    same = (maps[:, None] == maps[None]).mean(axis=(3, 4, 5))
    np.testing.assert_allclose(
        array(client, run, "dynamics/regions.npy"), same.transpose(2, 0, 1), atol=1e-6
    )


def test_checkpoints_are_the_weights(client: MlflowClient, run: Run) -> None:
    assert len(artifacts_of(client, run, "checkpoints")) == len(EPOCHS)
    path = client.download_artifacts(run.info.run_id, "checkpoints/epoch_00012.safetensors")
    weights = load_tensors(Path(path).read_bytes())
    assert weights["fc.weight"].shape == (10, 32)


def test_figures_are_pictures(client: MlflowClient, run: Run) -> None:
    figures = artifacts_of(client, run, "figures")
    names = {Path(path).stem for path in figures}
    assert {"cka", "regions", "overview_cka", "curves", "decision_regions"} <= names
    for path in figures:
        local = Path(client.download_artifacts(run.info.run_id, path))
        with Image.open(io.BytesIO(local.read_bytes())) as picture:
            assert picture.width > 600
            assert len(np.unique(np.asarray(picture.convert("L")))) > 5


def test_show_prints_the_run(store: Path) -> None:
    said = repdyn("show", "small", cwd=store).stdout
    for layer in LAYERS:
        assert layer in said
    assert max(len(line) for line in said.splitlines()) <= 100


def test_show_json_is_the_arrays(store: Path) -> None:
    read = json.loads(repdyn("show", "small", "--json", cwd=store).stdout)
    record = api.load_run("small")
    assert record.dynamics is not None
    assert read["steps"] == EPOCHS
    np.testing.assert_allclose(np.array(read["cka"]), record.dynamics.similarity["cka"], atol=1e-5)


def test_runs_lists_it(store: Path) -> None:
    assert "small" in repdyn("runs", cwd=store).stdout


def test_runs_json_is_all_that_a_list_knows(store: Path, run: Run) -> None:
    (listed,) = json.loads(repdyn("runs", "--json", cwd=store).stdout)
    assert listed["run_id"] == run.info.run_id
    assert (listed["name"], listed["status"]) == ("small", "FINISHED")
    assert listed["params"].keys() == run.data.params.keys()
    assert listed["params"]["epochs"] == int(run.data.params["epochs"])
    assert listed["started"].startswith("20")
    assert [one["device"][:3] for one in listed["provenance"]] == ["cpu"]
    assert listed["metrics"].keys() == run.data.metrics.keys()
    assert listed["metrics"]["test/acc"] == pytest.approx(run.data.metrics["test/acc"], rel=1e-4)


def test_an_unknown_run_is_one_line(store: Path) -> None:
    done = repdyn("show", "zzz", cwd=store, ok=False)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "zzz" in done.stderr


def test_the_api_reads_it_by_name_id_and_prefix(store: Path, run: Run) -> None:
    records = [api.load_run(text) for text in ("small", run.info.run_id, run.info.run_id[:8])]
    assert {record.summary.run_id for record in records} == {run.info.run_id}
    assert records[0].dynamics is not None
    assert records[0].dynamics.layers == tuple(LAYERS)
    assert records[0].curves["train/acc"].steps.tolist() == list(range(13))


def test_reading_never_imports_torch(store: Path) -> None:
    import subprocess
    import sys

    script = (
        "import sys, repdyn\nrepdyn.load_run('small')\n"
        "print(sorted({'torch', 'torchvision', 'timm'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=store, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
@pytest.mark.usefixtures("made_store")
def test_the_same_seed_gives_the_same_numbers(store: Path, tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text((store / "run.yaml").read_text())
    repdyn("train", "--config", "run.yaml", "--no-figures", cwd=tmp_path)
    again = api.load_run(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")
    first = api.load_run("small")
    assert first.dynamics is not None
    assert again.dynamics is not None
    np.testing.assert_array_equal(
        first.dynamics.similarity["cka"], again.dynamics.similarity["cka"]
    )
    np.testing.assert_array_equal(
        first.dynamics.matrices("regions"), again.dynamics.matrices("regions")
    )
    np.testing.assert_array_equal(
        first.curves["train/loss"].values, again.curves["train/loss"].values
    )


@pytest.mark.slow
@pytest.mark.parametrize(("keep", "kept"), [("2", {5, 12}), ("phases", {0, 12})])
@pytest.mark.usefixtures("made_store")
def test_weights_that_nobody_keeps_go(keep: str, kept: set[int], tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(SETTINGS)
    settings = ["--config", "run.yaml", "--checkpoints", "0,3,5,12", "--keep-checkpoints", keep]
    repdyn("train", *settings, "--no-figures", cwd=tmp_path)
    store = StoreConfig(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")
    saved = set(saved_epochs(store, "last"))
    if keep == "phases":
        phases = api.load_run(tracking_uri=store.tracking_uri).phases
        around = {*phases.markers().values(), *phases.joint}
        assert len(saved) <= 2 + len(around)
    assert kept <= saved
    assert len(saved) == 2 or keep == "phases"
    repdyn("analyze", "last", cwd=tmp_path)
    dynamics = api.load_run(tracking_uri=store.tracking_uri).dynamics
    assert dynamics is not None
    assert dynamics.steps.tolist() == sorted(saved)
