"""What captions say: of which runs, on which scale, and what lines, bands and dots mean."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

import numpy as np

from repdyn.analysis.verdicts import CONFIDENCE
from repdyn.display.labels import PHASES, PLANES
from repdyn.display.reading import measured
from repdyn.display.scale import Scale
from repdyn.display.wording import plain
from repdyn.measures.spec import MeasureSpec
from repdyn.plane_kinds import PLANE_KINDS
from repdyn.records import plural
from repdyn.report.figures.decision import telling_plane
from repdyn.report.figures.paper.layer_curves import layers_drawn
from repdyn.report.figures.paper.regions import class_names
from repdyn.report.figures.paper.seeds import phases_over_seeds
from repdyn.report.figures.paper.shown import Regions, Shown
from repdyn.step_words import counted

SPANS = {
    "fixed": "the same limits for all runs, so that figures compare",
    "run": "the range of the values drawn",
    "linear": "the same limits for all runs, so that figures compare",
}
"""What a scale spans, by how it was chosen."""


def joined(*sentences: str) -> str:
    """Return sentences as one text, without those that are empty."""
    return " ".join(sentence for sentence in sentences if sentence)


def scale_words(measure: MeasureSpec, scale: Scale, how: str, what: str = "Colours") -> str:
    """Return what colours, or an axis, span."""
    even = f", even in log(1 − {measure.label})" if scale.logarithmic else ""
    return f"{what} from {scale.low:g} to {scale.high:g}{even}: {SPANS[how]}."


def line_words(
    shown: Sequence[Shown], names: Container[str], *, first: bool = False, marked: bool = True
) -> str:
    """Return what the lines are, and where they come from in groups of several runs.

    Args:
        shown: the groups.
        names: of the boundaries that are drawn.
        first: whether the boundaries are those of the first run of a group.
        marked: whether their intervals are drawn.
    """
    of = [group.record.phases if first else phases_over_seeds(group.runs) for group in shown]
    found = [
        PHASES[name] for name in PHASES if name in names and any(name in p.markers() for p in of)
    ]
    if not found:
        return ""
    several = not first and any(len(group.runs) > 1 for group in shown)
    median = "; medians over the runs of a group, if most have it" if several else ""
    shaded = marked and any(name in names for one in of for name in one.intervals)
    where = "range over the runs" if several else "interval"
    intervals = f" Shaded or hatched: the {where} in which each may lie." if shaded else ""
    return f"Lines: {', '.join(found)}{median}.{intervals}"


def band_words(shown: Sequence[Shown], measure: MeasureSpec | None = None) -> str:
    """Return what curves and the bands around them are."""
    said = []
    if any(len(group.runs) > 1 for group in shown):
        said.append(
            "Curves are medians over the runs of a group, bands reach from the smallest to the largest."
        )
    alone = [group for group in shown if len(group.runs) == 1]
    if measure is not None and any(_has_errors(group, measure) for group in alone):
        of = "Bands" if len(alone) == len(shown) else "Bands of a single run"
        said.append(f"{of}: 95 %, by the standard error over {measure.error_over}.")
    return joined(*said)


def dot_words(shown: Sequence[Shown], measure: MeasureSpec, before: str) -> str:
    """Return what dots in cells mean, if any run has standard errors."""
    if not any(_has_errors(group, measure) for group in shown):
        return ""
    error = f"standard error over {measure.error_over}"
    return f"Dots: cells that differ from {before} by no more than their {error}."


def layer_words(names: Mapping[str, tuple[str, ...]]) -> str:
    """Return which layers of each group have a curve, if not all have; the names are by group."""
    if all(len(layers_drawn(len(layers))) == len(layers) for layers in names.values()):
        return ""
    by_names: dict[tuple[str, ...], list[str]] = {}
    for label, layers in names.items():
        by_names.setdefault(layers, []).append(label)
    said = [
        f"{', '.join(labels)}: "
        + ", ".join(plain(layers[i]) for i in layers_drawn(len(layers)))
        + f" (of {len(layers)})"
        for layers, labels in by_names.items()
    ]
    return f"Layers evenly spaced in depth: {'; '.join(said)}."


def region_words(group: Shown, regions: Regions) -> str:
    """Return what a figure of decision regions shows."""
    planes, plane = regions.planes, telling_plane(regions.planes)
    classes = class_names(group.record, regions)
    given, true = planes.labels[plane].tolist(), planes.true_labels[plane].tolist()
    labels = [
        plain(classes[a]) if a == b else f"{plain(classes[a])} (truly {plain(classes[b])})"
        for a, b in zip(given, true, strict=True)
    ]
    return (
        "Decision regions of linear probes of layers in order of depth, and of the output, on the "
        f"plane through three {PLANES[PLANE_KINDS[planes.kinds[plane]]]}. Discs are these images, "
        f"filled with the colour of their label: {', '.join(labels)}."
    )


def interval_words() -> str:
    """Return what the marks of a forest plot are."""
    percent = f"{100 * CONFIDENCE:g}"
    return (
        f"Each row: the mean over n seeds with its {percent} % interval by Student's t, none with "
        "one seed; ticks are the seeds."
    )


def run_lines(shown: Sequence[Shown], *, first: bool = False) -> list[str]:
    """Return a line for each group: its runs, and which is drawn if it is only the first."""
    return [_run_line(group, first=first) for group in shown]


def _run_line(group: Shown, *, first: bool) -> str:
    runs = [f"{plain(run.summary.name)} ({run.summary.run_id[:8]})" for run in group.runs]
    if len(runs) == 1:
        return f"{group.label}: {runs[0]}"
    if first:
        return f"{group.label}: {runs[0]}, the first by name of {counted(len(runs), 'run')}"
    return f"{group.label}: n = {len(runs)} runs, {', '.join(runs)}"


def drift_words(shown: Sequence[Shown], measure: MeasureSpec) -> str:
    """Return what a drift rate is."""
    unit = plural(shown[0].record.unit)
    return f"Drift rate of layers: 1 − {measure.quantity} between checkpoints at a ratio of {unit} of 1.5."


def _has_errors(group: Shown, measure: MeasureSpec) -> bool:
    found = (measured(run).errors.get(measure.name) for run in group.having(measure.name))
    return any(errors is not None and bool(np.isfinite(errors).any()) for errors in found)
