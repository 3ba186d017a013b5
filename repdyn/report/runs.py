"""The list of runs, as a table for the terminal."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from repdyn.display.wording import accuracy, arch, both_ends, duration, noise, plain
from repdyn.own_runs import PARENT_TAG, is_sweep

if TYPE_CHECKING:
    from repdyn.records import RunSummary

FLEXIBLE = ("name", "arch", "opt", "data")
"""Columns that are truncated on a narrow console."""

FIXED = ("noise", "epochs", "train", "test", "onset", "fit", "age")

WIDE = 120
"""Console width from which all of them fit."""

LEAST_NAME = 12
"""Columns of a name at least."""

STATUS_STYLES = {
    "RUNNING": "bold cyan",
    "SCHEDULED": "cyan",
    "FINISHED": "green",
    "FAILED": "bold red",
    "DIED": "bold red",
    "KILLED": "yellow",
}


def runs_table(
    summaries: Sequence[RunSummary], width: int = WIDE, now: float | None = None
) -> Table:
    """Return a table of runs, in the given order, but those of a sweep, or nested in a run, below it.

    Args:
        summaries: of the runs.
        width: of the console; below WIDE the settings give way to the run's name. Columns without a
            value are left out.
        now: milliseconds since 1970 from which ages are computed (default: the current time).
    """
    now = time.time() * 1000 if now is None else now
    flexible = FLEXIBLE if width >= WIDE else FLEXIBLE[:1]
    rows = [_cells(summary, name, flexible, now) for summary, name in nested(summaries)]
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    heads = ("run", "status", *flexible, *FIXED)
    kept = [i for i in range(len(heads)) if not rows or _any(rows, i)]
    for head in (heads[i] for i in kept):
        if head in flexible:
            table.add_column(head, overflow="ellipsis")
        else:
            table.add_column(head, no_wrap=True, justify="right" if head in FIXED else "left")
    rows = [[row[i] for i in kept] for row in rows]
    if width < WIDE:
        _shorten_names(table, rows, width)
    for row in rows:
        table.add_row(*row)
    return table


def _shorten_names(table: Table, rows: Sequence[list[Text]], width: int) -> None:
    """Cut names that are too long beside the other columns in their middle."""
    heads = [str(column.header) for column in table.columns]
    name = heads.index("name")
    wide = [
        max(map(cell_len, (head, *(row[i].plain for row in rows)))) for i, head in enumerate(heads)
    ]
    room = max(LEAST_NAME, width - sum(one + 1 for one in wide) + wide[name])
    for row in rows:
        row[name].plain = both_ends(row[name].plain, room)


def nested(runs: Sequence[RunSummary]) -> Iterator[tuple[RunSummary, str]]:
    """Yield runs with their names, each after the run that it is nested in, and indented.

    A run whose parent is not among them stands alone; a parent is where the first of its runs is.
    """
    known = {run.run_id: run for run in runs}
    below: dict[str, list[RunSummary]] = {}
    for run in runs:
        below.setdefault(run.tags.get(PARENT_TAG, ""), []).append(run)
    done: set[str] = set()

    def tree(run: RunSummary, indent: str) -> Iterator[tuple[RunSummary, str]]:
        if run.run_id in done:
            return
        done.add(run.run_id)
        yield run, f"{indent}{plain(run.name)}{' (sweep)' if is_sweep(run.tags) else ''}"
        for child in below.get(run.run_id, ()):
            yield from tree(child, f"{indent}  ")

    for run in runs:
        top, seen = run, {run.run_id}
        while (parent := known.get(top.tags.get(PARENT_TAG, ""))) and parent.run_id not in seen:
            top = parent
            seen.add(parent.run_id)
        yield from tree(top, "")


def _any(rows: Sequence[Sequence[Text]], column: int) -> bool:
    """Return whether any run has a value in a column."""
    return any(row[column].plain not in ("", "–") for row in rows)


def _cells(summary: RunSummary, name: str, shown: Sequence[str], now: float) -> list[Text]:
    params, metrics = summary.params, summary.metrics
    several = is_sweep(summary.tags)  # its params are lists of values
    flexible = {
        "name": name,
        "arch": "" if several else arch(summary),
        "opt": "" if several else params.get("opt", ""),
        "data": params.get("dataset", ""),
    }
    fixed = (
        noise(summary).replace(" ", ""),
        params.get("epochs", ""),
        accuracy(metrics.get("train/acc", math.nan)),
        accuracy(metrics.get("test/acc", math.nan)),
        _epoch(metrics.get("phase/onset", math.nan)),
        _epoch(metrics.get("phase/fit", math.nan)),
        duration((now - summary.started) / 1000),
    )
    return [
        Text(plain(summary.run_id)[:8], "cyan"),
        status(summary),
        *(Text(plain(flexible[name]), no_wrap=True, overflow="ellipsis") for name in shown),
        *(Text(plain(text)) for text in fixed),
    ]


def _epoch(value: float) -> str:
    return f"{value:.0f}" if math.isfinite(value) else "–"


def status(summary: RunSummary) -> Text:
    """Return the status in its colour."""
    return Text(plain(summary.status).lower(), STATUS_STYLES.get(summary.status, ""))
