"""`repdyn show` and `repdyn runs`: recorded runs as text."""

from __future__ import annotations

import sys

from rich.console import Console

from repdyn.config import StoreConfig
from repdyn.errors import UserError
from repdyn.report.text import as_json, runs_table, show
from repdyn.tracking.reader import list_runs, load_run


def show_run(run: str, store: StoreConfig, *, as_json_text: bool) -> None:
    """Print one run, or all its numbers as JSON.

    Raises:
        UserError: there is no such run, or more than one.
    """
    record = load_run(store, run)
    if as_json_text:
        sys.stdout.write(as_json(record) + "\n")
    else:
        Console().print(show(record))


def list_all(store: StoreConfig, limit: int) -> None:
    """Print a table of the newest runs.

    Raises:
        UserError: there is no store, or the limit is not positive.
    """
    if limit < 1:
        raise UserError(f"--limit {limit}: must be at least 1")
    console = Console()
    console.print(runs_table(list_runs(store, limit=limit), console.width))
