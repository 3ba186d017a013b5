"""Curves of some layers over the epochs: similarity to the last checkpoint, and drift rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from repdyn.analysis.drift import FLOOR
from repdyn.display.scale import Scale
from repdyn.display.wording import plain
from repdyn.evenly import evenly
from repdyn.measures.spec import MEASURES
from repdyn.records import OUTPUT
from repdyn.report.figures.curves import span
from repdyn.report.figures.drift import UNRESOLVED, rates_over_seeds
from repdyn.report.figures.matrices import LINES
from repdyn.report.figures.paper.panels import GAP, panels, quarters
from repdyn.report.figures.paper.seeds import phases_over_seeds, profiles_over_seeds
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
from repdyn.report.figures.paper.shown import Shown
from repdyn.report.figures.phase_marks import boundary_handles, mark_phases
from repdyn.report.figures.style import epoch_axis, layer_colours

MOST_LINES = 5
"""Layers that are drawn: more could not be told apart."""

LEFT = 0.6
"""Inches for the vertical axis."""

HEIGHTS = 0.6, 1.3
"""Inches of a panel, the least and the most."""

DASHES: tuple[Any, ...] = (
    "-",
    (0, (5, 1.4)),
    (0, (2.6, 1.1, 0.8, 1.1)),
    (0, (1.2, 0.9)),
    (0, (5, 1.1, 0.8, 1.1, 0.8, 1.1)),
)
"""Of the layers at each quarter of the depth."""

DEPTHS = ("first layer", "¼ of the depth", "½ of the depth", "¾ of the depth", "last layer")
"""What the legend says where groups have different layers."""

BAND: dict[str, Any] = {"alpha": 0.2, "linewidth": 0}
FLOOR_LOOK: dict[str, Any] = {
    "facecolor": "none",
    "edgecolor": "0.7",
    "linewidth": 0,
    "hatch": "/////",
}


@dataclass(frozen=True)
class Lines:
    """Curves of some of a group's layers.

    Attributes:
        group: whose.
        names: of all of its layers (N).
        drawn: which of them are.
        steps: (E,).
        low, middle, high: of the layers drawn, (n, E).
    """

    group: Shown
    names: tuple[str, ...]
    drawn: tuple[int, ...]
    steps: Any
    low: Any
    middle: Any
    high: Any


def layers_drawn(count: int) -> list[int]:
    """Return which of so many layers have a curve."""
    return evenly(count, MOST_LINES)


@paper_styled
def profile_curves(shown: Sequence[Shown], measure: str, scale: Scale, width: float) -> Figure:
    """Draw the similarity of some layers to the last checkpoint, a panel for each group.

    Args:
        shown: groups of runs that have the measure.
        measure: its name.
        scale: of the vertical axis, which all panels have.
        width: of the figure in inches.
    """
    lines = []
    for group in shown:
        profiles = profiles_over_seeds(group.runs, measure)
        values, names = profiles.values, profiles.of.names
        drawn = layers_drawn(len(names))
        ends = (
            np.clip(v[drawn], scale.low, scale.high)
            for v in (values.low, values.middle, values.high)
        )
        lines.append(Lines(group, names, tuple(drawn), values.steps, *ends))

    def set_axis(axes: Axes) -> None:
        axes.set_yscale("function", functions=(scale.warp, scale.unwarp))
        axes.set_ylim(scale.low, scale.high)
        axes.set_yticks(scale.ticks, labels=[f"{tick:g}" for tick in scale.ticks])
        axes.minorticks_off()
        thin_ticks(axes, "y", GAP / 2)
        for line in axes.lines:  # half of one at the limit would be cut off
            line.set_clip_on(False)

    return _figure(lines, width, set_axis, _words(measure, "{}"), [])


def has_rates(group: Shown, measure: str) -> bool:
    """Return whether any of a group's runs has drift rates."""
    return rates_over_seeds(group.runs, measure) is not None


