"""Image folders: custom ones, ImageNet-like, or Tiny ImageNet as unpacked."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from torchvision.datasets.folder import IMG_EXTENSIONS

from repdyn.checks import check_text
from repdyn.data.cache_files import SUFFIX
from repdyn.data.image_cache import ImageCache
from repdyn.data.images import Images, Labels, Source
from repdyn.data.mapped import MappedImages
from repdyn.data.picture import CHANNELS, decoded
from repdyn.data.progress import Reading
from repdyn.data.sampling import Purpose, stratified, stream
from repdyn.errors import SettingError, UserError
from repdyn.memory import available_memory, check_memory
from repdyn.regular_file import read_regular

HELD_OUT = 0.2
"""Share of a folder without a test split that is held out for testing, by class."""

MOST_NAME_CHARACTERS = 255
MOST_LABEL_BYTES = 2**26

TINY_IMAGENET_LABELS = "val_annotations.txt"

NAMED = 3
"""Class folders without images that a notice names."""


@dataclass(frozen=True)
class _Listed:
    """Files, by their path from the data's folder, and the names of their classes."""

    files: tuple[str, ...]
    names: tuple[str, ...]


def folder(root: Path, side: int, seed: int, train_size: int | None, reading: Reading) -> Source:
    """Read an image folder: `train/` and `val/` or `test/` with a folder per class, or just these.

    Images become RGB and are cropped about their centre to a square of `side` pixels. They are
    decoded once, into a file that later runs map into memory; see image_cache.py.

    Args:
        root: of the folder.
        side: in pixels.
        seed: determines which images are held out if there is no test split.
        train_size: how many training images are used; None for all.
        reading: receives progress.

    Raises:
        UserError: no folder, no classes, a test image of an unknown class; or, when images are
            read, a file that is not an image.
    """
    if not root.is_dir():
        raise SettingError("dataset", f"imagefolder:{root}", "there is no such folder")
    if (root / "train").is_dir():
        train, test = _by_class(root, "train", reading), _test_split(root, reading)
        files = train.files + test.files
        rows = np.arange(len(files))
        train_rows, test_rows = rows[: len(train.files)], rows[len(train.files) :]
        names = train.names + test.names
    else:
        listed = _by_class(root, "", reading)
        files, names = listed.files, listed.names
        train_rows, test_rows = _held_out(names, seed)
    classes = tuple(sorted({names[i] for i in train_rows}))
    number = {name: i for i, name in enumerate(classes)}
    strange = next((names[i] for i in test_rows if names[i] not in number), None)
    if strange is not None:
        raise UserError(f"{root}: has test images of class {strange}, which is not in train/")
    labels = np.array([number[name] for name in names], dtype=np.int64)
    used = len(test_rows) + min(len(train_rows), train_size or len(train_rows))
    pictures = _Pictures(root, files, side, used, reading)
    return Source(
        place=str(root),
        classes=classes,
        train_labels=labels[train_rows],
        test_labels=labels[test_rows],
        train_images=partial(pictures.read, train_rows),
        test_images=partial(pictures.read, test_rows),
    )


class _Pictures:
    """The images of a folder: cached or, if only a few are used, decoded into memory.

    Args:
        root: of the folder.
        files: all its images.
        side: in pixels.
        used: how many of them are read, in all.
        reading: receives progress.
    """

    def __init__(
        self, root: Path, files: tuple[str, ...], side: int, used: int, reading: Reading
    ) -> None:
        self._root, self._files, self._side, self._reading = root, files, side, reading
        self._cache = ImageCache(root, files, side, reading)
        fits = used * CHANNELS * side**2 <= available_memory() / 2
        self._filled = fits and used <= len(files) / 2

    def read(self, rows: Labels, indices: Labels) -> Images | MappedImages:
        """Return those of the rows' images that have these indices.

        Raises:
            UserError: a file is no image, or there is not enough memory for all of them.
        """
        wanted = rows[indices]
        found = self._cache.rows(wanted)
        if found is None and not self._filled:
            self._filled = True
            self._cache.fill()
            found = self._cache.rows(wanted)
        return self._decoded(wanted) if found is None else found

    def _decoded(self, rows: Labels) -> Images:
        """Decode images into memory."""
        shape = (len(rows), CHANNELS, self._side, self._side)
        what = f"{len(rows):,} images of {self._side}×{self._side} pixels:"
        check_memory(CHANNELS * len(rows) * self._side**2, what)
        images = np.empty(shape, np.uint8)
        names = [self._files[i] for i in rows]
        for image, picture in zip(
            images, decoded(self._root, names, self._side, self._reading), strict=True
        ):
            image[:] = picture.pixels
        return images


