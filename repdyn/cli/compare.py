"""`repdyn compare`: runs against runs, and the paper's findings on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from repdyn.cli.console import new_console
from repdyn.cli.terminal import write_out
from repdyn.errors import SettingError, UserError
from repdyn.records import RunRecord
from repdyn.report.comparison import as_json
from repdyn.report.comparison_text import comparison_text
from repdyn.report.export import as_csv
from repdyn.runs.comparison import compared, of_sweep
from repdyn.settings.schema import StoreConfig
from repdyn.storage.reader import load_run
from repdyn.storage.search import find_sweep

Form = Literal["text", "json", "csv"]


def run_comparison(
    runs: Sequence[str],
    sweep: str | None,
    store: StoreConfig,
    *,
    form: Form,
    epoch: int | None,
    scores: bool,
) -> None:
    """Print a comparison of runs, or of the finished runs of a sweep.

    Args:
        runs: as for `find_run`.
        sweep: name of a sweep, instead of runs.
        store: where they are.
        form: of what is printed.
        epoch: of the CKA between two runs' layers (None: the last that both have).
        scores: show all scores in the text.

    Raises:
        UserError: fewer than two runs, one without a checkpoint, or no such epoch.
    """
    if sweep is not None and runs:
        raise SettingError("sweep", None, "compares its own runs; omit the others")
    if sweep is None and len(runs) < 2:
        raise UserError("give two or more runs, or a sweep with --sweep; repdyn runs lists them")
    if sweep is None:
        records = [load_run(store, run) for run in runs]
        _check_distinct(runs, records)
        comparison = compared(records, store)
    else:
        comparison = of_sweep(find_sweep(store, sweep), store)
    if form == "json":
        write_out(as_json(comparison) + "\n")
    elif form == "csv":
        write_out(as_csv(comparison.runs))
    else:
        console = new_console()
        console.print(comparison_text(comparison, console.width, epoch, scores=scores))


def _check_distinct(named: Sequence[str], records: Sequence[RunRecord]) -> None:
    seen: set[str] = set()
    for name, record in zip(named, records, strict=True):
        if record.summary.run_id in seen:
            raise UserError(f"{name}: this run is given twice; give each run once")
        seen.add(record.summary.run_id)
