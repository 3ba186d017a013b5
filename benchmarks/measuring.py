"""The cost of measuring compared with training: seconds per checkpoint and epoch, by part."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import nn

from benchmarks.material import CHANNELS, CLASSES, SIDE, probe_data, training_images
from benchmarks.result import Figure, Result, main
from repdyn import models
from repdyn.layers import watched_layers
from repdyn.measures.recorder import Recorder
from repdyn.runs.experiment import prepare
from repdyn.settings.defaults import resolved
from repdyn.settings.schema import (
    DataConfig,
    MeasureConfig,
    ModelConfig,
    OptimConfig,
    TrainConfig,
    known,
)
from repdyn.training.loop import Trainer, pick_device

ARCHS = ("resnet18", "vit_tiny_patch16_224")

TRAINING_IMAGES, TEST_IMAGES, EPOCHS, CHECKPOINTS = 50_000, 10_000, 200, 60
"""Of a run on CIFAR-10."""

TIMED_IMAGES = 1000
"""Of an epoch: forward and backward take about three passes, and the test images one."""

TIMED_PLANES = 6

PARTS = {
    "bn": "precise BatchNorm: passes",
    "grams": "passes and Gram matrices",
    "features": "probes: passes",
    "probes": "probes: fits",
    "regions": "decision regions: passes",
    "matrices": "matrices",
}


def run(quick: bool) -> Result:
    """Time runs of CIFAR-10's size, and the default run."""
    figures = list(_digits(quick))
    for arch in ARCHS:
        figures += _cifar_sized(arch, quick)
    return Result(
        f"Measuring compared with training; {EPOCHS} epochs and {CHECKPOINTS} checkpoints of "
        f"{TRAINING_IMAGES:,} images, and the default run",
        figures,
        f"CIFAR-10's size: an epoch is timed on {TIMED_IMAGES} random images and scaled, a "
        f"checkpoint on {TIMED_PLANES} planes, whose seconds are scaled to the default planes; "
        "in turn, medians. The default run: epochs and checkpoints of `repdyn train`, timed in "
        "turn and multiplied.",
    )


def _digits(quick: bool) -> Iterator[Figure]:
    measures = MeasureConfig(planes=TIMED_PLANES) if quick else MeasureConfig()
    experiment = prepare(TrainConfig(measure=measures))
    model, recorder = experiment.new_model(), experiment.new_recorder()
    trainer = Trainer(
        model,
        experiment.data,
        experiment.config.optim,
        epochs=experiment.epochs,
        batch_size=experiment.batch_size,
        augment=known(experiment.config.data.augment),
    )
    epoch, checkpoint, parts = _in_turn(trainer, model, recorder, 2 if quick else 8)
    training, measuring = epoch * experiment.epochs, checkpoint * len(experiment.checkpoints)
    yield Figure("default run: training", training, "s")
    yield Figure("default run: measuring", measuring, "s")
    yield Figure("default run: measuring relative to training", measuring / training, most=1)
    yield from _split("default run", parts)


def _cifar_sized(arch: str, quick: bool) -> Iterator[Figure]:
    asked = TrainConfig(data=DataConfig(dataset="cifar10"), model=ModelConfig(arch=arch))
    if quick:
        asked = replace(
            asked, model=replace(asked.model, width=0.125 if arch == ARCHS[0] else 0.25)
        )
    config, _ = resolved(asked, models.family(arch))
    device = pick_device("auto")
    model = models.build(config.model, image_size=SIDE, channels=CHANNELS, classes=CLASSES)
    model = model.to(device).to(memory_format=torch.channels_last)
    data = training_images(TIMED_IMAGES, device)
    settings = replace(config.measure, planes=TIMED_PLANES, fine_planes=0)
    recorder = Recorder(watched_layers(model), probe_data(data, settings), settings)
    optim = OptimConfig(opt=config.optim.opt, lr=config.optim.lr)
    batch = known(config.optim.batch_size)
    trainer = Trainer(model, data, optim, epochs=10, batch_size=batch)
    short, _, parts = _in_turn(trainer, model, recorder, 1 if quick else 2)
    passes = 3 * TRAINING_IMAGES + TEST_IMAGES
    epoch = short * passes / (3 * TIMED_IMAGES + len(data.test_images))
    parts["regions"] *= _points(config.measure) / _points(settings)
    checkpoint = sum(parts.values())
    measuring, training = CHECKPOINTS * checkpoint, EPOCHS * epoch
    yield Figure(f"{arch}: an epoch", epoch, "s")
    yield Figure(f"{arch}: a checkpoint", checkpoint, "s")
    yield Figure(
        f"{arch}: share of measuring",
        100 * measuring / (measuring + training),
        "%",
        most=8 if device.type == "cuda" else 4,
    )
    yield from _split(arch, parts)


def _split(name: str, parts: dict[str, float]) -> Iterator[Figure]:
    whole = sum(parts.values())
    for part, words in PARTS.items():
        yield Figure(f"{name}: {words}", 100 * parts[part] / whole, "% of a checkpoint")
    yield Figure(
        f"{name}: fits relative to passes for probes", parts["probes"] / parts["features"], most=1
    )


def _in_turn(
    trainer: Trainer, model: nn.Module, recorder: Recorder, repeat: int
) -> tuple[float, float, dict[str, float]]:
    """Return the median seconds of an epoch, of a checkpoint and of its parts."""
    epochs, checkpoints, parts = [], [], []
    for step in trainer:
        if step.epoch > repeat:
            break
        start = time.perf_counter()
        measured = recorder.measure(model, step.epoch).seconds
        if step.epoch:  # before the first epoch everything is cold
            epochs.append(step.seconds)
            checkpoints.append(time.perf_counter() - start)
            parts.append(measured)
    median = {part: statistics.median(one[part] for one in parts) for part in PARTS}
    return statistics.median(epochs), statistics.median(checkpoints), median


def _points(settings: MeasureConfig) -> int:
    fine = settings.fine_planes * settings.fine_grid**2
    return known(settings.planes) * settings.grid**2 + fine


if __name__ == "__main__":
    main(["measuring"], (__doc__ or "").splitlines()[0])
