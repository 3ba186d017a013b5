"""Sends a run's operations to a server, in order, off the training thread, from a disk queue."""

from __future__ import annotations

import logging
import threading
import time

from repdyn.errors import UnsentError
from repdyn.redaction import redact
from repdyn.storage.delivery.executor import RetryableError, reason
from repdyn.storage.delivery.operations import Operation
from repdyn.storage.delivery.queue_folder import QueueFolder
from repdyn.storage.delivery.sender import Executor, Sender, counted

PAUSES = (1.0, 30.0)
"""Seconds between tries: the first, doubled each time up to the last."""

PATIENCE = 30.0
"""Seconds that a run waits for a server at its end, whatever the server does."""

SLOW = 1_000_000
"""Bytes per second: at the end of a run, uploads at this rate are given time in addition."""

LOOK_SECONDS = 2.0
"""How long sent artifacts wait for others, to be verified together."""

LET_GO = 1.0
"""Seconds that the thread may take to end; if it waits for a response, it is abandoned."""

_log = logging.getLogger(__name__)


class DiskQueue:
    """A thread that sends operations in order, each from the disk.

    An operation is on disk when `put` returns and is deleted once the server is seen to have it. No
    response ends the training, and a process that dies loses nothing: while the server is
    unreachable or rejects everything, operations stay queued; a single operation that it refuses
    is set aside in the queue (see sender.py).

    Args:
        queue: of the run; entries already in it are sent first.
        execute: sends an operation.
        pauses: between tries, first and longest, in seconds.
        patience: of `flush` and `close`, in seconds, plus one second per megabyte.
    """

    def __init__(
        self,
        queue: QueueFolder,
        execute: Executor,
        *,
        pauses: tuple[float, float] = PAUSES,
        patience: float = PATIENCE,
    ) -> None:
        self._queue = queue
        self._execute = execute
        self._delivery = Sender(queue, execute)
        self._pauses = pauses
        self._patience = patience
        self._changed = threading.Condition()
        self._beat: Operation | None = None
        self._trouble: str | None = None
        self._told: set[str] = set()
        self._hurry = False
        self._stopped = False
        self._thread = threading.Thread(target=self._work, name="repdyn-queue", daemon=True)
        self._thread.start()

    def put(self, operation: Operation) -> None:
        """Add an operation.

        Raises:
            Exception: the disk is full, or cannot be written.
        """
        with self._changed:
            self._queue.append(operation)
            self._changed.notify_all()

    def beat(self, operation: Operation) -> None:
        """Send a heartbeat before all other operations; only the latest counts."""
        with self._changed:
            self._beat = operation
            self._changed.notify_all()

    def flush(self) -> None:
        """Wait until all operations are done, for a limited time.

        Raises:
            UnsentError: not all are done; the rest stays in the queue.
        """
        with self._changed:
            end = time.monotonic() + self._patience + self._queue.size() / SLOW
            impatient = time.monotonic() + self._patience
            self._hurry = True
            self._changed.notify_all()
            try:
                while len(self._queue):
                    now = time.monotonic()
                    if now > end or (now > impatient and self._trouble is not None):
                        raise UnsentError(self._unsent())
                    self._changed.wait(0.1)
            finally:
                self._hurry = False
        if self._queue.refused:
            raise UnsentError(self._unsent())

    def close(self, last: Operation | None) -> None:
        """Wait as `flush` does, including for a last operation, and end the thread.

        Raises:
            UnsentError, Exception: as in `put` and `flush`.
        """
        try:
            if last is not None:
                self.put(last)
            self.flush()
        finally:
            with self._changed:
                self._stopped = True
                self._changed.notify_all()
            self._thread.join(LET_GO)
            self._queue.close()

    def _unsent(self) -> str:
        """Return what is not sent, why, and what to do."""
        folder = self._queue.folder
        parts = []
        if len(self._queue):
            trouble = (
                self._trouble or "the server is too slow to receive everything the run has logged"
            )
            parts.append(
                f"{trouble}; {counted(len(self._queue))} not sent, queued in {folder}: "
                "run repdyn sync when the server is back"
            )
        if self._queue.refused:
            first = self._delivery.refused[0] if self._delivery.refused else f"kept in {folder}"
            parts.append(
                f"{counted(self._queue.refused)} refused by the server, the first: {first}; "
                "repdyn sync retries them"
            )
        return "; ".join(parts)

    def _work(self) -> None:
        pause = self._pauses[0]
        while self._wait_for_work():
            refused = len(self._delivery.refused)
            try:
                self._step()
            except Exception as error:  # no response ends the training
                kind = "unreachable" if isinstance(error, RetryableError) else "rejecting"
                self._trouble = str(error) if kind == "unreachable" else reason(error)
                self._tell(kind, self._trouble)
                self._sleep(pause)
                pause = min(2 * pause, self._pauses[1])
            else:
                self._trouble = None
                pause = self._pauses[0]
            for why in self._delivery.refused[refused:]:
                self._tell("refused", why)

    def _wait_for_work(self) -> bool:
        """Return True when there is something to do, False when the thread should end."""
        with self._changed:
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._stopped or self._beat or len(self._queue))
            # sent artifacts are verified when others have been queued, or no more are
            self._changed.wait_for(
                lambda: self._stopped or self._beat or self._hurry or not self._delivery.is_idle,
                LOOK_SECONDS,
            )
            return not self._stopped

    def _step(self) -> None:
        beat = self._beat
        if beat is None:
            self._delivery.step()
            return
        try:
            self._execute(beat)
        except RetryableError:
            raise
        except (
            Exception
        ) as error:  # the next beat may be accepted; the queue is not blocked by this
            _log.debug("heartbeat: %s", error)
        with self._changed:
            if self._beat is beat:
                self._beat = None

    def _sleep(self, seconds: float) -> None:
        """Sleep, but not beyond the end of the run, and only briefly while a caller waits."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._stopped or self._hurry, seconds):
                return
            self._changed.wait_for(lambda: self._stopped, min(seconds, self._pauses[0]))

    def _tell(self, kind: str, trouble: str) -> None:
        """Warn once about each kind of trouble."""
        if kind not in self._told:
            _log.warning(
                "%s; training continues, and logged data is queued in %s",
                redact(trouble),
                self._queue.folder,
            )
        self._told.add(kind)
