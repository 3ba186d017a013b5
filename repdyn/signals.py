"""Signal handling of a command; the training loop installs its own handlers (saving.py)."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Terminated(KeyboardInterrupt):
    """SIGTERM: ends a run as Ctrl-C does, with its own exit code."""


@contextmanager
def taken() -> Iterator[None]:
    """Handle the signals that would kill the process and leave its run RUNNING.

    SIGTERM ends a command as Ctrl-C does. SIGUSR1 is ignored: before the first step and after the
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
