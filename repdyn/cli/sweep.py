"""`repdyn sweep`: train a grid of runs under one parent, then compare them."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from rich.console import Console
from rich.table import Table
from rich.text import Text

from repdyn import models
from repdyn.cli.child import Child, Resources, Todo, one_line, say, train_child
from repdyn.cli.compare import log_report, of_sweep
from repdyn.cli.console import new_console
from repdyn.cli.train import run_name
from repdyn.display.wording import duration, plain
from repdyn.errors import UserError
from repdyn.records import RunSummary
from repdyn.report.comparison_text import comparison_text
from repdyn.runs.experiment import prepare
from repdyn.settings.defaults import resolved
from repdyn.settings.schema import MOST_RUN_CHARACTERS, StoreConfig, TrainConfig, check_text
from repdyn.settings.sweep_grid import DATA_SEED, Grid, point
from repdyn.storage import schema
from repdyn.storage.reader import find_sweep, sweep_runs
from repdyn.storage.writer import RunWriter
from repdyn.training.loop import check_optimizer


def run_sweep(
    grid: Grid,
    store: StoreConfig,
    name: str | None,
    *,
    dry_run: bool,
    ray: str | None,
    resources: Resources,
) -> None:
    """Run the whole of `repdyn sweep`.

    Runs that fail are reported at the end, with exit code 1; the others are trained.

    Args:
        grid: of the runs.
        store: where they are logged.
        name: of the sweep (default: the grid's).
        dry_run: only list the runs.
        ray: address of a Ray cluster that trains them, `local` for one of this machine; None to
            train them one after another in this process.
        resources: of a run on the cluster.

    Raises:
        UserError: a setting that cannot be met; nothing is trained.
        KeyboardInterrupt: stopped; the same command goes on from there.
    """
    console = new_console()
    if name is not None:
        check_text("--name", name, MOST_RUN_CHARACTERS)
    configs = [_checked(config) for config in grid.runs()]
    name = name or grid.name
    parent = _parent(store, name)
    if parent is not None and DATA_SEED not in parent.params:
        grid, configs = _with_one_data_seed(console, name, grid, configs)
    runs = [] if parent is None else sweep_runs(store, parent)
    children = planned(configs, runs, grid.varied())
    if parent is None:
        prepare(configs[0])  # a mistake that all runs share is met before anything is made
    say(console, f"sweep {plain(name)}: {_counts(children)}")
    if dry_run:
        console.print(_plan(children))
        return
    with _open(store, name, grid, parent) as writer:
        try:
            if ray is None:
                failed = _train_all(console, children, store, writer.run_id)
            else:
                from repdyn.cli.ray_sweep import train_all_by_ray

                failed = train_all_by_ray(console, children, store, writer.run_id, ray, resources)
        except KeyboardInterrupt:
            say(console, "\nthe sweep is stopped; the same command goes on with it")
            raise
        _compare(console, store, name, writer)
        if failed:
            _tell_failures(console, failed)
            sys.exit(1)


def _with_one_data_seed(
    console: Console, name: str, grid: Grid, configs: list[TrainConfig]
) -> tuple[Grid, list[TrainConfig]]:
    """Return the runs of a sweep that was begun when all seeds had one data seed."""
    grid = replace(grid, one_data_seed=True)
    before = [_checked(config) for config in grid.runs()]
    if before != configs:
        say(
            console,
            f"sweep {plain(name)} was begun with one data seed for all seeds and keeps it; another "
            "--name starts one with a data seed for each",
        )
    return grid, before


def planned(
    configs: Sequence[TrainConfig], runs: Sequence[RunSummary], varied: Sequence[str] = ()
) -> list[Child]:
    """Return what is to be done for each configuration, with what was done before.

    Args:
        configs: with their defaults.
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
    """Return a run's name, with the settings that vary and that its usual name does not tell."""
    params = config.params()
    told = {"arch", "opt", "dataset", "seed"}
    return "-".join([run_name(config), *(f"{n}{params[n]}" for n in varied if n not in told)])


def _checked(config: TrainConfig) -> TrainConfig:
    """Return a configuration with its defaults; what needs no data is checked."""
    family = models.family(config.model.arch)
    check_optimizer(config.optim.opt)
    return resolved(config, family)[0]


def _parent(store: StoreConfig, name: str) -> RunSummary | None:
    with suppress(UserError):
        return find_sweep(store, name)
    return None


def _open(store: StoreConfig, name: str, grid: Grid, parent: RunSummary | None) -> RunWriter:
    """Open the parent run, made if there is none.

    Raises:
        UserError: there is a sweep of this name with other settings.
    """
    fixed = grid.digest
    if parent is None:
        return RunWriter.start(store, name, grid.params(), {schema.SWEEP_TAG: fixed})
    if parent.tags[schema.SWEEP_TAG] != fixed:
        raise UserError(f"--name {name}: this sweep has other settings; give another name")
    return RunWriter.reopen(store, parent.run_id)


def _train_all(
    console: Console, children: Sequence[Child], store: StoreConfig, parent: str
) -> dict[str, str]:
    """Train one run after another in this process; returns what went wrong, by run."""
    failed: dict[str, str] = {}
    for i, child in enumerate(children):
        title = f"[{i + 1}/{len(children)}] {child.name}"
        if child.todo != "train":
            say(console, f"{title}: {_STATES[child.todo]}")
            continue
        say(console, title)
        start = time.monotonic()
        try:
            result = train_child(console, child, store, parent)
        except Exception as error:  # the other runs are worth having
            failed[child.name] = one_line(error)
            say(console, f"  failed: {failed[child.name]}")
        else:
            say(console, f"  {result} · {duration(time.monotonic() - start)}")
    return failed


def _compare(console: Console, store: StoreConfig, name: str, writer: RunWriter) -> None:
    """Print the comparison of the finished runs, and log its report to the parent."""
    try:
        comparison = of_sweep(find_sweep(store, writer.run_id), store)
    except UserError as error:
        say(console, str(error))
        return
    log_report(comparison, writer)
    console.print()
    console.print(comparison_text(comparison, console.width))
    say(console, f"\nreport: repdyn report {plain(name)} --out report.html")


_STATES: Mapping[Todo, str] = {
    "train": "to train",
    "finished": "is finished",
    "elsewhere": "is being trained by another process",
}


def _counts(children: Sequence[Child]) -> str:
    counts = {state: sum(child.todo == state for child in children) for state in _STATES}
    said = [f"{n} {_COUNTED[state]}" for state, n in counts.items() if n]
    return f"{len(children)} runs, " + ", ".join(said)


_COUNTED: Mapping[Todo, str] = {
    "train": "to train",
    "finished": "finished before",
    "elsewhere": "being trained by another process",
}


def _plan(children: Sequence[Child]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for head in ("run", "lr", "label noise", "epochs", ""):
        table.add_column(head)
    for child in children:
        optim, data = child.config.optim, child.config.data
        cells = (child.name, optim.lr, data.label_noise, optim.epochs, _STATES[child.todo])
        table.add_row(*(Text("–" if cell is None else str(cell)) for cell in cells))
    return table


def _tell_failures(console: Console, failed: Mapping[str, str]) -> None:
    console.print()
    for name, why in failed.items():
        say(console, f"failed: {name}: {why}")
    say(console, "the same command trains them again")
