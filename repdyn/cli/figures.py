"""`repdyn figures`: the figures of runs at the widths of a paper's columns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from repdyn.cli.console import new_console
from repdyn.display.scale import ScaleKind
from repdyn.errors import SettingError
from repdyn.report.figures.paper import PaperFigure
from repdyn.runs.figures import Look, write_figures
from repdyn.settings.schema import StoreConfig


def run_figures(
    runs: Sequence[str],
    store: StoreConfig,
    out: Path,
    *,
    formats: Sequence[str],
    widths: Sequence[str],
    title: bool,
    scale: ScaleKind,
) -> None:
    """Write the figures of runs to a folder, and print what each is as it is drawn.

    Raises:
        UserError: there is no such run, format or width, nothing to draw, or the folder cannot be
            written.
    """
    look = Look(
        formats=tuple(name.lower() for name in formats),
        widths=tuple(map(_inches, widths)),
        title=title,
        scale=scale,
    )
    console = new_console()

    def tell(figure: PaperFigure) -> None:
        console.print(Text.assemble((figure.name, "bold"), f"  {figure.title}"), soft_wrap=True)

    written = write_figures(runs, store, out, look, tell)
    for line in written.left_out:
        console.print(Text(line), soft_wrap=True)
    said = f"{written.files} files in {out}; captions in {' and '.join(written.texts)}"
    console.print(Text(said), soft_wrap=True)


def _inches(text: str) -> float:
    """Read a width, `3.25`.

    Raises:
        SettingError: it is not a number.
    """
    try:
        width = float(text)
    except ValueError:
        width = math.nan
    if not math.isfinite(width):
        raise SettingError("width", text, "give widths in inches, such as 3.25,6.75")
    return width
