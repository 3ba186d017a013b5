"""Forest plots: estimates with their intervals, a row each, in panels of one unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from repdyn.analysis.verdicts import NO_DIFFERENCE, REFUTED, SUPPORTED, UNDECIDED
from repdyn.report.figures.paper.panels import GAP
from repdyn.report.figures.paper.sheet import (
    EDGE,
    LINE,
    draw_legend,
    legend_height,
    panel,
    paper_styled,
    sheet,
    text_width,
    thin_ticks,
    write,
)

ROW, BELOW = 0.165, 0.28
"""Inches of a row, and of a panel's axis."""

COUNT = 0.44
"""Inches to the right of a panel for the number of seeds."""

LABELS = 0.6
"""Most of a column's width that labels take."""

MOST_ROWS = 36
"""Rows of a page."""

SEED: dict[str, Any] = {"marker": "|", "markersize": 5, "color": "0.55", "markeredgewidth": 0.7}
MEAN: dict[str, Any] = {"markersize": 4.5, "markeredgecolor": "black", "markeredgewidth": 0.8}
LOOKS: dict[str, dict[str, Any]] = {
    SUPPORTED: {"marker": "o", "markerfacecolor": "black"},
    UNDECIDED: {"marker": "o", "markerfacecolor": "white"},
    NO_DIFFERENCE: {"marker": "D", "markerfacecolor": "white"},
    REFUTED: {"marker": "X", "markerfacecolor": "black"},
}
PLAIN: dict[str, Any] = {"marker": "s", "markerfacecolor": "black", "markersize": 3}
"""Of a mean that is no verdict's; small, as its interval may be."""

LABEL_BEYOND = 0.2
"""Inches by which an axis's numbers may reach under what is beside the panel."""

SMALL_LABEL = "too small to matter"
SMALL: dict[str, Any] = {"facecolor": "0.9", "linewidth": 0}


@dataclass(frozen=True)
class Row:
    """An estimate.

    Attributes:
        label: of what.
        values: of the seeds.
        estimate, low, high: mean of the values and its interval, NaN where there is none.
        verdict: of verdicts.py; empty without one.
        null: what the estimate is if there is nothing; NaN where that has no meaning.
        margin: differences from 0 below it are too small to matter; NaN without one.
    """

    label: str
    values: tuple[float, ...]
    estimate: float
    low: float
    high: float
    verdict: str = ""
    null: float = np.nan
    margin: float = np.nan


@dataclass(frozen=True)
class Panel:
    """Estimates of one unit."""

    title: str
    rows: tuple[Row, ...]


def pages(drawn: Sequence[Panel]) -> list[list[Panel]]:
    """Return the panels page by page; one with more rows than a page holds is divided."""
    found: list[list[Panel]] = [[]]
    for one in drawn:
        for start in range(0, len(one.rows), MOST_ROWS):
            part = Panel(one.title, one.rows[start : start + MOST_ROWS])
            if found[-1] and sum(len(p.rows) for p in (*found[-1], part)) > MOST_ROWS:
                found.append([])
            found[-1].append(part)
    return [page for page in found if page]


