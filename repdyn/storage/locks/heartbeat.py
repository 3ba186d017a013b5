"""Heartbeats of running trainings, which reveal runs whose process died.

MLflow shows a run as RUNNING until its process says otherwise, which a killed one never does.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Mapping

TAG = "repdyn.heartbeat"
"""Time of the run's last heartbeat, in milliseconds since 1970, UTC."""

HOST_TAG, PID_TAG = "repdyn.host", "repdyn.pid"
"""Which process of which machine trains the run."""

BEAT_SECONDS = 30.0
DEAD_SECONDS = 300.0
"""Silence after which a run counts as dead: ten beats, to allow for clock differences."""

_DIGITS = 18
"""Maximum digits of a numeric tag: longer ones are not ours."""


class Heartbeat:
    """A thread that calls a function every BEAT_SECONDS until it is stopped.

    Args:
        beat: called with the time in milliseconds; an exception in it ends the thread.
        seconds: between beats.
    """

    def __init__(self, beat: Callable[[int], None], seconds: float = BEAT_SECONDS) -> None:
        self._beat = beat
        self._seconds = seconds
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="repdyn-heartbeat", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; no beat comes after this."""
        self._stopped.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._stopped.wait(self._seconds):
            try:
                self._beat(now())
            except Exception:  # the next logging call raises the same error and informs the user
                return


def now() -> int:
    """Return milliseconds since 1970, UTC."""
    return int(time.time() * 1000)


def signature() -> dict[str, str]:
    """Return the tags that identify this process as the one training a run."""
    return {TAG: str(now()), HOST_TAG: socket.gethostname(), PID_TAG: str(os.getpid())}


def is_silent(tags: Mapping[str, str]) -> bool:
    """Return whether a run's heartbeat has stopped; False if it never had one.

    For a process on this machine it is known at once.
    """
    if is_gone(tags.get(HOST_TAG, ""), tags.get(PID_TAG, "")):
        return True
    last = _number(tags.get(TAG, ""))
    return last is not None and now() - last > DEAD_SECONDS * 1000


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) <= _DIGITS else None


def is_gone(host: str, pid: str) -> bool:
    """Return whether a process on this machine has ended; False for other machines."""
    number = _number(pid)
    return host == socket.gethostname() and number is not None and not _runs(number)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True
