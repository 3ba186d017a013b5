"""The data sets that torchvision can read and download."""

from __future__ import annotations

import contextlib
import gzip
import io
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torchvision import datasets

from repdyn.data.images import Images, Labels, Source
from repdyn.errors import SettingError, UserError

DEBIAN_FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package dataset-fashion-mnist puts its files."""

IDX_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)

Opened = tuple[Images, Labels, tuple[str, ...]]
Open = Callable[[Path, bool, bool], Opened]


@dataclass(frozen=True)
class VisionSet:
    """A torchvision data set.

    Attributes:
        shape: (channels, side in pixels).
        folder: subfolder of the data folder where torchvision looks.
        files: the files it looks for there.
        open: (root, train, download) → images (N, C, H, W), labels, class names.
    """

    shape: tuple[int, int]
    folder: str
    files: tuple[str, ...]
    open: Open


def vision(name: str, data_dir: Path) -> Source:
    """Read a data set from the data folder; download it there if it is missing.

    Raises:
        UserError: it is missing and cannot be downloaded, or its files are damaged.
    """
    known = VISION_SETS[name]
    _check_files(known, data_dir / known.folder)
    try:
        return _source(known, data_dir, str(data_dir / known.folder))
    except _MissingError:
        pass
    if name == "fashion-mnist" and DEBIAN_FASHION_MNIST.is_dir():
        with tempfile.TemporaryDirectory() as unpacked:
            _unpack_idx(DEBIAN_FASHION_MNIST, Path(unpacked) / known.folder)
            return _source(known, Path(unpacked), str(DEBIAN_FASHION_MNIST))
    put = f"put {', '.join(known.files)} into {data_dir / known.folder}"
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # torchvision prints each mirror it tried
            known.open(data_dir, True, True)
        return _source(known, data_dir, str(data_dir / known.folder))
    except (RuntimeError, OSError, _MissingError):
        # urllib's errors are OSErrors; torchvision wraps others into RuntimeError
        _remove_empty(data_dir / known.folder, data_dir)
        raise SettingError(
            "dataset", name, f"not in {data_dir}, and the download failed; {put}"
        ) from None


def files_of(name: str, data_dir: Path) -> str | None:
    """Return where a data set's files are on this machine; None if they are missing."""
    known = VISION_SETS[name]
    folder = data_dir / known.folder
    if all((folder / file).exists() for file in known.files):
        return str(folder)
    if name == "fashion-mnist" and DEBIAN_FASHION_MNIST.is_dir():
        return str(DEBIAN_FASHION_MNIST)
    return None


def _check_files(known: VisionSet, folder: Path) -> None:
    """Check that what torchvision is about to open are regular files, which never block.

    Raises:
        UserError: one is a pipe, a socket or a device.
    """
    for name in known.files:
        path = folder / name
        for file in path.iterdir() if path.is_dir() else (path, path.with_name(f"{path.name}.gz")):
            if file.exists() and not file.is_file() and not file.is_dir():
                raise UserError(f"{file}: is a pipe, a socket or a device; remove it")


class _MissingError(Exception):
    """torchvision finds no files."""


def _source(known: VisionSet, root: Path, place: str) -> Source:
    try:
        images, labels, classes = known.open(root, True, False)
        test_images, test_labels, _ = known.open(root, False, False)
    except RuntimeError as error:
        if "not found" in str(error):
            raise _MissingError from None
        raise _damaged(place, error) from None
    except Exception as error:  # torchvision and scipy may raise anything on malformed bytes
        raise _damaged(place, error) from None
    channels, side = known.shape
    for x, y in ((images, labels), (test_images, test_labels)):
        if len(x) != len(y) or x.shape[1:] != (channels, side, side):
            raise _damaged(place, f"{len(y)} labels for images {x.shape}")
        if not len(y) or y.min() < 0 or y.max() >= len(classes):
            raise _damaged(place, f"labels outside the {len(classes)} classes")
    return Source(
        place=place,
        classes=classes,
        train_labels=labels,
        test_labels=test_labels,
        train_images=partial(np.take, images, axis=0),
        test_images=partial(np.take, test_images, axis=0),
    )


def _damaged(place: str, error: object) -> UserError:
    said = " ".join(str(error).split()) or type(error).__name__
    return UserError(f"{place}: damaged ({said[:120]}); remove it and download it again")


def _unpack_idx(folder: Path, into: Path) -> None:
    into.mkdir(parents=True)
    try:
        for name in IDX_FILES:
            with gzip.open(folder / f"{name}.gz") as packed, (into / name).open("wb") as plain:
                shutil.copyfileobj(packed, plain)
    except (OSError, EOFError) as error:
        raise _damaged(str(folder), error) from None


def _remove_empty(folder: Path, top: Path) -> None:
    """Remove the folders that a failed download created."""
    while folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        if folder == top:
            break
        folder = folder.parent


def _open_idx(kind: type[datasets.MNIST], root: Path, train: bool, download: bool) -> Opened:
    found = kind(root, train=train, download=download)
    return found.data.numpy()[:, None], found.targets.numpy().astype(np.int64), _names(found)


def _open_cifar(kind: type[datasets.CIFAR10], root: Path, train: bool, download: bool) -> Opened:
    found = kind(root, train=train, download=download)
    images = np.ascontiguousarray(found.data.transpose(0, 3, 1, 2))
    return images, np.array(found.targets, dtype=np.int64), _names(found)


def _open_svhn(root: Path, train: bool, download: bool) -> Opened:
    found = datasets.SVHN(root / "SVHN", split="train" if train else "test", download=download)
    if download:
        datasets.SVHN(root / "SVHN", split="test", download=True)
    return found.data, found.labels.astype(np.int64), tuple(str(digit) for digit in range(10))


def _names(found: Any) -> tuple[str, ...]:
    """Return class names; MNIST's are "0 - zero", ..., only the digit is kept."""
    return tuple(name.partition(" - ")[0] for name in found.classes)


VISION_SETS: Mapping[str, VisionSet] = {
    "mnist": VisionSet((1, 28), "MNIST/raw", IDX_FILES, partial(_open_idx, datasets.MNIST)),
    "fashion-mnist": VisionSet(
        (1, 28), "FashionMNIST/raw", IDX_FILES, partial(_open_idx, datasets.FashionMNIST)
    ),
    "cifar10": VisionSet(
        (3, 32), "", ("cifar-10-batches-py/",), partial(_open_cifar, datasets.CIFAR10)
    ),
    "cifar100": VisionSet(
        (3, 32), "", ("cifar-100-python/",), partial(_open_cifar, datasets.CIFAR100)
    ),
    "svhn": VisionSet((3, 32), "SVHN", ("train_32x32.mat", "test_32x32.mat"), _open_svhn),
}
