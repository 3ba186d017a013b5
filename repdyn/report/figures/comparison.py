"""Comparison figures: scores by group, CKA between runs; drift rates by layer are in drift.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from repdyn.display import axis
from repdyn.display.scale import measure_scale
from repdyn.display.wording import ending, plain
from repdyn.measures.spec import MEASURES, PRIMARY
from repdyn.report.comparison import (
    Comparison,
    CrossCka,
    Group,
    groups,
    measures_of,
    score_names,
)
from repdyn.report.figures.drift import drift_rates
from repdyn.report.figures.style import (
    SIMILARITY,
    SMALL,
    epoch_axis,
    norm,
    scale_bar,
    styled,
    titled_figure,
)
from repdyn.score_key import ScoreKey
from repdyn.step_words import step

SCORES = {
    "fit_break": "break at perfect fit\n(log₂ of the slowdown)",
    "synchrony": "synchrony of layers\n(correlation)",
    "synchrony_outside_fit": "synchrony away from the fit\n(correlation)",
    "break_spread": "spread of the breaks\nover layers (decades)",
    "change_spread": "spread of the change from\nonset to fit over layers",
    "depth_drift": "drift of the last layer over\nthe first (log₂)",
}
"""The scores that are drawn, and their titles."""

STYLES = (
    ("#0072b2", "o"),
    ("#d55e00", "s"),
    ("#009e73", "^"),
    ("#cc79a7", "D"),
    ("#e69f00", "v"),
    ("#56b4e9", "P"),
)
"""Colours (Okabe and Ito 2008) and markers of the measures, in order."""

MOST_PAIRS = 6
"""Most pairs of runs whose CKA fits on a page."""

LONGEST = 26
"""Letters of a run's name above a pair."""

APART = 0.34
"""Most of a row between two measures."""


def comparison_figures(comparison: Comparison) -> dict[str, Figure]:
    """Draw all figures that the comparison has data for, by file name."""
    drawn = {}
    if any(name in SCORES for name in score_names(comparison)):
        drawn["scores"] = scores(comparison)
    if measures_of(comparison):  # scores are computed from the drift rates
        drawn["drift"] = drift_rates(comparison)
    if comparison.cross:
        drawn["cross_cka"] = cross_cka(comparison)
    return drawn


