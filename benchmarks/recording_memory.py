"""Memory that recording takes on top of training's peak, for 60 checkpoints of a ResNet-18."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.material import CHANNELS, CLASSES, SIDE, probe_data, training_images
from benchmarks.measuring import TIMED_PLANES
from benchmarks.peak_memory import peak_of
from benchmarks.result import Figure, Result, main
from repdyn import models
from repdyn.layers import watched_layers
from repdyn.measures.engine import Summaries
from repdyn.measures.recorder import Recorder
from repdyn.records import Dynamics
from repdyn.settings.schema import MeasureConfig, ModelConfig, OptimConfig, known
from repdyn.training.loop import Trainer

CHECKPOINTS, TRAINING_IMAGES, BATCH = 60, 512, 128
SETTINGS = MeasureConfig(probe_images=1000, probe_train=2000, planes=TIMED_PLANES, fine_planes=0)
"""As for CIFAR-10, except for the planes: their passes run in chunks, however many there are."""


def run(quick: bool) -> Result:
    """Compare the peaks of two processes: one trains, one trains and records."""
    checkpoints, width = (4, 0.125) if quick else (CHECKPOINTS, 1.0)
    alone, recording = (peak_of(_train, count, width) for count in (0, checkpoints))
    return Result(
        f"Memory of recording {checkpoints} checkpoints of a ResNet-18 with CIFAR stem",
        [
            Figure("peak of training alone", alone, "MB"),
            Figure("peak of training and recording", recording, "MB"),
            Figure("above it", recording - alone, "MB", most=300),
        ],
        f"Peak resident memory of a process that trains an epoch in batches of {BATCH}. The other "
        "takes in all checkpoints but the last as a resumed run does, trains, and measures the "
        f"last, on the default reference images and {TIMED_PLANES} planes.",
    )


def _train(checkpoints: int, width: float) -> None:
    config = ModelConfig(arch="resnet18", width=width)
    model = models.build(config, image_size=SIDE, channels=CHANNELS, classes=CLASSES)
    model = model.to(memory_format=torch.channels_last)
    data = training_images(TRAINING_IMAGES, torch.device("cpu"))
    recorder = None
    if checkpoints:
        recorder = Recorder(watched_layers(model), probe_data(data, SETTINGS), SETTINGS)
        layers, before = len(recorder.layers), checkpoints - 1
        recorder.load_state({}, _dynamics(layers, before), _stored(layers, before))
    trainer = Trainer(model, data, OptimConfig(lr=0.01), epochs=1, batch_size=BATCH)
    for step in trainer:
        if recorder is not None and step.epoch == 1:
            recorder.measure(model, checkpoints)


def _dynamics(layers: int, e: int) -> Dynamics:
    """Return what a run has stored for this many checkpoints; the values do not matter."""
    return Dynamics(
        layers=tuple(map(str, range(layers))),
        steps=np.arange(e),
        similarity={
            "cka": np.zeros((layers, e, e), np.float32),
            "regions": np.zeros((layers + 1, e, e), np.float32),
        },
        probe_acc=np.zeros((layers, e, 3), np.float32),
        fragmentation=np.zeros((layers + 1, e), np.float32),
        areas=np.zeros((layers + 1, e, CLASSES), np.float32),
    )


def _stored(layers: int, e: int) -> Iterator[tuple[dict[str, Summaries], NDArray[np.uint8]]]:
    """Yield rows and label maps of this many checkpoints, of the same size as the run's."""
    batch = SETTINGS.cka_batch
    length = known(SETTINGS.probe_images) // batch * batch * (batch - 1) // 2
    rng = np.random.default_rng(0)
    for _ in range(e):
        rows = rng.standard_normal((layers, length), np.float32).astype(np.float16)
        side = SETTINGS.grid
        yield {"cka": list(rows)}, np.zeros((layers + 1, TIMED_PLANES, side, side), np.uint8)


if __name__ == "__main__":
    main(["recording_memory"], (__doc__ or "").splitlines()[0])
