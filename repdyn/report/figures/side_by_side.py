"""Runs beside each other: heatmaps on one scale, label maps, one metric of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure

from repdyn.display import axis
from repdyn.display.similarity import Scale
from repdyn.display.wording import PHASES, plain
from repdyn.records import ClassArray, Curve, FloatArray, Phases
from repdyn.report.figures.decision import class_legend
from repdyn.report.figures.overview import name_rows, row_borders
from repdyn.report.figures.palette import class_colours
from repdyn.report.figures.style import (
    BAR,
    SIMILARITY,
    WIDTH,
    epoch_axis,
    norm,
    phase_lines,
    scale_bar,
    styled,
    titled_figure,
)

RUN_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
"""Colours of two to four runs (Okabe and Ito 2008)."""

MATRIX_LINES = ("onset", "fit")

DIFFERENCE: Colormap = mpl.colormaps["RdBu_r"].with_extremes(bad="0.88")
"""White where two runs are alike, red where the second has more, blue where it has less."""


@dataclass(frozen=True)
class Heatmap:
    """A run's heatmap.

    Attributes:
        head: what it is headed by.
        epochs: of the columns, (E,).
        rows: names of the layers (R); nothing where the rows are the epochs too.
        values: (R, E), or (E, E) between checkpoints.
        phases: of the run.
    """

    head: str
    epochs: Sequence[int]
    rows: tuple[str, ...]
    values: FloatArray
    phases: Phases


@dataclass(frozen=True)
class Difference:
    """The difference of two runs.

    Attributes:
        heatmap: of the second less the first, at the first one's checkpoints.
        reach: the difference at the ends of the colour map.
    """

    heatmap: Heatmap
    reach: float


@styled
def heatmaps(
    title: str, runs: Sequence[Heatmap], scale: Scale, difference: Difference | None = None
) -> Figure:
    """Draw a heatmap for each run: layers over checkpoints, or checkpoints against checkpoints.

    Args:
        title: what is shown.
        runs: at least one; all with layers or all without.
        scale: of all of them.
        difference: of two runs, drawn at the right of theirs.
    """
    count = len(runs) + (difference is not None)
    bars = 0.5 if difference is None else 1.4  # of a panel's width, with their labels
    side = WIDTH / (count + bars)
    rows = max(len(run.rows) for run in runs)
    height = max(1.4, 0.135 * rows) if rows else side
    figure = titled_figure(title, height + 1.0)
    panels = list(figure.subplots(1, count, squeeze=False)[0])
    beside = panels[: len(runs)]
    for axes, run in zip(beside, runs, strict=True):
        _draw_heatmap(axes, run, SIMILARITY, norm(scale))
    values = np.concatenate([run.values.ravel() for run in runs])
    scale_bar(figure, beside, scale, values, length=height)
    if difference is not None:
        ends = Normalize(-difference.reach, difference.reach)
        _draw_heatmap(panels[-1], difference.heatmap, DIFFERENCE, ends)
        _difference_bar(figure, panels[-1], ends, length=height)
    return figure


def _difference_bar(figure: Figure, axes: Axes, ends: Normalize, length: float) -> None:
    """Draw what the colours of a difference mean beside it, about so many inches long."""
    bar = figure.colorbar(
        ScalarMappable(ends, DIFFERENCE),
        ax=axes,
        extend="both",
        extendfrac=BAR / length,
        aspect=length / BAR,
        pad=0.03,
    )
    bar.outline.set_visible(False)


def _draw_heatmap(axes: Axes, run: Heatmap, cmap: Colormap, colours: Normalize) -> None:
    borders = axis.edges(np.asarray(run.epochs))
    down = row_borders(run.rows) if run.rows else borders
    axes.pcolormesh(borders, down, run.values, cmap=cmap, norm=colours, rasterized=True)
    axes.set_title(run.head, parse_math=False, loc="left")
    axes.set_xlabel("epoch")
    epoch_axis(axes, "x", borders[0], borders[-1])
    if run.rows:
        name_rows(axes, run.rows)
        phase_lines(axes, run.phases, PHASES, on_colour=True)
    else:
        axes.set_box_aspect(1)
        axes.set_ylabel("epoch")
        epoch_axis(axes, "y", borders[0], borders[-1])
        phase_lines(axes, run.phases, MATRIX_LINES, both=True, on_colour=True)


@styled
def label_maps(title: str, maps: Mapping[str, ClassArray], classes: tuple[str, ...]) -> Figure:
    """Draw label maps of the same plane beside each other.

    Args:
        title: what is shown.
        maps: class of each point, (g, g), by what a map is headed by; the first row at the bottom.
        classes: names.
    """
    side = WIDTH / max(2, len(maps))
    figure = titled_figure(title, side + 1.1)
    panels = figure.subplots(1, len(maps), squeeze=False)[0]
    colours = class_colours(len(classes), maps.values(), ())
    for axes, (head, labels) in zip(panels, maps.items(), strict=True):
        axes.imshow(colours.rgb[labels], origin="lower", interpolation="nearest")
        axes.set(xticks=[], yticks=[])
        axes.set_title(head, parse_math=False, loc="left")
    class_legend(figure, colours, classes)
    return figure


@styled
def metric_curves(metric: str, curves: Mapping[str, Curve]) -> Figure:
    """Draw a metric of runs over their epochs, by the runs' names."""
    figure = titled_figure(plain(metric), 2.8)
    axes = figure.subplots()
    for colour, (name, curve) in zip(RUN_COLOURS, curves.items(), strict=False):
        axes.plot(curve.epochs, curve.values, color=colour, label=name)
    ends = [int(curve.epochs[-1]) for curve in curves.values() if len(curve.epochs)]
    epoch_axis(axes, "x", -0.12, max([1, *ends]))
    axes.set(xlabel="epoch", ylabel=plain(metric))
    for text in axes.legend().get_texts():
        text.set_parse_math(False)
    return figure
