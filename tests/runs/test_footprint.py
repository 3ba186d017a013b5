"""What a training is said to take, beside what it takes."""

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from repdyn import memory
from repdyn.errors import UserError
from repdyn.measures.shelf import KEPT_IN_MEMORY
from repdyn.memory import available_memory
from repdyn.records import LabelMaps
from repdyn.runs import footprint as module
from repdyn.runs.experiment import Experiment, prepare
from repdyn.runs.footprint import HELD_OF_MATRICES, activations, check_room, footprint, room
from repdyn.runs.storing import store_measurement, store_weights
from repdyn.settings.text import from_settings
from repdyn.storage import codec, schema

SETTINGS = {
    "width": "0.0625",
    "epochs": "4",
    "checkpoints": "3",
    "planes": "6",
    "grid": "5",
    "fine_grid": "9",
    "probe_images": "200",
    "cka_batch": "80",
    "probe_train": "100",
    "train_size": "100",
    "layers": "stem|logits",
}


@pytest.fixture(scope="module", params=["unbiased", "biased"])
def experiment(request: pytest.FixtureRequest) -> Experiment:
    return prepare(from_settings(SETTINGS | {"cka": request.param}))


class Kept:
    """Takes what a run stores, instead of a writer."""

    def __init__(self) -> None:
        self.sizes: dict[str, int] = {}

    def put(self, path: str, content: bytes) -> None:
        self.sizes[path] = len(content)

    def log_label_maps(self, maps: LabelMaps) -> None:
        self.sizes["maps"] = maps.maps.nbytes + maps.fine.nbytes

    def log_summaries(self, measure: str, epoch: int, summaries: np.ndarray) -> None:
        self.sizes[measure] = len(codec.encode_summaries(summaries))


def test_files_are_as_large_as_told(experiment: Experiment) -> None:
    told, kept = footprint(experiment), Kept()
    model, recorder = experiment.new_model(), experiment.new_recorder()
    store_weights(kept, model, 0)  # type: ignore[arg-type]  # all that it calls
    measured = recorder.measure(model, 0)
    store_measurement(kept, measured)  # type: ignore[arg-type]  # all that it calls
    weights = kept.sizes[schema.checkpoint_path(0)]
    # names and shapes are written too
    assert told.weights / 3 <= weights < told.weights / 3 + 20_000
    areas = recorder.dynamics.areas.nbytes
    assert kept.sizes["maps"] + areas == told.maps / 3
    assert told.summaries / 3 <= kept.sizes["cka"] < told.summaries / 3 + 500


def test_of_many_checkpoints_memory_grows_by_their_matrices_alone(experiment: Experiment) -> None:
    told = footprint(experiment)
    recorder = experiment.new_recorder()
    for step in (0, 2, 4):
        recorder.measure(experiment.new_model(), step)
    dynamics = recorder.dynamics
    arrays = [*dynamics.similarity.values(), *dynamics.errors.values()]
    assert told.matrices == sum(array.nbytes for array in arrays)
    beyond = replace(told, summaries=KEPT_IN_MEMORY, maps=KEPT_IN_MEMORY)
    assert replace(beyond, summaries=2**60, maps=2**60).kept == beyond.kept
    assert replace(told, matrices=told.matrices + 10).kept == told.kept + 10 * HELD_OF_MATRICES


def test_of_many_classes_a_point_takes_two_bytes(experiment: Experiment) -> None:
    few = replace(experiment.images, classes=("x",) * 256)
    many = replace(experiment.images, classes=("x",) * 257)
    of_few, of_many = (footprint(replace(experiment, images=each)).maps for each in (few, many))
    places = 3 * (len(experiment.layers) + 1)
    points = 6 * 5**2 + 3 * 9**2
    assert of_many - of_few == places * (points + 4)


def test_activations_are_those_that_gradients_need() -> None:
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    # the input of the first layer, and what ReLU gives to the second
    assert activations(net, torch.randn(5, 4)) == (4 + 8) * 4


def test_what_fits_is_told_and_what_does_not_is_refused(
    experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_room(experiment, footprint(experiment), tmp_path / "not" / "there")
    assert "of disk" in room(footprint(experiment))
    monkeypatch.setattr(module, "available_memory", lambda: 1000)
    with pytest.raises(UserError, match=r"memory: 1e\+03 B available|memory: 1 kB available"):
        check_room(experiment, footprint(experiment), None)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2000))
    with pytest.raises(UserError, match="2 kB free"):
        check_room(experiment, footprint(experiment), tmp_path)


@pytest.mark.parametrize(
    ("part", "advice"),
    [
        ("weights", "`keep_checkpoints last`"),
        ("state", "`width`"),
        ("summaries", "`probe_images`"),
        ("maps", "`planes`"),
    ],
)
def test_what_takes_most_of_the_disk_is_told(
    part: str, advice: str, experiment: Experiment, tmp_path: Path
) -> None:
    large = replace(footprint(experiment), **{part: 2**60})
    with pytest.raises(UserError, match=f"free some space, or use .*{advice}"):
        check_room(experiment, large, tmp_path)


def test_the_memory_of_a_control_group_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    whole = available_memory()
    assert whole > 2**20
    (tmp_path / "memory.current").write_text("1000\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert available_memory() > 2**20
    (tmp_path / "memory.max").write_text("5000\n")
    assert available_memory() == 4000