def _by_class(root: Path, split: str, reading: Reading) -> _Listed:
    """List the images in the class folders, at any depth."""
    top = root / split
    files: list[str] = []
    names: list[str] = []
    empty: list[str] = []
    for home in sorted(top.iterdir()):
        if not home.is_dir() or home.name.endswith(SUFFIX):
            continue
        found = sorted(_images_below(home), key=lambda name: name.split(os.sep))  # noqa: PTH206 - strings, as there may be millions
        files += (os.path.join(split, home.name, name) for name in found)  # noqa: PTH118 - strings, as there may be millions
        names += [home.name] * len(found)
        if found:
            check_text(f"{top}: class name", home.name, MOST_NAME_CHARACTERS)
        else:
            empty.append(home.name)
    if not files:
        raise UserError(f"{top}: no images in class folders; arrange them as CLASS/NAME.png")
    if empty:
        more = f" and {len(empty) - NAMED} more" if len(empty) > NAMED else ""
        reading.notice(f"{top}: no images in {', '.join(empty[:NAMED])}{more}, so no such class")
    return _Listed(tuple(files), tuple(names))


def _images_below(home: Path) -> Iterator[str]:
    """Yield the paths of a folder's images from it; strings, as there may be millions."""
    for place, _, files in os.walk(home):
        below = os.path.relpath(place, home)
        for file in files:
            if os.path.splitext(file)[1].lower() in IMG_EXTENSIONS:  # noqa: PTH122 - strings, as there may be millions
                yield file if below == os.curdir else os.path.join(below, file)  # noqa: PTH118 - strings, as there may be millions


def _test_split(root: Path, reading: Reading) -> _Listed:
    for name in ("val", "test"):
        split = root / name
        if (split / TINY_IMAGENET_LABELS).is_file():
            return _annotated(root, name)
        if split.is_dir():
            return _by_class(root, name, reading)
    raise UserError(f"{root}: has train/ but neither val/ nor test/; add one of them")


def _annotated(root: Path, split: str) -> _Listed:
    """List Tiny ImageNet's validation images, whose classes are in a separate file."""
    path = root / split / TINY_IMAGENET_LABELS
    try:
        lines = read_regular(path, MOST_LABEL_BYTES).decode("utf-8").splitlines()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{path}: cannot be read ({reason})") from None
    rows = [line.split("\t") for line in lines if line.strip()]
    if not rows or any(len(row) < 2 for row in rows):
        raise UserError(f"{path}: write one NAME<tab>CLASS per line")
    files = tuple(os.path.join(split, "images", row[0]) for row in rows)  # noqa: PTH118 - strings, as there may be millions
    return _Listed(files, tuple(row[1] for row in rows))


def _held_out(names: tuple[str, ...], seed: int) -> tuple[Labels, Labels]:
    """Return the rows of the training and of the test images."""
    _, labels = np.unique(names, return_inverse=True)
    if int(np.bincount(labels).min()) < 2:
        raise UserError("a class has only one image; give each at least two, one is held out")
    held = np.zeros(len(labels), dtype=bool)
    count = max(round(HELD_OUT * len(labels)), len(np.unique(labels)))
    held[stratified(labels.astype(np.int64), count, stream(seed, Purpose.HOLD_OUT))] = True
    return np.flatnonzero(~held), np.flatnonzero(held)
