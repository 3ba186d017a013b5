"""Sends a run's operations to a store on this machine, in order, off the training thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Full, Queue

from repdyn.storage.delivery.operations import Operation, PutArtifact

WAITING = 32
"""Queued operations before the training waits for them."""

WAITING_BYTES = 2**28
"""Bytes of queued artifacts before the training waits for them; one larger than this waits alone."""


class MemoryQueue:
    """A thread that sends operations in order.

    After an operation has failed, later ones are dropped and the next call raises its error.

    Args:
        send: executes an operation.
    """

    def __init__(self, send: Callable[[Operation], None]) -> None:
        self._send = send
        self._jobs: Queue[Operation | None] = Queue(WAITING)
        self._bytes = 0
        self._sent = threading.Condition()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._work, name="repdyn-queue", daemon=True)
        self._thread.start()

    def put(self, operation: Operation) -> None:
        """Queue an operation.

        Raises:
            Exception: whatever an earlier operation raised.
        """
        self._raise()
        size = _size(operation)
        with self._sent:
            self._sent.wait_for(lambda: not self._bytes or self._bytes + size <= WAITING_BYTES)
            self._bytes += size
        self._jobs.put(operation)

    def beat(self, operation: Operation) -> None:
        """Send a heartbeat; skipped if the queue is full, as other operations show the same."""
        with suppress(Full):
            self._jobs.put_nowait(operation)

    def flush(self) -> None:
        """Wait until all operations are done.

        Raises:
            Exception: whatever one of them raised.
        """
        self._jobs.join()
        self._raise()

    def close(self, last: Operation | None) -> None:
        """Execute what is queued, then a last operation, and end the thread.

        Raises:
            Exception: whatever one of them raised; then the last operation may be dropped.
        """
        if last is not None:
            self._jobs.put(last)
        self._jobs.put(None)
        self._thread.join()
        self._raise()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        while True:
            operation = self._jobs.get()
            try:
                if operation is None:
                    return
                if self._error is None:
                    self._send(operation)
            except Exception as error:  # raised again in the thread that trains
                self._error = error
            finally:
                with self._sent:
                    self._bytes -= _size(operation)
                    self._sent.notify_all()
                self._jobs.task_done()


def _size(operation: Operation | None) -> int:
    """Return the bytes of an artifact that an operation holds."""
    content = operation.content if isinstance(operation, PutArtifact) else None
    return len(content) if isinstance(content, bytes) else 0
