"""Figures for a paper from stored runs, as files in a folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from matplotlib.figure import Figure

from repdyn.analysis.findings import Finding, findings
from repdyn.display.reading import has_regions
from repdyn.display.scale import ScaleKind
from repdyn.errors import SettingError, UserError
from repdyn.records import RunRecord
from repdyn.report.comparison import summary_label
from repdyn.report.figures.decision import epochs_drawn
from repdyn.report.figures.paper import (
    FORMATS,
    LEAST_WIDTH,
    MOST_EPOCHS,
    MOST_WIDTH,
    PAGE,
    WIDTHS,
    PaperFigure,
    Regions,
    Shown,
    latex,
    paper_figures,
    titled,
)
from repdyn.runs.comparison import finished_runs, observation, varied_settings, with_scores
from repdyn.settings.schema import StoreConfig
from repdyn.storage import schema
from repdyn.storage.files import write_whole
from repdyn.storage.reader import load_label_maps, load_planes, load_run
from repdyn.storage.search import find_run, sweep_runs

CAPTIONS, LATEX = "captions.txt", "figures.tex"

IN_LATEX = "pdf", "png"
"""Formats that LaTeX includes, the better one first."""


@dataclass(frozen=True)
class Look:
    """How figures are written.

    Attributes:
        formats: ends of file names, of FORMATS.
        widths: in inches.
        title: whether each figure has its title above it.
        scale: what colours span, of display/scale.py.

    Raises:
        SettingError: there is no such format, or a width for which the layout is not made.
    """

    formats: tuple[str, ...] = ("pdf",)
    widths: tuple[float, ...] = WIDTHS
    title: bool = False
    scale: ScaleKind = "fixed"

    def __post_init__(self) -> None:
        known = f"choose from {', '.join(FORMATS)}"
        for name in self.formats or (None,):
            if name not in FORMATS:
                raise SettingError("format", name, known)
        if not self.widths:
            raise SettingError("width", None, "give at least one, in inches")
        for width in self.widths:
            if not LEAST_WIDTH <= width <= MOST_WIDTH:
                limits = f"{LEAST_WIDTH:g} and {MOST_WIDTH:g}"
                raise SettingError("width", f"{width:g}", f"must be between {limits} inches")


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        files: their number.
        texts: names of those with captions.
        left_out: a sentence for each thing that could not be drawn.
    """

    files: int
    texts: tuple[str, ...]
    left_out: tuple[str, ...]


def write_figures(
    names: Sequence[str],
    store: StoreConfig,
    out: Path,
    look: Look,
    on_drawn: Callable[[PaperFigure], None] = lambda _: None,
) -> Written:
    """Draw the figures of runs, and write each at every width in every format, with captions.

    Files of the same names are replaced; none is written before all are drawn.

    Args:
        names: of runs, or of sweeps, which stand for their finished runs.
        store: where they are.
        out: a folder, made if there is none.
        look: formats, widths and what else they have in common.
        on_drawn: told of each figure once it is drawn.

    Raises:
        UserError: there is no such run, nothing to draw, or the folder cannot be written.
    """
    records, left_out = _records(names, store)
    groups = _grouped(records)
    judged: Sequence[Finding] = ()
    if len(groups) > 1:
        scored = {r.summary.run_id: with_scores(r) for r in records if r.dynamics is not None}
        groups = [
            replace(group, runs=tuple(scored.get(r.summary.run_id, r) for r in group.runs))
            for group in groups
        ]
        judged = findings([observation(run) for run in scored.values()])
    shown = []
    for group in groups:
        try:
            shown.append(replace(group, regions=_regions(group.record, store)))
        except UserError as error:
            shown.append(group)
            left_out.append(f"Left out, decision regions of {group.label}: {error}.")
    figures = paper_figures(shown, look.scale, judged)
    _check_folder(out)
    files: dict[str, bytes] = {}
    included = next((form for form in IN_LATEX if form in look.formats), None)
    named: list[tuple[PaperFigure, str, float]] = []
    for figure in figures:
        drawn = {width: _drawn(figure, width, title=look.title) for width in look.widths}
        for width, one in drawn.items():
            files |= {_file(figure, width, form): FORMATS[form](one) for form in look.formats}
        if included is not None:
            width = _width_in_latex(drawn)
            named.append((figure, _file(figure, width, included), width))
        on_drawn(figure)
    captions = "\n\n".join([*map(_caption, figures), *left_out]) + "\n"
    texts = {CAPTIONS: captions}
    if named:
        texts[LATEX] = latex(named)
    files |= {name: text.encode() for name, text in texts.items()}
    try:
        for name, content in files.items():
            write_whole(out / name, content)
    except OSError as error:
        raise SettingError("out", out, str(error.strerror)) from None
    return Written(len(files), tuple(texts), tuple(left_out))


def _records(names: Sequence[str], store: StoreConfig) -> tuple[list[RunRecord], list[str]]:
    """Read the runs, each once, in order; of a sweep those that are finished and can be read.

    Returns:
        The runs, and a sentence for each of a sweep that cannot be read.
    """
    found: dict[str, RunRecord] = {}
    left_out = []
    for name in names:
        summary = find_run(store, name)
        if schema.SWEEP_TAG not in summary.tags:
            found.setdefault(summary.run_id, load_run(store, summary.run_id))
            continue
        runs = finished_runs(sweep_runs(store, summary))
        if not runs:
            raise UserError(f"{name}: no run of this sweep is finished; nothing to draw")
        for run in runs:
            try:
                found.setdefault(run.run_id, load_run(store, run.run_id))
            except UserError as error:
                left_out.append(f"Left out: {error}.")
    if not found:
        raise UserError(f"nothing to draw: no run can be read. {' '.join(left_out)}")
    return list(found.values()), left_out


def _grouped(records: Sequence[RunRecord]) -> list[Shown]:
    """Return runs that differ in their seed only together, ordered by name within a group."""
    varied = varied_settings([record.summary for record in records])
    groups: dict[tuple[str, ...], list[RunRecord]] = {}
    for record in records:
        label = summary_label(record.summary, varied)
        groups.setdefault((label, record.summary.params.get("arch", "")), []).append(record)
    return [Shown(label, tuple(sorted(same, key=_order))) for (label, _), same in groups.items()]


def _order(record: RunRecord) -> tuple[str, str]:
    return record.summary.name, record.summary.run_id


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


def _drawn(figure: PaperFigure, width: float, *, title: bool) -> Figure:
    drawn = figure.draw(width)
    return titled(drawn, figure.title) if title else drawn


def _width_in_latex(drawn: Mapping[float, Figure]) -> float:
    """Return the least width at which a figure fits on a page with its caption, or else is lowest."""
    heights = {width: float(one.get_size_inches()[1]) for width, one in drawn.items()}
    fitting = [width for width, height in heights.items() if height <= PAGE]
    return min(fitting) if fitting else min(heights, key=heights.__getitem__)


def _file(figure: PaperFigure, width: float, form: str) -> str:
    return f"{figure.name}_{width:g}in.{form}"


def _caption(figure: PaperFigure) -> str:
    return f"{figure.name}\n{figure.caption}"
