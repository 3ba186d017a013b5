"""What the colours of a heatmap mean: one scale with the values that its colours stand for."""

from __future__ import annotations

import re

import numpy as np
from rich.segment import Segment
from rich.style import Style
from textual.reactive import reactive
from textual.strip import Strip

from repdyn.display.scale import Scale
from tui.widgets import pixels
from tui.widgets.colormap import SIZE, colour, contrasting, is_colourful, shown_as
from tui.widgets.lines import Lines
from tui.widgets.value_axis import value_axis

PLACES = 6
"""Most decimal places of a label."""

LOG, LINEAR = "log", "linear"
"""What a scale is even in: the log of the distance from 1, or the value itself."""

LEAST_NAMED = 26
"""Width from which a bar says in full what its scale spans and is even in."""

GAP = 1
"""Columns of colour, at least, between two labels."""

LABEL = 6
"""Columns of a linear scale for a label."""

ROUND = (0.0, 0.5, 0.9, 0.99, 0.999, 0.9999)
"""Values to label on a log scale."""


class Colorbar(Lines):
    """A colour map from left to right with values in it: `fixed log 0▒▒.5▒▒.9▒▒.99▒▒.999`."""

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
        kind = f"{_kind(self.scale, short=width < LEAST_NAMED)} "
        room = max(1, width - len(kind))
        ramp = np.linspace(0, SIZE - 1, room).astype(np.int16)
        parts, at = [Segment(kind, base)], 0
        for start, label in labels(self.scale, room).items():
            stop = start + len(label)
            parts += [*self._ramp(ramp[at:start]), *self._label(label, ramp[start:stop])]
            at = stop
        return Strip([*parts, *self._ramp(ramp[at:])]).adjust_cell_length(width, base)

    def _ramp(self, row: pixels.Indices) -> list[Segment]:
        if not len(row):
            return []
        if is_colourful(self.app):
            return pixels.half_blocks(shown_as(self.cmap, self.app), row, row, self.base)
        return pixels.glyphs(row, self.base, self.base)

    def _label(self, label: str, row: pixels.Indices) -> list[Segment]:
        """Return a label over the colours that it stands for."""
        if not is_colourful(self.app):
            return [Segment(label, self.base)]
        behind = [colour(shown_as(self.cmap, self.app), index) for index in row.tolist()]
        return [
            Segment(letter, Style(color=contrasting(under), bgcolor=under))
            for letter, under in zip(label, behind, strict=True)
        ]


def _kind(scale: Scale, *, short: bool) -> str:
    """Return what a scale spans and is even in; if short, not what is usual."""
    even = LOG if scale.logarithmic else LINEAR
    if not short:
        return f"{scale.span} {even}"
    if scale.span == "fixed":
        return even
    return f"{scale.span} {LOG}" if scale.logarithmic else scale.span


def labels(scale: Scale, room: int) -> dict[int, str]:
    """Return the labels of a bar by their first columns: the ends, then what fits between them."""
    low, high = (_written(value, scale) for value in (scale.low, scale.high))
    found = {0: low, max(len(low) + GAP, room - len(high)): high}
    for value in ROUND if scale.logarithmic else _even(scale, room):
        label = _written(value, scale)
        column = int(scale.place(value) * (room - 1))
        start = column - (len(label) - 1) // 2
        free = all(
            start + len(label) + GAP <= at or start >= at + len(other) + GAP
            for at, other in found.items()
        )
        if scale.low < value < scale.high and free:
            found[start] = label
    return {at: label[: room - at] for at, label in sorted(found.items()) if at < room}


def _even(scale: Scale, room: int) -> list[float]:
    """Return round values between the ends of a linear scale."""
    return value_axis([], scale.low, scale.high, logarithmic=False).ticks(max(2, room // LABEL))


def _written(value: float, scale: Scale) -> str:
    """Return a value with as many decimals as it takes to distinguish it from its neighbours, `.99`.

    Where there are negative values too, positive ones have a plus.
    """
    off = (1 - value) / 10 if scale.logarithmic else (scale.high - scale.low) / 50
    exact = (places for places in range(PLACES) if abs(round(value, places) - value) <= off)
    text = f"{value:.{next(exact, PLACES)}f}"
    if not float(text):
        return "0"
    sign = "+" if scale.low < 0 < value else ""
    return sign + re.sub(r"^(-?)0\.", r"\1.", text).replace("-", "−")
