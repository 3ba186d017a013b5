"""What a heatmap posts about its cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from tui.widgets.heatmap import Heatmap


class CellMessage(Message):
    """About one cell.

    Attributes:
        heatmap: that it is in.
        row, column: of the cell in the data.
        value: its value, NaN where there is none.
        epoch: of the column.
    """

    def __init__(self, heatmap: Heatmap, row: int, column: int, value: float, epoch: int) -> None:
        super().__init__()
        self.heatmap = heatmap
        self.row = row
        self.column = column
        self.value = value
        self.epoch = epoch

    @property
    def control(self) -> Heatmap:
        """The heatmap, for `@on(..., "#id")`."""
        return self.heatmap
