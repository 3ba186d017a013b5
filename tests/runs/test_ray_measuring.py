"""Checkpoints measured side by side; with real workers in tests/e2e/test_ray.py."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from safetensors.torch import load
from torch import Tensor, nn

pytest.importorskip("ray", reason="comes with repdyn[ray]")

from ray.exceptions import WorkerCrashedError

import repdyn
from repdyn.checkpoints import load_weights
from repdyn.errors import SettingError, UserError
from repdyn.layers import watched_layers
from repdyn.measures.recorder import Recorder
from repdyn.runs import ray_measuring
from repdyn.runs import session as session_module
from repdyn.runs.importing import measure_checkpoints
from repdyn.runs.ray_tasks import RayTasks, connected
from repdyn.settings.schema import StoreConfig
from repdyn.storage.reader import load_run
from repdyn.storage.reader import load_weights as stored_weights
from tests.storage.test_codec import assert_same
from tests.support.eager_ray import EagerRay
from tests.support.present import present

STEPS = (0, 1, 3, 8)
G = torch.Generator().manual_seed(0)
SETTINGS = repdyn.MeasureSettings(cka_batch=12, grid=5, fine_grid=5)


def images(n: int) -> Tensor:
    return torch.rand(n, 1, 6, 6, generator=G)


INPUTS = repdyn.Inputs(
    images(24),
    torch.arange(24) % 3,
    train=images(30),
    train_labels=torch.arange(30) % 3,
    anchors=images(12).reshape(4, 3, 1, 6, 6),
)


def make_model() -> nn.Sequential:
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.ReLU()),
        nn.Sequential(nn.Conv2d(6, 6, 3), nn.ReLU()),
        nn.Flatten(),
        nn.Linear(24, 3),
    )


def moved(step: int) -> dict[str, Tensor]:
    torch.manual_seed(0)
    model = make_model()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.1 * step * torch.randn(weight.shape))
    return model.state_dict()


PAIRS = [(step, moved(step)) for step in STEPS]


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> EagerRay:
    return EagerRay().install(monkeypatch)


@pytest.fixture
def store(sqlite_store: StoreConfig, monkeypatch: pytest.MonkeyPatch) -> StoreConfig:
    monkeypatch.setattr(session_module, "standard_figures", lambda *_: {})
    monkeypatch.setenv("MLFLOW_TRACKING_URI", str(sqlite_store.tracking_uri))
    return sqlite_store


def measured(pairs: Any, tasks: RayTasks | None = None) -> Recorder:
    """Measure with a recorder alone: on a cluster, or in this process."""
    model = make_model()
    recorder = Recorder(watched_layers(model), INPUTS, SETTINGS)
    if tasks is None:
        for step, weights in pairs:
            load_weights(model, weights)
            recorder.measure(model, step)
        return recorder
    with connected(tasks) as cluster:
        for found in cluster.measured(model, load_weights, recorder, pairs):
            assert found.device.startswith("cpu")
            recorder.add(found.observed)
    return recorder


def test_it_is_measured_as_in_one_process(eager: EagerRay) -> None:
    apart, whole = measured(PAIRS, RayTasks()), measured(PAIRS)
    assert_same(apart.dynamics, whole.dynamics)
    assert_same(apart.plane_set(), whole.plane_set())
    assert apart.dynamics.similarity.keys() == {"cka", "regions"}
    # the probes of the last checkpoint are those that the next one starts from
    for name, parts in whole.state().items():
        for part, values in parts.items():
            assert torch.equal(values, apart.state()[name][part])


def test_without_labels_there_are_no_probes(
    eager: EagerRay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "INPUTS", repdyn.Inputs(INPUTS.reference))
    apart, whole = measured(PAIRS, RayTasks()), measured(PAIRS)
    assert_same(apart.dynamics, whole.dynamics)
    assert apart.dynamics.similarity.keys() == {"cka"}


def test_as_many_checkpoints_are_read_as_keep_the_workers_busy(eager: EagerRay) -> None:
    eager.at_once = 1
    read: list[int] = []

    def pairs() -> Iterator[tuple[int, dict[str, Tensor]]]:
        for step, weights in PAIRS:
            read.append(step)
            yield step, weights

    model = make_model()
    recorder = Recorder(watched_layers(model), INPUTS, SETTINGS)
    with connected(RayTasks()) as cluster:
        found = cluster.measured(model, load_weights, recorder, pairs())
        assert next(found).observed.step == 0
        assert read == [0, 1]
        assert [one.observed.step for one in found] == [1, 3, 8]


def test_what_was_read_before_an_error_is_measured(eager: EagerRay) -> None:
    def pairs() -> Iterator[tuple[int, dict[str, Tensor]]]:
        yield from PAIRS[:2]
        raise UserError("step 3: is damaged")

    model = make_model()
    recorder = Recorder(watched_layers(model), INPUTS, SETTINGS)
    with connected(RayTasks()) as cluster:
        found = cluster.measured(model, load_weights, recorder, pairs())
        assert [next(found).observed.step, next(found).observed.step] == [0, 1]
        with pytest.raises(UserError, match="step 3: is damaged"):
            next(found)


def test_weights_of_another_model_are_an_error_of_the_user(eager: EagerRay) -> None:
    other = [*PAIRS[:2], (3, nn.Linear(2, 2).state_dict())]
    with pytest.raises(UserError, match="does not match the model"):
        measured(other, RayTasks())


def test_workers_that_die_again_and_again_are_an_error_of_the_user(eager: EagerRay) -> None:
    def fail(task: str) -> None:
        if task == "observe" and eager.ran.count("observe") == 2:
            raise WorkerCrashedError

    eager.fail = fail
    with pytest.raises(UserError, match="step 1: its Ray worker died 4 times"):
        measured(PAIRS, RayTasks())
    assert all(options["max_retries"] == 3 for options in eager.options)


def test_only_passes_use_a_gpu(eager: EagerRay, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted: list[str] = []

    def picked(device: str) -> torch.device:
        wanted.append(device)
        return torch.device("cpu")

    monkeypatch.setattr(ray_measuring, "pick_device", picked)
    measured(PAIRS[:1], RayTasks(cpus_per_task=2, gpus_per_task=0.5))
    assert wanted == ["cuda"]
    assert [options["num_cpus"] for options in eager.options] == [2, 2]
    assert sorted(options.get("num_gpus", 0) for options in eager.options) == [0, 0.5]
    with pytest.raises(SettingError, match="gpus_per_task -1: must be at least 0"):
        RayTasks(gpus_per_task=-1)


def test_a_model_that_cannot_be_sent_is_an_error_of_the_user(eager: EagerRay) -> None:
    model = make_model()
    recorder = Recorder(watched_layers(model), INPUTS, SETTINGS)
    model.lock = threading.Lock()  # type: ignore[assignment]  # not to be pickled
    with connected(RayTasks()) as cluster, pytest.raises(UserError, match="cannot be sent"):
        next(cluster.measured(model, load_weights, recorder, PAIRS))


def test_an_import_goes_on_where_it_was_stopped(eager: EagerRay, store: StoreConfig) -> None:
    broken = [*PAIRS[:2], (3, nn.Linear(2, 2).state_dict())]
    with pytest.raises(UserError, match="step 3: does not match"):
        measure_checkpoints(
            broken, make_model, INPUTS, run_name="apart", settings=SETTINGS, ray=RayTasks()
        )
    stopped = load_run(store, "apart")
    assert present(stopped.dynamics).steps.tolist() == [0, 1]
    apart = measure_checkpoints(
        PAIRS,
        make_model,
        INPUTS,
        run_id=stopped.summary.run_id,
        settings=SETTINGS,
        save_weights=True,
        ray=RayTasks(),
    )
    assert present(apart.dynamics).steps.tolist() == list(STEPS)
    assert eager.ran.count("observe") == 2 + 2
    run = apart.summary.run_id
    weights = load(stored_weights(store, run, 8))
    assert all(torch.equal(value, PAIRS[-1][1][name]) for name, value in weights.items())
