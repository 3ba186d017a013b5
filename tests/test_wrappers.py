"""Wrappers around a model: found within them, and left as they were."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from repdyn.layer import Layer
from repdyn.layers import choose_layers, unwrapped
from repdyn.measures.features import all_features, pooled, with_precise_bn
from repdyn.wrappers import as_written
from tests.support.networks import compiled

X = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 3))


class Around(nn.Module):
    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.net(x)
        return y


def test_what_can_be_called_in_place_of_a_wrapper() -> None:
    model = net()
    assert unwrapped(model) is model
    assert unwrapped(nn.DataParallel(nn.DataParallel(model))) is model
    around = Around(model)
    assert unwrapped(around) is around


@pytest.mark.slow  # loads the compiler
def test_what_compiling_wraps() -> None:
    model = net()
    assert unwrapped(compiled(model)) is model
    assert unwrapped(nn.DataParallel(compiled(model))) is model


def test_what_distributed_training_wraps(tmp_path: Path) -> None:
    where = f"file://{tmp_path}/store"
    torch.distributed.init_process_group("gloo", init_method=where, rank=0, world_size=1)
    try:
        model = net()
        assert unwrapped(DistributedDataParallel(model)) is model
    finally:
        torch.distributed.destroy_process_group()


def in_place(model: nn.Module) -> nn.Module:
    model.compile(backend="eager")
    return model


WRAPS: dict[str, Callable[[nn.Module], nn.Module]] = {
    "DataParallel": nn.DataParallel,
    "compiled": compiled,
    "compiled within": lambda model: Around(compiled(model)),
    "compiled in place": in_place,
}


@pytest.mark.parametrize(
    "kind",
    [
        name if name == "DataParallel" else pytest.param(name, marks=pytest.mark.slow)
        for name in WRAPS
    ],
)
def test_layers_are_measured_within(kind: str) -> None:
    plain = net()
    expected, _ = all_features(plain, choose_layers(plain, inputs=X).layers, X, reduce=pooled)
    model = WRAPS[kind](net())
    model.eval()(X)  # so that compiled code is there
    layers = choose_layers(model, inputs=X).layers
    assert [layer.name for layer in layers] == ["0", "1", "logits"]
    found, _ = all_features(model, layers, X, reduce=pooled)
    for x, y in zip(found, expected, strict=True):
        assert torch.equal(x, y)
    norm = nn.BatchNorm1d
    twin = with_precise_bn(model, X)
    means = [
        [m.running_mean for m in one.modules() if isinstance(m, norm)] for one in (twin, model)
    ]
    assert means[0][0] is not None
    assert means[1][0] is not None
    assert means[0][0].abs().sum() > 0
    assert means[1][0].abs().sum() == 0


def test_the_fused_path_is_off_for_an_encoder_alone() -> None:
    seen = list[bool]()
    for model in (
        nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, batch_first=True), 1),
        net(),
    ):
        with as_written(model):
            seen.append(torch.backends.mha.get_fastpath_enabled())
        seen.append(torch.backends.mha.get_fastpath_enabled())
    assert seen == [False, True, True, True]


def test_padded_batches_reach_the_layers_of_an_encoder() -> None:
    """PyTorch would pass nested tensors on, in eval mode and without gradients."""
    torch.manual_seed(0)
    block = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    model = nn.TransformerEncoder(block, 2).eval()
    x, padding = torch.randn(3, 5, 8), torch.tensor([[0, 0, 0, 0, 1]] * 3, dtype=torch.bool)
    inputs = {"src": x, "src_key_padding_mask": padding}
    layers = [Layer("first", "layers.0"), Layer("logits", "")]
    (first, _), _ = all_features(model, layers, inputs, reduce=pooled)
    with torch.no_grad():
        expected = model.layers[0](x, src_key_padding_mask=padding)
    torch.testing.assert_close(first, expected.mean(dim=1))
