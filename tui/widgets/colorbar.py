"""What the colours of a heatmap mean."""

from __future__ import annotations

import numpy as np
from rich.segment import Segment
from textual.reactive import reactive
from textual.strip import Strip

from repdyn.display.scale import Scale
from tui.widgets import pixels
from tui.widgets.colormap import SIZE, is_colourful, shown_as
from tui.widgets.lines import Lines

PLACES = 6
"""Most decimal places of a label."""


class Colorbar(Lines):
    """A colour map from left to right, with the values at its ends and middle: `.5 ▒▒▒ .9 ▒▒▒ 1`."""

    DEFAULT_CSS = """
    Colorbar { height: 1; color: $text-muted; }
    """

    scale: reactive[Scale | None] = reactive(None)
    """Maps values to positions on the colour map; without it the bar is blank."""

    cmap: reactive[str] = reactive("viridis")
    """The colour map."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)

    def render_line(self, y: int) -> Strip:
        """Draw the bar on the first line."""
        base, width = self.base, self.size.width
        if self.scale is None or y:
            return Strip.blank(width, base)
        low, middle, high = (f" {label} " for label in labels(self.scale))
        low = low.lstrip()
        halves = max(2, width - len(low + middle + high)) // 2
        ramp = np.linspace(0, SIZE - 1, 2 * halves).astype(np.int16)
        parts = [Segment(low, base), *self._ramp(ramp[:halves]), Segment(middle, base)]
        parts += [*self._ramp(ramp[halves:]), Segment(high.rstrip(), base)]
        return Strip(parts).adjust_cell_length(width, base)

    def _ramp(self, row: pixels.Indices) -> list[Segment]:
        if is_colourful(self.app):
            return pixels.half_blocks(shown_as(self.cmap, self.app), row, row, self.base)
        return pixels.glyphs(row, self.base, self.base)


def labels(scale: Scale) -> tuple[str, str, str]:
    """Return the values at the low end, the middle and the high end of a colour map."""
    middle = float(scale.unwarp(scale.warp([scale.low, scale.high]).mean()))
    low, between, high = (_written(value, scale) for value in (scale.low, middle, scale.high))
    return low, between, high


def _written(value: float, scale: Scale) -> str:
    """Return a value with as many decimals as it takes to distinguish it from its neighbours."""
    off = (1 - value) / 10 if scale.logarithmic else (scale.high - scale.low) / 50
    exact = (places for places in range(1, PLACES) if abs(round(value, places) - value) <= off)
    return f"{value:.{next(exact, PLACES)}f}"
