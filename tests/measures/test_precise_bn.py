"""Precise BatchNorm: what is recomputed, how, and that nothing else moves."""

import copy
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
import timm
import torch
import torchvision
from timm.layers import BatchNormAct2d, freeze_batch_norm_2d
from torch import Tensor, nn

from repdyn.eval_mode import evaluating
from repdyn.measures.features import with_precise_bn

Net = TypeVar("Net", bound=nn.Module)

IMAGES = torch.randn(12, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def trained(model: Net) -> Net:
    """Give the BatchNorms statistics and weights that are not those of a fresh model."""
    g = torch.Generator().manual_seed(1)
    for module in model.modules():
        if isinstance(getattr(module, "running_mean", None), Tensor):
            mean, var = module.get_buffer("running_mean"), module.get_buffer("running_var")
            mean.copy_(torch.randn(mean.shape, generator=g))
            var.copy_(torch.rand(var.shape, generator=g) + 0.5)
    return model


def statistics(model: nn.Module) -> dict[str, Tensor]:
    state = model.state_dict()
    return {name: state[name] for name in state if "running_" in name}


def small(arch: str, **how: Any) -> nn.Module:
    torch.manual_seed(0)
    return trained(timm.create_model(arch, num_classes=5, **how))


def stochastic_depth() -> nn.Module:
    torch.manual_seed(0)
    net: nn.Module = torchvision.models.efficientnet_b0(num_classes=5, stochastic_depth_prob=0.8)
    return trained(net)


class Droops(nn.Module):
    """Dropout within a norm of timm's, before a second norm that sees what the first lets through."""

    def __init__(self) -> None:
        super().__init__()
        self.first = BatchNormAct2d(3, drop_layer=nn.Dropout)
        self.instance = nn.InstanceNorm2d(3, track_running_stats=True)
        self.second = nn.BatchNorm2d(3)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.second(self.instance(self.first(x)))
        return y.mean(dim=(2, 3))


STOCHASTIC: dict[str, Callable[[], nn.Module]] = {
    "dropout and drop-path": lambda: small("regnetx_002", drop_rate=0.3, drop_path_rate=0.5),
    "drop-path": lambda: small("test_resnet", drop_path_rate=0.5),
    "drop-block": lambda: small("test_resnet", drop_block_rate=0.3),
    "StochasticDepth": stochastic_depth,
    "dropout in a norm": lambda: trained(Droops()),
}


@pytest.mark.parametrize("name", STOCHASTIC)
def test_recomputed_twice_the_statistics_are_equal_and_chance_is_left_alone(name: str) -> None:
    model = STOCHASTIC[name]().train()
    before, stored = torch.get_rng_state(), copy.deepcopy(model.state_dict())
    first, second = (with_precise_bn(model, IMAGES, batch=6) for _ in range(2))
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(stored[name], value) for name, value in model.state_dict().items())
    pairs = zip(statistics(first).items(), statistics(second).values(), strict=True)
    assert all(torch.equal(a, b) for (_, a), b in pairs)
    moved = [name for name, value in statistics(first).items() if not value.equal(stored[name])]
    assert moved == [name for name in statistics(model) if not name.startswith("instance")]


class Oracle(nn.Module):
    """BatchNorm by its definition; gathers each batch's mean and unbiased variance."""

    def __init__(self, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = norm.weight, norm.bias, norm.eps
        self.means: list[Tensor] = []
        self.variances: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        per_channel = x.movedim(1, 0).flatten(1)
        mean, n = per_channel.mean(dim=1), per_channel.shape[1]
        variance = (per_channel - mean[:, None]).square().mean(dim=1)
        self.means.append(mean)
        self.variances.append(variance * n / (n - 1))
        scale = self.weight / (variance + self.eps).sqrt()
        shape = (1, -1, 1, 1)
        return (x - mean.view(shape)) * scale.view(shape) + self.bias.view(shape)


def with_oracles(model: nn.Module) -> tuple[nn.Module, dict[str, Oracle]]:
    twin, oracles = copy.deepcopy(model).eval(), {}
    for name, module in list(twin.named_modules()):
        if isinstance(module, nn.BatchNorm2d):
            oracles[name] = Oracle(module)
            act = module.act if isinstance(module, BatchNormAct2d) else nn.Identity()
            twin.set_submodule(name, nn.Sequential(oracles[name], act))
    return twin, oracles


@pytest.mark.parametrize("name", ["dropout and drop-path", "drop-path"])
def test_statistics_are_the_means_over_batches_of_a_plain_loop(name: str) -> None:
    """A later norm sees what the earlier ones let through, normalised by the batch's own."""
    model, images = STOCHASTIC[name]().double().train(), IMAGES.double()
    found = with_precise_bn(model, images, batch=5)
    plain, oracles = with_oracles(model)
    with torch.no_grad():
        for part in (images[:5], images[5:10], images[10:]):
            plain(part)
    assert len(oracles) > 5
    for path, oracle in oracles.items():
        norm = found.get_submodule(path)
        torch.testing.assert_close(norm.running_mean, torch.stack(oracle.means).mean(dim=0))
        torch.testing.assert_close(norm.running_var, torch.stack(oracle.variances).mean(dim=0))


def eval_mode(norm: nn.BatchNorm2d) -> None:
    norm.eval()


def no_gradients(norm: nn.BatchNorm2d) -> None:
    norm.requires_grad_(False)


def not_tracking(norm: nn.BatchNorm2d) -> None:
    norm.track_running_stats = False


def two_norms() -> nn.Sequential:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4)
    )
    return trained(net).train()


