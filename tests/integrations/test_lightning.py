"""Lightning's own Trainer drives the callback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.loggers import MLFlowLogger
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from repdyn.integrations.lightning import RepdynCallback
from repdyn.measures.inputs import Inputs
from repdyn.measures.settings import MeasureSettings
from repdyn.runs import session as session_module
from repdyn.settings.schema import StoreConfig
from repdyn.storage.reader import load_run
from repdyn.storage.search import find_run
from tests.support.present import present

G = torch.Generator().manual_seed(0)
X, Y = torch.randn(48, 6, generator=G), torch.randint(0, 3, (48,), generator=G)
TRAIN, TEST = TensorDataset(X[:32], Y[:32]), TensorDataset(X[32:], Y[32:])
SETTINGS = MeasureSettings(similarity=("cka",), cka_batch=16)


class Module(LightningModule):
    """A module as in Lightning's tutorials: a network, its loss beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(6, 8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3)
        )
        self.loss = nn.CrossEntropyLoss()
        self.fails_at = -1

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.net(x)
        return y

    def training_step(self, batch: Any, index: int) -> Tensor:
        if self.global_step == self.fails_at:
            raise ZeroDivisionError
        x, y = batch
        loss: Tensor = self.loss(self(x), y)
        self.log("train_loss", loss, on_epoch=True)
        return loss

    def validation_step(self, batch: Any, index: int) -> None:
        x, y = batch
        self.log("val_acc", (self(x).argmax(1) == y).float().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fit(tmp_path: Path, callback: RepdynCallback | None, module: Module, **options: Any) -> Module:
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=3,
        callbacks=[callback] if callback else [],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
        **{"logger": False, **options},
    )
    torch.manual_seed(1)
    trainer.fit(module, DataLoader(TRAIN, 8, shuffle=True), DataLoader(TEST, 8))
    return module


def new_module() -> Module:
    torch.manual_seed(0)
    return Module()


def inputs() -> Inputs:
    return Inputs.from_datasets(TRAIN, TEST, n=16)


@pytest.fixture(autouse=True)
def store(sqlite_store: StoreConfig, monkeypatch: pytest.MonkeyPatch) -> StoreConfig:
    monkeypatch.setattr(session_module, "standard_figures", lambda *_: {})
    monkeypatch.setenv("MLFLOW_TRACKING_URI", str(sqlite_store.tracking_uri))
    # Lightning's logger sets it for the whole process; it is restored after the test
    monkeypatch.setattr("mlflow.tracking._tracking_service.utils._tracking_uri", None)
    return sqlite_store


pytestmark = pytest.mark.filterwarnings(
    "ignore:The '.*' does not have many workers",
    "ignore:.*isinstance.treespec, LeafSpec",
    "ignore:The number of training batches",
    "ignore:You are trying to `self.log",
)


def test_a_fit_is_a_run_and_ends_as_it_would_without_one(
    tmp_path: Path, store: StoreConfig
) -> None:
    callback = RepdynCallback(inputs(), checkpoints=4, settings=SETTINGS, run_name="lit")
    measured = fit(tmp_path, callback, new_module())
    record = load_run(store, "lit")
    assert record.summary.status == "FINISHED"
    dynamics = present(record.dynamics)
    # 3 epochs of 4 steps
    assert (dynamics.steps.tolist(), dynamics.unit) == ([0, 1, 5, 12], "step")
    assert dynamics.layers[-1] == "logits"
    assert record.curves["test/acc"].steps.tolist() == [4, 8, 12]
    assert record.curves["train/loss"].steps.tolist() == [4, 8, 12]
    plain = fit(tmp_path, None, new_module())
    for name, weight in plain.state_dict().items():
        assert torch.equal(weight, measured.state_dict()[name])


def test_epochs_are_an_axis_too(tmp_path: Path, store: StoreConfig) -> None:
    fit(tmp_path, RepdynCallback(inputs(), unit="epoch", settings=SETTINGS), new_module())
    record = load_run(store, "Module")
    dynamics = present(record.dynamics)
    assert (dynamics.steps.tolist(), dynamics.unit) == ([0, 1, 2, 3], "epoch")
    assert record.curves["test/acc"].steps.tolist() == [1, 2, 3]
    with pytest.raises(ValueError, match="must be step or epoch"):
        RepdynCallback(inputs(), unit="tokens")


def test_the_run_of_lightnings_logger_is_joined(tmp_path: Path, store: StoreConfig) -> None:
    logger = MLFlowLogger("theirs", tracking_uri=store.tracking_uri, run_name="logged")
    fit(tmp_path, RepdynCallback(inputs(), settings=SETTINGS), new_module(), logger=logger)
    record = load_run(store, present(logger.run_id))
    assert present(record.dynamics).steps[-1] == 12
    assert record.summary.experiment == "theirs"
    assert record.summary.status == "FINISHED"
    assert "val_acc" in record.curves


def test_a_fit_that_fails_ends_its_run(tmp_path: Path, store: StoreConfig) -> None:
    module = new_module()
    module.fails_at = 6
    with pytest.raises(ZeroDivisionError):
        fit(tmp_path, RepdynCallback(inputs(), settings=SETTINGS), module)
    assert find_run(store, "Module").status == "FAILED"
