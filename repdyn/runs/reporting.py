"""Reports of runs and sweeps as HTML: built, and logged to what they are of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from repdyn.errors import UserError
from repdyn.measures.spec import MEASURES
from repdyn.records import RunRecord, RunSummary
from repdyn.report.figures import png, standard_figures
from repdyn.report.run_page import run_page
from repdyn.runs.comparison import compared, log_report, of_sweep, report_of
from repdyn.settings.schema import StoreConfig
from repdyn.storage import schema
from repdyn.storage.reader import artifact_head, load_run
from repdyn.storage.search import find_run
from repdyn.storage.writer import RunWriter

STORED_FIGURE = "decision_regions"
"""A figure that is taken as it was stored: to draw it takes all label maps."""

MOST_BYTES = 2**23
"""Of the stored figure."""


@dataclass(frozen=True)
class Report:
    """A page.

    Attributes:
        title: of what it is of, from which its file is named.
        html: the page.
        run_id: of the run or sweep to whose artifacts it was logged; None for a list of runs.
    """

    title: str
    html: str
    run_id: str | None = None


def make_report(names: Sequence[str], store: StoreConfig) -> Report:
    """Return the report of a run, of a sweep's finished runs, or of several runs compared.

    Of a run or a sweep it is logged to its artifacts.

    Raises:
        UserError: there is no such run or sweep, a run is named twice, or too few can be compared.
    """
    found = [find_run(store, name) for name in names]
    if len(found) == 1:
        (run,) = found
        return _of_sweep(run, store) if schema.SWEEP_TAG in run.tags else _of_run(run, store)
    ids = [run.run_id for run in found]
    for name, run in zip(names, found, strict=True):
        if schema.SWEEP_TAG in run.tags:
            raise UserError(f"{name}: is a sweep; give it alone, or runs")
        if ids.count(run.run_id) > 1:
            raise UserError(f"{name}: this run is given twice; give each run once")
    records = [load_run(store, run_id) for run_id in ids]
    return Report("comparison", report_of(compared(records, store))[0])


def _of_sweep(sweep: RunSummary, store: StoreConfig) -> Report:
    comparison = of_sweep(sweep, store)
    with RunWriter.attach(store, sweep.run_id) as writer:
        return Report(sweep.name, log_report(comparison, writer), sweep.run_id)


def _of_run(run: RunSummary, store: StoreConfig) -> Report:
    record = load_run(store, run.run_id)
    html = run_page(record, _figures(record, store))
    with RunWriter.attach(store, run.run_id) as writer:
        writer.put(schema.REPORT, html.encode())
        writer.flush()
    return Report(run.name, html, run.run_id)


def _figures(record: RunRecord, store: StoreConfig) -> dict[str, bytes]:
    """Return the figures of a run: drawn, but for the one that is stored.

    The page has E×E matrices of its own.
    """
    figures = standard_figures(record, None, (), ())
    drawn = {name: png(figure) for name, figure in figures.items() if name not in MEASURES}
    path = schema.figure_path(STORED_FIGURE)
    try:
        drawn[STORED_FIGURE] = artifact_head(store, record.summary.run_id, path, MOST_BYTES)
    except UserError:
        return drawn  # trained without figures or without planes
    return drawn
