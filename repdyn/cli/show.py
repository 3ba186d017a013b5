"""`repdyn show` and `repdyn runs`: recorded runs as text."""

from __future__ import annotations

from typing import Literal

from rich.text import Text

from repdyn.cli.console import new_console
from repdyn.cli.terminal import write_out
from repdyn.display.wording import going_on, plain
from repdyn.errors import SettingError
from repdyn.report.export import runs_json
from repdyn.report.runs_csv import as_csv
from repdyn.report.text import as_json, runs_table, show
from repdyn.settings.schema import StoreConfig
from repdyn.storage.reader import load_run
from repdyn.storage.search import list_runs

Form = Literal["text", "json", "csv"]

MOST_TOLD = 3
"""How many stopped runs the list says how to resume."""


def show_run(run: str, store: StoreConfig, *, form: Form, scores: bool) -> None:
    """Print one run, with its scores if asked for; or all its numbers as JSON, or a row of CSV.

    Raises:
        UserError: there is no such run, or more than one.
    """
    record = load_run(store, run)
    if form == "json":
        write_out(as_json(record) + "\n")
    elif form == "csv":
        write_out(as_csv([record]))
    else:
        new_console().print(show(record, scores=scores))


def list_all(store: StoreConfig, limit: int, *, as_json_text: bool) -> None:
    """Print a table of the newest runs, or all that a list knows of them as JSON.

    Raises:
        UserError: there is no store, or the limit is not positive.
    """
    if limit < 1:
        raise SettingError("limit", limit, "must be at least 1")
    runs = list_runs(store, limit=limit, sweeps=True)
    if as_json_text:
        write_out(runs_json(runs) + "\n")
        return
    console = new_console()
    console.print(runs_table(runs, console.width))
    for run in [run for run in runs if going_on(run)][:MOST_TOLD]:
        console.print(Text(f"{plain(run.name)}: {going_on(run)}", "dim"), soft_wrap=True)
