"""`repdyn report`: the comparison of a sweep's runs as one HTML file."""

from __future__ import annotations

from pathlib import Path

from repdyn.cli.console import new_console
from repdyn.display.wording import plain
from repdyn.errors import SettingError
from repdyn.runs.comparison import log_report, of_sweep
from repdyn.settings.schema import StoreConfig
from repdyn.storage.reader import find_sweep
from repdyn.storage.writer import RunWriter


def write_report(sweep: str, store: StoreConfig, out: Path | None) -> None:
    """Write the report of a sweep's finished runs to a file, and log it to the sweep's run.

    Raises:
        UserError: there is no such sweep, fewer than two of its runs are finished, or the file
            cannot be written.
    """
    parent = find_sweep(store, sweep)
    comparison = of_sweep(parent, store)
    with RunWriter.attach(store, parent.run_id) as writer:
        page = log_report(comparison, writer)
    path = out or Path(f"{plain(parent.name).replace('/', '-')}.html")
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise SettingError("out", path, str(error.strerror)) from None
    said = f"{path} (and in the artifacts of run {parent.run_id[:8]})"
    new_console().print(said, highlight=False)
