"""A run on one page: what each layer does at each checkpoint, above the accuracies."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from repdyn.display import axis
from repdyn.display.labels import PHASES
from repdyn.display.metrics import main_groups
from repdyn.display.reading import measured
from repdyn.display.similarity import similarity
from repdyn.measures.spec import PRIMARY
from repdyn.records import Phases, RunRecord
from repdyn.report.figures.cells import draw_cells
from repdyn.report.figures.curves import draw_metrics
from repdyn.report.figures.style import (
    epoch_axis,
    new_figure,
    norm,
    phase_legend,
    phase_lines,
    scale_bar,
    styled,
)

ROW = 0.135
"""Inches per layer."""

MOST_HEIGHT = 4.5
"""Inches of a heatmap; the rows of more layers are lower, and some are not named."""

DIAMOND: dict[str, Any] = {
    "linestyle": "none",
    "marker": "D",
    "markersize": 3.0,
    "markeredgewidth": 0.5,
    "markerfacecolor": "white",
    "markeredgecolor": "black",
}


@styled
def overview(record: RunRecord, measure: str) -> Figure:
    """Draw each layer's similarity to the previous and to the last checkpoint, and the accuracies.

    A run without accuracies has its losses or another metric instead, or nothing below the heatmaps.

    The heatmaps and the curves share the epoch axis; phase boundaries are lines through all of them,
    and a layer's change points are diamonds in its row.

    Raises:
        UserError: the run has no checkpoint yet.
    """
    shown = similarity(measured(record), measure)
    heatmap = min(max(0.9, ROW * len(shown.names)), MOST_HEIGHT)
    groups = main_groups(record.curves)[:1]
    ratios = [heatmap, heatmap, *(1.45 for _ in groups)]
    figure = new_figure(
        record, f"{shown.measure.title} of each layer over training", height=sum(ratios) + 1.55
    )
    panels = figure.subplots(len(ratios), 1, sharex=True, height_ratios=ratios)
    before, final, *below = panels
    scale = shown.scale()
    for axes, values in ((before, shown.to_previous()), (final, shown.to_last())):
        data = shown.by_layer(values, scale, record.phases)
        first, *_, last = draw_cells(axes, data, norm(scale))
        marked = _mark_change_points(axes, record.phases)
    before.set_title("similarity to the previous checkpoint", loc="left")
    final.set_title("similarity to the last checkpoint", loc="left")
    for axes, group in zip(below, groups, strict=True):
        draw_metrics(axes, group)
    panels[-1].set_xlabel(shown.unit)
    epoch_axis(panels[-1], "x", first, last, axis.grain(shown.steps))
    for axes in panels:
        phase_lines(axes, record.phases, PHASES, on_colour=axes not in below)
    scale_bar(figure, [before, final], scale, shown.matrices, length=2 * heatmap)
    phase_legend(figure, record, PHASES, *marked)
    return figure


def _mark_change_points(axes: Axes, phases: Phases) -> list[Line2D]:
    """Draw a diamond at each layer's change points; returns what the legend explains, if any."""
    points = [(epoch, row) for row, at in enumerate(phases.change_points) for epoch in at]
    if not points:
        return []
    epochs, rows = zip(*points, strict=True)
    return axes.plot(
        epochs,
        rows,
        label=f"change point of a layer's {PRIMARY.label}",
        gid="change points",
        zorder=4,
        **DIAMOND,
    )
