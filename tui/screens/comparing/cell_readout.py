"""The values under the linked cursors, on one line."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.text import Text

from repdyn.display.errors import with_error
from tui.screens.comparing.difference import DIFFERENCE, signed


@dataclass(frozen=True)
class Cell:
    """A cell of a run's heatmap.

    Attributes:
        run: its letter, or the name of a difference.
        row: the layer of its row; nothing in a matrix.
        at: its epoch in words, or the two of a matrix.
        value, error: its value and standard error, NaN if there is none.
    """

    run: str
    row: str
    at: str
    value: float
    error: float

    def less(self, other: Cell) -> Cell:
        """Return the difference to another run's cell."""
        error = math.hypot(self.error, other.error)
        return Cell(DIFFERENCE, self.row, self.at, self.value - other.value, error)

    def written(self, *, with_errors: bool) -> str:
        """Return the value."""
        error = self.error if with_errors else math.nan
        return (signed if self.run == DIFFERENCE else with_error)(self.value, error)


def readouts(cells: Sequence[Cell]) -> Iterator[Text]:
    """Yield the line in several versions: without what the runs share, then without more and more."""
    if not cells:
        yield Text()
        return
    runs = [cell for cell in cells if cell.run != DIFFERENCE]
    one_epoch = len({cell.at for cell in runs}) == 1
    one_row = len({cell.row for cell in runs}) == 1
    shared = [cells[0].row] if one_row and cells[0].row else []
    if one_epoch:
        shared.append(cells[0].at)

    def line(*, rows: bool, epochs: bool, errors: bool, common: bool) -> Text:
        text = Text("  ".join(shared) if common else "", "dim")
        for cell in cells:
            own = [cell.row] if rows and not one_row else []
            if epochs and not one_epoch:
                own.append(cell.at)
            about = " ".join([cell.run, *([] if cell.run == DIFFERENCE else [", ".join(own)])])
            text.append("  " if text else "")
            text.append(f"{about.rstrip()} ", "dim").append(
                cell.written(with_errors=errors), "bold"
            )
        return text

    yield line(rows=True, epochs=True, errors=True, common=True)
    yield line(rows=False, epochs=True, errors=True, common=True)
    yield line(rows=False, epochs=False, errors=True, common=True)
    yield line(rows=False, epochs=False, errors=True, common=False)
    yield line(rows=False, epochs=False, errors=False, common=True)
    yield line(rows=False, epochs=False, errors=False, common=False)
