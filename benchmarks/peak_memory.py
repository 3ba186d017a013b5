"""Peak memory of work that is done in a process of its own."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any


def peak_of(work: Callable[..., object], *args: Any) -> float:
    """Return the peak resident memory, in MB, of a fresh process that calls a function."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_measured, args=(theirs, work, args))
    process.start()
    theirs.close()  # otherwise this would wait for a process that died
    peak = float(ours.recv())
    process.join()
    return peak


def _measured(
    answer: multiprocessing.connection.Connection, work: Callable[..., object], args: Any
) -> None:
    work(*args)
    answer.send(_peak_memory() / 1e6)


def _peak_memory() -> int:
    """Return the peak memory of this process in bytes.

    Linux's getrusage would count those of the process that started this one, too.
    """
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
