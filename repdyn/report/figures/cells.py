"""The cells of a heatmap in a figure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, Normalize
from matplotlib.patches import Patch

from repdyn.display import axis
from repdyn.display.heatmap import HeatmapData
from repdyn.records import FloatArray
from repdyn.report.figures.style import SIMILARITY

LEAST_ROW = 0.1
"""Inches between the names of rows; if rows are lower, some are not named."""

ITSELF, MISSING = "a checkpoint with itself", "no value"
"""What grey cells are."""


def draw_cells(
    axes: Axes, data: HeatmapData, colours: Normalize, cmap: Colormap = SIMILARITY
) -> FloatArray:
    """Draw a heatmap's cells, its layers named with the first on top, or square.

    Those of a checkpoint with itself are grey: they are equal whatever the run.

    Args:
        axes: whose epoch axes are left to the caller.
        data: to draw.
        colours: from values to places on the colour map.
        cmap: the colour map.

    Returns:
        The borders of the checkpoints' cells, (E+1,) in epochs.
    """
    borders = axis.edges(data.steps)
    down = borders if data.rows is None else np.arange(len(data.rows) + 1, dtype=float) - 0.5
    values = np.where(data.trivial, np.nan, data.values)
    axes.pcolormesh(borders, down, values, cmap=cmap, norm=colours, rasterized=True)
    if data.rows is None:
        axes.set_box_aspect(1)
    else:
        axes.set_ylim(len(data.rows) - 0.5, -0.5)
        inches = axes.get_window_extent().height / axes.figure.dpi
        every = -(-len(data.rows) // max(1, int(inches / LEAST_ROW)))
        named = range(0, len(data.rows), every)
        axes.set_yticks(named, labels=[data.rows[i] for i in named], parse_math=False)
        axes.tick_params(axis="y", length=0)
    return borders


def grey_handle(heatmaps: Iterable[HeatmapData]) -> list[Patch]:
    """Return what a legend shows of grey cells, if there are any."""
    itself = missing = False
    for data in heatmaps:
        itself |= bool(data.trivial.any())
        missing |= bool((np.isnan(data.values) & ~data.trivial).any())
    words = [ITSELF] * itself + [MISSING] * missing
    grey = SIMILARITY.get_bad()
    # edged, unlike an interval's patch
    look: dict[str, Any] = {"facecolor": tuple(grey), "edgecolor": "0.5", "linewidth": 0.5}
    return [Patch(label=" or ".join(words), **look)] if words else []
