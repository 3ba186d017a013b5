"""What signals do to a command as a whole; a training takes them over for its loop (saving.py)."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Terminated(KeyboardInterrupt):
    """SIGTERM: ends a run as Ctrl-C does, with an exit code of its own."""


@contextmanager
def taken() -> Iterator[None]:
    """Take the signals that would end the process on the spot and leave its run RUNNING.

    SIGTERM ends a command as Ctrl-C does. SIGUSR1 passes by: before the first step and after the
    last there is nothing to save, and Slurm may send it at any time.
    """
    before = {signal.SIGTERM: signal.signal(signal.SIGTERM, _terminate)}
    if hasattr(signal, "SIGUSR1"):
        before[signal.SIGUSR1] = signal.signal(signal.SIGUSR1, _pass_by)
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise Terminated


def _pass_by(_number: int, _frame: FrameType | None) -> None:
    pass
