"""The images of a folder, decoded once into a file that later runs map into memory."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import numpy as np
from filelock import Timeout
from numpy.typing import NDArray

from repdyn.data.cache_files import (
    Index,
    Stats,
    homes,
    lock,
    packed,
    read_index,
    remove_images,
    written_whole,
)
from repdyn.data.mapped import MappedFile, MappedImages
from repdyn.data.picture import CHANNELS, DIGEST_BYTES, content_digest, decoded
from repdyn.data.progress import Reading
from repdyn.errors import UserError
from repdyn.memory import gigabytes

INDEX_BYTES = 128
"""Of an image in the index, at most, without its name."""

HEADER_BYTES = 2**16
"""Of the index, at most."""


class _RefusedError(Exception):
    """A folder cannot be written, or its disk is too small."""


class ImageCache:
    """Decoded images of a folder.

    Args:
        root: of the folder.
        files: the images, relative to it; the cache is of these files, in this order.
        side: in pixels.
        reading: receives progress.

    Raises:
        UserError: a file does not exist.
    """

    def __init__(self, root: Path, files: Sequence[str], side: int, reading: Reading) -> None:
        self._root, self._files, self._side, self._reading = root, files, side, reading
        self._names = packed(files)
        self._stats = _stats(root, files)

    def rows(self, rows: NDArray[np.int64]) -> MappedImages | None:
        """Return the images with these places among the files; None if they are not cached."""
        found = next(filter(None, map(self._opened, homes(self._root))), None)
        return None if found is None else _mapped(*found, rows)

    def fill(self) -> None:
        """Decode the images into the first of the folders that can be written.

        If none can, it says so, and there is no cache.

        Raises:
            UserError: files are no images, or the disk became full.
        """
        refused: list[str] = []
        for folder in homes(self._root):
            try:
                with self._locked(folder):
                    if self._opened(folder) is None:  # else another process has done it
                        self._make(folder, refused)
            except _RefusedError as error:
                refused.append(str(error))
            else:
                return
        self._reading.notice(
            f"decoded images cannot be kept, so that each run decodes them anew: {'; '.join(refused)}"
        )

    @contextmanager
    def _locked(self, folder: Path) -> Iterator[None]:
        """Hold the lock of a folder, which is made."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            guard = lock(folder, self._side)
            try:
                guard.acquire(blocking=False)
            except Timeout:
                self._reading.remark(f"waiting for another process that decodes {self._root}")
                guard.acquire()
        except (OSError, NotImplementedError) as error:  # the second, without locks
            raise _RefusedError(f"{folder}: {getattr(error, 'strerror', None) or error}") from None
        try:
            yield
        finally:
            guard.release()

    def _make(self, folder: Path, refused: Sequence[str]) -> None:
        remove_images(folder, self._side)
        needed = len(self._names) + len(self._files) * (CHANNELS * self._side**2 + INDEX_BYTES)
        free = shutil.disk_usage(folder).free
        if needed > free:
            raise _RefusedError(f"{folder}: {gigabytes(free)} free, {gigabytes(needed)} needed")
        instead = "".join(f"; {reason}" for reason in refused)
        self._reading.remark(
            f"decoding {len(self._files):,} images into {folder}, {needed / 1e6:,.1f} MB{instead}"
        )
        try:
            self._write(folder)
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            reason = "the disk became full" if full else f"an error ({error.strerror or error})"
            raise UserError(
                f"{folder}: {reason} while decoded images were written; free some space or set "
                "XDG_CACHE_HOME to another folder"
            ) from None

    def _write(self, folder: Path) -> None:
        n, side = len(self._files), self._side
        digests = np.empty((n, DIGEST_BYTES), np.uint8)
        sums = np.empty((n, 2, CHANNELS), np.int64)
        header = {"descr": "|u1", "fortran_order": False, "shape": (n, CHANNELS, side, side)}
        index = Index(self._names, self._stats, digests, sums)
        pictures = decoded(self._root, self._files, side, self._reading)
        with (
            written_whole(folder, side, lambda: index.pixels_file(side)) as file,
            closing(pictures),
        ):
            np.lib.format.write_array_header_1_0(file, header)
            for i, picture in enumerate(pictures):
                file.write(picture.pixels.data)
                digests[i] = np.frombuffer(picture.digest, np.uint8)
                sums[i] = picture.sums
        index.write(folder, side)

    def _opened(self, folder: Path) -> tuple[MappedFile, Index] | None:
        """Return what a folder holds, if it is of these files and they have not changed."""
        most = len(self._names) + len(self._files) * INDEX_BYTES + HEADER_BYTES
        index = read_index(folder, self._side, most)
        if index is None or index.names != self._names:
            return None
        changed = np.flatnonzero((index.stats != self._stats).any(axis=1))
        if len(changed):
            if not self._is_same(index, changed):
                return None
            index = Index(self._names, self._stats, index.digests, index.sums)
            with suppress(OSError):  # of a folder that others have written
                index.write(folder, self._side)
        try:
            file = MappedFile(folder / index.pixels_file(self._side))
        except (OSError, ValueError):
            return None
        expected = (len(self._files), CHANNELS, self._side, self._side)
        return (file, index) if file.shape == expected else None

    def _is_same(self, index: Index, changed: NDArray[np.int64]) -> bool:
        """Say whether files whose times have changed still have their content."""
        if (index.stats[changed, 0] != self._stats[changed, 0]).any():
            return False
        with self._reading.decoding("checking", len(changed)) as count:
            for i in changed.tolist():
                if content_digest(self._root, self._files[i]) != index.digests[i].tobytes():
                    return False
                count(1)
        return True


def _mapped(file: MappedFile, index: Index, rows: NDArray[np.int64]) -> MappedImages:
    return MappedImages(file, rows, index.sums[rows])


def _stats(root: Path, files: Sequence[str]) -> Stats:
    found = np.empty((len(files), 3), np.int64)
    for row, name in zip(found, files, strict=True):
        try:
            stat = os.stat(os.path.join(root, name))  # noqa: PTH116, PTH118 - millions of them
        except FileNotFoundError:
            raise UserError(f"{root / name}: no such file; fix or remove it") from None
        except OSError as error:
            raise UserError(f"{root / name}: {error.strerror}; fix or remove it") from None
        row[:] = stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
    return found
