"""Where checkpoints are measured side by side; Ray itself is imported only once they are."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from repdyn.runs.child import Resources

if TYPE_CHECKING:
    from repdyn.runs.ray_measuring import Cluster


@dataclass(frozen=True)
class RayTasks:
    """Measures checkpoints side by side, as tasks of Ray (`pip install 'repdyn[ray]'`).

    Args:
        address: of a cluster, `auto` for the one that this machine is part of, or `local` for one on
            this machine that ends with the command.
        cpus_per_task: CPU cores that Ray reserves for a task.
        gpus_per_task: GPUs, or a fraction of one; without any, tasks run on the CPU.
        setup: called once in each worker before it receives the model and the inputs, to import what
            they need and Python does not find by name.

    Raises:
        SettingError: a number is negative.
    """

    address: str = "local"
    cpus_per_task: float = 1
    gpus_per_task: float = 0
    setup: Callable[[], object] | None = None

    def __post_init__(self) -> None:
        resources_of(self)


def resources_of(tasks: RayTasks) -> Resources:
    """Return what each task uses.

    Raises:
        SettingError: a number is negative.
    """
    return Resources(tasks.cpus_per_task, tasks.gpus_per_task, "task")


def connected(tasks: RayTasks) -> AbstractContextManager[Cluster]:
    """Connect to the cluster that the tasks run on.

    Raises:
        SettingError: Ray is not installed, there is no cluster, or it lacks the resources.
    """
    from repdyn.runs.ray_measuring import connected_cluster

    return connected_cluster(tasks)
