"""A run on one page: each layer's similarity to the last checkpoint, with its error, and accuracies."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from repdyn.display import axis
from repdyn.display.labels import PHASES
from repdyn.display.metrics import main_groups
from repdyn.display.reading import measured
from repdyn.display.scale import Scale, ScaleKind
from repdyn.display.similarity import Similarity, similarity
from repdyn.measures.spec import PRIMARY
from repdyn.records import Phases, RunRecord
from repdyn.report.figures.cells import draw_cells, grey_handle
from repdyn.report.figures.curves import draw_metrics
from repdyn.report.figures.depth import depth_legend, layer_looks
from repdyn.report.figures.phase_marks import mark_phases, phase_legend
from repdyn.report.figures.style import (
    epoch_axis,
    new_figure,
    norm,
    scale_bar,
    styled,
)

ROW = 0.135
"""Inches per layer."""

MOST_HEIGHT = 4.5
"""Inches of a heatmap; the rows of more layers are lower, and some are not named."""

PROFILES = 1.6
"""Inches of the curves."""

NORMAL_95 = 1.96
"""Standard errors on either side of a 95 % interval."""

DIAMOND: dict[str, Any] = {
    "linestyle": "none",
    "marker": "D",
    "markersize": 3.0,
    "markeredgewidth": 0.5,
    "markerfacecolor": "white",
    "markeredgecolor": "black",
}


@styled
def overview(record: RunRecord, measure: str, how: ScaleKind = "fixed") -> Figure:
    """Draw each layer's similarity to the last checkpoint, as colours and as curves, and the accuracies.

    A run without accuracies has its losses or another metric instead, or nothing below the profiles.

    All panels share the epoch axis; phase boundaries are lines through all of them, and a layer's
    change points are diamonds in its row. The bands around the curves are 95 % intervals by the
    similarities' standard errors, where they are known.

    Args:
        record: of the run.
        measure: its name.
        how: what the colours and the curves' axis span.

    Raises:
        UserError: the run has no checkpoint yet.
    """
    shown = similarity(measured(record), measure)
    heatmap = min(max(0.9, ROW * len(shown.names)), MOST_HEIGHT)
    groups = main_groups(record.curves)[:1]
    ratios = [heatmap, PROFILES, *(1.45 for _ in groups)]
    figure = new_figure(
        record,
        f"{shown.measure.title} of each layer with itself at the last checkpoint",
        height=sum(ratios) + 1.45,
    )
    panels = figure.subplots(len(ratios), 1, sharex=True, height_ratios=ratios)
    cells, profiles, *below = panels
    scale = shown.scale(how)
    data = shown.profiles(scale, record.phases)
    first, *_, last = draw_cells(cells, data, norm(scale))
    marked = _mark_change_points(cells, record.phases)
    _draw_profiles(profiles, shown, scale)
    for axes, group in zip(below, groups, strict=True):
        draw_metrics(axes, group)
    panels[-1].set_xlabel(shown.unit)
    epoch_axis(panels[-1], "x", first, last, axis.grain(shown.steps))
    for axes in panels:
        mark_phases(axes, record.phases, PHASES, on_colour=axes is cells)
    scale_bar(figure, [cells], scale, shown.to_last(), length=heatmap)
    depth_legend([profiles], shown.names, PROFILES)
    phase_legend(figure, record, PHASES, *marked, *grey_handle([data]))
    return figure


def _draw_profiles(axes: Axes, shown: Similarity, scale: Scale) -> None:
    """Draw a curve for each layer, on the scale of the colours, with its error as a band."""
    values, errors = shown.others_to_last(), shown.errors_to_last()
    ends = scale.low, scale.high  # beyond them lines stop, as colours do: 1 itself is at infinity
    for name, look, line, error in zip(
        shown.names, layer_looks(len(values)), values, errors, strict=True
    ):
        spread = NORMAL_95 * error
        low, middle, high = (np.clip(v, *ends) for v in (line - spread, line, line + spread))
        axes.plot(shown.steps, middle, linewidth=0.9, gid=name, clip_on=False, **look)
        axes.fill_between(
            shown.steps,
            low,
            high,
            color=look["color"],
            alpha=0.25,
            linewidth=0,
            gid=f"{name} error",
        )
    axes.set_yscale("function", functions=(scale.warp, scale.unwarp))
    axes.set_ylim(ends)
    axes.set_yticks(scale.ticks, labels=[f"{tick:g}" for tick in scale.ticks])
    axes.minorticks_off()
    axes.set_title("the same as curves; bands: 95 %, by the standard error", loc="left")


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
