"""Models and images of the benchmarks."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import timm
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from repdyn import models
from repdyn.measures.inputs import Inputs
from repdyn.settings.schema import MeasureConfig, ModelConfig, known
from repdyn.training.loop import TrainingData

SIDE, CHANNELS, CLASSES = 32, 3, 10
"""Of CIFAR-10's images."""

MODELS = {
    "stock ResNet-18": "stock",
    "ResNet-18 with CIFAR stem": "resnet18",
    "ViT-Tiny, patch 4": "vit_tiny_patch16_224",
}


def build(name: str) -> nn.Module:
    """Return one of MODELS for 32×32 images, in channels_last, with fixed weights."""
    torch.manual_seed(0)
    if MODELS[name] == "stock":
        model: nn.Module = timm.create_model("resnet18", num_classes=CLASSES)
    else:
        config = ModelConfig(arch=MODELS[name])
        model = models.build(config, image_size=SIDE, channels=CHANNELS, classes=CLASSES)
    return model.to(memory_format=torch.channels_last)


def images(n: int, seed: int = 0) -> Tensor:
    """Return n random inputs: timings do not depend on their content."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, CHANNELS, SIDE, SIDE, generator=generator)
    return x.contiguous(memory_format=torch.channels_last)


def moved(model: nn.Module, step: int) -> nn.Module:
    """Return a copy with other weights, as at another epoch, including those that start at zero."""
    generator = torch.Generator().manual_seed(step)
    other = copy.deepcopy(model)
    with torch.no_grad():
        for weight in other.parameters():
            scale = 0.1 * float(weight.std()) if weight.numel() > 1 else 0.0
            weight.add_((scale or 0.01) * torch.randn(weight.shape, generator=generator))
    return other


def training_images(n: int, device: torch.device) -> TrainingData:
    """Return n random training images, and a fifth as many to test on."""
    generator = torch.Generator().manual_seed(0)
    shape = (n, CHANNELS, SIDE, SIDE)
    images = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    labels = torch.randint(0, CLASSES, (n,), generator=generator)
    few = n // 5
    return TrainingData(
        images=images.to(device),
        labels=labels.to(device),
        noisy=torch.zeros(n, dtype=torch.bool, device=device),
        test_images=images[:few].to(device),
        test_labels=labels[:few].to(device),
        mean=torch.full((CHANNELS,), 0.5, device=device),
        std=torch.full((CHANNELS,), 0.3, device=device),
    )


def probe_data(data: TrainingData, measure: MeasureConfig) -> Inputs:
    """Return fixed inputs of the sizes in the settings."""
    rng = np.random.default_rng(0)

    def drawn(n: int) -> Tensor:
        return data.inputs(data.images[rng.integers(0, len(data.images), n)])

    n, m, planes = known(measure.probe_images), known(measure.probe_train), known(measure.planes)
    given = rng.integers(0, CLASSES, m)
    return Inputs(
        reference=drawn(n),
        labels=rng.integers(0, CLASSES, n),
        train=drawn(m),
        train_labels=given,
        given_labels=given,
        noisy=np.zeros(m, dtype=bool),
        anchors=drawn(3 * planes).reshape(planes, 3, CHANNELS, SIDE, SIDE),
        fine=tuple(range(measure.fine_planes)),
        classes=CLASSES,
    )


@contextmanager
def saved_checkpoints(model: nn.Module, count: int) -> Iterator[list[Path]]:
    """Save checkpoints as a run stores them, for the duration of the context."""
    with TemporaryDirectory() as folder:
        paths = [Path(folder) / f"epoch_{step:05d}.safetensors" for step in range(count)]
        for step, path in enumerate(paths):
            state = {n: t.contiguous() for n, t in moved(model, step).state_dict().items()}
            save_file(state, path)
        yield paths


def load(model: nn.Module, path: Path) -> nn.Module:
    """Load a checkpoint into a model."""
    model.load_state_dict(load_file(path))
    return model
