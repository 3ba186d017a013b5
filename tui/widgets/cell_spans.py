"""How the cells of an axis are laid out over the pixels of a widget."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from repdyn.display import axis
from repdyn.records import IntArray

Pixels = NDArray[np.intp]

MOST = 0.8
"""The share of the space below which equal spans leave too much of it unused."""


@dataclass(frozen=True)
class Bands:
    """Which cell each pixel shows, and where each cell lies.

    If there are more cells than pixels, some cells are not shown; such a cell lies on the pixel
    nearest to it.

    Attributes:
        shown: the cell of each pixel, (room,), in order.
        starts: first pixel of each cell, (n,).
        stops: one past the last pixel of each cell, (n,).
    """

    shown: Pixels
    starts: Pixels
    stops: Pixels

    @property
    def room(self) -> int:
        """Total number of pixels."""
        return len(self.shown)

    @property
    def crowded(self) -> bool:
        """Whether there are more cells than pixels."""
        return len(self.starts) > self.room

    def flipped(self) -> Bands:
        """Return the spans in reverse, with the first cell on the last pixels."""
        return Bands(self.shown[::-1], self.room - self.stops, self.room - self.starts)

    def magnified(self, factor: int) -> Bands:
        """Return the spans scaled to this many times as many pixels."""
        return Bands(np.repeat(self.shown, factor), self.starts * factor, self.stops * factor)

    def among(self, first: int, count: int) -> Bands:
        """Return the spans as those of some of `count` cells, from the first on; the others are empty."""
        after = count - first - len(self.starts)
        starts = np.pad(self.starts, (first, after), constant_values=(0, self.room))
        stops = np.pad(self.stops, (first, after), constant_values=(0, self.room))
        return Bands(self.shown + first, starts, stops)

    def middle(self, cell: int) -> int:
        """Return a cell's middle pixel."""
        return int(self.starts[cell] + self.stops[cell] - 1) // 2

    def span(self, cell: int) -> range:
        """Return a cell's pixels."""
        return range(int(self.starts[cell]), int(self.stops[cell]))


def even(cells: int, room: int) -> Bands:
    """Return spans of the same whole number of pixels each; the rest of the space is unused."""
    if cells > room:
        return _sampled(cells, room)
    size = room // cells
    return _between(np.arange(cells + 1) * size)


def spread(cells: int, room: int) -> Bands:
    """Return spans of equal size if they take most of the space, else of sizes that fill it."""
    equal = even(cells, room)
    if equal.room >= MOST * room:
        return equal
    return _between(np.rint(np.linspace(0, room, cells + 1)).astype(np.intp))


def by_epoch(epochs: IntArray, room: int, grain: float | None = None) -> Bands:
    """Return spans for checkpoints as wide as on the epoch axis, but at least one pixel."""
    cells = len(epochs)
    if cells > room:
        return _sampled(cells, room)
    grain = axis.grain(epochs) if grain is None else grain
    edges = axis.position(axis.edges(epochs, grain), grain)
    wanted = np.rint((edges - edges[0]) / (edges[-1] - edges[0]) * room).astype(np.intp)
    steps = np.arange(cells + 1)
    not_too_early = np.maximum.accumulate(wanted - steps) + steps
    not_too_late = np.minimum(not_too_early, room - cells + steps)
    return _between(not_too_late)


def _between(edges: Pixels) -> Bands:
    shown = np.repeat(np.arange(len(edges) - 1), np.diff(edges))
    return Bands(shown, edges[:-1], edges[1:])


def _sampled(cells: int, room: int) -> Bands:
    shown = np.rint(np.linspace(0, cells - 1, room)).astype(np.intp)
    starts = np.rint(np.linspace(0, max(0, room - 1), cells)).astype(np.intp)
    return Bands(shown, starts, starts + 1)
