"""Training steps on a GPU never wait for it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from repdyn import models
from repdyn.settings.schema import Augment, ModelConfig, OptimConfig
from repdyn.training.loop import Trainer, TrainingData
from repdyn.training.tally import Tally
from tests.support.fake_gpu import GPU, Waits, moved

MADE_BY_TORCH = torch.Generator


def cpu_generator(device: object = "cpu") -> torch.Generator:
    """Return a generator on the CPU, wherever it was asked for: there is no GPU to have one on."""
    del device
    return MADE_BY_TORCH("cpu")


def data(images: int, side: int) -> TrainingData:
    def on_gpu(*shape: int, dtype: torch.dtype = torch.int64) -> Tensor:
        return torch.zeros(shape, dtype=dtype, device=GPU)

    pixels = on_gpu(images, 1, side, side, dtype=torch.uint8)
    labels, one = on_gpu(images), on_gpu(1, dtype=torch.float32)
    flags = on_gpu(images, dtype=torch.bool)
    return TrainingData(pixels, labels, flags, pixels, labels, one, one + 1)


def waits_of_an_epoch(
    model: nn.Module,
    config: OptimConfig,
    augment: Augment,
    patch: pytest.MonkeyPatch,
) -> Waits:
    """Return the waits of an epoch of three steps."""
    waits, steps = Waits(), count(1)
    with FakeTensorMode(allow_non_fake_inputs=True):
        there = moved(model)
        trainer = Trainer(there, data(24, 16), config, epochs=2, batch_size=8, augment=augment)

        def after_step() -> None:
            waits.step = next(steps)

        trainer.after_step = after_step
        trainer._epoch = 1

        def backward(_: Tensor) -> None:
            """Fill the gradients; torch's own engine does not run without the device."""
            for weight in there.parameters():
                weight.grad = torch.zeros_like(weight)

        patch.setattr(Tensor, "backward", backward)
        with waits, pytest.raises(DataDependentOutputException):  # the sums are read at its end
            trainer._train_epoch()
    return waits


@pytest.mark.parametrize("arch", ["resnet18", "vit_tiny_patch16_224"])
@pytest.mark.parametrize(
    ("opt", "augment", "schedule"),
    [
        ("sgd", "none", "constant"),
        ("sgd", "crop-flip", "cosine"),
    ],  # Adam counts its steps on the host
)
def test_no_step_waits_for_the_device(
    arch: str,
    opt: str,
    augment: Augment,
    schedule: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch, "Generator", cpu_generator)
    arch_arg = ("patch_size=4", "depth=1") if arch.startswith("vit") else ()
    config = ModelConfig(arch=arch, width=0.25, arch_arg=arch_arg)
    model = models.build(config, image_size=16, channels=1, classes=3)
    optim = OptimConfig(opt=opt, lr=0.1, schedule=schedule)
    waits = waits_of_an_epoch(model, optim, augment, monkeypatch)
    assert waits.step == 3
    # before the first step, the order of the images goes to the device; after the last, sums are read
    assert {name for step, name in waits.found if step == 0} == {"_to_copy"}
    assert [found for found in waits.found if 0 < found[0] < 3] == []
    assert (3, "_local_scalar_dense") in waits.found


@pytest.mark.parametrize(
    ("wait", "name"),
    [
        (lambda x: torch.as_tensor(1.0, device=x.device) + x, "_to_copy"),
        (lambda x: x.copy_(torch.ones(2)), "copy_"),
        (lambda x: x.cpu(), "_to_copy"),
        (lambda x: bool(x[0] > 0), "_local_scalar_dense"),
        (lambda x: x[0].item(), "_local_scalar_dense"),
    ],
)
def test_waits_are_noticed(wait: Callable[[Tensor], Any], name: str) -> None:
    waits = Waits()
    with FakeTensorMode() as _, waits:
        x = torch.zeros(2, device=GPU)
        assert waits.found == []
        with suppress(DataDependentOutputException):
            wait(x)
    assert waits.found == [(0, name)]


def test_sums_are_read_only_when_asked_for() -> None:
    waits = Waits()
    with FakeTensorMode(), waits:
        tally = Tally(GPU)
        assert waits.found == []
        with pytest.raises(DataDependentOutputException):
            tally.result()
    assert waits.found == [(0, "_local_scalar_dense")]
