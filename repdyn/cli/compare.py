"""`repdyn compare`: runs against runs, and the paper's findings on them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from repdyn.cli.console import new_console
from repdyn.cli.terminal import write_out
from repdyn.errors import SettingError, UserError
from repdyn.records import RunRecord
from repdyn.report.comparison import Comparison
from repdyn.report.comparison_json import as_json
from repdyn.report.comparison_text import comparison_text
from repdyn.report.runs_csv import SUFFIX, as_csv, read_csv
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
        runs: as for `find_run`, or files that `--csv` wrote.
        sweep: name of a sweep, instead of runs.
        store: where they are.
        form: of what is printed.
        epoch: of the CKA between two runs' layers (None: the last that both have).
        scores: show all scores in the text.

    Raises:
        UserError: fewer than two runs, one without a checkpoint, a file that is not as it was written,
            or no such epoch.
    """
    if sweep is not None and runs:
        raise SettingError("sweep", None, "compares its own runs; omit the others")
    if sweep is None:
        comparison = _of_runs(runs, store)
    else:
        comparison = of_sweep(find_sweep(store, sweep), store)
    if form == "json":
        write_out(as_json(comparison) + "\n")
    elif form == "csv":
        write_out(as_csv(comparison.runs))
    else:
        console = new_console()
        console.print(comparison_text(comparison, console.width, epoch, scores=scores))


def _of_runs(runs: Sequence[str], store: StoreConfig) -> Comparison:
    found: dict[str, tuple[str, RunRecord]] = {}
    for name in runs:
        records = read_csv(Path(name)) if _is_file(name) else [load_run(store, name)]
        for record in records:
            run_id = record.summary.run_id
            if run_id in found:
                which = (
                    f"run {run_id}, also in {found[run_id][0]}," if _is_file(name) else "this run"
                )
                raise UserError(f"{name}: {which} is given twice; give each run once")
            found[run_id] = name, record
    if len(found) < 2:
        raise UserError("give two or more runs, or a sweep with --sweep; repdyn runs lists them")
    stored = [record for name, record in found.values() if not _is_file(name)]
    kept = [record for name, record in found.values() if _is_file(name)]
    return compared(stored, store, kept=kept)


def _is_file(name: str) -> bool:
    return name.lower().endswith(SUFFIX)
