"""Measuring a run's checkpoints again."""

from pathlib import Path

import numpy as np
import pytest
import yaml

import repdyn as api
from repdyn.plane_kinds import PLANE_KINDS
from repdyn.settings.schema import StoreConfig
from repdyn.settings.sweep_grid import PRESETS
from repdyn.storage.reader import load_label_maps, load_planes
from tests.e2e.conftest import repdyn


@pytest.mark.slow
def test_the_same_settings_give_the_same_matrices(store: Path) -> None:
    repdyn("analyze", "small", cwd=store)
    first, again = api.load_run("small"), api.load_run("last")
    assert again.summary.run_id != first.summary.run_id
    assert again.summary.tags["mlflow.parentRunId"] == first.summary.run_id
    assert again.dynamics is not None
    assert first.dynamics is not None
    np.testing.assert_allclose(
        again.dynamics.similarity["cka"], first.dynamics.similarity["cka"], atol=1e-5
    )
    np.testing.assert_array_equal(
        again.dynamics.similarity["regions"][-1], first.dynamics.similarity["regions"][-1]
    )
    assert again.curves["test/acc"].values.tolist() == first.curves["test/acc"].values.tolist()


@pytest.mark.slow
def test_other_settings_give_other_matrices_with_the_same_epochs(store: Path) -> None:
    repdyn("analyze", "small", "--cka", "biased", "--probe-images", "100", cwd=store)
    first, again = api.load_run("small"), api.load_run("last")
    assert again.summary.params["cka"] == "biased"
    assert again.summary.params["planes"] == "6"
    assert again.dynamics is not None
    assert first.dynamics is not None
    assert again.dynamics.steps.tolist() == first.dynamics.steps.tolist()
    assert not np.allclose(
        again.dynamics.similarity["cka"], first.dynamics.similarity["cka"], atol=1e-3
    )


@pytest.mark.slow
def test_planes_are_of_the_chosen_kinds(store: Path) -> None:
    repdyn("analyze", "small", "--plane-kinds", "noisy,train", "--planes", "5", cwd=store)
    again, planes = api.load_run("last"), load_planes(StoreConfig(), "last")
    assert again.summary.params["plane_kinds"] == "train noisy"
    assert [PLANE_KINDS[kind] for kind in planes.kinds] == ["train", "noisy"] * 2 + ["train"]
    flipped = (planes.labels != planes.true_labels).any(axis=1)
    assert flipped[planes.kinds == PLANE_KINDS.index("noisy")].all()


@pytest.mark.slow
def test_a_wanted_error_determines_the_number_of_planes(store: Path) -> None:
    options = ("--planes", "99", "--plane-kinds", "train", "--grid", "3", "--checkpoints", "2")
    done = repdyn("analyze", "small", *options, "--drs-error", "0.9", cwd=store)
    assert "60 planes, for a standard error" in done.stdout
    assert api.load_run("last").summary.params["planes"] == "60"
    assert len(load_planes(StoreConfig(), "last").kinds) == 60


@pytest.mark.slow
def test_the_papers_planes_go_through_training_images(tmp_path: Path) -> None:
    preset = yaml.safe_load((PRESETS / "paper-cifar10.yaml").read_text())
    kinds = preset["plane_kinds"]
    planned = ("--plane-kinds", kinds, "--planes", "4", "--grid", "3", "--no-figures")
    options = ("--width", "0.0625", "--epochs", "1", "--checkpoints", "2", "--layers", "logits")
    repdyn("train", *planned, *options, cwd=tmp_path)
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    store = StoreConfig(tracking_uri=uri)
    planes, maps = load_planes(store, "last"), load_label_maps(store, "last", 1)
    assert [PLANE_KINDS[kind] for kind in planes.kinds] == ["train"] * 4
    assert maps.maps.shape == (2, 4, 3, 3)


@pytest.mark.slow
def test_in_place_replaces_the_measures_of_the_run(
    trained: tuple[Path, str], tmp_path: Path
) -> None:
    (tmp_path / "run.yaml").write_text((trained[0] / "run.yaml").read_text())
    repdyn(
        "train",
        "--config",
        "run.yaml",
        "--epochs",
        "2",
        "--checkpoints",
        "3",
        "--no-figures",
        cwd=tmp_path,
    )
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    before = api.load_run(tracking_uri=uri)
    repdyn("analyze", "last", "--in-place", "--layers", "logits", cwd=tmp_path)
    after = api.load_run(tracking_uri=uri)
    assert after.summary.run_id == before.summary.run_id
    assert after.dynamics is not None
    assert before.dynamics is not None
    assert after.dynamics.layers == ("logits",)
    assert after.summary.params["layers"] == "logits"
    assert after.summary.status == "FINISHED"
    np.testing.assert_allclose(
        after.dynamics.similarity["cka"][0], before.dynamics.similarity["cka"][-1], atol=1e-5
    )
