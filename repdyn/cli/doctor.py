"""`repdyn doctor`: check what repdyn needs, one line per check."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version

import torch
from rich.console import Console
from rich.text import Text

from repdyn.cli.console import new_console
from repdyn.data import SHAPES, place
from repdyn.display.option_names import in_options
from repdyn.display.wording import plain
from repdyn.errors import UserError
from repdyn.redaction import redact
from repdyn.settings.schema import StoreConfig
from repdyn.storage import schema
from repdyn.storage.location import database_file
from repdyn.storage.moved import describe, moved_experiments
from repdyn.storage.run_summary import is_newer
from repdyn.storage.search import list_experiments, list_runs
from repdyn.storage.store import connect_existing, experiment_name, tracking_uri

PACKAGES = ("torch", "torchvision", "timm", "mlflow", "textual", "numpy", "rich")

LEAST_FREE = 2**30
"""Free bytes of disk below which training soon fails."""

MOST_RUNS = 1000
"""Runs whose schema is checked."""

MARKS = {True: ("✓", "green"), False: ("✗", "bold red"), None: ("–", "dim")}


@dataclass(frozen=True)
class Check:
    """The result of one check.

    Attributes:
        name: what was checked.
        fine: None for what is missing but not needed.
        said: what was found and, if something is wrong, what to do.
    """

    name: str
    fine: bool | None
    said: str


def run_doctor(store: StoreConfig, data_dir: Path) -> None:
    """Print a line for each check; exit code 1 if something is wrong."""
    console = new_console()
    fine = True
    for check in checks(console, store, data_dir):
        mark, style = MARKS[check.fine]
        line = Text.assemble((f"{mark} ", style), f"{check.name:15}", plain(redact(check.said)))
        console.print(line, soft_wrap=True)
        fine = fine and check.fine is not False
    if not fine:
        sys.exit(1)


def checks(console: Console, store: StoreConfig, data_dir: Path) -> Iterator[Check]:
    """Yield all checks; each runs when it is requested."""
    yield Check("repdyn", True, f"{version('repdyn')}, Python {python_version()}")
    yield from map(_package, PACKAGES)
    yield _devices()
    yield _store(store)
    yield from (_data(name, data_dir) for name in SHAPES)
    yield _disk(store)
    yield _terminal(console)


def _package(name: str) -> Check:
    try:
        return Check(name, True, version(name))
    except PackageNotFoundError:
        return Check(name, False, f"is not installed: pip install {name}")


def _devices() -> Check:
    said = [f"cpu ({os.cpu_count()} cores, {torch.get_num_threads()} threads)"]
    for i in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(i)
        name = torch.cuda.get_device_name(i)
        said.append(f"cuda:{i} {name} ({free / 2**30:.0f} of {total / 2**30:.0f} GiB free)")
    return Check("devices", True, ", ".join(said))


def _store(store: StoreConfig) -> Check:
    uri = tracking_uri(store)
    database = database_file(uri)
    if database is not None and not database.exists():
        return Check("store", None, f"{uri}: does not exist yet; repdyn train creates it")
    try:
        name = experiment_name(store)
        runs = list_runs(store, MOST_RUNS) if name in list_experiments(store) else []
        moved = moved_experiments(connect_existing(store))
    except UserError as error:
        return Check("store", False, in_options(error))
    if moved:
        return Check("store", False, describe(uri, moved[0]))
    newer = [run.name for run in runs if is_newer(run.tags)]
    if newer:
        return Check(
            "store", False, f"{uri}: {newer[0]} was written by a newer repdyn; upgrade repdyn"
        )
    count = f"{len(runs)} or more" if len(runs) == MOST_RUNS else str(len(runs))
    listed = "1 run" if len(runs) == 1 else f"{count} runs"
    said = f"{uri}: {listed} in {name}, artifacts of schema {schema.SCHEMA_VERSION} or older"
    return Check("store", True, said)


def _data(name: str, data_dir: Path) -> Check:
    where = place(name, data_dir)
    said = where or f"not in {data_dir}; repdyn train --dataset {name} downloads it"
    return Check(name, True if where else None, said)


def _disk(store: StoreConfig) -> Check:
    database = database_file(tracking_uri(store))
    folder = Path.cwd() if database is None else database.resolve().parent
    there = next(one for one in (folder, *folder.parents) if one.is_dir())
    free = shutil.disk_usage(there).free
    said = f"{free / 2**30:.1f} GiB free at {there}"
    return Check(
        "disk", free >= LEAST_FREE, said if free >= LEAST_FREE else f"{said}; free some space"
    )


def _terminal(console: Console) -> Check:
    if not console.is_terminal:
        return Check("terminal", None, "output is not a terminal")
    colours = console.color_system or "no colours"
    utf8 = "utf" in console.encoding
    said = f"{colours}, {console.width}×{console.height}, {console.encoding}"
    return Check("terminal", utf8, said if utf8 else f"{said}; set LANG to a UTF-8 locale")
