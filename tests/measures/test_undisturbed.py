"""Measuring leaves the training as it is: same weights, same losses, to the last bit."""

import numpy as np
import pytest
import timm
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from repdyn.layer import Layer
from repdyn.measures.inputs import Inputs
from repdyn.measures.recorder import Measurement, Recorder
from repdyn.settings.schema import MeasureConfig, OptimConfig
from repdyn.training.loop import Trainer, TrainingData
from tests.support.present import present

EPOCHS = 2
OUTPUT = (Layer("logits", ""),)


def training_data(size: int = 32) -> TrainingData:
    g = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (24, 3, size, size), generator=g, dtype=torch.uint8)
    labels = torch.arange(24) % 3
    scaled = images.float() / 255
    return TrainingData(
        images=images,
        labels=labels,
        noisy=torch.zeros(24, dtype=torch.bool),
        test_images=images[:8],
        test_labels=labels[:8],
        mean=scaled.mean(dim=(0, 2, 3)),
        std=scaled.std(dim=(0, 2, 3)),
    )


def new_recorder(data: TrainingData) -> Recorder:
    inputs, labels = data.inputs(data.images[:]), data.labels.cpu().numpy()
    probe_data = Inputs(
        reference=inputs[:8],
        labels=labels[:8],
        train=inputs,
        train_labels=labels,
        given_labels=labels,
        noisy=np.zeros(24, dtype=bool),
        anchors=inputs[:3][None],
        fine=(),
        classes=3,
    )
    return Recorder(OUTPUT, probe_data, MeasureConfig(grid=2, fine_planes=0))


class KeepsItsNorm(nn.Module):
    """The usual way to freeze a BatchNorm: its mode does not follow that of the model."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
        self.drop, self.head = nn.Dropout(), nn.Linear(4, 3)

    def train(self, mode: bool = True) -> "KeepsItsNorm":
        super().train(mode)
        self.norm.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.head(self.drop(self.norm(self.conv(x)).mean(dim=(2, 3))))
        return y


class AlwaysDrops(KeepsItsNorm):
    """Draws random numbers in eval mode, too."""

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.head(F.dropout(self.norm(self.conv(x)).mean(dim=(2, 3)), 0.3))
        return y


MODELS = {
    "dropout and drop-path": lambda: timm.create_model(
        "regnetx_002", num_classes=3, drop_rate=0.3, drop_path_rate=0.2
    ),
    "drop-path of a ViT": lambda: timm.create_model(
        "test_vit", img_size=32, num_classes=3, drop_path_rate=0.5, patch_drop_rate=0.3
    ),
    "StochasticDepth": lambda: torchvision.models.efficientnet_b0(
        num_classes=3, stochastic_depth_prob=0.8
    ),
    "frozen norm": KeepsItsNorm,
    "dropout in eval mode": AlwaysDrops,
}


def trained(
    name: str, checkpoints: tuple[int, ...]
) -> tuple[dict[str, Tensor], list[dict[str, float]]]:
    torch.manual_seed(0)
    model, data = MODELS[name](), training_data()
    recorder = new_recorder(data)
    loop = Trainer(model, data, OptimConfig(lr=0.01), epochs=EPOCHS, batch_size=8)
    metrics = []
    for epoch in loop:
        metrics.append(epoch.metrics())
        if epoch.epoch in checkpoints:
            recorder.measure(model, epoch.epoch)
    return model.state_dict(), metrics


@pytest.mark.parametrize("name", MODELS)
def test_training_does_not_depend_on_the_number_of_checkpoints(name: str) -> None:
    weights, metrics = trained(name, ())
    for checkpoints in ((0, 2), (0, 1, 2)):
        other_weights, other_metrics = trained(name, checkpoints)
        assert metrics == other_metrics
        assert all(torch.equal(weights[key], value) for key, value in other_weights.items())


def same(a: Measurement, b: Measurement) -> bool:
    rows = all(
        np.array_equal(x, y) for x, y in zip(a.summaries["cka"], b.summaries["cka"], strict=True)
    )
    return rows and np.array_equal(present(a.label_maps).maps, present(b.label_maps).maps)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("mode", [True, False])
def test_weights_measured_twice_are_the_same(name: str, mode: bool) -> None:
    torch.manual_seed(0)
    model, data = MODELS[name]().train(mode), training_data()
    twice = [new_recorder(data).measure(model, 0) for _ in range(2)]
    assert same(*twice)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_random_state_of_the_device_is_left_alone() -> None:
    data = training_data()
    on_device = TrainingData(**{name: value.cuda() for name, value in vars(data).items()})
    before = torch.cuda.get_rng_state()
    recorder = new_recorder(on_device)
    recorder.measure(AlwaysDrops().cuda(), 0)
    assert torch.equal(before, torch.cuda.get_rng_state())
