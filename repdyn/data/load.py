"""Loads the data of a configuration; what is too large for memory stays in a file."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch

from repdyn.data.digits import digits
from repdyn.data.folder import folder
from repdyn.data.images import ImageData, Images, Source, channel_sums
from repdyn.data.mapped import MappedImages, Pixels
from repdyn.data.progress import Reading, Silent
from repdyn.data.sampling import Purpose, stratified, stream, with_symmetric_noise
from repdyn.data.vision import VISION_SETS, files_of, vision
from repdyn.errors import SettingError, nearest
from repdyn.records import MOST_CLASSES
from repdyn.settings.schema import DataConfig, known

FOLDER = "imagefolder"
FOLDER_SIDE = 64

CHUNK = 1024
"""Images whose squared pixels are held at a time."""

SHAPES = {"digits": (1, 8), **{name: known.shape for name, known in VISION_SETS.items()}}


def load_data(config: DataConfig, reading: Reading | None = None) -> ImageData:
    """Read the data set, draw the subset and flip the labels, as determined by the data seed.

    Args:
        config: with label noise and, for a folder, image size filled in by the defaults.
        reading: receives progress.

    Raises:
        UserError: an unknown or missing data set, damaged files, or a setting that does not fit it.
    """
    source = _source(config, reading or Silent())
    count = len(source.train_labels)
    classes = len(source.classes)
    if not 2 <= classes <= MOST_CLASSES:
        raise SettingError(
            "dataset",
            config.dataset,
            f"{classes:,} classes; repdyn supports 2 to {MOST_CLASSES:,}",
        )
    if config.train_size is not None and config.train_size > count:
        raise SettingError(
            "train_size", config.train_size, f"{config.dataset} has only {count} training images"
        )
    chosen = np.arange(count)
    if config.train_size is not None and config.train_size < count:
        rng = stream(config.data_seed, Purpose.SUBSET)
        chosen = stratified(source.train_labels, config.train_size, rng)
    true = source.train_labels[chosen]
    given = with_symmetric_noise(true, known(config.label_noise), classes, config.data_seed)
    images = _held(source.train_images(chosen))
    test = _held(source.test_images(np.arange(len(source.test_labels))))
    mean, std = _channel_moments(images)
    return ImageData(
        name=config.dataset,
        source=source.place,
        train_images=images,
        given_labels=torch.from_numpy(given),
        true_labels=torch.from_numpy(true),
        test_images=test,
        test_labels=torch.from_numpy(source.test_labels),
        classes=source.classes,
        mean=mean,
        std=std,
    )


def image_shape(config: DataConfig) -> tuple[int, int]:
    """Return (channels, side in pixels) of the data set's images, without reading it.

    Raises:
        UserError: there is no such data set.
    """
    name, _, _ = config.dataset.partition(":")
    if name == FOLDER:
        return 3, config.image_size or FOLDER_SIDE
    _check_name(config.dataset)
    return SHAPES[name]


def place(name: str, data_dir: Path) -> str | None:
    """Return where a data set of SHAPES is on this machine; None if it needs a download."""
    return "scikit-learn" if name == "digits" else files_of(name, data_dir.expanduser())


def _source(config: DataConfig, reading: Reading) -> Source:
    name, _, path = config.dataset.partition(":")
    if name == FOLDER:
        if not path:
            raise SettingError("dataset", config.dataset, f"write {FOLDER}:PATH")
        return folder(
            Path(path).expanduser(),
            known(config.image_size),
            config.data_seed,
            config.train_size,
            reading,
        )
    _check_name(config.dataset)
    if config.image_size is not None:
        side = SHAPES[name][1]
        raise SettingError(
            "image_size",
            config.image_size,
            f"only image folders are resized; {name} images are {side}×{side} pixels",
        )
    return digits() if name == "digits" else vision(name, config.data_dir.expanduser())


def _check_name(name: str) -> None:
    if name not in SHAPES:
        names = [*SHAPES, f"{FOLDER}:PATH"]
        advice = nearest(name, names) or f"; choose from {', '.join(names)}"
        raise SettingError("dataset", name, f"there is no such data set{advice}")


def _held(images: Images | MappedImages) -> Pixels:
    if isinstance(images, MappedImages):
        return images
    return torch.from_numpy(np.ascontiguousarray(images))


def _channel_moments(images: Pixels) -> tuple[torch.Tensor, torch.Tensor]:
    """Return mean and standard deviation of each channel in [0, 1].

    From whole numbers, so that they do not depend on the order in which pixels are summed.
    """
    if isinstance(images, MappedImages):
        sums = images.channel_sums()
    else:
        parts = [channel_sums(part.numpy()) for part in images.split(CHUNK)]
        sums = np.sum(parts, axis=0)
    n = images.shape[2] * images.shape[3] * len(images)
    mean, std = [], []
    for total, squares in sums.T.tolist():
        mean.append(total / (255 * n))
        std.append(math.sqrt((n * squares - total**2) / (255 * n) ** 2))
    # a constant channel stays zero rather than dividing by zero
    return torch.tensor(mean), torch.tensor(std).clamp_min(1e-3)
