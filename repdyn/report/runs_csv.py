"""Runs as CSV, a row each: what they are, their settings, boundaries and scores; written and read.

The file is enough to judge the findings, on another machine and when the runs themselves are gone.
docs/reference/export.md lists the columns.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from repdyn.display.labels import PHASES
from repdyn.display.wording import plain
from repdyn.errors import UserError
from repdyn.records import Phases, RunRecord, RunSummary
from repdyn.regular_file import read_regular
from repdyn.report.export import SCORES, SETTINGS, plain_json, summary_values, typed_params
from repdyn.settings.schema import param_text
from repdyn.settings.text import param_value
from repdyn.storage import schema

SUFFIX = ".csv"

MOST_BYTES = 2**26
"""Of a file that is read."""

OTHER_PARAM = "param."
"""Beginning of the columns of params that are no settings."""

ENDS = ("from", "to")
"""The interval of a boundary, in columns."""

ACCURACIES: Mapping[str, str] = {"train_acc": "train/acc", "test_acc": "test/acc"}
"""The columns of the last values of metrics, and their names."""

MOST_DIGITS = 18
"""Of a number of steps."""

NEEDED = ("run_id", "name", "family", "seed", "arch", "opt", *PHASES, "spikes")
"""Columns without which findings cannot be judged."""

Value = TypeVar("Value")


def as_csv(runs: Sequence[RunRecord]) -> str:
    """Return one row per run: what it is, its settings, its phase boundaries and its scores.

    What runs lack is left empty. Params that are no settings of repdyn's come last.
    """
    rows = [_row(run) for run in runs]
    columns = dict.fromkeys(name for row in rows for name in row)
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return out.getvalue()


def _row(run: RunRecord) -> dict[str, object]:
    summary, metrics = summary_values(run.summary), run.summary.metrics
    params = typed_params(run.summary)
    spans = {name: run.phases.intervals.get(name, (None, None)) for name in PHASES}
    row = {name: summary[name] for name in ("run_id", "name", "experiment", "status")}
    row |= {name: summary[name] for name in ("started", "ended", "parent")}
    row["family"] = run.summary.tags.get(schema.FAMILY_TAG)
    row |= {name: params.get(name) for name in SETTINGS}
    row |= {name: metrics.get(metric) for name, metric in ACCURACIES.items()}
    row |= {name: getattr(run.phases, name) for name in PHASES}
    row |= {
        f"{name}_{end}": at
        for name, span in spans.items()
        for end, at in zip(ENDS, span, strict=True)
    }
    row["spikes"] = run.phases.spikes
    row |= {key.name: run.scores.get(key) for key in SCORES}
    others = {name: value for name, value in params.items() if name not in SETTINGS}
    return row | {f"{OTHER_PARAM}{plain(name)}": value for name, value in others.items()}


def _cell(value: object) -> object:
    """Return a value as CSV has it: nothing for null, and text on one line."""
    value = plain_json(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return plain(" ".join(map(str, value)))
    return "" if value is None else plain(value) if isinstance(value, str) else value


def read_csv(path: Path) -> list[RunRecord]:
    """Read runs that `as_csv` wrote: without curves and what was measured, but with their scores.

    Raises:
        UserError: there is no such file, or it is none of these.
    """
    try:
        text = read_regular(path, MOST_BYTES).decode("utf-8-sig")
        table = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        rows = [(table.line_num, row) for row in table]
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}") from None
    except (ValueError, csv.Error) as error:
        raise UserError(f"{path}: not a CSV file: {error}") from None
    missing = [name for name in NEEDED if name not in (table.fieldnames or ())]
    if missing:
        raise UserError(
            f"{path}: no column {', '.join(missing)}; give a file that repdyn compare --csv wrote"
        )
    found = []
    for line, row in rows:
        try:
            found.append(_run(row))
        except ValueError as error:
            raise UserError(f"{path}, line {line}: {error}") from None
    return found


def _run(row: Mapping[str | None, Any]) -> RunRecord:
    """Return the run of a row.

    Raises:
        ValueError: it has more or fewer cells than the head, or one that is no value of its column.
    """
    if None in row or None in row.values():
        raise ValueError("does not have as many cells as there are columns")
    cells = {str(name): str(cell) for name, cell in row.items() if cell != ""}
    if "run_id" not in cells:
        raise ValueError("run_id is empty")
    tags = {schema.FAMILY_TAG: cells.get("family"), MLFLOW_PARENT_RUN_ID: cells.get("parent")}
    metrics = {metric: _read(cells, name, _number) for name, metric in ACCURACIES.items()}
    summary = RunSummary(
        run_id=cells["run_id"],
        name=cells.get("name", ""),
        experiment=cells.get("experiment", ""),
        status=cells.get("status", ""),
        started=_read(cells, "started", _milliseconds) or 0,
        ended=_read(cells, "ended", _milliseconds),
        params=_params(cells),
        tags=_known(tags),
        metrics=_known(metrics),
    )
    scores = {key: _read(cells, key.name, _number) for key in SCORES}
    return RunRecord(summary, None, {}, _phases(cells), _known(scores))


def _phases(cells: Mapping[str, str]) -> Phases:
    ends = {name: [_read(cells, f"{name}_{end}", _count) for end in ENDS] for name in PHASES}
    return Phases(
        onset=_read(cells, "onset", _count),
        fit=_read(cells, "fit", _count),
        test_min=_read(cells, "test_min", _count),
        test_peak=_read(cells, "test_peak", _count),
        spikes=_read(cells, "spikes", _counts) or (),
        intervals={
            name: (low, high)
            for name, (low, high) in ends.items()
            if low is not None and high is not None
        },
    )


def _params(cells: Mapping[str, str]) -> dict[str, str]:
    """Return the params as they were logged; those without a value are left out."""
    others = {
        name.removeprefix(OTHER_PARAM): cell
        for name, cell in cells.items()
        if name.startswith(OTHER_PARAM)
    }
    settings = {name: cells[name] for name in SETTINGS if name in cells}
    return others | {name: param_text(param_value(name, cell)) for name, cell in settings.items()}


def _known(values: Mapping[Any, Value | None]) -> dict[Any, Value]:
    return {name: value for name, value in values.items() if value is not None}


def _read(cells: Mapping[str, str], name: str, read: Callable[[str], Value]) -> Value | None:
    """Return the value of a cell, None if it is empty.

    Raises:
        ValueError: it has none, named by its column.
    """
    if name not in cells:
        return None
    try:
        return read(cells[name])
    except ValueError as error:
        raise ValueError(f"{name}: {plain(cells[name])[:80]!r} {error}") from None


def _number(cell: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError("is no finite number")
    return value


def _count(cell: str) -> int:
    if not (cell.isascii() and cell.isdigit() and len(cell) <= MOST_DIGITS):
        raise ValueError("is no number of steps")
    return int(cell)


def _counts(cell: str) -> tuple[int, ...]:
    return tuple(map(_count, cell.split()))


def _milliseconds(cell: str) -> int:
    try:
        return round(datetime.fromisoformat(cell).astimezone(UTC).timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        raise ValueError("is no date") from None
