"""Writes what is in view to files in the working folder."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from repdyn.errors import UserError
from tui.screens.view import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def save(stem: str, table: Table | None, figure: Callable[[], Figure] | None) -> list[str]:
    """Write STEM.csv, STEM.png and STEM.svg, those that there are; runs in a thread.

    Returns:
        The paths written.

    Raises:
        UserError: a file cannot be written.
    """
    written: list[str] = []
    try:
        if table is not None:
            with Path(f"{stem}.csv").open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                writer.writerow(table.head)
                writer.writerows(table.rows)
            written.append(f"{stem}.csv")
        if figure is not None:
            drawn = figure()
            for suffix in ("png", "svg"):
                drawn.savefig(f"{stem}.{suffix}")
                written.append(f"{stem}.{suffix}")
    except OSError as error:
        raise UserError(f"{stem}: cannot be written here ({error.strerror or error})") from None
    return [str(Path(path).resolve()) for path in written]