@pytest.mark.parametrize("freeze", [eval_mode, no_gradients, not_tracking])
def test_a_frozen_norm_keeps_and_uses_its_statistics(
    freeze: Callable[[nn.Module], None],
) -> None:
    model = two_norms()
    freeze(model[1])
    found = with_precise_bn(model, IMAGES, batch=12)
    for name in ("1.running_mean", "1.running_var"):
        assert torch.equal(found.get_buffer(name), model.get_buffer(name))
    with torch.no_grad(), evaluating(model):
        x = model[2](model[1](model[0](IMAGES)))
    torch.testing.assert_close(found.get_buffer("3.running_mean"), x.mean(dim=(0, 2, 3)))
    var = x.movedim(1, 0).flatten(1).var(dim=1)
    torch.testing.assert_close(found.get_buffer("3.running_var"), var)


def test_a_norm_without_running_statistics_stays_as_it_is() -> None:
    model = two_norms()
    model[1] = nn.BatchNorm2d(4, track_running_stats=False)
    found = with_precise_bn(model, IMAGES)
    assert found.get_submodule("1").running_mean is None
    name = "3.running_mean"
    assert not torch.equal(found.get_buffer(name), model.get_buffer(name))


@pytest.mark.parametrize("arch", ["torchvision", "timm", "timm, with activation"])
def test_modules_that_are_frozen_norms_are_left_alone(arch: str) -> None:
    if arch == "torchvision":
        model: nn.Module = torchvision.models.resnet18(
            norm_layer=torchvision.ops.FrozenBatchNorm2d, num_classes=5
        )
    else:
        name = "test_resnet" if arch == "timm" else "regnetx_002"
        model = timm.create_model(name, num_classes=5)
        model = freeze_batch_norm_2d(model)
    model = trained(model)
    assert statistics(model)
    assert with_precise_bn(model, IMAGES) is model


def test_all_frozen_leaves_nothing_to_recompute() -> None:
    model = two_norms()
    model[1].requires_grad_(False)
    model[3].requires_grad_(False)
    assert with_precise_bn(model, IMAGES) is model


@pytest.mark.parametrize("prepare", [nn.Module.train, nn.Module.eval])
@pytest.mark.parametrize("gradients", [True, False])
def test_the_mode_in_which_a_model_is_handed_over_says_nothing(
    prepare: Callable[[nn.Module], nn.Module], gradients: bool
) -> None:
    """Nor does it when no parameter at all requires gradients, as in a moving average of weights."""
    expected = statistics(with_precise_bn(two_norms(), IMAGES, batch=6))
    model = prepare(two_norms().requires_grad_(gradients))
    found = with_precise_bn(model, IMAGES, batch=6)
    assert all(torch.equal(expected[name], value) for name, value in statistics(found).items())


@pytest.mark.parametrize("momentum", [0.1, None])
def test_momentum_is_that_of_the_model_and_the_copy_is_in_eval_mode(
    momentum: float | None,
) -> None:
    model = two_norms()
    norm = model[1]
    assert isinstance(norm, nn.BatchNorm2d)
    norm.momentum = momentum
    found = with_precise_bn(model, IMAGES)
    assert found.get_submodule("1").momentum == momentum
    assert not any(module.training for module in found.modules())
    assert norm.training


def test_synchronised_norms_are_recomputed() -> None:
    model = two_norms()
    expected = statistics(with_precise_bn(model, IMAGES))
    found = statistics(with_precise_bn(nn.SyncBatchNorm.convert_sync_batchnorm(model), IMAGES))
    assert all(torch.equal(expected[name], value) for name, value in found.items())


def test_one_image_gives_no_statistics_and_changes_none() -> None:
    model = two_norms()
    assert with_precise_bn(model, IMAGES[:1]) is model


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_statistics_are_exact_in_either_memory_format(layout: torch.memory_format) -> None:
    """PyTorch's kernel for training in channels_last misses them by 1e-4 and more on the CPU."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(200, 3, 64, 64, generator=generator).relu() * 100 + 30
    model = nn.Sequential(nn.BatchNorm2d(3)).to(memory_format=layout)
    twin = with_precise_bn(model, images.contiguous(memory_format=layout), batch=100)
    parts = [part.double().movedim(1, 0).flatten(1) for part in images.split(100)]
    mean = torch.stack([part.mean(dim=1) for part in parts]).mean(dim=0)
    variance = torch.stack([part.var(dim=1) for part in parts]).mean(dim=0)
    found = [twin.get_buffer(f"0.running_{of}") for of in ("mean", "var")]
    torch.testing.assert_close(found, [mean.float(), variance.float()], rtol=1e-6, atol=0)


def test_a_norm_that_does_not_run_keeps_its_statistics() -> None:
    class Unused(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.unused = nn.BatchNorm1d(3), nn.BatchNorm1d(3)
            self.unused.get_buffer("running_mean").fill_(5)

        def forward(self, x: Tensor) -> object:
            return self.used(input=x)

    images = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    twin = with_precise_bn(Unused(), images)
    assert (twin.get_buffer("unused.running_mean") == 5).all()
    torch.testing.assert_close(twin.get_buffer("used.running_mean"), images.mean(dim=0))
