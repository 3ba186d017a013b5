"""The similarity of every layer to the last checkpoint over the epochs, a heatmap for each group."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from repdyn.display import axis
from repdyn.display.heatmap import HeatmapData
from repdyn.display.scale import Scale
from repdyn.display.wording import plain
from repdyn.report.figures.cells import draw_cells
from repdyn.report.figures.matrices import LINES
from repdyn.report.figures.paper.colour_bar import Foot, cell_handles, draw_dots
from repdyn.report.figures.paper.panels import GAP, WIDE, panels
from repdyn.report.figures.paper.seeds import Profiles, phases_over_seeds, profiles_over_seeds
from repdyn.report.figures.paper.sheet import (
    EDGE,
    LINE,
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

ROW = 0.115
"""Inches of a layer's row, unless there are many."""

LEAST, MOST = 0.5, 1.6
"""Inches of a heatmap's height."""

NAMES = 0.3
"""Most of a panel's width that the names of its layers take."""

PAD = 0.08
"""Inches between names and cells."""


@paper_styled
def profiles(shown: Sequence[Shown], measure: str, scale: Scale, width: float) -> Figure:
    """Draw a heatmap for each group: a row for each layer, a column for each checkpoint.

    Args:
        shown: groups of runs that have the measure.
        measure: its name.
        scale: of the colours.
        width: of the figure in inches.
    """
    found = [profiles_over_seeds(group.runs, measure) for group in shown]
    most = NAMES * width / (2 if width > WIDE and len(shown) > 1 else 1)
    names = [[fitted(plain(name), most - PAD, TICKS) for name in one.of.names] for one in found]
    left = PAD + max(text_width(name, TICKS) for row in names for name in row)
    drawn = [_heatmap(group, one, scale) for group, one in zip(shown, found, strict=True)]
    rows = max(len(data.values) for data in drawn)
    high = min(max(LEAST, ROW * rows), MOST)
    phases = [data.phases for data in drawn]
    handles = [*boundary_handles(phases, LINES, on_cells=True), *cell_handles(drawn)]
    foot = Foot(scale, handles, width - left - EDGE, width)
    at = panels(len(shown), width, left, (min(LEAST, high), high), foot.height)
    figure = sheet(width, at.end + foot.height)
    for group, data, labels, (x, top) in zip(shown, drawn, names, at.places, strict=True):
        write(figure, x, top - LINE, group.label, at.room, weight="bold")
        axes = panel(figure, x, top, at.room, at.high)
        first, *_, last = draw_cells(axes, data, norm(scale))
        named = axes.get_yticks().astype(int)
        axes.set_yticks(named, labels=[labels[row] for row in named], parse_math=False)
        epoch_axis(axes, "x", first, last, axis.grain(data.steps))
        thin_ticks(axes, "x", GAP)
        draw_dots(axes, data)
        mark_phases(axes, data.phases, LINES, on_colour=True)
        axes.set_xlabel(data.unit)
    foot.draw(figure, left, at.end, np.concatenate([data.values.ravel() for data in drawn]))
    return figure


def _heatmap(group: Shown, one: Profiles, scale: Scale) -> HeatmapData:
    values, phases = one.values, phases_over_seeds(group.runs)
    of = one.of
    last = len(values.steps) - 1 if values.steps[-1] == of.steps[-1] else None
    return HeatmapData(
        values.middle, of.names, values.steps, scale, phases, "", of.unit, one.errors, last
    )
