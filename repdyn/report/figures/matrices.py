"""The epoch×epoch similarity of every layer, as small multiples in order of depth."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from repdyn.display import axis
from repdyn.display.reading import measured
from repdyn.display.scale import ScaleKind
from repdyn.display.similarity import similarity
from repdyn.display.wording import ending
from repdyn.evenly import evenly
from repdyn.records import RunRecord
from repdyn.report.figures.cells import draw_cells, grey_handle
from repdyn.report.figures.phase_marks import mark_phases, phase_legend
from repdyn.report.figures.style import (
    WIDTH,
    epoch_axis,
    new_figure,
    norm,
    scale_bar,
    styled,
)

LINES = ("onset", "fit")

MOST_PANELS = 24
"""Layers that are drawn; of more, those evenly spaced in depth."""

LETTER = 0.055
"""Inches of a letter of a title."""

Panels = NDArray[np.object_]


@styled
def similarity_matrices(record: RunRecord, measure: str, how: ScaleKind = "fixed") -> Figure:
    """Draw the E×E matrix of each layer, and of the output where it is measured, on one colour scale.

    Args:
        record: of the run.
        measure: its name.
        how: what the colours span.

    Raises:
        UserError: the run has no checkpoint yet.
    """
    shown = similarity(measured(record), measure)
    drawn = evenly(len(shown.names), MOST_PANELS)
    rows, columns = grid(len(drawn))
    panel = min(WIDTH / (columns + 0.5), 2.6)
    height = rows * (panel + 0.05) + 1.0
    by = (
        "by layer"
        if len(drawn) == len(shown.names)
        else f"{len(drawn)} of {len(shown.names)} layers"
    )
    figure = new_figure(
        record, f"{shown.measure.title} between checkpoints, {by}", height, layout="compressed"
    )
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    scale = shown.scale(how)
    heatmaps = [shown.of_layer(layer, scale, record.phases) for layer in drawn]
    for layer, data, axes in zip(drawn, heatmaps, panels.flat, strict=False):
        first, *_, last = draw_cells(axes, data, norm(scale))
        mark_phases(axes, record.phases, LINES, both=True, on_colour=True)
        axes.set_title(ending(shown.names[layer], int(panel / LETTER)), parse_math=False)
    grain = axis.grain(shown.steps)
    epoch_axis(panels[0, 0], "x", first, last, grain)
    epoch_axis(panels[0, 0], "y", first, last, grain)
    _label_outer(panels, len(drawn), shown.unit)
    scale_bar(figure, list(panels.flat), scale, shown.matrices, length=rows * panel)
    phase_legend(figure, record, LINES, *grey_handle(heatmaps), on_colour=True)
    return figure


def grid(panels: int) -> tuple[int, int]:
    """Return rows and columns: of 4 to 6 columns, the fewest that leave the fewest cells empty."""
    if panels <= 4:
        return 1, panels
    columns = min((4, 5, 6), key=lambda columns: -panels % columns)
    return -(-panels // columns), columns


def _label_outer(panels: Panels, used: int, unit: str) -> None:
    """Label the leftmost and lowest panels, and hide those after the last."""
    columns = panels.shape[1]
    for axes in panels[:, 0]:
        axes.set_ylabel(unit)
    for axes in panels.flat[max(0, used - columns) : used]:
        axes.set_xlabel(unit)
        axes.tick_params(labelbottom=True)
    for spare in panels.flat[used:]:
        spare.set_visible(False)
