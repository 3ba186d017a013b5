"""A panel for each group of runs, below each other and in a wide figure side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from repdyn.report.figures.paper.sheet import EDGE, LINE, PAGE

BELOW, GAP = 0.36, 0.12
"""Inches for the horizontal axis of a panel, and between panels."""

WIDE = 5.0
"""Inches of width from which on panels are side by side."""


@dataclass(frozen=True)
class Panels:
    """Where panels lie.

    Attributes:
        places: left and top of each, in inches; above it there is a line for its title.
        room, high: its width and height.
        end: where the lowest ends, with its axis.
    """

    places: tuple[tuple[float, float], ...]
    room: float
    high: float
    end: float


def panels(
    count: int,
    width: float,
    left: float,
    heights: tuple[float, float],
    foot: float,
    strip: float = 0.0,
) -> Panels:
    """Return where the panels of a figure lie.

    Args:
        count: of panels.
        width: of the figure in inches.
        left: inches for the vertical axis.
        heights: of a panel: the least, and the most, which it has if the page admits it.
        foot: inches below all panels that something else takes.
        strip: inches between a panel and its horizontal axis, for something on the same axis.
    """
    wide = 2 if width > WIDE and count > 1 else 1
    room = (width - EDGE) / wide - left - GAP
    rows = -(-count // wide)
    around = EDGE + LINE + strip + BELOW + GAP
    least, most = heights
    high = min(most, max(least, (PAGE - foot) / rows - around))
    places = tuple(
        (left + i % wide * (left + room + GAP), i // wide * (around + high) + EDGE + LINE)
        for i in range(count)
    )
    return Panels(places, room, high, rows * (around + high))


def quarters(layers: Sequence[int], count: int) -> list[int]:
    """Return how deep some of so many layers are, in quarters of the depth."""
    return [round(4 * layer / max(1, count - 1)) for layer in layers]
