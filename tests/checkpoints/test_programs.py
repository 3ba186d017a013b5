"""Checkpoints as timm, Lightning and transformers themselves write them."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from timm.utils import CheckpointSaver, ModelEmaV3, update_summary
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from repdyn.checkpoints import from_folder, load_weights


def test_timm(tmp_path: Path) -> None:
    network = timm.create_model("test_resnet.r160_in1k", num_classes=3)
    saver = CheckpointSaver(
        network,
        torch.optim.AdamW(network.parameters()),
        args=Namespace(model="test_resnet", opt_kwargs={}, output=tmp_path, mean=(0.5, 0.5)),
        model_ema=ModelEmaV3(network),
        checkpoint_dir=str(tmp_path),
        recovery_dir=str(tmp_path),
        max_history=5,
    )
    saved = []
    for epoch in range(3):
        nn.init.normal_(next(network.parameters()))
        saved.append({name: value.clone() for name, value in network.state_dict().items()})
        saver.save_recovery(epoch, batch_idx=20)
        saver.save_checkpoint(epoch, metric=40.0 + epoch)
        train, test = {"loss": 2.0 - epoch}, {"loss": 2.5, "top1": 40.0 + epoch, "top5": 90.0}
        update_summary(epoch, train, test, str(tmp_path / "summary.csv"), lr=0.1)

    source = from_folder(tmp_path)

    assert source.steps == (0, 1, 2)
    assert source.unit == "epoch"
    assert source.metrics[2] == {"train/loss": 0.0, "test/loss": 2.5, "test/acc": 0.42}
    assert sorted(path.name for path in tmp_path.glob("*.tar")) == [
        *(f"checkpoint-{epoch}.pth.tar" for epoch in range(3)),
        *("last.pth.tar", "model_best.pth.tar", "recovery-1-20.pth.tar", "recovery-2-20.pth.tar"),
    ]
    other = timm.create_model("test_resnet.r160_in1k", num_classes=3)
    for checkpoint, expected in zip(source, saved, strict=True):
        load_weights(other, checkpoint)
        assert equal(other.state_dict(), expected)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of Lightning: few workers, few batches
def test_lightning(tmp_path: Path) -> None:
    lightning = pytest.importorskip("lightning")

    class Regression(lightning.LightningModule):  # type: ignore[misc, name-defined]  # not typed
        def __init__(self, width: int, config: Namespace, out: Path) -> None:
            super().__init__()
            self.save_hyperparameters()
            self.model = nn.Linear(2, width)
            self.loss = nn.Sequential(nn.Linear(1, 1))

        def training_step(self, batch: list[Tensor], _index: int) -> Tensor:
            output: Tensor = self.model(batch[0])
            return output.square().mean()

        def configure_optimizers(self) -> object:
            return torch.optim.AdamW(self.parameters())

    data = DataLoader(TensorDataset(torch.ones(8, 2)), batch_size=2)
    network = Regression(3, Namespace(lr=0.1), tmp_path)
    trainer = lightning.Trainer(
        max_epochs=3,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[
            lightning.pytorch.callbacks.ModelCheckpoint(tmp_path, save_top_k=-1, save_last=True)
        ],
    )
    trainer.fit(network, data)

    source = from_folder(tmp_path, strip_prefix="model.")

    assert source.steps == (4, 8, 12)
    assert source.unit == "step"
    assert source.description.endswith("skipped last.ckpt")
    other = nn.Linear(2, 3)
    for checkpoint in source:
        load_weights(other, checkpoint)
    assert equal(other.state_dict(), network.model.state_dict())


def test_transformers(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.GPT2Config(n_layer=1, n_head=1, n_embd=8, n_positions=8)
    networks: dict[int, Any] = {step: transformers.GPT2LMHeadModel(config) for step in (5, 10)}
    state = transformers.TrainerState()
    state.log_history = [{"loss": 2.0, "step": 5}, {"eval_loss": 1.0, "step": 10}]
    for step, network in networks.items():
        home = tmp_path / f"checkpoint-{step}"
        network.save_pretrained(home, max_shard_size="3KB")
        torch.save(torch.optim.AdamW(network.parameters()).state_dict(), home / "optimizer.pt")
        torch.save(Namespace(lr=0.1), home / "training_args.bin")
        state.save_to_json(str(home / "trainer_state.json"))

    source = from_folder(tmp_path)

    assert (tmp_path / "checkpoint-5" / "model.safetensors.index.json").exists()
    assert source.steps == (5, 10)
    assert source.metrics == {5: {"train/loss": 2.0}, 10: {"test/loss": 1.0}}
    other = transformers.GPT2LMHeadModel(config)
    for checkpoint in source:
        assert "lm_head.weight" not in checkpoint.weights  # tied to the embedding
        load_weights(other, checkpoint)
        assert equal(other.state_dict(), networks[checkpoint.step].state_dict())


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
