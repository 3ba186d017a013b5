"""One run of a sweep: what is known of it before it is trained, and its training."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from repdyn.errors import UserError
from repdyn.records import RunRecord
from repdyn.runs.experiment import prepare
from repdyn.runs.observer import Observer
from repdyn.runs.ownership import claimed
from repdyn.runs.resume import load_stopped, may_start_again, resume
from repdyn.runs.train import train_run
from repdyn.settings.schema import StoreConfig, TrainConfig, from_params
from repdyn.storage import schema
from repdyn.storage.delivery.drain import drain_run
from repdyn.storage.reader import find_run, load_run, sweep_runs
from repdyn.storage.writer import end_run

Todo = Literal["train", "finished", "elsewhere"]


@dataclass(frozen=True)
class Child:
    """One run of the grid.

    Attributes:
        name: of the run.
        config: with its defaults.
        point: digest by which the run is known.
        todo: train it, or leave it: it is finished, or another process trains it.
    """

    name: str
    config: TrainConfig
    point: str
    todo: Todo


@dataclass(frozen=True)
class Resources:
    """What a run takes of a cluster: processor cores, and GPUs or a share of one."""

    cpus: float = 1
    gpus: float = 0

    def __post_init__(self) -> None:
        for name, count in (("cpus", self.cpus), ("gpus", self.gpus)):
            if not 0 <= count < math.inf:
                raise UserError(f"--{name}-per-run {count:g}: must be at least 0")


def train_child(child: Child, store: StoreConfig, parent: str, observer: Observer) -> str:
    """Train a run of a sweep, or go on with it; returns in a line what came out.

    Raises:
        UserError: a setting that cannot be met, or the store refuses.
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
            # its process died: a sweep trains a point once at a time
            end_run(store, run.run_id, "FAILED")
        with claimed(store, run.run_id) as claim:
            if claim.status == "FINISHED":  # what had waited for the server was its end
                return load_run(store, claim.run_id)
            stopped = load_stopped(claim, store)
            if stopped is not None or may_start_again(claim):
                return resume(claim, from_params(claim.params), stopped, store, observer)
    return train_run(
        prepare(child.config),
        store,
        child.name,
        tags={schema.POINT_TAG: child.point},
        parent_run_id=parent,
        observer=observer,
    )


def one_line(error: Exception) -> str:
    """Return what went wrong, on a line; of what is not the user's mistake with its kind."""
    text = " ".join(str(error).split())
    return text if isinstance(error, UserError) else f"{type(error).__name__}: {text}"
