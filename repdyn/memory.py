"""How much memory there is."""

from __future__ import annotations

from pathlib import Path

import psutil

from repdyn.errors import UserError

CGROUP = Path("/sys/fs/cgroup")


def available_memory() -> int:
    """Return the bytes of memory that can be had: of the machine, or of the job's control group."""
    free = int(psutil.virtual_memory().available)
    try:
        most = int((CGROUP / "memory.max").read_text())
        used = int((CGROUP / "memory.current").read_text())
    except (OSError, ValueError):  # no such group, or one without a limit
        return free
    return min(free, most - used)


def check_memory(needed: int, what: str) -> None:
    """Check that there is memory for something before it is made.

    Args:
        needed: bytes.
        what: it is for, with the setting that makes it smaller, for the message.

    Raises:
        UserError: there is less.
    """
    free = available_memory()
    if needed > free:
        raise UserError(
            f"{what} takes {gigabytes(needed)} of memory and {gigabytes(free)} are free"
        )


def gigabytes(count: int) -> str:
    """Return a number of bytes with three digits, `0.72 GB`."""
    return f"{count / 1e9:.3g} GB"
