"""A Ray cluster, of this machine or of several: connecting to it, and what its tasks may use."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from repdyn.errors import SettingError
from repdyn.runs.child import Resources
from repdyn.runs.provenance import CommandLine

try:
    import ray as ray  # for those that use the cluster, too
except ImportError:
    raise SettingError("ray", None, "Ray is not installed; pip install 'repdyn[ray]'") from None

LOCAL = "local"
"""A cluster that is started on this machine and ends with the command."""

RETRIES = 3
"""How often a task is retried if its worker dies."""


@contextmanager
def connected(address: str, resources: Resources) -> Iterator[int]:
    """Connect to a cluster; yield how many tasks run there at once.

    Args:
        address: of the cluster, `auto` for the one that runs here, or LOCAL.
        resources: of each task.

    Raises:
        SettingError: there is no such cluster, or it lacks the resources.
    """
    logging.getLogger("ray").setLevel(logging.ERROR)
    if address == LOCAL:
        # by default, 15: beside any other busy process the tasks would hardly advance
        os.environ.setdefault("RAY_worker_niceness", "0")
    try:
        ray.init(
            address=address,
            log_to_driver=False,
            logging_level=logging.ERROR,
            include_dashboard=False if address == LOCAL else None,
        )
    except (
        Exception
    ) as error:  # Ray raises bare ones, too, as where a busy machine starts it slowly
        raise SettingError("ray", address, " ".join(str(error).split())) from None
    try:
        yield _room(resources)
    finally:
        ray.shutdown()


def _room(resources: Resources) -> int:
    there = ray.cluster_resources()
    room = math.inf
    for setting, name, wanted in (
        (resources.setting("cpus"), "CPU", resources.cpus),
        (resources.setting("gpus"), "GPU", resources.gpus),
    ):
        if wanted > there.get(name, 0):
            raise SettingError(
                setting, f"{wanted:g}", f"the Ray cluster has {there.get(name, 0):g} {name}"
            )
        if wanted:
            room = min(room, there[name] // wanted)
    return int(min(room, there.get("CPU", 1)))


def stand_in(folder: str, command: str) -> None:
    """Work, in a worker, as the command does: in its folder, and known by its command line."""
    CommandLine.started_by = command
    if Path(folder).is_dir():
        os.chdir(folder)
