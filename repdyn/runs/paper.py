"""The figures of a paper from stored runs, as files in a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from repdyn.display.reading import has_regions
from repdyn.errors import SettingError, UserError
from repdyn.records import RunRecord, RunSummary
from repdyn.report.comparison import summary_label
from repdyn.report.figures.decision import epochs_drawn
from repdyn.report.figures.paper import (
    COLUMNS,
    MOST_EPOCHS,
    PaperFigure,
    Regions,
    Shown,
    paper_figures,
    pdf,
    svg,
)
from repdyn.runs.comparison import finished_runs, varied_settings
from repdyn.settings.schema import StoreConfig
from repdyn.storage import schema
from repdyn.storage.files import write_whole
from repdyn.storage.reader import find_run, load_label_maps, load_planes, load_run, sweep_runs

FORMS = {"pdf": pdf, "svg": svg}
CAPTIONS = "captions.txt"


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        files: their number.
        captions: of the figures, and what was left out.
    """

    files: int
    captions: str


def write_paper_figures(names: Sequence[str], store: StoreConfig, out: Path) -> Written:
    """Draw the figures of runs, and write each at every width as PDF and SVG, with captions.

    Files of the same names are replaced; none is written before all are drawn.

    Args:
        names: of runs, or of sweeps, which stand for their finished runs.
        store: where they are.
        out: a folder, made if there is none.

    Raises:
        UserError: there is no such run, nothing to draw, or the folder cannot be written.
    """
    groups = _grouped(_named(names, store))
    shown, left_out = [], []
    for label, runs in groups:
        record = load_run(store, runs[0].run_id)
        regions = None
        try:
            regions = _regions(record, store)
        except UserError as error:
            left_out.append(f"Left out, decision regions of {label}: {error}.")
        shown.append(Shown(label, record, tuple(run.name for run in runs), regions))
    figures = paper_figures(shown)
    _check_folder(out)
    files = {name: content for figure in figures for name, content in _drawn(figure)}
    captions = "\n\n".join([*map(_caption, figures), *left_out]) + "\n"
    files[CAPTIONS] = captions.encode()
    try:
        for name, content in files.items():
            write_whole(out / name, content)
    except OSError as error:
        raise SettingError("out", out, str(error.strerror)) from None
    return Written(len(files), captions)


def _named(names: Sequence[str], store: StoreConfig) -> list[RunSummary]:
    """Return the runs, each once, in order; of a sweep those that are finished."""
    found: dict[str, RunSummary] = {}
    for name in names:
        summary = find_run(store, name)
        runs = [summary]
        if schema.SWEEP_TAG in summary.tags:
            runs = finished_runs(sweep_runs(store, summary))
            if not runs:
                raise UserError(f"{name}: no run of this sweep is finished; nothing to draw")
        found |= {run.run_id: run for run in runs}
    return list(found.values())


def _grouped(runs: Sequence[RunSummary]) -> list[tuple[str, list[RunSummary]]]:
    """Return labels and runs that differ in their seed only, ordered by name within a group."""
    varied = varied_settings(runs)
    groups: dict[tuple[str, ...], list[RunSummary]] = {}
    for run in runs:
        label = summary_label(run, varied)
        groups.setdefault((label, run.params.get("arch", "")), []).append(run)
    return [
        (label, sorted(same, key=lambda run: (run.name, run.run_id)))
        for (label, _), same in groups.items()
    ]


def _regions(record: RunRecord, store: StoreConfig) -> Regions | None:
    """Read the label maps that may be drawn; None if the run was measured without planes."""
    dynamics, run_id = record.dynamics, record.summary.run_id
    if dynamics is None or not has_regions(dynamics):
        return None
    planes = load_planes(store, run_id)
    steps = epochs_drawn(dynamics.steps.tolist(), record.phases, MOST_EPOCHS)
    maps = tuple(load_label_maps(store, run_id, step) for step in steps)
    if not all(at.fit(planes) for at in maps):
        raise UserError(f"run {run_id[:8]}: its label maps do not fit its planes")
    return Regions(planes, maps)


def _check_folder(out: Path) -> None:
    """Make the folder, and raise before figures are drawn if files cannot be written there."""
    if out.exists() and not out.is_dir():
        raise SettingError("out", out, "is a file; give a folder for the figures")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingError("out", out, str(error.strerror)) from None
    if not os.access(out, os.W_OK | os.X_OK):
        raise SettingError("out", out, "is not writable; choose another folder")


def _drawn(figure: PaperFigure) -> Iterator[tuple[str, bytes]]:
    """Yield the files of a figure: names and contents."""
    for column, width in COLUMNS.items():
        drawn = figure.draw(width)
        for form, printed in FORMS.items():
            yield f"{figure.name}_{column}.{form}", printed(drawn)


def _caption(figure: PaperFigure) -> str:
    return f"{figure.name}\n{figure.caption}"
