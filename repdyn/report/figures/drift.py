"""How fast each layer drifts over the epochs, in each group of runs that differ in their seed only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from repdyn.analysis.drift import FLOOR, drift
from repdyn.display import axis
from repdyn.display.reading import measured
from repdyn.display.wording import plain
from repdyn.measures.spec import MEASURES
from repdyn.records import Phases, RunRecord, plural
from repdyn.report.comparison import Comparison, Group, groups, measures_of
from repdyn.report.figures.depth import MOST_NAMED, depth_legend, layer_looks
from repdyn.report.figures.phase_marks import mark_phases
from repdyn.report.figures.style import (
    SMALL,
    epoch_axis,
    styled,
    titled_figure,
)

LINES = ("onset", "fit")

ANY_LAYERS = ("first layer", *[""] * MOST_NAMED, "last layer")
"""Labels of the depth colours if the runs have different layers; too many for dashes."""

MOST_GROUPS = 6
"""Most groups whose drift rates fit side by side."""

ROW = 1.5
"""Inches of a measure's panels."""

UNRESOLVED = "below resolution"


@dataclass(frozen=True)
class Rates:
    """Drift rates of a group's layers, over its runs.

    Attributes:
        epochs: (T,).
        low, middle, high: smallest, median and largest of the runs, (L, T); NaN below FLOOR, or FLOOR
            where the range goes on below it.
        unresolved: whether any are below FLOOR.
    """

    epochs: NDArray[np.float64]
    low: NDArray[np.float64]
    middle: NDArray[np.float64]
    high: NDArray[np.float64]
    unresolved: bool


def rates_over_seeds(runs: Sequence[RunRecord], measure: str) -> Rates | None:
    """Return the drift rates of runs, at the epochs that all of them have.

    None if no run has rates. Runs whose number of layers is another than the first one's are left out.
    """
    dynamics = [run.dynamics for run in runs if run.dynamics and measure in run.dynamics.similarity]
    found = [drift(one.matrices(measure), one.steps) for one in dynamics]
    drifts = [one for one in found if one is not None]
    alike = [one for one in drifts if len(one.rate) == len(drifts[0].rate)]
    if not alike:
        return None
    start, end = max(one.tau[0] for one in alike), min(one.tau[-1] for one in alike)
    tau = alike[0].tau[(alike[0].tau >= start) & (alike[0].tau <= end)]
    if not len(tau):
        return None
    rates = np.stack([[np.interp(tau, one.tau, row) for row in one.rate] for one in alike])
    low, middle, high = rates.min(axis=0), np.median(rates, axis=0), rates.max(axis=0)
    return Rates(
        epochs=np.exp(tau),
        low=np.where(high >= FLOOR, np.maximum(low, FLOOR), np.nan),
        middle=np.where(middle >= FLOOR, middle, np.nan),
        high=np.where(high >= FLOOR, high, np.nan),
        unresolved=bool((low < FLOOR).any()),
    )


@styled
def drift_rates(comparison: Comparison) -> Figure:
    """Draw how fast each layer drifts over the epochs: the median of a group's runs, and their range.

    Rates below FLOOR, which stored similarities do not resolve, are not drawn; that part of the axis is
    shaded. Boundaries are medians too, with the range of the runs shaded.
    """
    shown = groups(comparison)[:MOST_GROUPS]
    runs = [run for group in shown for run in group.runs if run.dynamics is not None]
    several = any(len(group.runs) > 1 for group in shown)
    measures, unit = measures_of(comparison), comparison.runs[0].unit
    what = f"Drift rate of each layer, 1 − similarity at a ratio of {plural(unit)} of 1.5"
    what += ": median and range of the runs" if several else ""
    figure = titled_figure(f"{what}\n{plain(comparison.title)}", 0.9 + ROW * len(measures))
    panels = figure.subplots(len(measures), len(shown), sharex=True, sharey="row", squeeze=False)
    for row, measure in zip(panels, measures, strict=True):
        found = [rates_over_seeds(group.runs, measure) for group in shown]
        for axes, group, rates in zip(row, shown, found, strict=True):
            _draw(axes, rates)
            mark_phases(axes, _boundaries(group), LINES)
        if any(rates is not None and rates.unresolved for rates in found):
            _shade_unresolved(row)
        row[0].set_ylabel(f"1 − {MEASURES[measure].quantity}")
    for axes, group in zip(panels[0], shown, strict=True):
        axes.set_title(group.label, parse_math=False)
    for axes in panels[-1]:
        axes.set_xlabel(unit)
    last = max(int(measured(run).steps[-1]) for run in runs)
    grain = min(axis.grain(measured(run).steps) for run in runs)
    epoch_axis(panels[0, 0], "x", 0.5 * grain, last, grain)
    named = {measured(run).layers for run in runs}
    layers = named.pop() if len(named) == 1 else ANY_LAYERS
    depth_legend(list(panels.flat), layers, ROW * len(measures))
    return figure


def _draw(axes: Axes, rates: Rates | None) -> None:
    axes.set_yscale("log")
    if rates is None:
        return
    looks = layer_looks(len(rates.middle))
    for low, middle, high, look in zip(rates.low, rates.middle, rates.high, looks, strict=True):
        axes.plot(rates.epochs, middle, linewidth=0.8, **look)
        axes.fill_between(rates.epochs, low, high, color=look["color"], alpha=0.15, linewidth=0)


def _boundaries(group: Group) -> Phases:
    """Return a run's boundaries, or medians over a group's runs with their ranges as intervals."""
    if len(group.runs) == 1:
        return group.runs[0].phases
    onset, fit = ends = [group.epochs(name) for name in LINES]
    return Phases(
        onset=round(median(onset)) if onset else None,
        fit=round(median(fit)) if fit else None,
        intervals={
            name: (round(min(at)), round(max(at)))
            for name, at in zip(LINES, ends, strict=True)
            if at
        },
    )


def _shade_unresolved(row: Sequence[Axes]) -> None:
    """Shade what lies below FLOOR, where some rates are."""
    row[0].set_ylim(bottom=FLOOR / 2)
    for axes in row:
        axes.axhspan(FLOOR / 2, FLOOR, color="0.88", linewidth=0, gid=UNRESOLVED, zorder=0)
    row[0].annotate(
        UNRESOLVED, (0, FLOOR / 2), xycoords=("axes fraction", "data"), xytext=(2, 1),
        textcoords="offset points", fontsize=SMALL, color="0.4",
    )  # fmt: skip
