"""Sends what a run logs, in order, off the training thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Queue

Job = Callable[[], object]

WAITING = 32
"""Jobs that may wait before the training waits for them: bounds the memory of what is unsent."""


class Outbox:
    """A thread that does jobs in the order in which they came.

    After a job has failed the later ones are dropped, and the next call raises its error.
    """

    def __init__(self) -> None:
        self._jobs: Queue[Job | None] = Queue(WAITING)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="repdyn-outbox", daemon=True)
        self._thread.start()

    def put(self, job: Job) -> None:
        """Queue a job.

        Raises:
            Exception: what an earlier job raised.
        """
        self._raise()
        self._jobs.put(job)

    def flush(self) -> None:
        """Wait until all jobs are done.

        Raises:
            Exception: what one of them raised.
        """
        self._jobs.join()
        self._raise()

    def close(self) -> None:
        """Do what waits and end the thread; errors stay unraised, `flush` before to see them."""
        self._jobs.put(None)
        self._thread.join()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            try:
                if job is None:
                    return
                if self._error is None:
                    job()
            except Exception as error:  # raised again in the thread that trains
                self._error = error
            finally:
                self._jobs.task_done()
