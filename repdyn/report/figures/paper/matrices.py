"""The E×E matrices of several layers of each group of runs, on one colour scale."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure

from repdyn.display import axis
from repdyn.display.heatmap import HeatmapData
from repdyn.display.reading import measured
from repdyn.display.scale import Scale
from repdyn.display.similarity import Similarity, common_scale, similarity
from repdyn.display.wording import plain
from repdyn.records import FloatArray, Phases
from repdyn.report.figures.cells import draw_cells, grey_handle
from repdyn.report.figures.matrices import LINES, by_depth
from repdyn.report.figures.paper.sheet import (
    EDGE,
    LINE,
    PAGE,
    TICKS,
    draw_legend,
    fitted,
    legend_height,
    panel,
    paper_styled,
    sheet,
    text_width,
    thin_ticks,
    write,
)
from repdyn.report.figures.paper.shown import Shown
from repdyn.report.figures.style import (
    BAR,
    SIMILARITY,
    bar_ends,
    epoch_axis,
    norm,
    phase_handles,
    phase_lines,
)
from repdyn.step_words import short_step

LEFT = 0.27
"""Inches for the vertical axis, without its numbers."""

BELOW = 0.4
"""Inches for a horizontal axis with its label."""

GAP = 0.07
"""Inches between panels."""

LEAST_SIDE, MOST_SIDE = 0.76, 1.5
"""Inches: as many layers are drawn as have panels of the former side; none is larger."""

BAR_LENGTH = 2.7
"""Inches of the colour bar at most."""

BETWEEN = 0.3
"""Inches between the colour bar and a legend beside it."""

LEAST_LEGEND = 1.5
"""Inches: a legend has its place below the colour bar if there is less room beside it."""


@paper_styled
def matrices(shown: Sequence[Shown], measure: str, width: float) -> Figure:
    """Draw a row for each group and a column for each layer, several by depth if there are many.

    Args:
        shown: groups whose drawn run has the measure.
        measure: its name.
        width: of the figure in inches.
    """
    groups = [similarity(measured(group.record), measure) for group in shown]
    start = LEFT + max(map(_widest_number, groups))
    room = width - start - EDGE
    most = int((room + GAP) / (LEAST_SIDE + GAP))
    layers = [by_depth(len(one.names), most) for one in groups]
    labelled = _labelled(groups, layers)
    around = [2 * LINE + (BELOW if below else GAP) for below in labelled]
    widest = (room + GAP) / max(map(len, layers)) - GAP
    side = min(widest, MOST_SIDE, (PAGE - sum(around)) / len(groups))
    heights = [side + one for one in around]
    *tops, end = np.cumsum([0.0, *heights]).tolist()
    scale = common_scale(groups)
    bar = min(BAR_LENGTH, room - text_width(f"{scale.high:g}", TICKS) / 2)
    bar_height = BAR + LINE * (1.3 + len(_bar_label(scale, bar)))
    handles = _handles(shown, groups)
    beside = room - bar - BETWEEN
    below = beside < LEAST_LEGEND or legend_height(handles, beside) > bar_height
    legend = legend_height(handles, room) if below else 0.0
    figure = sheet(width, end + bar_height + legend + EDGE)
    for i, (group, one) in enumerate(zip(shown, groups, strict=True)):
        write(figure, start, tops[i] + EDGE, group.label, room, weight="bold")
        places = [start + k * (side + GAP) for k in range(len(layers[i]))]
        row = [panel(figure, left, tops[i] + 2 * LINE, side, side) for left in places]
        for axes, layer in zip(row, layers[i], strict=True):
            _draw_matrix(axes, one.of_layer(layer, scale, group.record.phases))
            axes.set_title(fitted(plain(one.names[layer]), side), parse_math=False)
        _label_axes(row, one.unit, below=labelled[i])
    everything = np.concatenate([one.matrices.ravel() for one in groups])
    _draw_bar(figure, scale, everything, (start, end), bar)
    if below:
        draw_legend(figure, handles, start, end + bar_height, room)
    else:
        draw_legend(figure, handles, start + bar + BETWEEN, end, beside)
    return figure


def _labelled(groups: Sequence[Similarity], layers: Sequence[Sequence[int]]) -> list[bool]:
    """Return which rows have numbers below: the last alone if all have the same axis and columns."""
    axes = {
        (len(drawn), one.unit, int(one.steps[0]), int(one.steps[-1]), axis.grain(one.steps))
        for one, drawn in zip(groups, layers, strict=True)
    }
    return [len(axes) > 1 or one is groups[-1] for one in groups]


def _widest_number(one: Similarity) -> float:
    """Return how wide the numbers on an axis of checkpoints may be, in inches."""
    marks = axis.ticks(int(one.steps[-1]), grain=axis.grain(one.steps))
    return max(text_width(short_step(mark), TICKS) for mark in marks)


def _draw_matrix(axes: Axes, data: HeatmapData) -> None:
    first, *_, last = draw_cells(axes, data, norm(data.scale))
    grain = axis.grain(data.steps)
    epoch_axis(axes, "x", first, last, grain)
    epoch_axis(axes, "y", first, last, grain)
    thin_ticks(axes, "x", GAP / 2)
    thin_ticks(axes, "y", GAP / 2)
    phase_lines(axes, data.phases, LINES, both=True, on_colour=True)


def _label_axes(row: Sequence[Axes], unit: str, *, below: bool) -> None:
    row[0].set_ylabel(unit)
    for axes in row:
        axes.tick_params(labelleft=axes is row[0], labelbottom=below)
        if below:
            axes.set_xlabel(unit)


def _handles(shown: Sequence[Shown], groups: Sequence[Similarity]) -> list[Artist]:
    found = {name for group in shown for name in group.record.phases.markers()}
    handles: list[Artist] = list(phase_handles([name for name in LINES if name in found]))
    every = (
        one.of_layer(i, one.scale(), Phases()) for one in groups for i in range(len(one.names))
    )
    return [*handles, *grey_handle(every)]


def _bar_label(scale: Scale, length: float) -> list[str]:
    """Return what the bar shows, on one line if it fits."""
    line = scale.label.replace("\n", " ")
    return [line] if text_width(line) <= length else scale.label.split("\n")


def _draw_bar(
    figure: Figure,
    scale: Scale,
    values: FloatArray,
    at: tuple[float, float],
    length: float,
) -> None:
    """Draw the colour bar, and label as many of the scale's ticks as fit, the highest included."""
    ends = figure.colorbar(
        ScalarMappable(norm(scale), SIMILARITY),
        cax=panel(figure, *at, length, BAR),
        orientation="horizontal",
        extend=bar_ends(scale, values),
        extendfrac=BAR / length,
    )
    labels = [f"{tick:g}" for tick in scale.ticks]
    widest = max(text_width(label, TICKS) for label in labels) + 0.08
    every = max(1, -(-len(labels) * widest // length))
    ends.set_ticks(scale.ticks[:: -int(every)], labels=labels[:: -int(every)])
    ends.minorticks_off()
    ends.set_label("\n".join(_bar_label(scale, length)))
    ends.outline.set_visible(False)
    if ends.solids is not None:
        ends.solids.set_rasterized(True)
