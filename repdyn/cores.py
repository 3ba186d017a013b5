"""How many threads this program may use: OpenMP's setting, made before torch is loaded."""

from __future__ import annotations

import os
from collections.abc import Iterator, MutableMapping
from contextlib import suppress
from pathlib import Path

THREADS = "OMP_NUM_THREADS"


def limit_threads(environment: MutableMapping[str, str] = os.environ) -> None:
    """Use no more threads than control groups allow cores; what the user has set stays as it is.

    More would take turns on them, and each waits for the others.
    """
    limit = cgroup_cores(Path("/"))
    if limit is not None and THREADS not in environment and limit < (os.cpu_count() or 1):
        environment[THREADS] = str(limit)


def cgroup_cores(root: Path) -> int | None:
    """Return how many whole cores the control groups of this process allow, at least one.

    OpenMP knows the cores that a process may run on, but not this limit, which containers and batch
    systems set (version 2 of control groups, or 1).

    Args:
        root: of the file system.

    Returns:
        None without a limit.
    """
    limits = list(_limits(root))
    return max(1, int(min(limits))) if limits else None


def _limits(root: Path) -> Iterator[float]:
    """Yield the limits in cores of the groups of this process and of those that they are in."""
    groups = ""
    with suppress(OSError):
        groups = (root / "proc/self/cgroup").read_text()
    for line in groups.splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        top = root / "sys/fs/cgroup"
        top = top / controllers if controllers else top
        group = top / path.lstrip("/")
        for folder in (group, *group.parents):
            with suppress(OSError, ValueError, ZeroDivisionError):
                yield _v1(folder) if controllers else _v2(folder)
            if folder == top:
                break


def _v1(folder: Path) -> float:
    quota = int((folder / "cpu.cfs_quota_us").read_text())
    if quota <= 0:
        raise ValueError(quota)  # no limit
    return quota / int((folder / "cpu.cfs_period_us").read_text())


def _v2(folder: Path) -> float:
    quota, period = (folder / "cpu.max").read_text().split()
    return int(quota) / int(period)  # `max` is no number: no limit
