"""Lines in braille characters, 2×4 dots each."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

BLANK = 0x2800
"""The code point of the character without dots; those with dots follow in order of their bits."""

BITS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]], dtype=np.uint8)
"""The bit of each dot, by its row and column in the character."""

Dots = NDArray[np.uint8]


def polyline(
    x: NDArray[np.floating[Any]],
    y: NDArray[np.floating[Any]],
    width: int,
    height: int,
    dash: tuple[int, int] = (1, 0),
) -> Dots:
    """Return the dots of a line through points, (height, width), for `BLANK` to be added to.

    Args:
        x: in characters from the left, (n,); NaN interrupts the line.
        y: from 0 at the bottom to 1 at the top, (n,); values beyond are not drawn.
        width, height: in characters.
        dash: dots drawn and dots left out, in turn.
    """
    across = np.floor(x * 2)
    down = np.rint((1 - np.clip(y, -1, 2)) * (4 * height - 1))
    column, row = _between(across, down)
    on, off = dash
    inside = (column >= 0) & (column < 2 * width) & (row >= 0) & (row < 4 * height)
    drawn = inside & (np.arange(len(column)) % (on + off) < on)
    column, row = column[drawn], row[drawn]
    dots = np.zeros((height, width), dtype=np.uint8)
    np.bitwise_or.at(dots, (row // 4, column // 2), BITS[row % 4, column % 2])
    return dots


def _between(
    x: NDArray[np.floating[Any]], y: NDArray[np.floating[Any]]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the dots on straight lines between neighbours, each dot of the line once."""
    known = np.isfinite(x) & np.isfinite(y)
    joined = known[1:] & known[:-1]
    start, stop = np.flatnonzero(joined), np.flatnonzero(joined) + 1
    lengths = np.maximum(abs(x[stop] - x[start]), abs(y[stop] - y[start])).astype(np.intp)
    piece = np.repeat(np.arange(len(start)), lengths)
    step = np.arange(len(piece)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    share = step / lengths[piece]
    between_x = x[start[piece]] + share * (x[stop[piece]] - x[start[piece]])
    between_y = y[start[piece]] + share * (y[stop[piece]] - y[start[piece]])
    ends = known & ~np.append(joined, False)
    column = np.concatenate([between_x, x[ends]])
    row = np.concatenate([between_y, y[ends]])
    return np.rint(column).astype(np.intp), np.rint(row).astype(np.intp)
