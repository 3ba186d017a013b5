"""The E×E matrices of several layers of each group of runs, on one colour scale."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from repdyn.display import axis
from repdyn.display.heatmap import HeatmapData
from repdyn.display.reading import measured
from repdyn.display.scale import Scale
from repdyn.display.similarity import Similarity, similarity
from repdyn.display.wording import plain
from repdyn.evenly import evenly
from repdyn.report.figures.cells import draw_cells
from repdyn.report.figures.matrices import LINES
from repdyn.report.figures.paper.colour_bar import Foot, cell_handles, draw_dots
from repdyn.report.figures.paper.sheet import (
    EDGE,
    LINE,
    PAGE,
    TICKS,
    fitted,
    panel,
    paper_styled,
    sheet,
    text_width,
    thin_ticks,
    write,
)
from repdyn.report.figures.paper.shown import Shown
from repdyn.report.figures.phase_marks import boundary_handles, mark_phases
from repdyn.report.figures.style import epoch_axis, norm
from repdyn.step_words import short_step

LEFT = 0.27
"""Inches for the vertical axis, without its numbers."""

BELOW = 0.4
"""Inches for a horizontal axis with its label."""

GAP = 0.07
"""Inches between panels."""

LEAST_SIDE, MOST_SIDE = 0.76, 1.5
"""Inches: as many layers are drawn as have panels of the former side; none is larger."""

LOWEST_SIDE = 0.62
"""Inches of the panels of so many groups that all do not fit on a page with the caption."""


@paper_styled
def matrices(shown: Sequence[Shown], measure: str, scale: Scale, width: float) -> Figure:
    """Draw a row for each group and a column for each layer, several by depth if there are many.

    Args:
        shown: groups whose first run has the measure.
        measure: its name.
        scale: of the colours.
        width: of the figure in inches.
    """
    groups = [similarity(measured(group.record), measure) for group in shown]
    start = LEFT + max(map(_widest_number, groups))
    room = width - start - EDGE
    most = int((room + GAP) / (LEAST_SIDE + GAP))
    layers = [evenly(len(one.names), most) for one in groups]
    labelled = _labelled(groups, layers)
    around = [2 * LINE + (BELOW if below else GAP) for below in labelled]
    drawn = [
        [one.of_layer(layer, scale, group.record.phases) for layer in some]
        for group, one, some in zip(shown, groups, layers, strict=True)
    ]
    foot = Foot(scale, _handles(shown, drawn), room, width)
    widest = (room + GAP) / max(map(len, layers)) - GAP
    high = max(LOWEST_SIDE, (PAGE - foot.height - sum(around)) / len(groups))
    side = min(widest, MOST_SIDE, high)
    heights = [side + one for one in around]
    *tops, end = np.cumsum([0.0, *heights]).tolist()
    figure = sheet(width, end + foot.height)
    for i, (group, one) in enumerate(zip(shown, groups, strict=True)):
        write(figure, start, tops[i] + EDGE, group.label, room, weight="bold")
        places = [start + k * (side + GAP) for k in range(len(layers[i]))]
        row = [panel(figure, left, tops[i] + 2 * LINE, side, side) for left in places]
        for axes, layer, data in zip(row, layers[i], drawn[i], strict=True):
            _draw_matrix(axes, data)
            axes.set_title(fitted(plain(one.names[layer]), side), parse_math=False)
        _label_axes(row, one.unit, below=labelled[i])
    values = [one.matrices[:, ~np.eye(len(one.steps), dtype=bool)].ravel() for one in groups]
    foot.draw(figure, start, end, np.concatenate(values))
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
    draw_dots(axes, data)
    thin_ticks(axes, "x", GAP / 2)
    thin_ticks(axes, "y", GAP / 2)
    mark_phases(axes, data.phases, LINES, both=True, on_colour=True)


def _label_axes(row: Sequence[Axes], unit: str, *, below: bool) -> None:
    row[0].set_ylabel(unit)
    for axes in row:
        axes.tick_params(labelleft=axes is row[0], labelbottom=below)
        if below:
            axes.set_xlabel(unit)


def _handles(shown: Sequence[Shown], drawn: Sequence[Sequence[HeatmapData]]) -> list[Artist]:
    phases = [group.record.phases for group in shown]
    cells = cell_handles([data for row in drawn for data in row])
    return [*boundary_handles(phases, LINES, on_cells=True), *cells]