@paper_styled
def forest(drawn: Sequence[Panel], width: float) -> Figure:
    """Draw the panels below each other, in two columns if their titles and labels fit.

    Args:
        drawn: what to draw.
        width: of the figure in inches.
    """
    longest = max(text_width(row.label) for one in drawn for row in one.rows) + 0.1
    titles = max(text_width(one.title, weight="bold") for one in drawn)
    half = (width - 2 * EDGE - GAP) / 2
    columns = 2 if len(drawn) > 1 and half >= max(titles, longest / LABELS) else 1
    wide = half if columns == 2 else width - 2 * EDGE
    labels = min(longest, LABELS * wide)
    ends, places = [EDGE] * columns, []
    for one in drawn:
        column = ends.index(min(ends))
        places.append((EDGE + column * (wide + GAP), ends[column]))
        ends[column] += LINE + ROW * len(one.rows) + BELOW
    handles, room = _handles(drawn), width - 2 * EDGE
    figure = sheet(width, max(ends) + legend_height(handles, room) + EDGE)
    for one, (left, top) in zip(drawn, places, strict=True):
        write(figure, left, top, one.title, wide, weight="bold")
        high = ROW * len(one.rows)
        axes = panel(figure, left + labels, top + LINE, wide - labels - COUNT, high)
        _draw(axes, one)
        for i, row in enumerate(one.rows):
            down = top + LINE + (i + 0.5) * ROW
            right = left + labels - 0.06
            write(figure, right, down, row.label, labels - 0.06, ha="right", va="center_baseline")
            count = f"n = {len(row.values)}"
            write(figure, left + wide, down, count, COUNT, ha="right", va="center_baseline")
    draw_legend(figure, handles, EDGE, max(ends), room)
    return figure


def _draw(axes: Axes, one: Panel) -> None:
    low, high = _limits(one)
    axes.set(xlim=(low, high), ylim=(len(one.rows) - 0.5, -0.5), yticks=[])
    axes.spines["left"].set_visible(False)
    for y, row in enumerate(one.rows):
        if np.isfinite(row.margin):
            band = (max(-row.margin, low), min(row.margin, high))
            axes.fill_betweenx([y - 0.5, y + 0.5], *band, gid="margin", zorder=0, **SMALL)
        if np.isfinite(row.null):
            ends = [y - 0.5, y + 0.5]
            axes.plot([row.null] * 2, ends, color="0.4", linewidth=0.6, zorder=0.5, gid="null")
        axes.plot(row.values, [y] * len(row.values), linestyle="none", gid="seeds", **SEED)
        if np.isfinite(row.low):
            axes.plot([row.low, row.high], [y, y], color="black", linewidth=1.0, gid="interval")
            for end, beyond, arrow in ((low, row.low < low, "<"), (high, row.high > high, ">")):
                if beyond:
                    axes.plot(end, y, arrow, color="black", markersize=3, clip_on=False)
        look = LOOKS.get(row.verdict, PLAIN)
        axes.plot(row.estimate, y, linestyle="none", gid="estimate", **(MEAN | look))
    marks = [mark for mark in axes.get_xticks() if low <= mark <= high]
    axes.set_xticks(marks, labels=[f"{mark:g}".replace("-", "−") for mark in marks])
    thin_ticks(axes, "x", LABEL_BEYOND)


def _limits(one: Panel) -> tuple[float, float]:
    """Return the ends of the axis: those of the seeds' values, and of intervals that are not far wider."""
    near = [value for row in one.rows for value in (*row.values, row.estimate, row.null)]
    near += [end for row in one.rows for end in (-row.margin, row.margin)]
    known = [value for value in near if np.isfinite(value)]
    low, high = min(known), max(known)
    span = max(high - low, 1e-6)
    reach = [end for row in one.rows for end in (row.low, row.high) if np.isfinite(end)]
    low = max(low - span, min([low, *reach]))
    high = min(high + span, max([high, *reach]))
    pad = 0.04 * (high - low) or 0.5
    return low - pad, high + pad


def _handles(drawn: Sequence[Panel]) -> list[Artist]:
    """Return what the legend explains: verdicts, seeds, and differences too small to matter."""
    rows = [row for one in drawn for row in one.rows]
    handles: list[Artist] = [
        Line2D([], [], color="black", linewidth=1.0, label=verdict, **(MEAN | look))
        for verdict, look in LOOKS.items()
        if any(row.verdict == verdict for row in rows)
    ]
    if any(not row.verdict for row in rows):
        handles.append(Line2D([], [], color="black", linewidth=1.0, label="mean", **(MEAN | PLAIN)))
    handles.append(Line2D([], [], linestyle="none", label="a seed", **SEED))
    if any(np.isfinite(row.margin) for row in rows):
        handles.append(Patch(label=SMALL_LABEL, **SMALL))
    return handles
