"""What a heatmap shows, in the terminal, on the screen and in a figure."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from repdyn.display.errors import within_error
from repdyn.display.scale import Scale
from repdyn.records import EPOCH, FloatArray, IntArray, Phases


@dataclass(frozen=True)
class HeatmapData:
    """Layers × checkpoints, or checkpoints × checkpoints.

    Attributes:
        values: (R, E), NaN where there is none; (E, E) between checkpoints.
        rows: names, (R,); None where the rows are the checkpoints of the columns.
        steps: of the columns, increasing, (E,).
        scale: of the values.
        phases: of the run, whose boundaries and change points may be marked.
        title: its heading.
        unit: of the steps.
        errors: standard errors of the values, (R, E); None if there are none.
        itself: the column of the checkpoint that all others are compared with, if that is so.

    Raises:
        ValueError: names, steps and values do not fit together.
    """

    values: FloatArray
    rows: tuple[str, ...] | None
    steps: IntArray
    scale: Scale
    phases: Phases = field(default_factory=Phases)
    title: str = ""
    unit: str = EPOCH
    errors: FloatArray | None = None
    itself: int | None = None

    def __post_init__(self) -> None:
        rows = len(self.steps if self.rows is None else self.rows)
        if self.values.shape != (rows, len(self.steps)):
            raise ValueError(f"{self.values.shape} values, {rows} rows, {len(self.steps)} columns")

    @property
    def within_error(self) -> NDArray[np.bool_]:
        """Which cells cannot be told from their neighbours, as display/errors.py says, (R, E)."""
        if self.errors is None:
            return np.zeros(self.values.shape, dtype=bool)
        return within_error(self.values, self.errors, square=self.square)

    @property
    def trivial(self) -> NDArray[np.bool_]:
        """Which cells compare a checkpoint with itself, and are equal whatever the run, (R, E)."""
        if self.square:
            return np.eye(len(self.values), dtype=bool)
        cells = np.zeros(self.values.shape, dtype=bool)
        if self.itself is not None:
            cells[:, self.itself] = True
        return cells

    @property
    def square(self) -> bool:
        """Whether the rows are the checkpoints of the columns."""
        return self.rows is None

    def row_name(self, row: int) -> str:
        """Return the name of a row: a layer's name, or an epoch."""
        return str(self.steps[row]) if self.rows is None else self.rows[row]
