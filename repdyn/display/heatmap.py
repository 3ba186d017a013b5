"""What a heatmap shows, in the terminal, on the screen and in a figure."""

from __future__ import annotations

from dataclasses import dataclass, field

from repdyn.display.scale import Scale
from repdyn.records import FloatArray, IntArray, Phases


@dataclass(frozen=True)
class HeatmapData:
    """Layers × checkpoints, or checkpoints × checkpoints.

    Attributes:
        values: (R, E), NaN where there is none; (E, E) between checkpoints.
        rows: names, (R,); None where the rows are the checkpoints of the columns.
        epochs: of the columns, increasing, (E,).
        scale: of the values.
        phases: of the run, whose boundaries and change points may be marked.
        title: what it is headed by.

    Raises:
        ValueError: names, epochs and values do not fit together.
    """

    values: FloatArray
    rows: tuple[str, ...] | None
    epochs: IntArray
    scale: Scale
    phases: Phases = field(default_factory=Phases)
    title: str = ""

    def __post_init__(self) -> None:
        rows = len(self.epochs if self.rows is None else self.rows)
        if self.values.shape != (rows, len(self.epochs)):
            raise ValueError(f"{self.values.shape} values, {rows} rows, {len(self.epochs)} columns")

    @property
    def square(self) -> bool:
        """Whether the rows are the checkpoints of the columns."""
        return self.rows is None

    def row_name(self, row: int) -> str:
        """Return what a row is called: a layer's name, or an epoch."""
        return str(self.epochs[row]) if self.rows is None else self.rows[row]
