"""How the panels of runs are arranged: in a grid in which all layers show, of equal panels."""

from __future__ import annotations

from dataclasses import dataclass, replace

HEAD, TICKS, MARKERS = 1, 1, 1
"""Lines of a panel beside those of its cells."""

GAP = 2
"""Columns between panels."""

NEARLY = 0.7
"""Of the largest squares' side: so much is enough if it leaves lines for what is below."""

NARROW, WIDE = 28, 36
"""Columns that a panel needs, and those from which its epochs are easy to tell apart."""


@dataclass(frozen=True)
class PanelGrid:
    """A grid of equal panels.

    Attributes:
        columns: of panels.
        width, height: of each panel.
        markers: whether there is a line for the names of boundaries.
    """

    columns: int
    width: int
    height: int
    markers: bool

    @property
    def lines(self) -> int:
        """Lines of cells in a panel."""
        return max(1, self.height - HEAD - TICKS - MARKERS * self.markers)

    def lines_of_square(self, gutter: int) -> int:
        """Return the lines of cells of a square heatmap in a panel."""
        return max(1, min(self.lines, (self.width - gutter) // 2))

    def around_squares(self, gutter: int) -> PanelGrid:
        """Return the grid without the lines that square heatmaps leave empty."""
        height = self.height - self.lines + self.lines_of_square(gutter)
        return replace(self, height=height)


def arranged(
    panels: int,
    rows: int,
    width: int,
    height: int,
    *,
    per_line: int,
    gutter: int,
    square: bool,
    below: int = 0,
) -> PanelGrid:
    """Return the grid for some panels.

    Panels below each other, whose epochs are aligned, if each row then has a line, for its label; else
    those in which all rows show, with markers if they can.

    Args:
        panels: how many.
        rows: the most rows of a heatmap; ignored if square.
        width, height: of what holds the grid.
        per_line: rows of cells in a line, 2 with half blocks.
        gutter: columns left of the cells.
        square: whether rows are the columns' checkpoints: then the largest squares are sought,
            or nearly the largest if so many lines are left below them.
        below: lines that are wanted below squares; 0 for none.
    """
    filled = [n for n in range(1, panels + 1) if panels % n == 0]
    rest = [n for n in range(1, panels + 1) if panels % n]
    candidates = [
        PanelGrid(n, (width + GAP) // n - GAP, height // -(-panels // n), markers)
        for markers in (True, False)
        for n in (*filled, *rest)
    ]
    if square:
        largest = max(candidates, key=lambda grid: grid.lines_of_square(gutter))
        enough = NEARLY * largest.lines_of_square(gutter)
        for grid in candidates:
            left = height - -(-panels // grid.columns) * grid.around_squares(gutter).height
            large = grid.width >= NARROW and grid.lines_of_square(gutter) >= enough
            if below and large and left >= below:
                return grid
        return largest
    for least, lines in ((WIDE, rows), (NARROW, -(-rows // per_line))):
        for grid in candidates:
            enough = grid.width >= least or grid.columns == 1
            if enough and grid.lines >= lines:
                return grid
    return max(candidates, key=lambda grid: (grid.lines, grid.width))
