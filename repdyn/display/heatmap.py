"""What a heatmap shows, in the terminal, on the screen and in a figure."""

from __future__ import annotations

from dataclasses import dataclass, field

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

    def __post_init__(self) -> None:
        rows = len(self.steps if self.rows is None else self.rows)
        if self.values.shape != (rows, len(self.steps)):
            raise ValueError(f"{self.values.shape} values, {rows} rows, {len(self.steps)} columns")

    @property
    def square(self) -> bool:
        """Whether the rows are the checkpoints of the columns."""
        return self.rows is None

    def row_name(self, row: int) -> str:
        """Return the name of a row: a layer's name, or an epoch."""
        return str(self.steps[row]) if self.rows is None else self.rows[row]
