"""The curves of layers: which look each has by depth, and the legend that says so."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import Any

from matplotlib.axes import Axes
from matplotlib.colorbar import make_axes

from repdyn.evenly import evenly
from repdyn.report.figures.style import DASHES, layer_colours

MOST_NAMED = 14
"""Most layers named in the legend; with more, some are skipped."""

SAMPLE = 0.25
"""Inches of a curve in the legend."""


def layer_looks(layers: int) -> list[dict[str, Any]]:
    """Return the look of each layer's curve: its colour, and its dash unless they are too many.

    Layers next to each other, whose colours are close, have different dashes.
    """
    dashes = DASHES if layers <= MOST_NAMED else DASHES[:1]
    return [
        {"color": colour, "linestyle": dash}
        for colour, dash in zip(layer_colours(layers), cycle(dashes), strict=False)
    ]


def depth_legend(axes: Sequence[Axes], layers: Sequence[str], length: float) -> None:
    """Draw beside the axes which curve is which layer, the first on top, some inches long."""
    n = len(layers)
    beside, _ = make_axes(list(axes), location="right", aspect=length / SAMPLE, pad=0.015)
    for i, look in enumerate(layer_looks(n)):
        beside.plot([0, 1], [i, i], linewidth=1.2, solid_capstyle="butt", **look)
    named = evenly(n, MOST_NAMED)
    beside.set(xlim=(0, 1), ylim=(n - 0.5, -0.5), xticks=[])
    beside.yaxis.tick_right()
    beside.set_yticks(named, labels=[layers[i] for i in named], parse_math=False)
    beside.tick_params(length=0)
    beside.spines[:].set_visible(False)
