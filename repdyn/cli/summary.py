"""What is printed when a run finishes."""

from __future__ import annotations

from contextlib import suppress
from shlex import quote

from rich.console import Console

from repdyn.errors import UserError
from repdyn.records import RunRecord
from repdyn.report.text import summary
from repdyn.settings.schema import StoreConfig
from repdyn.storage import web
from repdyn.storage.location import is_remote
from repdyn.storage.store import tracking_uri


def sum_up(console: Console, record: RunRecord, store: StoreConfig) -> None:
    """Print what a finished run shows, and where it is."""
    console.print()
    console.print(summary(record))
    _tell_where(console, record.summary.name, record.summary.run_id, store)


def _tell_where(console: Console, name: str, run: str, store: StoreConfig) -> None:
    """Say where the run is, and how to view it."""
    uri = tracking_uri(store)
    of_store = "" if store.tracking_uri is None else f" --tracking-uri {quote(uri)}"
    lines = [
        f"run {name} ({run[:8]}) is in {uri}; view it with",
        f"  repdyn tui {run[:8]}{of_store}",
        f"  repdyn show {run[:8]} --scores{of_store}",
        f"  {mlflow_page(run, store)}",
    ]
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def mlflow_page(run: str, store: StoreConfig) -> str:
    """Return the run's page in MLflow's UI, or the command that serves it, with the page if known."""
    remote = is_remote(tracking_uri(store))
    address = None
    with suppress(UserError):
        address = (web.address if remote else web.local_address)(store, run)
    if remote:
        return address or tracking_uri(store)
    return web.ui_command(store) + (f"  # {address}" if address else "")
