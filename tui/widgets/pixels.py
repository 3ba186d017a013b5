"""Rows of colour-map indices as characters: two rows per line in colour, one as glyphs."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.segment import Segment
from rich.style import Style

from repdyn.display.text_heatmap import IN_BLOCKS
from tui.widgets.colormap import GREY, MISSING, SIZE, colour

OUTSIDE = -2
"""The index of pixels beyond the matrix."""

UPPER, LOWER = "▀", "▄"
EMPTY = "╱"
"""The character for NaN values."""

CURSOR, BLUR = "◆", "~"

Indices = NDArray[np.int16]


def runs(values: NDArray[np.integer[Any]]) -> Iterator[tuple[int, int]]:
    """Yield start and stop of each stretch of equal values."""
    breaks = (np.flatnonzero(np.diff(values)) + 1).tolist()
    yield from zip([0, *breaks], [*breaks, len(values)], strict=True)


def half_blocks(name: str, upper: Indices, lower: Indices, plain: Style) -> list[Segment]:
    """Return two rows of indices in a colour map as one line of half blocks.

    Args:
        name: of the colour map.
        upper, lower: (columns,).
        plain: of the background and of what marks NaN.
    """
    both = upper.astype(np.int32) * (4 * SIZE) + lower
    return [
        _half_block(name, int(upper[start]), int(lower[start]), stop - start, plain)
        for start, stop in runs(both)
    ]


def glyphs(row: Indices, weighty: Style, plain: Style) -> list[Segment]:
    """Return a row of indices as glyphs of growing weight.

    Args:
        row: (columns,).
        weighty: of the glyphs of values.
        plain: of what marks NaN.
    """
    return [
        Segment(_glyph(index) * (stop - start), plain if index < 0 else weighty)
        for start, stop in runs(row)
        for index in (int(row[start]),)
    ]


@lru_cache(maxsize=16384)
def _half_block(name: str, upper: int, lower: int, count: int, plain: Style) -> Segment:
    if upper < 0 and lower < 0:
        return Segment((EMPTY if MISSING in (upper, lower) else " ") * count, plain)
    if lower < 0:
        return Segment(UPPER * count, plain + Style(color=colour(name, upper)))
    if upper < 0:
        return Segment(LOWER * count, plain + Style(color=colour(name, lower)))
    if upper == lower:
        return Segment(" " * count, plain + Style(bgcolor=colour(name, upper)))
    style = Style(color=colour(name, upper), bgcolor=colour(name, lower))
    return Segment(UPPER * count, plain + style)


def _glyph(index: int) -> str:
    if index < 0:
        return IN_BLOCKS.missing if index == MISSING else " "
    if index == GREY:
        return BLUR
    if index >= SIZE:
        return CURSOR
    return IN_BLOCKS.ramp[index * len(IN_BLOCKS.ramp) // SIZE]
