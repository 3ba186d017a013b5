"""How much memory is available."""

from __future__ import annotations

from pathlib import Path

import psutil

from repdyn.errors import UserError

CGROUP = Path("/sys/fs/cgroup")


def available_memory() -> int:
    """Return the bytes of memory available on the machine or in the job's control group."""
    free = int(psutil.virtual_memory().available)
    try:
        most = int((CGROUP / "memory.max").read_text())
        used = int((CGROUP / "memory.current").read_text())
    except (OSError, ValueError):  # no such group, or one without a limit
        return free
    return min(free, most - used)


def check_memory(needed: int, what: str) -> None:
    """Check that there is enough memory for something before it is allocated.

    Args:
        needed: bytes.
        what: what it is for, for the message; ends with a colon.

    Raises:
        UserError: there is not enough.
    """
    free = available_memory()
    if needed > free:
        raise UserError(
            f"{what} {gigabytes(needed)} of memory needed, only {gigabytes(free)} available"
        )


def gigabytes(count: int) -> str:
    """Return a number of bytes with three digits, `0.72 GB`."""
    return f"{count / 1e9:.3g} GB"
