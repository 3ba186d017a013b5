"""The colour bar below panels that share a scale, with what else their colours and dots mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from repdyn.display import axis
from repdyn.display.heatmap import HeatmapData
from repdyn.display.scale import Scale
from repdyn.records import FloatArray
from repdyn.report.figures.cells import grey_handle
from repdyn.report.figures.paper.sheet import (
    EDGE,
    LINE,
    TICKS,
    draw_legend,
    legend_height,
    panel,
    text_width,
    thin_ticks,
)
from repdyn.report.figures.style import BAR, SIMILARITY, bar_ends, norm

LENGTH = 2.7
"""Inches of the bar at most."""

BETWEEN = 0.3
"""Inches between the bar and a legend beside it."""

LEAST_LEGEND = 1.5
"""Inches: a legend has its place below the bar if there is less room beside it."""

ROOM = 0.25
"""Inches by which a number may reach out of the bar."""

WITHIN_ERROR = "change within its error"
"""What dots mean."""

LIGHT = 0.55
"""Place on the colour map from which on cells are light."""

DOT = 0.33
"""Of a cell's smaller side, the diameter of its dot."""

MOST_DOT = 1.3
"""Points of the diameter of a dot at most."""


class Foot:
    """The colour bar and the legend below panels; how high they are is known before they are drawn.

    Args:
        scale: of the colours.
        handles: of the legend.
        room: inches of width, of the panels.
        width: of the figure.
    """

    def __init__(self, scale: Scale, handles: Sequence[Artist], room: float, width: float) -> None:
        self._scale, self._handles, self._room = scale, handles, room
        self._whole = width - 2 * EDGE
        half = text_width(f"{scale.high:g}", TICKS) / 2
        self._length = min(LENGTH, room - half)
        line = scale.label.replace("\n", " ")
        fits = text_width(line) <= self._length
        self._label = line if fits else scale.label
        self._bar = BAR + LINE * (2.3 + self._label.count("\n"))
        beside = room - self._length - BETWEEN
        self._below = beside < LEAST_LEGEND or legend_height(handles, beside) > self._bar
        self.height = (
            self._bar + (legend_height(handles, self._whole) if self._below else 0.0) + EDGE
        )

    def draw(self, figure: Figure, left: float, top: float, values: FloatArray) -> None:
        """Draw the bar, pointed at the ends beyond which there are values, and the legend.

        A legend below the bar has the whole width of the figure.
        """
        _draw_bar(figure, self._scale, values, (left, top), self._length, self._label)
        if self._below:
            draw_legend(figure, self._handles, EDGE, top + self._bar, self._whole)
        else:
            gone = self._length + BETWEEN
            draw_legend(figure, self._handles, left + gone, top, self._room - gone)


def _draw_bar(
    figure: Figure,
    scale: Scale,
    values: FloatArray,
    at: tuple[float, float],
    length: float,
    label: str,
) -> None:
    """Draw the colour bar, and label as many of the scale's ticks as fit, the highest first."""
    ends = figure.colorbar(
        ScalarMappable(norm(scale), SIMILARITY),
        cax=panel(figure, *at, length, BAR),
        orientation="horizontal",
        extend=bar_ends(scale, values),
        extendfrac=BAR / length,
    )
    ends.set_ticks(scale.ticks, labels=[f"{tick:g}" for tick in scale.ticks])
    ends.minorticks_off()
    thin_ticks(ends.ax, "x", ROOM)
    ends.set_label(label)
    ends.outline.set_visible(False)
    if ends.solids is not None:
        ends.solids.set_rasterized(True)


def cell_handles(drawn: Sequence[HeatmapData]) -> list[Artist]:
    """Return what the legend says of grey cells and of cells with a dot."""
    handles: list[Artist] = list(grey_handle(drawn))
    if any((data.within_error & ~data.trivial).any() for data in drawn):
        look: dict[str, Any] = {
            "linestyle": "none",
            "marker": ".",
            "markersize": 2.2,
            "color": "black",
        }
        handles.append(Line2D([], [], label=WITHIN_ERROR, **look))
    return handles


def draw_dots(axes: Axes, data: HeatmapData) -> None:
    """Draw a dot in each cell that differs from its neighbours by no more than its error.

    A checkpoint with itself has none: it is 1 without error.
    """
    within = data.within_error & ~data.trivial
    rows, columns = np.nonzero(within)
    if not len(rows):
        return
    grain = axis.grain(data.steps)
    borders = axis.position(axis.edges(data.steps), grain)
    shares = np.diff(borders) / (borders[-1] - borders[0])
    middles = axis.epoch_at((borders[1:] + borders[:-1]) / 2, grain)
    box, inch = axes.get_window_extent(), axes.figure.dpi
    wide = box.width / inch * shares[columns]
    high = box.height / inch * (shares[rows] if data.square else 1 / len(within))
    sizes = np.minimum(72 * DOT * np.minimum(wide, high), MOST_DOT)
    light = data.scale.place(data.values)[rows, columns] > LIGHT
    axes.scatter(
        middles[columns],
        middles[rows] if data.square else rows,
        s=sizes**2,
        c=np.where(light, "black", "white"),
        linewidths=0,
        rasterized=True,
        gid=WITHIN_ERROR,
    )
