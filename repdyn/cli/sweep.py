"""`repdyn sweep`: train a grid of runs under one parent, then compare them."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from rich.table import Table
from rich.text import Text

from repdyn.cli.console import new_console
from repdyn.cli.progress import ConsoleObserver
from repdyn.cli.summary import mlflow_page
from repdyn.display.option_names import in_options
from repdyn.display.wording import plain
from repdyn.errors import UserError
from repdyn.report.comparison_text import comparison_text
from repdyn.runs.child import Child, Resources, Todo
from repdyn.runs.comparison import log_report, of_sweep
from repdyn.runs.sweep import STATES, open_sweep, plan_sweep, train_all
from repdyn.settings.defaults import short_notice
from repdyn.settings.schema import StoreConfig
from repdyn.settings.sweep_grid import Grid
from repdyn.settings.text import UNSET
from repdyn.storage.search import find_sweep
from repdyn.storage.writer import RunWriter


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
        ray: address of a Ray cluster that trains them, `local` for one on this machine; None to
            train them one after another in this process.
        resources: per run on the cluster.

    Raises:
        UserError: a setting is invalid; nothing is trained.
        KeyboardInterrupt: stopped; the same command resumes the sweep.
    """
    observer = ConsoleObserver(new_console())
    plan = plan_sweep(grid, store, name, observer)
    new = "new " if plan.parent is None else ""
    observer.say(f"{new}sweep {plain(plan.name)}: {_counts(plan.children)}")
    short = dict.fromkeys(short_notice(child.config) for child in plan.children)
    for notice in filter(None, short):
        observer.notice(notice)
    if dry_run:
        observer.console.print(_table(plan.children))
        return
    with open_sweep(plan, store) as writer:
        try:
            failed = train_all(
                plan.children, store, writer.run_id, observer, ray=ray, resources=resources
            )
        except KeyboardInterrupt:
            observer.say("\nsweep stopped; run the same command again to resume it")
            raise
        _compare(observer, store, plan.name, writer)
        if failed:
            _tell_failures(observer, failed)
            sys.exit(1)


def _compare(observer: ConsoleObserver, store: StoreConfig, name: str, writer: RunWriter) -> None:
    """Print the comparison of the finished runs, and log its report to the parent."""
    try:
        comparison = of_sweep(find_sweep(store, writer.run_id), store)
    except UserError as error:
        observer.say(in_options(error))
        return
    log_report(comparison, writer)
    console = observer.console
    console.print()
    console.print(comparison_text(comparison, console.width))
    observer.say(f"\nreport: repdyn report {plain(name)} --out report.html")
    observer.say(f"MLflow: {mlflow_page(writer.run_id, store)}")


def _counts(children: Sequence[Child]) -> str:
    counts = {state: sum(child.todo == state for child in children) for state in STATES}
    said = [f"{n} {_COUNTED[state]}" for state, n in counts.items() if n]
    return f"{len(children)} runs, " + ", ".join(said)


_COUNTED: Mapping[Todo, str] = {
    "train": "to train",
    "finished": "already finished",
    "elsewhere": "being trained by another process",
}


_ALWAYS = frozenset({"lr", "label_noise", "epochs"})
"""Settings that have a column whether runs differ in them or not."""

_IN_NAMES = frozenset({"dataset", "arch", "opt", "seed"})
"""Settings that a run's name has."""


MOST_NAME = 40
"""Columns of a run's name that other columns do not take."""


def _table(children: Sequence[Child]) -> Table:
    """Return a table of the runs, with a column for each setting in which they differ."""
    params = [child.config.params() for child in children]
    seeds_agree = all(one["data_seed"] == one["seed"] for one in params)
    unshown = _IN_NAMES | ({"data_seed"} if seeds_agree else set())
    names = [
        name
        for name in params[0]
        if name in _ALWAYS or (name not in unshown and len({one[name] for one in params}) > 1)
    ]
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    longest = max(len(child.name) for child in children)
    table.add_column("run", min_width=min(longest, MOST_NAME))  # seeds are at its end
    for head in (*(name.replace("_", " ") for name in names), ""):
        table.add_column(head)
    for child, one in zip(children, params, strict=True):
        cells = (child.name, *(one[name] for name in names), STATES[child.todo])
        table.add_row(*(Text("–" if cell in ("", UNSET) else cell) for cell in cells))
    return table


def _tell_failures(observer: ConsoleObserver, failed: Mapping[str, str]) -> None:
    observer.console.print()
    for name, why in failed.items():
        observer.say(f"failed: {name}: {why}")
    observer.say("run the same command again to retry them")
