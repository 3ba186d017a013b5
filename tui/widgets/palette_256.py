"""Colour maps for terminals with 256 colours.

Mapping each colour of viridis to the nearest of the 256 makes some darker than their predecessors, so
the order of values is lost; here the colours are chosen jointly, none darker than the one before.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from rich.color import Color, ColorSystem

from tui.pen import FIXED

Colours = NDArray[np.uint8]


def few_colours(colours: Colours) -> Colours:
    """Return the nearest terminal colours that never get darker along a colour map.

    Minimises the sum of squared distances by dynamic programming over the colours. Returns the colour
    map itself if its nearest terminal colours are already in order, as for greys.

    Args:
        colours: red, green and blue, (n, 3), growing lighter.
    """
    if (np.diff(lightness([_sent((r, g, b)) for r, g, b in colours.tolist()])) >= 0).all():
        return colours
    known = _terminal_colours()
    apart = ((colours[:, None].astype(float) - known) ** 2).sum(axis=2)
    least = apart[0]
    before = np.zeros((len(colours), len(known)), dtype=np.intp)
    for i in range(1, len(colours)):
        best = np.minimum.accumulate(least)
        before[i] = np.maximum.accumulate(np.where(least == best, np.arange(len(known)), 0))
        least = best + apart[i]
    chosen = [int(least.argmin())]
    for i in range(len(colours) - 1, 0, -1):
        chosen.append(int(before[i, chosen[-1]]))
    return np.asarray(known[chosen[::-1]], dtype=np.uint8)


def lightness(colours: ArrayLike) -> NDArray[np.float64]:
    """Return L* of colours (..., 3) in sRGB, from 0 for black to 100 for white."""
    share = np.asarray(colours) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    light = linear @ np.array([0.2126, 0.7152, 0.0722])
    return np.asarray(np.where(light > 216 / 24389, 116 * np.cbrt(light) - 16, light * 24389 / 27))


@cache
def _terminal_colours() -> Colours:
    """Return the colours that are sent to the terminal as themselves, (n, 3), darkest first."""
    found = [Color.from_ansi(number).get_truecolor() for number in FIXED]
    kept = [rgb for rgb in found if _sent(rgb) == rgb]
    colours = np.array(kept, dtype=np.uint8)
    return colours[np.argsort(lightness(colours), kind="stable")]


def _sent(rgb: tuple[int, int, int]) -> tuple[int, int, int]:
    number = Color.from_rgb(*rgb).downgrade(ColorSystem.EIGHT_BIT).number
    return Color.from_ansi(number or 0).get_truecolor()
