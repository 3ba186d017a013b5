"""The disk queue: what a server has not accepted yet, in order.

    repdyn-spool/RUN_ID/   and RUN_ID-2, ... if one is in use or not empty
      run.json         owner: server without credentials, run, process
      lock             held by the process that writes or sends
      00000001/        an operation, created under another name: it is complete or absent
        job.json
        content/NAME   of an artifact
      refused-00000001/  an entry that the server refused, or that is damaged

Nothing is pickled, and only the owner may read it: the folder is 0700, its files are 0600. An entry
is deleted once the server is seen to have it, so after a crash between the two it is sent again,
with the same result (see executor.py). A queue is untrusted: nothing outside its folder is read,
and anything that is not an entry is refused.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import threading
import zlib
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from repdyn.errors import UserError
from repdyn.storage.delivery.operations import Operation, PutArtifact, from_json, replaced, to_json
from repdyn.storage.files import PRIVATE, write_whole
from repdyn.storage.locks.process_lock import HeldError, ProcessLock

ROOT = Path("repdyn-spool")
"""In the working folder: the queues of all runs."""

REFUSED = "refused-"
"""Prefix of an entry that the server refused."""

MOST_JSON, MOST_CONTENT = 1 << 23, 1 << 34
"""Maximum bytes of an entry's description and of its artifact."""

RUN, OPERATION, CONTENT, LOCK = "run.json", "job.json", "content", "lock"
UNFINISHED = "."
"""Prefix of an entry that is being created or deleted."""

CHUNK = 1 << 20

_OWNERS = 0o700


class DamagedError(UserError):
    """An entry was changed, or was not written by repdyn."""


@dataclass(frozen=True)
class QueuedRun:
    """The owner of a queue.

    Attributes:
        uri: of the server, without credentials: the sender provides these (drain.py).
        host, pid: of the process that wrote it.
    """

    uri: str
    run_id: str
    host: str
    pid: str


class QueueFolder:
    """A run's entries, in order; held by one process at a time.

    Args:
        folder: of the run; created if missing.

    Raises:
        HeldError: another process holds it.
        OSError: the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        # absolute, so that it stays valid whatever folder the process changes to
        self.folder = folder.absolute()
        _make_private(self.folder)
        self._lock = ProcessLock(self.folder / LOCK)
        self._lock.take()
        self._open = True
        self._changes = threading.Lock()
        for unfinished in self.folder.glob(f"{UNFINISHED}[0-9]*"):
            _remove(unfinished)
        names = [path.name for path in self.folder.iterdir()]
        self._waiting = sorted(name for name in names if _is_entry(name))
        self._refused = sorted(
            name for name in names if name.startswith(REFUSED) and _is_entry(name[len(REFUSED) :])
        )
        numbers = [int(name.removeprefix(REFUSED)) for name in self._waiting + self._refused]
        self._last = max(numbers, default=0)

    def __len__(self) -> int:
        """Return how many entries are waiting to be sent."""
        return len(self._waiting)

    @property
    def refused(self) -> int:
        """How many entries are set aside."""
        return len(self._refused)

    def size(self) -> int:
        """Return the bytes of the artifacts that are waiting."""
        with self._changes:
            contents = (self.folder / name / CONTENT for name in self._waiting)
            files = (file for content in contents for file in content.glob("*"))
            return sum(file.lstat().st_size for file in files)

    def sign(self, run: QueuedRun) -> None:
        """Record the owner of the queue."""
        write_whole(self.folder / RUN, json.dumps(asdict(run)).encode(), PRIVATE)

    def run(self) -> QueuedRun:
        """Return the owner of the queue.

        Raises:
            UserError: its record is damaged.
        """
        path = self.folder / RUN
        try:
            run = QueuedRun(**_load(path))
            if not all(isinstance(value, str) for value in asdict(run).values()):
                raise ValueError("not text")
            return run
        except _NO_ENTRY as error:
            raise _damaged(path, error) from error

    def append(self, operation: Operation) -> None:
        """Add an entry; it is on the disk when this returns.

        Raises:
            UserError: the disk is full.
            OSError: it cannot be written.
        """
        name = f"{self._last + 1:08}"
        made = self.folder / f"{UNFINISHED}{name}"
        said = to_json(operation)
        if isinstance(operation, PutArtifact):
            content = (
                operation.content
                if isinstance(operation.content, bytes)
                else operation.content.read_bytes()
            )
            write_whole(made / CONTENT / PurePosixPath(operation.path).name, content, PRIVATE)
            said |= {"size": len(content), "crc32": zlib.crc32(content)}
        write_whole(made / OPERATION, json.dumps(said).encode(), PRIVATE)
        with self._changes:
            made.replace(self.folder / name)
            self._last += 1
            self._waiting.append(name)

    def read(self, place: int) -> Operation:
        """Return a waiting entry, by its position.

        Raises:
            DamagedError: the entry is damaged, or refers to something outside the folder.
        """
        return _read(self.folder / self._waiting[place])

    def delete_first(self, n: int = 1) -> None:
        """Delete entries that the server has."""
        with self._changes:
            if not self._open:  # another process may send them now
                return
            for _ in range(n):
                self._delete(self._waiting.pop(0))

    def set_aside(self, place: int) -> Path:
        """Remove an entry from the queue without deleting it; return its folder."""
        with self._changes:
            name = self._waiting[place]
            aside = self.folder / f"{REFUSED}{name}"
            if self._open:
                (self.folder / name).replace(aside)
                self._waiting.pop(place)
                self._refused.append(aside.name)
            return aside

    def restore(self) -> None:
        """Put the entries that were set aside back into the queue, in their old positions."""
        with self._changes:
            for name in self._refused:
                back = name.removeprefix(REFUSED)
                (self.folder / name).replace(self.folder / back)
                self._waiting.append(back)
            self._refused.clear()
            self._waiting.sort()

    def drop_replaced(self, operation: Operation) -> None:
        """Delete the entries set aside that an operation has since replaced."""
        sets = replaced(operation)
        if sets is None or not self._refused:
            return
        with self._changes:
            for name in self._refused.copy() if self._open else ():
                with suppress(DamagedError):
                    if replaced(_read(self.folder / name)) == sets:
                        self._delete(name)
                        self._refused.remove(name)

    def close(self) -> None:
        """Release the queue; an empty one is removed."""
        with self._changes:
            self._open = False
            left = self._waiting or self._refused
            if not left and not any(path.is_dir() for path in self.folder.iterdir()):
                shutil.rmtree(self.folder)  # else somebody has set something aside
            self._lock.release()
        with suppress(OSError):  # there are others
            self.folder.parent.rmdir()

    def _delete(self, name: str) -> None:
        gone = self.folder / f"{UNFINISHED}{name.removeprefix(REFUSED)}"
        (self.folder / name).replace(gone)
        shutil.rmtree(gone)


def _make_private(folder: Path) -> None:
    """Create a folder, and missing parents, that only the owner can access."""
    folder.parent.mkdir(parents=True, exist_ok=True, mode=_OWNERS)
    folder.mkdir(exist_ok=True, mode=_OWNERS)
    folder.chmod(_OWNERS)  # also one that an earlier version created


def new_queue_folder(run_id: str) -> QueueFolder:
    """Return an empty queue for a run; other processes' queues are left alone."""
    for n in count(1):
        try:
            queue = QueueFolder(ROOT / (run_id if n == 1 else f"{run_id}-{n}"))
        except HeldError:
            continue
        if not len(queue) and not queue.refused:
            break
        queue.close()
    return queue


