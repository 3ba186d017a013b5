"""Folding BatchNorm: the same activations, and nothing folded where they would change."""

import numpy as np
import pytest
import timm
import torch
from torch import Tensor, nn

from repdyn.layers import watched_layers
from repdyn.measures import passes
from repdyn.measures.features import all_features, flat
from repdyn.measures.folding import foldable, folded
from repdyn.measures.inputs import Inputs
from repdyn.measures.recorder import Recorder
from repdyn.records import Dynamics
from tests.support.networks import Residual


class Pair(nn.Module):
    """A convolution and a BatchNorm, to be called in several ways."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.bn = nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.bn(self.conv(x))
        return y


class ReadTwice(Pair):
    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        z: Tensor = self.bn(y) + y
        return z


class CalledTwice(Pair):
    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.bn(self.conv(x)) + self.bn(self.conv(-x))
        return y


class Branching(Pair):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x if x.sum() > 0 else -x)


class FromTheInput(Pair):
    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(self.bn(x.expand(-1, 4, -1, -1))[:, :1])
        return y


def with_statistics(model: nn.Module) -> nn.Module:
    """Give every BatchNorm statistics and weights as training would."""
    g = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            shape = module.running_mean.shape
            module.running_mean.copy_(torch.randn(shape, generator=g))
            module.running_var.copy_(torch.rand(shape, generator=g) + 0.1)
            module.weight.data.copy_(torch.randn(shape, generator=g))
            module.bias.data.copy_(torch.randn(shape, generator=g))
    return model


def resnet() -> nn.Module:
    torch.manual_seed(0)
    return with_statistics(timm.create_model("resnet18", num_classes=10, in_chans=1))


def test_every_layer_of_a_resnet_is_the_same_to_rounding() -> None:
    model, x = resnet(), torch.randn(8, 1, 32, 32, generator=torch.Generator().manual_seed(1))
    layers = watched_layers(model)
    pairs = foldable(model, {layer.module for layer in layers})
    assert len(pairs) == 20
    exact, _ = all_features(model, layers, x, reduce=flat)
    quick, _ = all_features(folded(model, pairs), layers, x, reduce=flat)
    for a, b in zip(exact, quick, strict=True):
        assert (a - b).norm() <= 1e-5 * a.norm()


def test_the_model_stays_as_it_is() -> None:
    model = resnet()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    copy = folded(model, foldable(model, ()))
    assert model.training
    assert not copy.training
    assert not any(isinstance(module, nn.BatchNorm2d) for module in copy.modules())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert set(before) == set(model.state_dict())


def test_a_pair_is_found() -> None:
    assert foldable(Pair(), ()) == (("conv", "bn"),)


def test_a_watched_convolution_is_left_alone_and_a_watched_batchnorm_is_not() -> None:
    assert foldable(Pair(), {"conv"}) == ()
    assert foldable(Pair(), {"bn"}) == (("conv", "bn"),)


@pytest.mark.parametrize("model", [ReadTwice, CalledTwice, Branching, FromTheInput])
def test_nothing_is_folded_where_it_would_change_what_the_model_does(
    model: type[nn.Module],
) -> None:
    assert foldable(model(), ()) == ()


def test_a_convolution_with_a_hook_is_left_alone() -> None:
    model = Pair()
    model.conv.register_forward_hook(lambda module, inputs, output: 2 * output)
    assert foldable(model, ()) == ()


def test_a_convolution_of_another_kind_is_left_alone() -> None:
    model = Pair()
    nn.utils.parametrizations.spectral_norm(model.conv)
    assert foldable(model, ()) == ()


def test_batchnorm_without_running_statistics_is_left_alone() -> None:
    model = Pair()
    model.bn = nn.BatchNorm2d(4, track_running_stats=False)
    assert foldable(model, ()) == ()


def test_measures_are_those_without_folding(monkeypatch: pytest.MonkeyPatch) -> None:
    quick = measured()
    monkeypatch.setattr(passes, "foldable", lambda model, watched: ())
    exact = measured()
    np.testing.assert_allclose(quick.similarity["cka"], exact.similarity["cka"], atol=1e-5)
    np.testing.assert_allclose(quick.matrices("regions"), exact.matrices("regions"), atol=0.01)
    np.testing.assert_allclose(quick.probe_acc, exact.probe_acc, atol=0.05)


def measured() -> Dynamics:
    rng = np.random.default_rng(0)
    g = torch.Generator().manual_seed(2)
    images = torch.randn(60, 1, 6, 6, generator=g)
    labels = rng.integers(0, 3, 60)
    data = Inputs(
        reference=images,
        labels=labels,
        train=images + 0.1,
        train_labels=labels,
        given_labels=labels,
        noisy=np.zeros(60, dtype=bool),
        anchors=images[:12].reshape(4, 3, 1, 6, 6),
        fine=(),
        classes=3,
    )
    torch.manual_seed(0)
    model = with_statistics(Residual())
    recorder = Recorder(watched_layers(model, "branch|head"), data)
    for epoch in range(3):
        recorder.measure(model, epoch)
        with torch.no_grad():
            for weight in model.parameters():
                weight.add_(0.1 * torch.randn(weight.shape, generator=g))
    return recorder.dynamics
