"""Images in a memory-mapped file: batches are copied from it, and the whole is never in memory."""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

READ_AROUND = 2**16
"""Bytes that the system maps at a time, once they are cached."""

MOST_RESIDENT = 2**25
"""Bytes mapped into the process before they are dropped from it; they stay in the system's cache."""


class MappedFile:
    """An array file (.npy, uint8) whose rows are read when they are asked for.

    Args:
        path: of the file. It may be removed meanwhile, but not changed.

    Raises:
        OSError, ValueError: there is no such file, or it is damaged.
    """

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            if np.lib.format.read_magic(file) != (1, 0):
                raise ValueError("another version")
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
            if fortran or dtype != np.uint8 or len(shape) != 4:
                raise ValueError("no images")
            self._start = file.tell()
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        pixels = np.frombuffer(self._map, np.uint8, math.prod(shape), self._start)
        self._pixels = pixels.reshape(shape)
        self._row = math.prod(shape[1:])
        self._mapped = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape, (N, C, H, W)."""
        return self._pixels.shape

    def copy_rows(self, rows: NDArray[np.int64], into: NDArray[np.uint8]) -> None:
        """Copy rows (n,) into an array (n, C, H, W)."""
        self._announce(rows)
        np.take(self._pixels, rows, axis=0, out=into, mode="clip")
        self._mapped += len(rows) * (self._row + READ_AROUND)
        if self._mapped > MOST_RESIDENT and hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)
            self._mapped = 0

    def _announce(self, rows: NDArray[np.int64]) -> None:
        """Have the system read all the rows at once, instead of page by page as they are touched."""
        if not len(rows) or not hasattr(mmap, "MADV_WILLNEED"):
            return
        breaks = np.flatnonzero(np.diff(rows) != 1)
        first, last = rows[np.append(0, breaks + 1)], rows[np.append(breaks, len(rows) - 1)]
        starts = (self._start + first * self._row) // mmap.PAGESIZE * mmap.PAGESIZE
        ends = self._start + (last + 1) * self._row
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
            self._map.madvise(mmap.MADV_WILLNEED, start, end - start)


class MappedImages:
    """Some of the images of a file, used as a tensor (N, C, H, W) uint8 is: indexing copies them.

    Args:
        file: of all images.
        rows: of these, (N,).
        sums: of the pixels of each, and of their squares, by channel, (N, 2, C).
    """

    def __init__(self, file: MappedFile, rows: NDArray[np.int64], sums: NDArray[np.int64]) -> None:
        self._file, self._rows, self._sums = file, rows, sums

    @property
    def shape(self) -> torch.Size:
        """(N, C, H, W)."""
        return torch.Size((len(self._rows), *self._file.shape[1:]))

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int | slice | Tensor | NDArray[np.int64]) -> Tensor:
        at = index.cpu().numpy() if isinstance(index, Tensor) else index
        rows = np.asarray(self._rows[at])
        return self._copied(rows.ravel()).reshape(*rows.shape, *self.shape[1:])

    def channel_sums(self) -> NDArray[np.int64]:
        """Return the sum over all pixels, and of their squares, by channel, (2, C)."""
        total: NDArray[np.int64] = self._sums.sum(axis=0)
        return total

    def ahead(self, parts: Iterable[Tensor], device: torch.device) -> Iterator[Tensor]:
        """Yield images on a device, by their indices; a thread copies the next ones meanwhile."""

        def loaded(part: Tensor) -> Tensor:
            rows = self._rows[part.numpy()]
            return self._copied(rows, pinned=device.type == "cuda").to(device, non_blocking=True)

        with ThreadPoolExecutor(1, "images") as pool:
            waiting: Future[Tensor] | None = None
            for part in parts:
                following = pool.submit(loaded, part)
                if waiting is not None:
                    yield waiting.result()
                waiting = following
            if waiting is not None:
                yield waiting.result()

    def _copied(self, rows: NDArray[np.int64], *, pinned: bool = False) -> Tensor:
        images = torch.empty((len(rows), *self.shape[1:]), dtype=torch.uint8, pin_memory=pinned)
        self._file.copy_rows(rows, images.numpy())
        return images


Pixels = Tensor | MappedImages
"""Images (N, C, H, W) uint8, in memory or in a file."""


def placed(images: Pixels, device: torch.device) -> Pixels:
    """Return images on a device; those in a file stay there, and batches of them are placed."""
    return images if isinstance(images, MappedImages) else images.to(device)


def batches(
    images: Pixels, order: Tensor, sizes: list[int], device: torch.device
) -> Iterator[Tensor]:
    """Yield images on a device, so many at a time, by their indices on the CPU (n,)."""
    if isinstance(images, MappedImages):
        yield from images.ahead(order.split(sizes), device)
    else:
        yield from (images[part] for part in order.to(device).split(sizes))


def in_turn(
    images: Pixels, size: int, device: torch.device, chosen: slice = slice(None)
) -> Iterator[Tensor]:
    """Yield all images on a device, `size` at a time, or those of the chosen turns."""
    if isinstance(images, MappedImages):
        yield from images.ahead(torch.arange(len(images)).split(size)[chosen], device)
    else:
        yield from images.split(size)[chosen]
