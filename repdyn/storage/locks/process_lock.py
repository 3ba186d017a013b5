"""A lock file that one process at a time holds, until it releases it or dies."""

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout

from repdyn.storage.files import write_whole
from repdyn.storage.locks.heartbeat import is_gone

OWNER_SECONDS = 2.0
"""How long the holder may take to record who it is, once it has the lock."""


class Owner(NamedTuple):
    """A process on a machine."""

    host: str
    pid: str


class HeldError(Exception):
    """Another process holds the lock."""

    def __init__(self, owner: Owner) -> None:
        super().__init__(f"held on {owner.host} by process {owner.pid}")
        self.owner = owner


class ProcessLock:
    """A lock whose holder is known.

    Args:
        path: of the lock; after release the file stays, and next to it the last holder's.
    """

    def __init__(self, path: Path) -> None:
        # released by whichever thread ends the work
        self._lock = FileLock(path, blocking=False, thread_local=False)
        self._owner = path.with_suffix(".owner")

    def take(self) -> None:
        """Acquire the lock.

        Raises:
            HeldError: another process holds it.
            OSError: the file cannot be written.
        """
        try:
            self._lock.acquire()
        except Timeout:
            raise HeldError(self._read_owner()) from None
        said = json.dumps(Owner(socket.gethostname(), str(os.getpid()))._asdict())
        write_whole(self._owner, said.encode())

    def release(self) -> None:
        """Release the lock; does nothing if it is not held."""
        self._lock.release()

    def _read_owner(self) -> Owner:
        """Return who holds the lock; for a moment this may still be a holder that died."""
        owner = Owner("?", "?")
        end = time.monotonic() + OWNER_SECONDS
        while time.monotonic() < end:
            try:
                owner = Owner(**json.loads(self._owner.read_bytes()))
            except (OSError, ValueError, TypeError):
                pass
            else:
                if not is_gone(owner.host, owner.pid):
                    break
            time.sleep(0.05)
        return owner
