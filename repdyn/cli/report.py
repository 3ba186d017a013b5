"""`repdyn report`: the comparison of a sweep's runs as one HTML file, or the figures of a paper."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from repdyn.cli.console import new_console
from repdyn.display.wording import plain
from repdyn.errors import SettingError
from repdyn.runs.comparison import log_report, of_sweep
from repdyn.runs.paper import CAPTIONS, write_paper_figures
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


PAPER_FOLDER = Path("paper-figures")


def write_figures(runs: Sequence[str], store: StoreConfig, out: Path | None) -> None:
    """Write the figures of a paper to a folder, and print what each shows.

    Raises:
        UserError: there is no such run, nothing to draw, or the folder cannot be written.
    """
    folder = out or PAPER_FOLDER
    written = write_paper_figures(runs, store, folder)
    console = new_console()
    console.print(Text(written.captions), soft_wrap=True)
    console.print(
        Text(f"{written.files} files in {folder}; captions in {CAPTIONS}"), soft_wrap=True
    )
