"""One run of a sweep: its plan and its training."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from repdyn.errors import SettingError, UserError
from repdyn.records import RunRecord
from repdyn.runs.experiment import prepare
from repdyn.runs.observer import Observer
from repdyn.runs.ownership import claimed
from repdyn.runs.resume import load_stopped, may_start_again, resume
from repdyn.runs.train import train_run
from repdyn.settings.schema import StoreConfig, TrainConfig
from repdyn.settings.text import from_params
from repdyn.storage import schema
from repdyn.storage.delivery.drain import drain_run
from repdyn.storage.opening import end_run
from repdyn.storage.reader import load_run
from repdyn.storage.search import find_run, sweep_runs

Todo = Literal["train", "finished", "elsewhere"]


@dataclass(frozen=True)
class Child:
    """One run of the grid.

    Attributes:
        name: of the run.
        config: with defaults filled in.
        point: digest that identifies the run.
        todo: train it, or skip it: it is finished, or another process trains it.
    """

    name: str
    config: TrainConfig
    point: str
    todo: Todo


@dataclass(frozen=True)
class Resources:
    """What a run of a sweep, or another task, uses of a cluster.

    Attributes:
        cpus: CPU cores.
        gpus: GPUs, or a fraction of one.
        user: who uses them, as the settings are named: run or task.
    """

    cpus: float = 1
    gpus: float = 0
    user: Literal["run", "task"] = "run"

    def __post_init__(self) -> None:
        for name, count in (("cpus", self.cpus), ("gpus", self.gpus)):
            if not 0 <= count < math.inf:
                raise SettingError(self.setting(name), f"{count:g}", "must be at least 0")

    def setting(self, name: str) -> str:
        """Return the name of the setting of one of them."""
        return f"{name}_per_{self.user}"


def train_child(child: Child, store: StoreConfig, parent: str, observer: Observer) -> str:
    """Train or resume a run of a sweep; return a one-line result.

    Raises:
        UserError: a setting is invalid, or the store rejects the run.
    """
    record = _trained(child, store, parent, observer)
    phases = " · ".join(f"{name} {epoch}" for name, epoch in record.phases.markers().items())
    return f"{record.summary.run_id[:8]}: {phases or 'no phase boundary'}"


def _trained(child: Child, store: StoreConfig, parent: str, observer: Observer) -> RunRecord:
    for run in sweep_runs(store, find_run(store, parent)):
        if run.tags.get(schema.POINT_TAG) != child.point or run.status == "FINISHED":
            continue
        drain_run(run.run_id, store)
        if find_run(store, run.run_id).status in ("RUNNING", "DIED"):
            # its process died: a sweep trains each point in one process at a time
            end_run(store, run.run_id, "FAILED")
        with claimed(store, run.run_id) as claim:
            if claim.status == "FINISHED":  # its end was still queued for the server
                return load_run(store, claim.run_id)
            stopped = load_stopped(claim, store)
            if stopped is not None or may_start_again(claim):
                return resume(claim, from_params(claim.params), stopped, store, observer)
    return train_run(
        prepare(child.config, observer),
        store,
        child.name,
        tags={schema.POINT_TAG: child.point},
        parent_run_id=parent,
        observer=observer,
    )


def one_line(error: Exception) -> str:
    """Return an error on one line; with its type unless it is a UserError."""
    text = " ".join((error.marked if isinstance(error, SettingError) else str(error)).split())
    return text if isinstance(error, UserError) else f"{type(error).__name__}: {text}"
