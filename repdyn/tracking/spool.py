"""What a server has not taken yet, on this machine's disk, in order.

    repdyn-spool/RUN_ID/   and RUN_ID-2, ... where one is taken or holds what is left
      run.json         whose: server without credentials, run, process
      lock             held by the process that writes or sends
      00000001/        a job, made under another name: it is whole or absent
        job.json
        content/NAME   of an artifact

Nothing is pickled, and only the owner may read it: the folder is 0700, its files are 0600. An entry
is deleted when the server has acknowledged it, so after a crash between the two it is sent again,
which leaves what once would have left (see courier.py).
"""

from __future__ import annotations

import json
import shutil
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path, PurePosixPath
from typing import Any

from repdyn.errors import UserError
from repdyn.tracking.files import PRIVATE, write_whole
from repdyn.tracking.jobs import Job, PutArtifact, from_json, to_json
from repdyn.tracking.process_lock import HeldError, ProcessLock

ROOT = Path("repdyn-spool")
"""In the working folder: the spools of all runs."""

RUN, JOB, CONTENT, LOCK = "run.json", "job.json", "content", "lock"
UNFINISHED = "."
"""Begins the name of an entry that is being made or deleted."""

CHUNK = 1 << 20

_OWNERS = 0o700


@dataclass(frozen=True)
class SpooledRun:
    """Whose spool it is.

    Attributes:
        uri: of the server, without credentials: these come from who sends (`leftover.py`).
        host, pid: of the process that wrote it.
    """

    uri: str
    run_id: str
    host: str
    pid: str


class Spool:
    """A run's entries, in the order in which they came; one process at a time has it.

    Args:
        folder: of the run; made if missing.

    Raises:
        HeldError: another process has it.
        OSError: the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        # what is sent must be found by a command in the same folder, whatever the process does
        self.folder = folder.absolute()
        _make_private(self.folder)
        self._lock = ProcessLock(self.folder / LOCK)
        self._lock.take()
        for unfinished in self.folder.glob(f"{UNFINISHED}[0-9]*"):
            shutil.rmtree(unfinished)
        self._waiting = sorted(p.name for p in self._folders() if p.name.isdecimal())
        self._last = int(self._waiting[-1]) if self._waiting else 0

    def __len__(self) -> int:
        return len(self._waiting)

    def sign(self, run: SpooledRun) -> None:
        """Say whose spool it is."""
        write_whole(self.folder / RUN, json.dumps(asdict(run)).encode(), PRIVATE)

    def run(self) -> SpooledRun:
        """Return whose spool it is.

        Raises:
            UserError: that is damaged.
        """
        path = self.folder / RUN
        try:
            return SpooledRun(**json.loads(path.read_bytes()))
        except (OSError, ValueError, TypeError) as error:
            raise _damaged(path, error) from error

    def append(self, job: Job) -> None:
        """Add an entry; it is on the disk when this returns.

        Raises:
            UserError: the disk is full.
            OSError: it cannot be written.
        """
        name = f"{self._last + 1:08}"
        made = self.folder / f"{UNFINISHED}{name}"
        said = to_json(job)
        if isinstance(job, PutArtifact):
            content = job.content if isinstance(job.content, bytes) else job.content.read_bytes()
            write_whole(made / CONTENT / PurePosixPath(job.path).name, content, PRIVATE)
            said |= {"size": len(content), "crc32": zlib.crc32(content)}
        write_whole(made / JOB, json.dumps(said).encode(), PRIVATE)
        made.replace(self.folder / name)
        self._last += 1
        self._waiting.append(name)

    def send_first(self, send: Callable[[Job], None]) -> Job:
        """Send the first entry and delete it; if sending raises, it stays.

        Raises:
            UserError: the entry is damaged.
            Exception: what `send` raises.
        """
        name = self._waiting[0]
        job = _read(self.folder / name)
        send(job)
        self._delete(name)
        return job

    def close(self) -> None:
        """Let other processes have it; nothing stays of a spool that is empty."""
        if not self._folders():  # not even one that somebody has set aside
            shutil.rmtree(self.folder)
        self._lock.release()
        with suppress(OSError):  # there are others
            self.folder.parent.rmdir()

    def _folders(self) -> list[Path]:
        return [path for path in self.folder.iterdir() if path.is_dir()]

    def _delete(self, name: str) -> None:
        gone = self.folder / f"{UNFINISHED}{name}"
        (self.folder / name).replace(gone)
        shutil.rmtree(gone)
        self._waiting.pop(0)


def _make_private(folder: Path) -> None:
    """Make a folder, and those above it, into which only the owner may look."""
    folder.parent.mkdir(parents=True, exist_ok=True, mode=_OWNERS)
    folder.mkdir(exist_ok=True, mode=_OWNERS)
    folder.chmod(_OWNERS)  # also one that an earlier version has left


def new_spool(run_id: str) -> Spool:
    """Return an empty spool of a run; what another process writes or has left stays as it is."""
    for n in count(1):
        try:
            spool = Spool(ROOT / (run_id if n == 1 else f"{run_id}-{n}"))
        except HeldError:
            continue
        if not len(spool):
            break
        spool.close()
    return spool


def _read(entry: Path) -> Job:
    path = entry / JOB
    try:
        said: dict[str, Any] = json.loads(path.read_bytes())
        if "size" not in said:
            return from_json(said)
        path = entry / CONTENT / PurePosixPath(said["path"]).name
        if path.is_symlink() or path.parent.is_symlink():
            raise ValueError("a link")
        found = {"size": path.stat().st_size, "crc32": _checksum(path)}
        if any(said.pop(name) != value for name, value in found.items()):
            raise ValueError("not what was written")
        return from_json(said, content=path)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise _damaged(path, error) from error


def _checksum(path: Path) -> int:
    """Return the CRC-32 of a file that may not fit into memory."""
    checksum = 0
    with path.open("rb") as file:
        while part := file.read(CHUNK):
            checksum = zlib.crc32(part, checksum)
    return checksum


def _damaged(path: Path, error: Exception) -> UserError:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return UserError(
        f"{path}: is damaged ({reason}); all else of the spool is kept: mend this entry, or move it "
        "away, then repdyn sync"
    )
