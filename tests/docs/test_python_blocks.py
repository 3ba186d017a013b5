"""The Python in README.md and docs/ runs, with a small network in place of the reader's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.utils.data import TensorDataset

import repdyn
from repdyn.runs import session
from repdyn.settings.schema import StoreConfig
from tests.support.doc_blocks import Block, all_blocks

SNIPPETS = [
    pytest.param(block, id=block.place)
    for block in all_blocks()
    if block.language == "python" and block.reason is None
]


class Text(nn.Module):
    """A model of tokens, with the names of Hugging Face's."""

    def __init__(self) -> None:
        super().__init__()
        self.embeddings = nn.Embedding(10, 8)
        self.encoder = nn.Module()
        self.encoder.layer = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8))

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        hidden: torch.Tensor = self.embeddings(input_ids)
        for layer in self.encoder.layer:  # type: ignore[union-attr]  # torch says Tensor, too
            hidden = layer(hidden).relu()
        return hidden


def network() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 8), nn.Linear(8, 3)
    )


def data() -> TensorDataset:
    return TensorDataset(torch.randn(40, 1, 8, 8), torch.arange(40) % 3)


def readers_names() -> Mapping[str, Any]:
    """Return what the reader of a page has made before."""
    torch.manual_seed(0)
    train, test = data(), data()
    ids = torch.randint(10, (12, 5))
    features = torch.randn(20, 6).numpy()
    return {
        "repdyn": repdyn,
        "train": train,
        "test": test,
        "x_train": train.tensors[0],
        "y_train": train.tensors[1],
        "x_test": test.tensors[0],
        "y_test": test.tensors[1],
        "ids": ids,
        "mask": torch.ones_like(ids),
        "x1": features,
        "x2": features[:, :3],
        "y": torch.arange(20).numpy() % 2,
        "make_model": network,
        "model": network(),
        "inputs": repdyn.Inputs.from_datasets(train, test, planes=3),
        "Trainer": lambda *_, callbacks: callbacks,
        "epochs": 2,
        "steps": 2,
        "step": 1,
        "loss": 0.5,
        "accuracy": 0.5,
        "test_accuracy": 0.5,
    }


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:layers not watched")  # the last one is the output
@pytest.mark.parametrize("block", SNIPPETS)
def test_block_runs(
    block: Block, sqlite_store: StoreConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "standard_figures", lambda *_: {})
    folder = Path("output")
    folder.mkdir()
    for epoch in (0, 1):
        save_file(network().state_dict(), folder / f"epoch_{epoch}.safetensors")
    names = dict(readers_names())
    if "encoder.layer" in block.text:
        ids = {"input_ids": names["ids"], "attention_mask": names["mask"]}
        names |= {"model": Text(), "inputs": repdyn.Inputs(ids)}
    exec(compile(block.text, block.place, "exec"), names)