@paper_styled
def drift_curves(shown: Sequence[Shown], measure: str, width: float) -> Figure:
    """Draw how fast some layers drift, a panel for each group on the same axis.

    Args:
        shown: groups of runs that have rates.
        measure: its name.
        width: of the figure in inches.
    """
    lines, unresolved = [], False
    for group in shown:
        rates = rates_over_seeds(group.runs, measure)
        if rates is None:
            continue
        names = tuple(group.record.dynamics.layers) if group.record.dynamics else ()
        drawn = layers_drawn(len(names))
        unresolved |= rates.unresolved
        ends = (v[drawn] for v in (rates.low, rates.middle, rates.high))
        lines.append(Lines(group, names, tuple(drawn), rates.epochs, *ends))
    values = np.concatenate([v.ravel() for one in lines for v in (one.low, one.high)])
    known = values[np.isfinite(values) & (values > 0)]
    least, most = (known.min(), known.max()) if len(known) else (FLOOR, 1.0)
    bottom, top = FLOOR / 2 if unresolved else least / 1.3, min(1.3 * most, 2.0)
    marks = _log_ticks(bottom, top)

    def set_axis(axes: Axes) -> None:
        axes.set_yscale("log")
        axes.set_ylim(bottom, top)
        axes.set_yticks(marks, labels=[f"{mark:g}" for mark in marks])
        axes.minorticks_off()
        thin_ticks(axes, "y", GAP / 2)
        if unresolved:
            axes.axhspan(bottom, FLOOR, gid=UNRESOLVED, zorder=0, **FLOOR_LOOK)

    shade = [Patch(label=UNRESOLVED, **FLOOR_LOOK)] if unresolved else []
    return _figure(lines, width, set_axis, _words(measure, "1 − {}"), shade)


def _words(measure: str, form: str) -> tuple[str, str]:
    """Return what a vertical axis shows: in full, and in short for low panels."""
    one = MEASURES[measure]
    return form.format(one.quantity), form.format(one.label)


def _log_ticks(low: float, high: float) -> list[float]:
    """Return the powers of ten between two values, or 1, 2 and 5 times them if there are few.

    Written out: the exponents of matplotlib's labels are smaller than its text.
    """
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in ((1,), (1, 2, 5), range(1, 10)):
        marks = [digit * 10.0**power for power in powers for digit in digits]
        inside = [mark for mark in marks if low <= mark <= high]
        if len(inside) > 1:
            return inside
    return [float(f"{low:.2g}"), float(f"{high:.2g}")]


def _figure(
    lines: Sequence[Lines],
    width: float,
    set_axis: Callable[[Axes], None],
    words: tuple[str, str],
    extra: Sequence[Artist],
) -> Figure:
    room = width - 2 * EDGE
    phases = [phases_over_seeds(one.group.runs) for one in lines]
    handles = [*_layer_handles(lines), *boundary_handles(phases, LINES), *extra]
    foot = legend_height(handles, room) + EDGE
    at = panels(len(lines), width, LEFT, HEIGHTS, foot)
    figure = sheet(width, at.end + foot)
    label = words[0] if text_width(words[0]) <= at.high else words[1]
    for one, boundaries, (left, top) in zip(lines, phases, at.places, strict=True):
        write(figure, left, top - LINE, one.group.label, at.room, weight="bold")
        axes = panel(figure, left, top, at.room, at.high)
        colours = layer_colours(len(one.names))
        places = quarters(one.drawn, len(one.names))
        for i, (layer, place) in enumerate(zip(one.drawn, places, strict=True)):
            look = {"color": colours[layer], "gid": one.names[layer]}
            axes.plot(one.steps, one.middle[i], linestyle=DASHES[place], linewidth=1.0, **look)
            axes.fill_between(one.steps, one.low[i], one.high[i], color=colours[layer], **BAND)
        epoch_axis(axes, "x", *span(one.group.record))
        set_axis(axes)
        axes.set_ylabel(label)
        mark_phases(axes, boundaries, LINES)
        thin_ticks(axes, "x", GAP)
        axes.set_xlabel(one.group.record.unit)
    draw_legend(figure, handles, EDGE, at.end, room)
    return figure


def _layer_handles(lines: Sequence[Lines]) -> list[Artist]:
    """Return what the legend shows of the layers: their names if all groups have the same."""
    one = max(lines, key=lambda one: len(one.drawn))
    colours = layer_colours(len(one.names))
    same = len({other.names for other in lines}) == 1
    outputs = all(other.names[-1] == OUTPUT for other in lines)
    handles: list[Artist] = []
    for layer, place in zip(one.drawn, quarters(one.drawn, len(one.names)), strict=True):
        label = plain(one.names[layer]) if same else DEPTHS[place]
        if outputs and place == len(DEPTHS) - 1:
            label = OUTPUT
        handles.append(Line2D([], [], color=colours[layer], linestyle=DASHES[place], label=label))
    return handles
