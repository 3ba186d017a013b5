"""An image folder that is trained from its cache: memory of the run, speed beside images in memory."""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.peak_memory import peak_of
from benchmarks.result import Figure, Result, main
from benchmarks.timing import interleaved, seconds
from benchmarks.training import NO_LIMIT, on_device
from repdyn import models
from repdyn.data import ImageData, load_data
from repdyn.runs.experiment import prepare
from repdyn.runs.train import train_run
from repdyn.settings.schema import (
    DataConfig,
    MeasureConfig,
    ModelConfig,
    OptimConfig,
    StoreConfig,
    TrainConfig,
    known,
)
from repdyn.training.loop import Epoch, Trainer

SIDE, CLASSES, IMAGES, TIMED = 64, 1000, 200_000, 2_000

MEMORY_AIM, SPEED_AIM = 1500, 0.9

MODEL = ModelConfig(arch="vit_tiny_patch16_224", width=0.25, arch_arg=("patch_size=32", "depth=2"))
"""The smaller the network, the more of a step is the reading of its images."""

SPREAD = 40
"""Of the noise of an image about the colour of its class."""


def run(quick: bool) -> Result:
    """Generate the images, decode them, train a run in a process of its own, and time epochs."""
    images, classes, timed = (400, 20, 100) if quick else (IMAGES, CLASSES, TIMED)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "images"
        write_images(root / "train", classes, images // classes)
        write_images(root / "val", classes, 1, seed=1)
        config = _config(root)
        decoding = seconds(lambda: load_data(config.data))
        opening = seconds(lambda: load_data(config.data))
        peak = peak_of(_train, folder, config)
        few = load_data(dataclasses.replace(config.data, train_size=timed))
        slower = _ratios(few, config.optim, repeat=1 if quick else 5)
    size = images * 3 * SIDE**2 / 1e6
    return Result(
        f"{images:,} images of {SIDE}×{SIDE} pixels in {classes:,} classes: {size:,.0f} MB",
        [
            Figure("decoding", images / decoding, "images/s", note="once"),
            Figure("opening the decoded images", opening, "s"),
            Figure("peak resident memory of a run", peak, "MB", most=MEMORY_AIM),
            Figure(
                "speed of training relative to images in memory",
                float(np.median(slower)),
                least=SPEED_AIM,
                note=f"{min(slower):.3g} to {max(slower):.3g}",
            ),
        ],
        "JPEG files of noise about a colour. The run is the whole of `repdyn train` over all images, "
        "one epoch, measured before and after. The speed is that of epochs over "
        f"{timed:,} of the images, drawn from all of the file and read from it, or in memory; in turn, "
        "in one process, the median of the ratios and their range. A ViT of two blocks of 48 "
        "channels: with a larger network, reading is less of a step.",
    )


def write_images(root: Path, classes: int, each: int, seed: int = 0) -> None:
    """Write a folder of images for each class: noise about a colour."""
    rng = np.random.default_rng(seed)
    colours = np.random.default_rng(0).integers(SPREAD, 256 - SPREAD, (classes, 3))
    for c, colour in enumerate(colours):
        folder = root / f"class{c:04d}"
        folder.mkdir(parents=True)
        coarse = rng.integers(-SPREAD, SPREAD, (each, SIDE // 8, SIDE // 8, 3))
        pixels = (colour + coarse).astype(np.uint8).repeat(8, axis=1).repeat(8, axis=2)
        for i, image in enumerate(pixels):
            Image.fromarray(image).save(folder / f"{i:04d}.jpg", quality=75)


def _config(root: Path) -> TrainConfig:
    return TrainConfig(
        data=DataConfig(dataset=f"imagefolder:{root}", image_size=SIDE, label_noise=0.0),
        model=MODEL,
        optim=OptimConfig(lr=0.01, epochs=1, batch_size=128, device="cpu"),
        measure=MeasureConfig(
            checkpoints=2, planes=6, probe="ridge", probe_images=400, probe_train=1000
        ),
    )


def _train(folder: str, config: TrainConfig) -> None:
    """Train a run as `repdyn train` does."""
    store = StoreConfig(tracking_uri=f"sqlite:///{folder}/mlflow.db")
    with contextlib.chdir(folder):
        train_run(prepare(config), store)


def _ratios(data: ImageData, optim: OptimConfig, repeat: int) -> list[float]:
    """Return the seconds of epochs in memory over those of epochs from the file, in turn."""
    held = dataclasses.replace(
        data, train_images=data.train_images[:], test_images=data.test_images[:]
    )
    ways = {
        name: partial(next, _epochs(one, optim)) for name, one in (("memory", held), ("file", data))
    }
    taken = interleaved(ways, repeat)
    return [a / b for a, b in zip(taken["memory"], taken["file"], strict=True)]


def _epochs(data: ImageData, optim: OptimConfig) -> Iterator[Epoch]:
    torch.manual_seed(0)
    model = models.build(MODEL, image_size=SIDE, channels=3, classes=len(data.classes))
    return iter(
        Trainer(
            model,
            on_device(data, torch.device("cpu")),
            optim,
            epochs=NO_LIMIT,
            batch_size=known(optim.batch_size),
            augment="crop-flip",
        )
    )


if __name__ == "__main__":
    main(["large_data"], (__doc__ or "").splitlines()[0])
