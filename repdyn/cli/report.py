"""`repdyn report`: a run, a sweep or several runs as one HTML file."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from repdyn.cli.console import new_console
from repdyn.display.wording import plain
from repdyn.errors import SettingError
from repdyn.runs.reporting import make_report
from repdyn.settings.schema import StoreConfig


def write_report(names: Sequence[str], store: StoreConfig, out: Path | None) -> None:
    """Write the report of a run, a sweep or several runs to a file; log it to the run or sweep.

    Raises:
        UserError: there is no such run or sweep, fewer than two of its runs are finished, or the
            file cannot be written.
    """
    if out is not None and not out.parent.exists():  # said before figures are drawn for seconds
        raise SettingError("out", out, os.strerror(errno.ENOENT))
    report = make_report(names, store)
    path = out or Path(f"{plain(report.title).replace('/', '-')}.html")
    try:
        path.write_text(report.html, encoding="utf-8")
    except OSError as error:
        raise SettingError("out", path, str(error.strerror)) from None
    logged = f" (and in the artifacts of run {report.run_id[:8]})" if report.run_id else ""
    new_console().print(Text(f"{path}{logged}"), soft_wrap=True)