def _is_entry(name: str) -> bool:
    return name.isascii() and name.isdecimal()


def _remove(path: Path) -> None:
    """Remove a folder, or whatever is in its place."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


_NO_ENTRY = (
    *(OSError, ValueError, TypeError, KeyError, AttributeError),
    *(OverflowError, RecursionError, MemoryError),
)
"""What reading raises if something is not an entry."""


def _read(entry: Path) -> Operation:
    path = entry / OPERATION
    try:
        _check_folder(entry)
        said = _load(path)
        if "size" not in said:
            return from_json(said)
        expected = said.pop("size"), said.pop("crc32")
        path = entry / CONTENT / PurePosixPath(said["path"]).name
        _check_folder(path.parent)
        operation = from_json(said, content=path)
        with _opened(path, MOST_CONTENT) as file:
            if os.fstat(file.fileno()).st_size != expected[0] or _checksum(file) != expected[1]:
                raise ValueError("size or checksum differs")
        return operation
    except _NO_ENTRY as error:
        raise _damaged(path, error) from error


def _load(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file."""
    with _opened(path, MOST_JSON) as file:
        found = json.loads(file.read(MOST_JSON))
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")
    return found


def _check_folder(path: Path) -> None:
    if not stat.S_ISDIR(path.lstat().st_mode):
        raise ValueError("not a folder")


def _opened(path: Path, most: int) -> BinaryIO:
    """Open a file of bounded size for reading, without following links.

    Raises:
        OSError, ValueError: it is something else.
    """
    # opening a FIFO would block until someone writes to it
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    file = os.fdopen(descriptor, "rb")
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_size > most:
        file.close()
        raise ValueError("not a regular file, or too large")
    return file


def _checksum(file: BinaryIO) -> int:
    """Return the CRC-32 of a file that may not fit into memory."""
    checksum = 0
    while part := file.read(CHUNK):
        checksum = zlib.crc32(part, checksum)
    return checksum


def _damaged(path: Path, error: BaseException) -> DamagedError:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return DamagedError(
        f"{path}: is damaged ({reason or type(error).__name__}); the rest of the queue is kept: "
        "fix or move away this entry, then run repdyn sync"
    )
