"""Decodes image files, in parallel: each becomes RGB and is cropped about its centre to a square.

As in torchvision's ImageFolder, transparency is dropped and an orientation noted by the camera (EXIF)
does not turn the image.
"""

from __future__ import annotations

import io
import os
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from repdyn.data.images import Images, channel_sums
from repdyn.data.progress import Reading
from repdyn.errors import UserError
from repdyn.regular_file import read_regular

CHANNELS = 3

DIGEST_BYTES = 16

MOST_FILE_BYTES = 2**30

AT_ONCE_BYTES = 2**25
"""Of decoded images that wait until those before them are taken."""

MOST_UNREADABLE = 100
"""Unreadable files after which no further ones are looked for."""

NAMED = 3
"""Of them in the message."""


@dataclass(frozen=True)
class Picture:
    """An image file, decoded.

    Attributes:
        pixels: (3, side, side) uint8.
        sums: of the pixels, and of their squares, by channel, (2, 3).
        digest: of the file's content, DIGEST_BYTES.
    """

    pixels: Images
    sums: NDArray[np.int64]
    digest: bytes


def decoded(root: Path, files: Sequence[str], side: int, reading: Reading) -> Generator[Picture]:
    """Yield image files decoded, in order. In threads: Pillow and hashing release the GIL.

    Args:
        root: folder to which the names are relative.
        files: their names.
        side: of the squares, in pixels.
        reading: receives the progress.

    Raises:
        UserError: files are no readable images; raised once all were tried, and names the first ones.
    """
    workers = available_cores()
    chunk = max(workers, min(1024, AT_ONCE_BYTES // (CHANNELS * side**2)))
    unreadable: list[tuple[str, str]] = []
    with ThreadPoolExecutor(workers) as pool, reading.decoding("decoding", len(files)) as count:
        for start in range(0, len(files), chunk):
            names = files[start : start + chunk]
            for name, found in zip(names, pool.map(partial(_picture, root, side), names)):  # noqa: B905 - map has one for each
                if isinstance(found, str):
                    unreadable.append((name, found))
                elif not unreadable:
                    yield found
            count(len(names))
            if len(unreadable) >= MOST_UNREADABLE:
                break
    if unreadable:
        raise UserError(_refusal(root, unreadable))


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def content_digest(root: Path, name: str) -> bytes:
    """Return the digest of a file's content, empty if it cannot be read."""
    try:
        return _digest(read_regular(root / name, MOST_FILE_BYTES))
    except (OSError, ValueError):
        return b""


def _digest(content: bytes) -> bytes:
    return blake2b(content, digest_size=DIGEST_BYTES).digest()


def _picture(root: Path, side: int, name: str) -> Picture | str:
    """Decode a file; return what is wrong with it if that fails."""
    try:
        content = read_regular(root / name, MOST_FILE_BYTES)
        with Image.open(io.BytesIO(content)) as image:
            square = ImageOps.fit(_as_rgb(image), (side, side), Image.Resampling.BILINEAR)
        pixels = np.ascontiguousarray(np.asarray(square).transpose(2, 0, 1))
    except FileNotFoundError:
        return "no such file"
    except _DepthError:
        return "has pixels of 32 bits, whose range is not known; convert it to 8 or 16 bits"
    except Exception:  # Pillow's decoders may raise anything on malformed bytes
        return "not a readable image"
    return Picture(pixels, channel_sums(pixels[None]), _digest(content))


class _DepthError(Exception):
    """Pixels are 32-bit integers or floats."""


def _as_rgb(image: Image.Image) -> Image.Image:
    """Return an image of any mode as RGB."""
    if image.mode.startswith("I;16"):
        # Pillow would make everything above 255 white
        grey = np.rint(np.asarray(image) / 257).astype(np.uint8)
        return Image.fromarray(grey).convert("RGB")
    if image.mode in ("I", "F"):
        raise _DepthError
    if "transparency" in image.info:
        image = image.convert("RGBA")  # in one step, Pillow warns of palettes
    return image.convert("RGB")


def _refusal(root: Path, unreadable: Sequence[tuple[str, str]]) -> str:
    (first, why), *others = unreadable
    said = f"{root / first}: {why}; fix or remove it"
    if not others:
        return said
    some = ", ".join(name for name, _ in others[: NAMED - 1])
    more = ", …" if len(others) >= NAMED else ""
    return f"{said}, and {len(others)} more: {some}{more}"
