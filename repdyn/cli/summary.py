"""What is printed when a run finishes."""

from __future__ import annotations

from shlex import quote

from rich.console import Console

from repdyn.records import RunRecord
from repdyn.report.text import summary
from repdyn.settings.schema import StoreConfig
from repdyn.storage.location import is_remote
from repdyn.storage.store import tracking_uri


def sum_up(console: Console, record: RunRecord, store: StoreConfig) -> None:
    """Print the summary of a finished run, and how to view it."""
    console.print()
    console.print(summary(record))
    _tell_where(console, record.summary.name, record.summary.run_id, store)


def _tell_where(console: Console, name: str, run: str, store: StoreConfig) -> None:
    """Say where the run is, and the two ways to view it."""
    uri = tracking_uri(store)
    of_store = "" if store.tracking_uri is None else f" --tracking-uri {quote(uri)}"
    of_ui = "" if store.tracking_uri is None else f" --backend-store-uri {quote(uri)}"
    lines = [
        f"run {name} ({run[:8]}) is in {uri}; view it with",
        f"  repdyn show {run[:8]}{of_store}",
        f"  {uri}" if is_remote(uri) else f"  mlflow ui{of_ui}",
    ]
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
