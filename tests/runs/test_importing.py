"""Checkpoints that were saved elsewhere, measured as one run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import repdyn
from repdyn.checkpoints import CheckpointSource, from_folder
from repdyn.errors import UserError
from repdyn.measures.inputs import Inputs
from repdyn.measures.settings import MeasureSettings
from repdyn.runs import session as session_module
from repdyn.runs.importing import measure_checkpoints
from repdyn.settings.schema import StoreConfig
from repdyn.storage.reader import load_run
from tests.storage.test_codec import assert_same
from tests.support.present import present

STEPS = (0, 1, 4, 10, 30)
SETTINGS = MeasureSettings(similarity=("cka",), cka_batch=10)
G = torch.Generator().manual_seed(0)
INPUTS = Inputs(
    torch.randn(20, 4, generator=G),
    torch.arange(20) % 3,
    train=torch.randn(24, 4, generator=G),
    train_labels=torch.arange(24) % 3,
)


def make_model() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))


def moved(step: int) -> nn.Sequential:
    torch.manual_seed(0)
    model = make_model()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.02 * step * torch.randn(weight.shape))
    return model


@pytest.fixture(autouse=True)
def store(sqlite_store: StoreConfig, monkeypatch: pytest.MonkeyPatch) -> StoreConfig:
    monkeypatch.setattr(session_module, "standard_figures", lambda *_: {})
    monkeypatch.setenv("MLFLOW_TRACKING_URI", str(sqlite_store.tracking_uri))
    return sqlite_store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "weights"
    place.mkdir()
    for step in STEPS:
        save_file(moved(step).state_dict(), place / f"step-{step}.safetensors")
    return place


def test_a_folder_is_the_run_of_the_loop_that_wrote_it(folder: Path, store: StoreConfig) -> None:
    record = repdyn.measure_checkpoints(
        from_folder(folder), make_model, INPUTS, run_name="imported", settings=SETTINGS
    )
    with repdyn.start_run(moved(0), INPUTS, settings=SETTINGS, unit="step") as run:
        for step in STEPS:
            run._measured.model = moved(step)
            run.measure(step)
    assert_same(present(record.dynamics), present(present(run.record).dynamics))
    stored = load_run(store, "imported")
    assert_same(present(stored.dynamics), present(record.dynamics))
    assert stored.summary.status == "FINISHED"
    assert stored.summary.params["checkpoints"].startswith(str(folder))


def test_some_of_the_checkpoints_may_be_chosen(folder: Path) -> None:
    for wanted, steps in ((3, [0, 4, 30]), ([4, 1], [1, 4]), (99, list(STEPS))):
        record = measure_checkpoints(
            from_folder(folder), make_model, INPUTS, checkpoints=wanted, settings=SETTINGS
        )
        assert present(record.dynamics).steps.tolist() == steps
    for wrong, message in (([2], "has no checkpoint of step 2"), (1, "must be at least 2")):
        with pytest.raises(UserError, match=message):
            measure_checkpoints(
                from_folder(folder), make_model, INPUTS, checkpoints=wrong, settings=SETTINGS
            )


def test_pairs_of_ones_own_are_a_source_too() -> None:
    pairs = [(step, moved(step).state_dict()) for step in STEPS]
    record = measure_checkpoints(pairs, make_model, INPUTS, settings=SETTINGS)
    assert present(record.dynamics).steps.tolist() == list(STEPS)


def test_curves_beside_the_checkpoints_give_phases(store: StoreConfig) -> None:
    pairs = [(step, moved(step).state_dict()) for step in STEPS]
    found = repdyn.checkpoints.from_pairs(pairs)
    curves = {step: {"train/acc": min(1.0, step / 10)} for step in range(31)}
    source = CheckpointSource(found.steps, found.unit, "mine", found.read, curves)
    measure_checkpoints(source, make_model, INPUTS, run_name="curves", settings=SETTINGS)
    record = load_run(store, "curves")
    assert record.phases.fit == 10
    assert record.curves["train/acc"].steps.tolist() == list(range(31))


def test_a_checkpoint_of_another_architecture_leaves_no_run(store: StoreConfig) -> None:
    pairs = [(0, nn.Linear(2, 2).state_dict()), (1, nn.Linear(2, 2).state_dict())]
    with pytest.raises(UserError, match="step 0: does not match the model"):
        measure_checkpoints(pairs, make_model, INPUTS, run_name="none", settings=SETTINGS)
    with pytest.raises(UserError, match="there is no such experiment"):
        load_run(store, "none")


def test_a_stopped_import_goes_on(folder: Path, store: StoreConfig) -> None:
    def stopped() -> None:
        calls = []

        def fails_later() -> nn.Module:
            calls.append(1)
            return make_model()

        broken = [(s, moved(s).state_dict()) for s in STEPS[:3]] + [(10, {})]
        measure_checkpoints(broken, fails_later, INPUTS, run_name="whole", settings=SETTINGS)

    with pytest.raises(UserError, match="step 10: does not match"):
        stopped()
    before = load_run(store, "whole")
    assert before.summary.status == "FAILED"
    assert present(before.dynamics).steps.tolist() == list(STEPS[:3])
    record = measure_checkpoints(
        from_folder(folder), make_model, INPUTS, run_id=before.summary.run_id, settings=SETTINGS
    )
    assert present(record.dynamics).steps.tolist() == list(STEPS)
    whole = measure_checkpoints(from_folder(folder), make_model, INPUTS, settings=SETTINGS)
    assert_same(present(record.dynamics), present(whole.dynamics))
