"""Data of heatmaps, written briefly."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repdyn.display.heatmap import HeatmapData
from repdyn.display.scale import Scale
from repdyn.records import Phases

EVEN = Scale("", 0.0, 1.0, (0.0, 1.0), logarithmic=False)


def heatmap_data(
    values: NDArray[Any],
    rows: Sequence[str] | None,
    epochs: Iterable[int],
    phases: Phases | None = None,
    scale: Scale = EVEN,
) -> HeatmapData:
    """Values by name and epoch; without names, between epochs."""
    columns = np.array(list(epochs), dtype=np.int64)
    return HeatmapData(
        values=np.asarray(values, dtype=np.float64),
        rows=None if rows is None else tuple(rows),
        steps=columns,
        scale=scale,
        phases=phases or Phases(),
    )
