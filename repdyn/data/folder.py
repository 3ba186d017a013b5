"""Image folders: custom ones, ImageNet-like, or Tiny ImageNet as unpacked."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from torchvision.datasets.folder import IMG_EXTENSIONS

from repdyn.checks import check_text
from repdyn.data.images import Images, Labels, Source
from repdyn.data.sampling import Purpose, stratified, stream
from repdyn.errors import SettingError, UserError
from repdyn.memory import check_memory
from repdyn.regular_file import check_regular, read_regular

HELD_OUT = 0.2
"""Share of a folder without a test split that is held out for testing, by class."""

MOST_NAME_CHARACTERS = 255
MOST_LABEL_BYTES = 2**26

TINY_IMAGENET_LABELS = "val_annotations.txt"


@dataclass(frozen=True)
class _Listed:
    """Files and the names of their classes."""

    paths: tuple[Path, ...]
    names: tuple[str, ...]


def folder(root: Path, side: int, seed: int) -> Source:
    """Read an image folder: `train/` and `val/` or `test/` with a folder per class, or just these.

    Images become RGB and are cropped about their centre to a square of `side` pixels.

    Args:
        root: of the folder.
        side: in pixels.
        seed: determines which images are held out if there is no test split.

    Raises:
        UserError: no folder, no classes, a test image of an unknown class; or, when images are
            read, a file that is not an image.
    """
    if not root.is_dir():
        raise SettingError("dataset", f"imagefolder:{root}", "there is no such folder")
    if (root / "train").is_dir():
        train, test = _by_class(root / "train"), _test_split(root)
    else:
        train, test = _held_out(_by_class(root), seed)
    classes = tuple(sorted(set(train.names)))
    number = {name: i for i, name in enumerate(classes)}
    strange = next((name for name in test.names if name not in number), None)
    if strange is not None:
        raise UserError(f"{root}: has test images of class {strange}, which is not in train/")
    return Source(
        place=str(root),
        classes=classes,
        train_labels=np.array([number[name] for name in train.names], dtype=np.int64),
        test_labels=np.array([number[name] for name in test.names], dtype=np.int64),
        train_images=partial(_read, train.paths, side),
        test_images=partial(_read, test.paths, side),
    )


def _by_class(root: Path) -> _Listed:
    """List the images in the class folders, at any depth."""
    found = [
        (path, home.name)
        for home in sorted(root.iterdir())
        if home.is_dir()
        for path in sorted(home.rglob("*"))
        if path.suffix.lower() in IMG_EXTENSIONS
    ]
    if not found:
        raise UserError(f"{root}: no images in class folders; arrange them as CLASS/NAME.png")
    paths, names = zip(*found, strict=True)
    for name in set(names):
        check_text(f"{root}: class name", name, MOST_NAME_CHARACTERS)
    return _Listed(paths, names)


def _test_split(root: Path) -> _Listed:
    for name in ("val", "test"):
        split = root / name
        if (split / TINY_IMAGENET_LABELS).is_file():
            return _annotated(split)
        if split.is_dir():
            return _by_class(split)
    raise UserError(f"{root}: has train/ but neither val/ nor test/; add one of them")


def _annotated(split: Path) -> _Listed:
    """List Tiny ImageNet's validation images, whose classes are in a separate file."""
    try:
        content = read_regular(split / TINY_IMAGENET_LABELS, MOST_LABEL_BYTES)
        lines = content.decode("utf-8").splitlines()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{split / TINY_IMAGENET_LABELS}: cannot be read ({reason})") from None
    rows = [line.split("\t") for line in lines if line.strip()]
    if not rows or any(len(row) < 2 for row in rows):
        raise UserError(f"{split / TINY_IMAGENET_LABELS}: write one NAME<tab>CLASS per line")
    return _Listed(tuple(split / "images" / row[0] for row in rows), tuple(row[1] for row in rows))


def _held_out(listed: _Listed, seed: int) -> tuple[_Listed, _Listed]:
    _, labels = np.unique(listed.names, return_inverse=True)
    if int(np.bincount(labels).min()) < 2:
        raise UserError("a class has only one image; give each at least two, one is held out")
    held = np.zeros(len(labels), dtype=bool)
    count = max(round(HELD_OUT * len(labels)), len(np.unique(labels)))
    held[stratified(labels.astype(np.int64), count, stream(seed, Purpose.HOLD_OUT))] = True

    def chosen(mask: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> _Listed:
        indices = np.flatnonzero(mask)
        return _Listed(
            tuple(listed.paths[i] for i in indices), tuple(listed.names[i] for i in indices)
        )

    return chosen(~held), chosen(held)


def _read(paths: tuple[Path, ...], side: int, indices: Labels) -> Images:
    """Decode images in threads: Pillow releases the GIL.

    Raises:
        UserError: a file is not an image, or there is not enough memory for all of them.
    """
    # once as a list, once as one array
    what = f"{len(indices):,} images of {side}×{side} pixels:"
    check_memory(2 * len(indices) * 3 * side**2, what)
    with ThreadPoolExecutor() as pool:
        images = list(pool.map(partial(_decode, side), [paths[i] for i in indices]))
    return np.stack(images).transpose(0, 3, 1, 2)


def _decode(side: int, path: Path) -> Images:
    try:
        check_regular(path)
        with Image.open(path) as image:
            square = ImageOps.fit(image.convert("RGB"), (side, side), Image.Resampling.BILINEAR)
            return np.asarray(square)
    except Exception as error:  # Pillow's decoders may raise anything on malformed bytes
        said = "no such file" if isinstance(error, FileNotFoundError) else "not a readable image"
        raise UserError(f"{path}: {said}; fix or remove it") from None
