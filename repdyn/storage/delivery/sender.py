"""Sends a disk queue in order; deletes what the server has, sets aside what it refuses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from repdyn.storage.delivery.executor import MissingError, reason
from repdyn.storage.delivery.operations import Operation, PutArtifact, RemoveArtifact, summary
from repdyn.storage.delivery.queue_folder import DamagedError, QueueFolder
from repdyn.storage.delivery.retryable import is_invalid

TRIES = 3
"""How often an operation is refused, by a server that has the run, before it is set aside."""

MOST_UNSEEN = 64
"""Maximum artifacts sent before checking that the server has them."""


def counted(entries: int) -> str:
    """Return a number of entries with its verb, as in "2 entries are"."""
    return "1 entry is" if entries == 1 else f"{entries} entries are"


class Executor(Protocol):
    """Executes operations; see executor.py."""

    def __call__(self, operation: Operation) -> None:
        """Execute an operation."""

    def check(self, operations: Sequence[Operation]) -> None:
        """Check that the server has the artifacts that were sent."""

    def ping(self) -> None:
        """Check that the server has the run."""


class Sender:
    """Sends the entries of a queue, one per step.

    Artifacts are sent one after another and then verified, folder by folder; if one is missing
    all of them are sent again. Until then, nothing that follows them is sent.

    Args:
        queue: the queue.
        execute: sends an operation.

    Attributes:
        refused: what was set aside and why, one line each.
    """

    def __init__(self, queue: QueueFolder, execute: Executor) -> None:
        self._queue = queue
        self._execute = execute
        self._unseen: list[Operation] = []
        self._tries = 0
        self.refused: list[str] = []

    @property
    def is_idle(self) -> bool:
        """Whether everything is sent; artifacts may still have to be verified."""
        return len(self._queue) == len(self._unseen)

    def step(self) -> Operation | None:
        """Send the next entry, or verify the sent artifacts; return what was sent.

        Raises:
            RetryableError: the server is unreachable; the same step may succeed later.
            Exception: the server rejects; the same step may succeed later.
        """
        if self._unseen and (self.is_idle or len(self._unseen) >= MOST_UNSEEN):
            self._see()
            return None
        try:
            operation = self._queue.read(len(self._unseen))
        except DamagedError as error:
            self._set_aside(str(error))
            return None
        is_artifact = isinstance(operation, PutArtifact | RemoveArtifact)
        if self._unseen and not is_artifact:
            self._see()
            return None
        return operation if self._send(operation, is_artifact=is_artifact) else None

    def _send(self, operation: Operation, *, is_artifact: bool) -> bool:
        """Send an entry; False if it was refused and is set aside."""
        try:
            self._execute(operation)
        except Exception as error:
            if not self._is_refused(error):
                raise
            self._set_aside(f"{summary(operation)}: {reason(error)}")
            return False
        self._tries = 0
        self._queue.drop_replaced(operation)
        if is_artifact:
            self._unseen.append(operation)
        else:
            self._queue.delete_first()
        return True

    def _see(self) -> None:
        try:
            self._execute.check(self._unseen)
        except MissingError:
            self._unseen = []  # all are sent again
            raise
        self._queue.delete_first(len(self._unseen))
        self._unseen = []

    def _is_refused(self, error: Exception) -> bool:
        """Return whether a server that has the run refuses this entry, and has done so before."""
        if not is_invalid(error):
            return False
        self._tries += 1
        if self._tries < TRIES:
            return False
        self._execute.ping()
        return True

    def _set_aside(self, why: str) -> None:
        self._tries = 0
        aside = self._queue.set_aside(len(self._unseen))
        self.refused.append(f"{why} (kept in {aside})")
