"""What of a heatmap is in view: the scale of its colours, and where its cursor stays."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from repdyn.display import axis
from repdyn.display.heatmap import HeatmapData
from repdyn.display.scale import FINEST, Scale

STRETCHED = ((2, 98), (10, 90), (25, 75))
"""Percentiles of the values in view that a scale spans, by how far it is stretched."""

Cell = tuple[int, int]
"""Row and column."""


def followed(before: HeatmapData | None, now: HeatmapData, cell: Cell) -> Cell:
    """Return where the cursor's row and epoch are now; at first, the first row's last epoch."""
    if before is None:
        return 0, len(now.steps) - 1
    row, epoch = cell[0], int(before.steps[cell[1]])
    if before.rows is None and now.rows is None:
        row = axis.nearest(now.steps, int(before.steps[row]))
    elif before.rows is not None and now.rows is not None and before.rows[row] in now.rows:
        row = now.rows.index(before.rows[row])
    return row, axis.nearest(now.steps, epoch)


def stretched(data: HeatmapData, seen: slice, stretch: int) -> Scale:
    """Return a scale over most values in view if they differ, else that of the data."""
    scale = data.scale
    values = data.values[seen if data.square else slice(None), seen]
    finite = values[np.isfinite(values)]
    if scale.logarithmic:
        finite = finite[finite < 1 - FINEST]
    if not finite.size:
        return scale
    low, high = (float(v) for v in np.percentile(finite, STRETCHED[stretch - 1]))
    if math.isclose(low, high):
        return scale
    return replace(scale, low=low, high=high, ticks=(low, high), span="view")
