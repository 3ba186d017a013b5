"""Feature maps lie in the order in which every convolution of the model computes right."""

import subprocess
import sys

import torch
from torch import nn

from repdyn.memory_format import memory_format
from repdyn.models import build
from repdyn.settings.schema import ModelConfig
from repdyn.training.loop import TrainingData

CPU = torch.device("cpu")

BACKWARD = """
import torch
from torch import nn
from repdyn.memory_format import memory_format
torch.set_num_threads(1)
for channels in (2, 3, 4, 6):
    print(channels, flush=True)
    torch.manual_seed(0)
    exact = nn.Conv2d(channels, 8, 1, stride=2, bias=False).double()
    model = nn.Conv2d(channels, 8, 1, stride=2, bias=False)
    model.load_state_dict(exact.state_dict())
    order = memory_format(model, torch.device("cpu"))
    model = model.to(memory_format=order)
    x = torch.randn(64, channels, 8, 8)
    expected = torch.autograd.grad(exact(x.double()).square().sum(), exact.weight)[0]
    for _ in range(60):
        y = x.clone().contiguous(memory_format=order).requires_grad_()
        found = torch.autograd.grad(model(y).square().sum(), [model.weight, y])[0]
        assert torch.allclose(found.double(), expected, rtol=1e-4, atol=1e-2), channels
"""


def test_narrow_strided_shortcuts_leave_the_memory_whole() -> None:
    done = subprocess.run([sys.executable, "-c", BACKWARD], capture_output=True, text=True)
    assert done.returncode == 0, f"{done.returncode} at the last of {done.stdout}{done.stderr}"
    assert done.stdout.split() == ["2", "3", "4", "6"]


def test_only_models_with_such_a_shortcut_give_up_channels_last() -> None:
    def order(width: float, arch: str = "resnet18") -> torch.memory_format:
        model = build(ModelConfig(arch=arch, width=width), image_size=8, channels=1, classes=10)
        return memory_format(model, CPU)

    assert order(0.0625) is torch.contiguous_format
    assert order(0.125) is order(1) is torch.channels_last


def test_other_devices_keep_channels_last() -> None:
    shortcut = nn.Conv2d(4, 8, 1, stride=2)
    assert memory_format(shortcut, CPU) is torch.contiguous_format
    assert memory_format(shortcut, torch.device("meta")) is torch.channels_last


def test_inputs_of_one_channel_have_the_strides_of_the_memory_format() -> None:
    images = torch.zeros(8, 8, 8, 1, dtype=torch.uint8).permute(0, 3, 1, 2)
    assert images.is_contiguous()
    assert images.stride()[1] == 1
    data = TrainingData(
        images=images,
        labels=torch.zeros(8, dtype=torch.int64),
        noisy=torch.zeros(8, dtype=torch.bool),
        test_images=images,
        test_labels=torch.zeros(8, dtype=torch.int64),
        mean=torch.zeros(1),
        std=torch.ones(1),
        memory_format=torch.contiguous_format,
    )
    assert data.inputs(images).stride() == (64, 64, 8, 1)