@styled
def scores(comparison: Comparison) -> Figure:
    """Draw each score of each run, beside the mean of its group."""
    shown, measures = groups(comparison), measures_of(comparison)
    known = set(score_names(comparison))
    drawn = {name: title for name, title in SCORES.items() if name in known}
    rows, columns = -(-len(drawn) // 3), min(3, len(drawn))
    height = rows * (0.9 + 0.2 * len(shown)) + 0.7
    figure = _new_figure(comparison, "Scores of the runs, and the mean of each group", height)
    panels = figure.subplots(rows, columns, sharey=True, squeeze=False)
    for spare in panels.flat[len(drawn) :]:
        spare.set_visible(False)
    for axes, (stem, title) in zip(panels.flat, drawn.items(), strict=False):
        axes.set_title(title, loc="left")
        apart = min(APART, 0.8 / len(measures))
        for place, measure in enumerate(measures):
            offset = apart * (place - (len(measures) - 1) / 2)
            _dots(axes, shown, ScoreKey(stem, measure), STYLES[place], offset, apart)
        axes.grid(axis="y", linewidth=0.4, color="0.9")
        axes.axvline(0, linewidth=0.4, color="0.7", zorder=0)
    panels[0, 0].set_yticks(range(len(shown)), labels=[g.label for g in shown], parse_math=False)
    panels[0, 0].set_ylim(len(shown) - 0.5, -0.5)
    handles = [
        Line2D([], [], linestyle="none", marker=marker, color=colour, markersize=3.5, label=name)
        for name, (colour, marker) in zip(
            (MEASURES[measure].long_label for measure in measures), STYLES, strict=False
        )
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


def _dots(
    axes: Axes,
    shown: Sequence[Group],
    score: ScoreKey,
    style: tuple[str, str],
    offset: float,
    apart: float,
) -> None:
    colour, marker = style
    half = 0.44 * apart
    for y, group in enumerate(shown):
        values = group.scores(score)
        if not values:
            continue
        look: dict[str, Any] = {"linestyle": "none", "marker": marker, "markersize": 3.0}
        axes.plot(values, [y + offset] * len(values), color=colour, alpha=0.55, **look)
        mean = float(np.mean(values))
        axes.plot([mean, mean], [y + offset - half, y + offset + half], color=colour, linewidth=1.6)


@styled
def cross_cka(comparison: Comparison) -> Figure:
    """Draw each layer's CKA with its counterpart over the epochs, and all pairs at the end.

    Below a pair of optimizers are its baselines, two seeds of one optimizer; the title says why there
    are none.
    """
    models = list(dict.fromkeys(cross.layers for cross in comparison.cross))
    # the first pairs of each model come first; those that fit are drawn model by model
    shown = sorted(comparison.cross[:MOST_PAIRS], key=lambda cross: models.index(cross.layers))
    rows = [max(0.9, 0.13 * len(cross.layers[0])) for cross in shown]
    figure = _new_figure(
        comparison,
        "CKA between runs on the same reference inputs: each layer with its counterpart, and all layers",
        sum(rows) + 0.5 * len(rows) + 1.1,
        f"no baseline of two seeds of one optimizer: {comparison.no_baseline}"
        if comparison.no_baseline
        else "",
    )
    panels = figure.subplots(
        len(shown), 2, squeeze=False, width_ratios=(2.2, 1), height_ratios=rows
    )
    everything = np.concatenate([cross.values.ravel() for cross in shown])
    scale = measure_scale(PRIMARY, everything, "linear")  # runs are never as alike as checkpoints
    colours = norm(scale)
    for (left, right), cross in zip(panels, shown, strict=True):
        _draw_over_epochs(left, cross, colours)
        _draw_layers(right, cross, colours, comparison.runs[0].unit)
    panels[-1, 0].set_xlabel(comparison.runs[0].unit)
    scale_bar(figure, list(panels.flat), scale, everything, length=sum(rows))
    return figure


def _draw_over_epochs(axes: Axes, cross: CrossCka, colours: Any) -> None:
    same = cross.same_layers()
    a, b = map(plain, cross.names)
    which = "two seeds: " if cross.baseline else ""
    names = (ending(name, LONGEST) for name in (a, b))
    axes.set_title(f"{which}{' (A) and '.join(names)} (B)", loc="left", parse_math=False)
    if same is None:
        axes.set_axis_off()
        return
    borders = axis.edges(cross.steps)
    rows = np.arange(len(same) + 1) - 0.5
    axes.pcolormesh(borders, rows, same, cmap=SIMILARITY, norm=colours, rasterized=True)
    epoch_axis(axes, "x", borders[0], borders[-1], axis.grain(cross.steps))
    _names(axes.set_yticks, cross.layers[0])
    axes.set_ylim(len(same) - 0.5, -0.5)


def _draw_layers(axes: Axes, cross: CrossCka, colours: Any, unit: str) -> None:
    axes.imshow(cross.values[-1], cmap=SIMILARITY, norm=colours, aspect="auto")
    axes.set_title(f"rows: A, columns: B; {unit} {step(int(cross.steps[-1]))}", loc="left")
    _names(axes.set_xticks, cross.layers[1], rotation=90)
    if cross.same_layers() is None:  # else they are named to the left
        _names(axes.set_yticks, cross.layers[0])
    else:
        axes.set_yticks([])


def _names(set_ticks: Callable[..., Any], names: Sequence[str], **look: Any) -> None:
    set_ticks(range(len(names)), labels=map(plain, names), parse_math=False, fontsize=SMALL, **look)


def _new_figure(comparison: Comparison, what: str, height: float, note: str = "") -> Figure:
    title = "\n".join(line for line in (what, plain(comparison.title), note) if line)
    return titled_figure(title, height)
