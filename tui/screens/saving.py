"""Writes what is in view to files in the working directory."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from repdyn.errors import UserError
from tui.screens.view import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def save(stem: str, tables: Mapping[str, Table], figure: Callable[[], Figure] | None) -> list[str]:
    """Write STEM.png, STEM.svg and a CSV file for each table; runs in a thread.

    Args:
        stem: how the file names begin.
        tables: by file-name suffix.
        figure: draws the figure, if there is one.

    Returns:
        The paths written.

    Raises:
        UserError: a file cannot be written.
    """
    written: list[str] = []
    try:
        for ending, table in tables.items():
            written.append(f"{stem}{ending}.csv")
            with Path(written[-1]).open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                writer.writerow(table.head)
                writer.writerows(table.rows)
        if figure is not None:
            drawn = figure()
            for suffix in ("png", "svg"):
                drawn.savefig(f"{stem}.{suffix}")
                written.append(f"{stem}.{suffix}")
    except OSError as error:
        raise UserError(f"{stem}: cannot be written here ({error.strerror or error})") from None
    return [str(Path(path).resolve()) for path in written]
