"""All figures that a paper's runs have data for, each with its caption."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from repdyn.display.labels import PLANES
from repdyn.display.metrics import main_groups
from repdyn.display.wording import plain
from repdyn.errors import UserError
from repdyn.measures.spec import MEASURES, MeasureSpec
from repdyn.plane_kinds import PLANE_KINDS
from repdyn.report.figures.decision import telling_plane
from repdyn.report.figures.paper.error_curves import error_curves
from repdyn.report.figures.paper.matrices import matrices
from repdyn.report.figures.paper.regions import class_names, decision_regions
from repdyn.report.figures.paper.shown import Regions, Shown
from repdyn.step_words import counted

MOST_GROUPS = 6
"""Groups of runs that fit below each other on a page."""


@dataclass(frozen=True)
class PaperFigure:
    """A figure that can be drawn at any width.

    Attributes:
        name: of its files, before the width.
        caption: what it shows, and of which runs.
        draw: draws it, given its width in inches.
    """

    name: str
    caption: str
    draw: Callable[[float], Figure]


def paper_figures(shown: Sequence[Shown]) -> list[PaperFigure]:
    """Return the figures that the runs have data for.

    Raises:
        UserError: there are none, or too many groups.
    """
    if len(shown) > MOST_GROUPS:
        raise UserError(
            f"{len(shown)} groups of runs; a page holds at most {MOST_GROUPS}, give fewer runs"
        )
    figures = [one for measure in MEASURES.values() for one in _matrices(shown, measure)]
    figures += _error_curves(shown)
    figures += _regions(shown)
    if not figures:
        raise UserError("nothing to draw: no run has a checkpoint or logs a metric")
    return figures


def _matrices(shown: Sequence[Shown], measure: MeasureSpec) -> Iterable[PaperFigure]:
    having = [
        g for g in shown if g.record.dynamics and measure.name in g.record.dynamics.similarity
    ]
    if measure.of_paper and having:
        caption = (
            f"{measure.title} between checkpoints (E×E) of layers in order of depth, evenly spaced "
            "if not all fit; one colour scale for all. Lines: memorisation onset and perfect fit."
        )
        yield PaperFigure(
            f"matrices_{measure.name}",
            _with_runs(caption, having),
            lambda width: matrices(having, measure.name, width),
        )


def _error_curves(shown: Sequence[Shown]) -> Iterable[PaperFigure]:
    having = [group for group in shown if main_groups(group.record.curves)]
    if having:
        caption = (
            "Training and test error, and accuracy on the flipped labels (noisy fit); below them "
            "the phases, hatched where a boundary may lie. Lines: the boundaries."
        )
        yield PaperFigure(
            "error_curves", _with_runs(caption, having), lambda width: error_curves(having, width)
        )


def _regions(shown: Sequence[Shown]) -> Iterable[PaperFigure]:
    names: list[str] = []
    for group in shown:
        if group.regions is not None:
            names.append(_unused(f"decision_regions_{_file_name(group.label)}", names))
            yield _regions_of(group, group.regions, names[-1])


def _regions_of(group: Shown, regions: Regions, name: str) -> PaperFigure:
    planes, plane = regions.planes, telling_plane(regions.planes)
    classes = class_names(group.record, regions)
    given, true = planes.labels[plane].tolist(), planes.true_labels[plane].tolist()
    labels = [
        plain(classes[a]) if a == b else f"{plain(classes[a])} (truly {plain(classes[b])})"
        for a, b in zip(given, true, strict=True)
    ]
    caption = (
        "Decision regions of linear probes of layers in order of depth, and of the output, on the "
        f"plane through three {PLANES[PLANE_KINDS[planes.kinds[plane]]]}, the discs, labelled "
        f"{', '.join(labels)}."
    )
    return PaperFigure(
        name,
        _with_runs(caption, [group]),
        lambda width: decision_regions(group.label, group.record, regions, width),
    )


def _with_runs(caption: str, shown: Sequence[Shown]) -> str:
    """Return the caption, and a line for each group that says which run is drawn."""
    return "\n".join([caption, *map(_run_line, shown)])


def _run_line(group: Shown) -> str:
    run = group.record.summary
    line = f"{group.label}: {plain(run.name)} ({run.run_id[:8]})"
    if len(group.names) == 1:
        return line
    return f"{line}, the first by name of {counted(len(group.names), 'run')}: " + ", ".join(
        map(plain, group.names)
    )


def _file_name(label: str) -> str:
    """Return a label as part of a file's name."""
    return re.sub(r"[^a-z0-9.]+", "-", label.casefold()).strip("-.")[:60] or "run"


def _unused(name: str, used: Sequence[str]) -> str:
    """Return the name, with a number if it is used."""
    numbered = (name, *(f"{name}-{i}" for i in range(2, len(used) + 2)))
    return next(one for one in numbered if one not in used)
