"""Runs side by side: heatmaps on one scale, label maps, one metric of all runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure

from repdyn.display import axis
from repdyn.display.class_colours import ClassColours
from repdyn.display.heatmap import HeatmapData
from repdyn.display.labels import PHASES
from repdyn.display.wording import plain
from repdyn.records import ClassArray, Curve
from repdyn.report.figures.cells import draw_cells, grey_handle
from repdyn.report.figures.decision import class_legend, class_rgb
from repdyn.report.figures.phase_marks import boundary_handles, legend_below, mark_phases
from repdyn.report.figures.style import (
    BAR,
    DASHES,
    SIMILARITY,
    WIDTH,
    epoch_axis,
    norm,
    scale_bar,
    styled,
    titled_figure,
)

RUN_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
"""Colours of two to four runs (Okabe and Ito 2008)."""

MARKERS = ("", "o", "s", "^", "D", "v")
"""Of the metrics that share an axis, in turn; few on each curve."""
SPOTS = 0.12
"""Between two markers of a curve, as a share of the panel's diagonal."""

MATRIX_LINES = ("onset", "fit")

DIFFERENCE: Colormap = mpl.colormaps["RdBu_r"].with_extremes(bad="0.88")
"""White where two runs are equal, red where the second is higher, blue where it is lower."""


@styled
def heatmaps(
    title: str, runs: Sequence[HeatmapData], difference: HeatmapData | None = None
) -> Figure:
    """Draw a heatmap for each run: layers over checkpoints, or checkpoints against checkpoints.

    Args:
        title: what is shown.
        runs: at least one, on one scale; all with layers or all without.
        difference: of two runs, drawn to the right of theirs.
    """
    count = len(runs) + (difference is not None)
    bars = 0.5 if difference is None else 1.4  # of a panel's width, with their labels
    side = WIDTH / (count + bars)
    rows = max(len(run.rows or ()) for run in runs)
    height = max(1.4, 0.135 * rows) if rows else side
    # squares are as wide as they can be, and leave room for the legend below them
    figure = titled_figure(title, height + (1.3 if rows else 1.0))
    panels = list(figure.subplots(1, count, squeeze=False)[0])
    beside, scale = panels[: len(runs)], runs[0].scale
    for axes, run in zip(beside, runs, strict=True):
        _draw_heatmap(axes, run, SIMILARITY, norm(scale))
    values = np.concatenate([run.values.ravel() for run in runs])
    scale_bar(figure, beside, scale, values, length=height)
    if difference is not None:
        ends = Normalize(difference.scale.low, difference.scale.high)
        _draw_heatmap(panels[-1], difference, DIFFERENCE, ends)
        _difference_bar(figure, panels[-1], ends, length=height)
    drawn = [*runs, difference] if difference is not None else runs
    lines = MATRIX_LINES if runs[0].square else PHASES
    marks = boundary_handles([one.phases for one in drawn], lines, on_cells=True)
    legend_below(figure, [*marks, *grey_handle(drawn)])
    return figure


def _difference_bar(figure: Figure, axes: Axes, ends: Normalize, length: float) -> None:
    """Draw the colour bar of a difference beside it, about this many inches long."""
    bar = figure.colorbar(
        ScalarMappable(ends, DIFFERENCE),
        ax=axes,
        extend="both",
        extendfrac=BAR / length,
        aspect=length / BAR,
        pad=0.03,
    )
    bar.outline.set_visible(False)


def _draw_heatmap(axes: Axes, run: HeatmapData, cmap: Colormap, colours: Normalize) -> None:
    first, *_, last = draw_cells(axes, run, colours, cmap)
    axes.set_title(run.title, parse_math=False, loc="left")
    axes.set_xlabel(run.unit)
    epoch_axis(axes, "x", first, last, axis.grain(run.steps))
    if run.square:
        axes.set_ylabel(run.unit)
        epoch_axis(axes, "y", first, last, axis.grain(run.steps))
        mark_phases(axes, run.phases, MATRIX_LINES, both=True, on_colour=True)
    else:
        mark_phases(axes, run.phases, PHASES, on_colour=True)


@styled
def label_maps(title: str, maps: Mapping[str, ClassArray], classes: tuple[str, ...]) -> Figure:
    """Draw label maps of the same plane side by side.

    Args:
        title: what is shown.
        maps: class of each point, (g, g), by the map's title; the first row at the bottom.
        classes: names.
    """
    side = WIDTH / max(2, len(maps))
    figure = titled_figure(title, side + 1.1)
    panels = figure.subplots(1, len(maps), squeeze=False)[0]
    colours = ClassColours(len(classes))
    colours.see(maps.values())
    table = class_rgb(colours)
    for axes, (head, labels) in zip(panels, maps.items(), strict=True):
        axes.imshow(table[labels], origin="lower", interpolation="nearest")
        axes.set(xticks=[], yticks=[])
        axes.set_title(head, parse_math=False, loc="left")
    class_legend(figure, colours, classes)
    return figure


@styled
def metric_curves(groups: Mapping[str, Mapping[str, Mapping[str, Curve]]], unit: str) -> Figure:
    """Draw metrics of runs over their steps: a colour and dash for each run, a marker for each metric.

    Args:
        groups: curves by run, by metric, by the title of the axis that they share.
        unit: of the steps.
    """
    figure = titled_figure(", ".join(map(plain, groups)), 0.6 + 2.2 * len(groups))
    panels = figure.subplots(len(groups), 1, squeeze=False)[:, 0]
    shown = [curves for metrics in groups.values() for curves in metrics.values()]
    every = [curve for curves in shown for curve in curves.values() if len(curve.steps)]
    names = dict.fromkeys(run for curves in shown for run in curves)
    looks = dict(zip(names, zip(RUN_COLOURS, DASHES, strict=True), strict=False))
    grain = min([axis.grain(curve.steps) for curve in every], default=1)
    last = max([1, *(int(curve.steps[-1]) for curve in every)])
    for axes, (title, metrics) in zip(panels, groups.items(), strict=True):
        for marker, (metric, curves) in zip(cycle(MARKERS), metrics.items(), strict=False):
            for run, curve in curves.items():
                label = plain(f"{run}, {metric}" if len(metrics) > 1 else run)
                colour, dash = looks[run]
                spots = {"marker": marker, "markevery": SPOTS, "markersize": 2.8}
                axes.plot(
                    curve.steps, curve.values, color=colour, linestyle=dash, label=label, **spots
                )
        epoch_axis(axes, "x", -0.12 * grain, last, grain)
        axes.set(xlabel=unit)
        axes.set_ylabel(plain(title), parse_math=False)
        for text in axes.legend().get_texts():
            text.set_parse_math(False)
    return figure
