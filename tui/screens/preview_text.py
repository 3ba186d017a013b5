"""A run, a sweep or a group of runs in a few lines of text."""

from __future__ import annotations

import math
import textwrap
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.text import Text

from repdyn.display.wording import accuracy, arch, data, duration, going_on, optimizer, plain
from repdyn.own_runs import is_own
from repdyn.redaction import redact
from repdyn.report.runs import STATUS_STYLES
from repdyn.step_words import short_step
from tui.screens.run_columns import done, epochs_of, state
from tui.screens.run_groups import Row
from tui.widgets.fitted_line import both_ends

if TYPE_CHECKING:
    from repdyn.display.findings import Finding
    from repdyn.display.preview import Preview
    from repdyn.records import RunSummary

LIVE = frozenset({"RUNNING", "SCHEDULED"})

MOST_FINDINGS = 2

LOST = 12
"""Columns at the end of a line that breaking it between words may lose."""

BAR = 12
"""Characters of a progress bar."""

NAME_ROOM = 26
"""Columns of the names before the values of phases and metrics."""

MOST_PARAMS = 6
"""Params that are shown of other programs' runs."""

IN_SETTINGS = frozenset({"arch", "width", "opt", "optimizer", "lr", "dataset"})
"""Params that the line of settings has."""

TEST = "test/acc"
WARNING = "bold yellow"


def run_lines(run: RunSummary, preview: Preview | None, width: int, error: str = "") -> list[Text]:
    """Return what is known of a run: settings, progress, findings, phases, warnings, metrics.

    Args:
        run: as listed.
        preview: of it, if it has been read.
        width: into which the findings are fitted.
        error: why the preview cannot be read.
    """
    lines = [Text(both_ends(plain(run.name), width), "bold"), _progress(run, width)]
    if preview is not None and preview.pace:
        lines.append(Text(preview.pace, "dim"))
    lines += [Text(line, "dim") for line in _joined((arch(run), optimizer(run), data(run)), width)]
    if error:
        return [*lines, Text(), Text(error, WARNING)]
    lines += [
        Text(line, WARNING) for why in going_on(run).split("; ") for line in _whole(why, width)
    ]
    if preview is None:
        return [*lines, Text(), Text("Reading …", "dim")]
    from repdyn.display.preview import phase_lines, shown_metrics, warnings  # needs numpy

    found = preview.findings[:MOST_FINDINGS]
    lines += [Text(), *(Text(line) for one in found for line in _fitted(one, width))]
    lines += [Text(f"! {line}", WARNING) for line in warnings(run, preview)]
    phases = phase_lines(preview)
    if phases:
        lines += [Text(), *_pairs(phases)]
    if not is_own(run.tags):
        shown = [name for name in run.params if name not in IN_SETTINGS][:MOST_PARAMS]
        lines += (
            [Text(), *_pairs({name: redact(run.params[name]) for name in shown})] if shown else []
        )
    if preview.picture is None:
        metrics = {name: f"{value:.4g}" for name, value in shown_metrics(run).items()}
        lines += [Text(), *_pairs(metrics)] if metrics else [Text(), Text("No metrics yet.", "dim")]
    return lines


def _joined(parts: Sequence[str], width: int) -> list[str]:
    """Return the parts that are not empty on as few lines as they fit into."""
    lines: list[str] = []
    for part in filter(None, parts):
        together = f"{lines[-1]} · {part}" if lines else part
        if lines and cell_len(together) <= width:
            lines[-1] = together
        else:
            lines.append(part)
    return lines


def _fitted(found: Finding, width: int) -> list[str]:
    """Return a finding on up to two lines, in the longest form that fits."""
    form = found.within(2 * width - LOST)
    return textwrap.wrap(plain(form), width)[:2]


def _whole(line: str, width: int) -> list[str]:
    """Return a line on as many as it takes; no command in it is cut."""
    return textwrap.wrap(line, width, break_on_hyphens=False)


def _progress(run: RunSummary, width: int) -> Text:
    """Return a run's state, how far it is and its age; a bar while it trains."""
    with_unit = _progress_line(run, f"{plain(run.tags.get('repdyn.unit', 'epoch'))} ")
    return with_unit if with_unit.cell_len <= width else _progress_line(run, "")


def _progress_line(run: RunSummary, unit: str) -> Text:
    last, total = done(run), epochs_of(run)
    line = Text.assemble((state(run), STATUS_STYLES.get(run.status, "")))
    if not math.isnan(last):
        line.append(f" · {unit}{short_step(int(last))}" + (f"/{total}" if total else ""))
        if run.status in LIVE and total.isdecimal() and int(total):
            share = min(1.0, last / int(total))
            full = round(share * BAR)
            line.append(f" {100 * share:.0f} % ")
            return line.append("━" * full, "cyan").append("─" * (BAR - full), "dim")
    return line.append(f" · {duration(time.time() - run.started / 1000)} ago", "dim")


def group_lines(row: Row, verdicts: Mapping[str, str]) -> list[Text]:
    """Return what is known of a sweep or a group: its runs, and a sweep's verdicts, if stored."""
    name = plain(row.run.name) if row.run is not None else f"{row.name} {row.title}"
    lines = [Text(name, "bold"), Text(row.about(), "dim")]
    if verdicts:
        lines += [Text(), Text("Verdicts", "bold"), *_pairs(verdicts)]
    if row.members:
        lines += [Text(), Text("Runs", "bold")]
    return [*lines, *map(_member, row.members)]


def _member(run: RunSummary) -> Text:
    test = accuracy(run.metrics.get(TEST, math.nan))
    line = Text.assemble((f"{state(run):9} ", STATUS_STYLES.get(run.status, "")))
    return line.append(f"{test:>5}  ").append(plain(run.name))


def _pairs(values: Mapping[str, str]) -> Iterator[Text]:
    """Yield a line for each name and value."""
    room = max((len(plain(name)) for name in values), default=0)
    for name, value in values.items():
        line = Text(f"{plain(name).ljust(min(room, NAME_ROOM))}  ", "dim")
        yield line.append(plain(value), "bold")
