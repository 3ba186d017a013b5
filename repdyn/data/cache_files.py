"""Where the decoded images of a folder are kept, and what is noted of them.

A folder beside the data, or one in the user's cache, holds for each side two files, which are written
under other names and renamed: the pixels, whose name tells the content, and an index of the files that
they were decoded from. Without an index that fits them there is no cache.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import IO, Any

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from repdyn.data.picture import CHANNELS, DIGEST_BYTES
from repdyn.errors import UserError
from repdyn.regular_file import read_regular

SUFFIX = ".repdyn-cache"
"""Of the folder, after the name of the data's."""

FORMAT = 1
"""Of the files, and of the way in which images are decoded."""

MOST_INDEX_BYTES = 2**32

READABLE = 0o644

Stats = NDArray[np.int64]
"""Size in bytes, and times of the last change of the content and of the file, in ns, (N, 3)."""


@dataclass(frozen=True)
class Index:
    """The image files that a cache was made from.

    Attributes:
        names: relative to the data's folder, in order, each followed by a zero byte.
        stats: of the files.
        digests: of their content, (N, DIGEST_BYTES) uint8.
        sums: of the pixels of each image, and of their squares, by channel, (N, 2, 3).
    """

    names: bytes
    stats: Stats
    digests: NDArray[np.uint8]
    sums: NDArray[np.int64]

    def pixels_file(self, side: int) -> str:
        """Return the name of the file of the images, which their content determines."""
        found = blake2b(f"{FORMAT} {side} ".encode(), digest_size=16)
        found.update(self.names)
        found.update(self.digests.tobytes())
        return f"{side}px-{found.hexdigest()}.npy"

    def write(self, folder: Path, side: int) -> None:
        """Write it whole.

        Raises:
            OSError: it cannot be written.
        """
        arrays: dict[str, NDArray[Any]] = {
            "names": np.frombuffer(self.names, np.uint8),
            "stats": self.stats,
            "digests": self.digests,
            "sums": self.sums,
        }
        with written_whole(folder, side, lambda: index_file(side)) as file:
            file.write(save(arrays))


def read_index(folder: Path, side: int, most: int = MOST_INDEX_BYTES) -> Index | None:
    """Return the index of a cache; None if there is none, it is damaged, or has more bytes."""
    try:
        arrays = load(read_regular(folder / index_file(side), most))
        index = Index(arrays["names"].tobytes(), arrays["stats"], arrays["digests"], arrays["sums"])
    except (OSError, ValueError, KeyError, SafetensorError):
        return None
    n = index.names.count(0)
    fits = (
        index.stats.shape == (n, 3)
        and index.digests.shape == (n, DIGEST_BYTES)
        and index.sums.shape == (n, 2, CHANNELS)
        and index.stats.dtype == index.sums.dtype == np.dtype(np.int64)
        and index.digests.dtype == np.dtype(np.uint8)
    )
    return index if fits else None


def index_file(side: int) -> str:
    """Return the name of the index of the images of a side."""
    return f"{side}px.index"


def packed(names: Sequence[str]) -> bytes:
    """Return names as an index has them; they are never decoded again."""
    return b"".join(os.fsencode(name) + b"\0" for name in names)


def homes(root: Path) -> tuple[Path, Path]:
    """Return the folders in which the cache of a data folder may be: beside it, and the user's."""
    root = root.resolve()
    name = f"{root.name or 'root'}{SUFFIX}"
    of_user = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))  # noqa: PTH111 - without a home, Path raises
    mark = blake2b(os.fsencode(root), digest_size=6).hexdigest()
    return root.parent / name, of_user / "repdyn" / f"{mark}-{name}"


def lock(folder: Path, side: int) -> FileLock:
    """Return the lock that a process holds while it writes the images of a side."""
    return FileLock(folder / f"{side}px.lock")


@contextmanager
def written_whole(folder: Path, side: int, name: Callable[[], str]) -> Iterator[IO[bytes]]:
    """Open a temporary file, which gets its name once it is written; else nothing is left."""
    handle, path = tempfile.mkstemp(dir=folder, prefix=f"{side}px-", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(path).chmod(READABLE)
        Path(path).replace(folder / name())
    except BaseException:
        Path(path).unlink(missing_ok=True)
        raise


def remove_images(folder: Path, side: int) -> None:
    """Remove the images of a side, and what a killed process left; the lock must be held."""
    for pattern in (index_file(side), f"{side}px-*.npy", f"{side}px-*.part"):
        for file in folder.glob(pattern):
            with suppress(OSError):  # another system than POSIX keeps a file that is in use
                file.unlink()


@dataclass(frozen=True)
class Kept:
    """A folder of decoded images.

    Attributes:
        folder: where it is.
        sides: how many images of a side in pixels it holds, by side.
        size: of its files in bytes.
    """

    folder: Path
    sides: dict[int, int]
    size: int


def kept(root: Path) -> list[Kept]:
    """Return the folders with the decoded images of a data folder, which may be gone."""
    found = []
    for folder in homes(root):
        sides = {}
        for side in _sides(folder):
            index = read_index(folder, side)
            if index is not None:
                sides[side] = len(index.stats)
        if folder.is_dir():
            with os.scandir(folder) as files:
                size = sum(file.stat().st_size for file in files if file.is_file())
            found.append(Kept(folder, sides, size))
    return found


def remove(root: Path) -> None:
    """Remove the decoded images of a data folder; training that reads them goes on.

    Raises:
        UserError: another process is writing them, or they belong to someone else.
    """
    for folder in homes(root):
        try:
            for side in _sides(folder):
                guard = lock(folder, side)
                with guard.acquire(blocking=False):
                    remove_images(folder, side)
                Path(guard.lock_file).unlink(missing_ok=True)
            if folder.is_dir():
                folder.rmdir()  # fails if images are left that are not the user's
        except Timeout:
            raise UserError(f"{folder}: another process writes images into it; stop it") from None
        except OSError as error:
            raise UserError(f"{folder}: cannot be removed ({error.strerror or error})") from None


def _sides(folder: Path) -> list[int]:
    """Return the sides, in pixels, of which a folder holds files."""
    names = (re.match(r"(\d+)px[-.]", file.name) for file in folder.glob("*px*"))
    return sorted({int(name[1]) for name in names if name is not None})
