"""Sends a run's operations to a store on this machine, in order, off the training thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Full, Queue

from repdyn.storage.delivery.operations import Operation

WAITING = 32
"""Queued operations before the training waits for them: bounds the memory of the queue."""


class MemoryQueue:
    """A thread that sends operations in order.

    After an operation has failed, later ones are dropped and the next call raises its error.

    Args:
        send: executes an operation.
    """

    def __init__(self, send: Callable[[Operation], None]) -> None:
        self._send = send
        self._jobs: Queue[Operation | None] = Queue(WAITING)
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._work, name="repdyn-queue", daemon=True)
        self._thread.start()

    def put(self, operation: Operation) -> None:
        """Queue an operation.

        Raises:
            Exception: whatever an earlier operation raised.
        """
        self._raise()
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
                self._jobs.task_done()
