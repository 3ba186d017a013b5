"""A sweep: a grid of runs under one parent."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from repdyn import models
from repdyn.checks import MOST_RUN_CHARACTERS, check_setting_text
from repdyn.display.wording import duration, plain
from repdyn.errors import SettingError, UserError
from repdyn.records import RunSummary
from repdyn.runs.child import Child, Resources, Todo, one_line, train_child
from repdyn.runs.experiment import prepare
from repdyn.runs.observer import Observer
from repdyn.runs.train import run_name
from repdyn.settings.defaults import resolved
from repdyn.settings.schema import StoreConfig, TrainConfig
from repdyn.settings.sweep_grid import DATA_SEED, Grid, point
from repdyn.storage import schema
from repdyn.storage.search import find_sweep, sweep_runs, sweep_with
from repdyn.storage.writer import RunWriter
from repdyn.training.loop import check_optimizer


@dataclass(frozen=True)
class Plan:
    """A sweep before its runs are trained.

    Attributes:
        name: of the sweep.
        grid: of the runs, as the sweep was started.
        parent: the run under which they are listed; None if there is none yet.
        children: the runs, and what to do with each.
    """

    name: str
    grid: Grid
    parent: RunSummary | None
    children: Sequence[Child]


def plan_sweep(grid: Grid, store: StoreConfig, name: str | None, observer: Observer) -> Plan:
    """Return what a sweep is to do; nothing is created.

    Args:
        grid: of the runs.
        store: where they are logged.
        name: of the sweep (default: that of a sweep with the same settings, or the grid's).
        observer: is notified if such a sweep has another name, or keeps settings it was started with.

    Raises:
        UserError: a setting is invalid.
    """
    if name is not None:
        check_setting_text("name", name, MOST_RUN_CHARACTERS)
    configs = [_checked(config) for config in grid.runs()]
    parent = _parent(store, name or grid.name)
    if name is None and parent is None:
        parent = _same(store, grid, observer)
    name = name or (grid.name if parent is None else parent.name)
    if parent is not None and DATA_SEED not in parent.params:
        grid, configs = _with_one_data_seed(name, grid, configs, observer)
    runs = [] if parent is None else sweep_runs(store, parent)
    children = planned(configs, runs, grid.varied())
    if parent is None:
        # an error that all runs share is raised before anything is created
        prepare(configs[0], observer)
    return Plan(name, grid, parent, children)


def _with_one_data_seed(
    name: str, grid: Grid, configs: list[TrainConfig], observer: Observer
) -> tuple[Grid, list[TrainConfig]]:
    """Return the runs of a sweep that was started when all seeds had one data seed."""
    grid = replace(grid, one_data_seed=True)
    before = [_checked(config) for config in grid.runs()]
    if before != configs:
        observer.say(
            f"sweep {plain(name)} was started with one data seed for all seeds and keeps it; use "
            "another `name` for a data seed per seed"
        )
    return grid, before


def planned(
    configs: Sequence[TrainConfig], runs: Sequence[RunSummary], varied: Sequence[str] = ()
) -> list[Child]:
    """Return what to do for each configuration, given what was done before.

    Args:
        configs: with defaults filled in.
        runs: of the sweep so far.
        varied: settings by which the runs differ.
    """
    states: dict[str, set[str]] = {}
    for run in runs:
        states.setdefault(run.tags.get(schema.POINT_TAG, ""), set()).add(run.status)

    def todo(at: str) -> Todo:
        if "FINISHED" in states.get(at, ()):
            return "finished"
        return "elsewhere" if "RUNNING" in states.get(at, ()) else "train"

    names = [_name(config, varied) for config in configs]
    points = [point(config) for config in configs]
    return [
        Child(name, config, at, todo(at))
        for name, config, at in zip(names, configs, points, strict=True)
    ]


def _name(config: TrainConfig, varied: Sequence[str]) -> str:
    """Return a run's name, with the varied settings that its default name lacks."""
    params = config.params()
    told = {"arch", "opt", "dataset", "seed"}
    return "-".join([run_name(config), *(f"{n}{params[n]}" for n in varied if n not in told)])


def _checked(config: TrainConfig) -> TrainConfig:
    """Return a configuration with defaults filled in; check what needs no data."""
    family = models.family(config.model.arch)
    check_optimizer(config.optim)
    return resolved(config, family)[0]


def _parent(store: StoreConfig, name: str) -> RunSummary | None:
    with suppress(UserError):
        return find_sweep(store, name)
    return None


def _same(store: StoreConfig, grid: Grid, observer: Observer) -> RunSummary | None:
    """Return the sweep that was started with the same settings under a name of its own."""
    with suppress(UserError):  # there is no store yet
        found = sweep_with(store, grid.digest)
        if found is not None:
            observer.say(
                f"sweep {plain(found.name)} has the same settings and is resumed; use another `name` "
                "to start anew"
            )
        return found
    return None


def open_sweep(plan: Plan, store: StoreConfig) -> RunWriter:
    """Open the parent run; create it if there is none.

    Raises:
        UserError: there is a sweep of this name with different settings.
    """
    fixed, parent = plan.grid.digest, plan.parent
    if parent is None:
        return RunWriter.create(store, plan.name, plan.grid.params(), {schema.SWEEP_TAG: fixed})
    if parent.tags[schema.SWEEP_TAG] != fixed:
        raise SettingError(
            "name", plan.name, "a sweep of this name has different settings; use another name"
        )
    return RunWriter.restart(store, parent.run_id)


def train_all(
    children: Sequence[Child],
    store: StoreConfig,
    parent: str,
    observer: Observer,
    *,
    ray: str | None = None,
    resources: Resources | None = None,
) -> dict[str, str]:
    """Train the runs of a sweep; return the errors, by run.

    Args:
        children: of the sweep.
        store: where they are logged.
        parent: run id of the sweep.
        observer: receives each run.
        ray: address of a Ray cluster that trains them, `local` for one on this machine; None to
            train them one after another in this process.
        resources: per run on the cluster.

    Raises:
        UserError: the cluster lacks the resources.
    """
    if ray is None:
        return _train_in_turn(children, store, parent, observer)
    from repdyn.runs.ray_sweep import train_all_by_ray

    return train_all_by_ray(children, store, parent, ray, resources or Resources(), observer)


def _train_in_turn(
    children: Sequence[Child], store: StoreConfig, parent: str, observer: Observer
) -> dict[str, str]:
    """Train one run after another in this process."""
    failed: dict[str, str] = {}
    for i, child in enumerate(children):
        title = f"[{i + 1}/{len(children)}] {child.name}"
        if child.todo != "train":
            observer.say(f"{title}: {STATES[child.todo]}")
            continue
        observer.say(title)
        start = time.monotonic()
        try:
            result = train_child(child, store, parent, observer)
        except Exception as error:  # the other runs are worth having
            failed[child.name] = one_line(error)
            observer.say(f"  failed: {failed[child.name]}")
        else:
            observer.say(f"  {result} · {duration(time.monotonic() - start)}")
    return failed


STATES: Mapping[Todo, str] = {
    "train": "to train",
    "finished": "is finished",
    "elsewhere": "is being trained by another process",
}
