from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from repdyn import batches

IDS = torch.arange(12).reshape(4, 3)


class Text(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(20, 5)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, scale: float = 1.0) -> Tensor:
        hidden: Tensor = self.embed(input_ids) * attention_mask[..., None] * scale
        return hidden.sum(1)


@dataclass
class Out:
    loss: Tensor
    logits: Tensor


@pytest.mark.parametrize(
    "batch",
    [IDS, (IDS, IDS.float(), "flag"), {"input_ids": IDS, "scale": 2.0}],
    ids=["tensor", "tuple", "mapping"],
)
def test_the_parts_of_a_batch_are_the_batch(batch: batches.Batch) -> None:
    parts = list(batches.split(batch, 3))
    assert [batches.length(part) for part in parts] == [3, 1]
    for k, whole in enumerate(batches.tensors(batch)):
        assert torch.equal(torch.cat([batches.tensors(part)[k] for part in parts]), whole)


def test_what_is_no_tensor_goes_to_the_model_as_it_is() -> None:
    model = Text()
    batch = {"input_ids": IDS, "attention_mask": torch.ones(4, 3), "scale": 2.0}
    plain = model(IDS, torch.ones(4, 3))
    assert torch.allclose(batches.called(model, batch), 2 * plain)
    assert torch.allclose(batches.called(model, (IDS, torch.ones(4, 3), 3.0)), 3 * plain)
    rows = torch.cat([batches.called(model, part) for part in batches.split(batch, 1)])
    assert torch.allclose(rows, 2 * plain)


def test_floats_take_the_type_of_the_model_and_ids_do_not() -> None:
    model = Text().to(torch.bfloat16)
    moved = batches.fitting({"input_ids": IDS, "attention_mask": torch.ones(4, 3)}, model)
    assert [x.dtype for x in batches.tensors(moved)] == [torch.int64, torch.bfloat16]
    assert batches.called(nn.Flatten(), IDS.float()).dtype == torch.float32


def test_forward_says_how_the_model_is_called() -> None:
    seen = batches.called(Text(), IDS, lambda model, x: model(x, torch.zeros_like(x)))
    assert torch.equal(seen, torch.zeros(4, 5))


@pytest.mark.parametrize(
    "batch", [(IDS, IDS[:2]), ("no tensor",), {}], ids=["lengths differ", "no tensor", "empty"]
)
def test_a_batch_without_one_length_is_refused(batch: batches.Batch) -> None:
    with pytest.raises(ValueError, match="first axis of every tensor must count the inputs"):
        batches.length(batch)


class Recursive:
    def __init__(self) -> None:
        self.me, self.parts = self, [self]


def test_the_output_is_found_in_what_models_return() -> None:
    x, loss = torch.ones(4, 2), torch.tensor(1.0)
    for output in (x, (x, loss), [loss, x], {"loss": loss, "logits": x}, Out(loss, x), ({"a": x},)):
        found = batches.output_tensor(output)
        assert found is not None
        assert torch.equal(found, x)
    without: list[object] = [None, 3, "text", (), {"a": "text"}, ({},), loss, {"loss": loss}]
    without.append(Recursive())
    for nothing in without:
        assert batches.output_tensor(nothing) is None


def test_the_mask_of_tokens() -> None:
    mask = torch.tensor([[1, 1, 0]] * 4)
    found = batches.token_mask({"input_ids": IDS, "attention_mask": mask})
    assert found is not None
    assert torch.equal(found, mask.bool())
    assert batches.token_mask({"input_ids": IDS}) is None
    assert batches.token_mask(IDS) is None
