"""Has a server do a run's jobs, in order, off the training thread, also one that is away for long."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from repdyn.errors import UnsentError
from repdyn.tracking.courier import AwayError
from repdyn.tracking.jobs import Job
from repdyn.tracking.spool import Spool

PAUSES = (1.0, 30.0)
"""Seconds between tries: the first, doubled each time up to the last."""

PATIENCE = 30.0
"""Seconds that the end of a run waits for a server that is away."""

LET_GO = 1.0
"""Seconds that the thread may take to end; one that waits for an answer is left to it."""

_log = logging.getLogger(__name__)


class SpoolOutbox:
    """A thread that sends jobs in the order in which they came, each from the disk.

    A job is on the disk when `put` returns and is deleted when the server has acknowledged it: a
    server that is away costs the training neither time nor memory, and a process that dies loses
    nothing. After a job has been refused the later ones stay in the spool, and the next call raises
    the refusal.

    Args:
        spool: of the run; entries that it holds are sent first.
        send: does a job.
        pauses: between tries, first and longest, in seconds.
        patience: of `flush` and `close` with a server that is away, in seconds.
    """

    def __init__(
        self,
        spool: Spool,
        send: Callable[[Job], None],
        *,
        pauses: tuple[float, float] = PAUSES,
        patience: float = PATIENCE,
    ) -> None:
        self._spool = spool
        self._send = send
        self._pauses = pauses
        self._patience = patience
        self._changed = threading.Condition()
        self._beat: Job | None = None
        self._away: AwayError | None = None
        self._told = False
        self._hurry = False
        self._stopped = False
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._work, name="repdyn-outbox", daemon=True)
        self._thread.start()

    def put(self, job: Job) -> None:
        """Add a job.

        Raises:
            Exception: an earlier job was refused, or the disk is full.
        """
        self._raise()
        self._append(job)

    def beat(self, job: Job) -> None:
        """Send a job that only says that the run lives, before all others; the latest counts."""
        with self._changed:
            self._beat = job
            self._changed.notify_all()

    def flush(self) -> None:
        """Wait until all jobs are done.

        Raises:
            UnsentError: the server is away for longer than one may wait; they stay in the spool.
            Exception: one of them was refused.
        """
        start = time.monotonic()
        with self._changed:
            self._hurry = True
            self._changed.notify_all()
            while len(self._spool) and self._error is None:
                if self._away is not None and time.monotonic() - start > self._patience:
                    raise UnsentError(
                        f"{self._away}; {len(self._spool)} entries wait in {self._spool.folder}: "
                        "send them with repdyn sync when it is back"
                    )
                self._changed.wait(0.1)
            self._hurry = False
        self._raise()

    def close(self, last: Job | None) -> None:
        """Wait as `flush` does, also for a last job, and end the thread.

        Raises:
            UnsentError, Exception: as in `flush`; the last job is dropped if an earlier one was refused.
        """
        try:
            self._raise()
            if last is not None:
                self._append(last)
            self.flush()
        finally:
            with self._changed:
                self._stopped = True
                self._changed.notify_all()
            self._thread.join(LET_GO)
            self._spool.close()

    def _append(self, job: Job) -> None:
        with self._changed:
            self._spool.append(job)
            self._changed.notify_all()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        pause = self._pauses[0]
        while self._wait_for_work():
            try:
                self._send_next()
            except AwayError as error:
                self._tell(error)
                self._away = error
                self._sleep(pause)
                pause = min(2 * pause, self._pauses[1])
            except Exception as error:  # raised again in the thread that trains
                self._error = error
                return
            else:
                self._away = None
                pause = self._pauses[0]

    def _wait_for_work(self) -> bool:
        """Return when there is a job, or False when the thread is to end."""
        with self._changed:
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._stopped or self._beat or len(self._spool))
            return not self._stopped

    def _send_next(self) -> None:
        beat = self._beat
        if beat is None:
            self._spool.send_first(self._send)
            return
        self._send(beat)
        with self._changed:
            if self._beat is beat:
                self._beat = None

    def _sleep(self, seconds: float) -> None:
        """Sleep, though not longer than the run, and not long while somebody waits."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._stopped or self._hurry, seconds):
                return
            self._changed.wait_for(lambda: self._stopped, min(seconds, self._pauses[0]))

    def _tell(self, away: AwayError) -> None:
        """Say once that the server is away."""
        if not self._told:
            _log.warning(
                "%s; the run goes on, and what it logs waits in %s", away, self._spool.folder
            )
        self._told = True
