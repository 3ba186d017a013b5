"""Comparison figures: scores by group, drift rates by layer, CKA between runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from repdyn.analysis.drift import drift
from repdyn.display import axis
from repdyn.display.reading import measured
from repdyn.display.scale import measure_scale
from repdyn.display.wording import plain
from repdyn.measures.spec import MEASURES, PRIMARY
from repdyn.records import RunRecord
from repdyn.report.comparison import (
    Comparison,
    CrossCka,
    Group,
    groups,
    label,
    measures_of,
    score_names,
)
from repdyn.report.figures.style import (
    SIMILARITY,
    SMALL,
    WIDTH,
    depth_bar,
    epoch_axis,
    layer_colours,
    norm,
    phase_lines,
    scale_bar,
    styled,
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

APART = 0.34
"""Most of a row between two measures."""

LINES = ("onset", "fit")

ANY_LAYERS = ("first layer", *[""] * 6, "last layer")
"""Labels of the depth colours if the runs have different layers."""

MOST_GROUPS = 6
"""Most groups whose drift rates fit side by side."""


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
def drift_rates(comparison: Comparison) -> Figure:
    """Draw how fast each layer drifts over the epochs, for the first run of each group."""
    runs = [group.runs[0] for group in groups(comparison)][:MOST_GROUPS]
    figure = _new_figure(
        comparison, "Drift rate of each layer, 1 − similarity at a ratio of epochs of 1.5", 3.9
    )
    measures = measures_of(comparison)
    panels = figure.subplots(len(measures), len(runs), sharex=True, sharey="row", squeeze=False)
    for column, run in zip(panels.T, runs, strict=True):
        column[0].set_title(label(run, comparison.varied), parse_math=False)
        for axes, measure in zip(column, measures, strict=True):
            _draw_drift(axes, run, measure)
            phase_lines(axes, run.phases, LINES)
        column[-1].set_xlabel(run.unit)
    for axes, measure in zip(panels[:, 0], measures, strict=True):
        axes.set_ylabel(MEASURES[measure].long_label)
    last = max(int(measured(run).steps[-1]) for run in runs)
    grain = min(axis.grain(measured(run).steps) for run in runs)
    epoch_axis(panels[0, 0], "x", 0.5 * grain, last, grain)
    named = [measured(run).layers for run in runs]
    depth_bar(figure, list(panels.flat), named[0] if len(set(named)) == 1 else ANY_LAYERS)
    return figure


def _draw_drift(axes: Axes, run: RunRecord, measure: str) -> None:
    dynamics = measured(run)
    axes.set_yscale("log")
    if measure not in dynamics.similarity:
        return
    rates = drift(dynamics.matrices(measure), dynamics.steps)
    if rates is None:
        return
    for rate, colour in zip(rates.rate, layer_colours(len(rates.rate)), strict=True):
        axes.plot(np.exp(rates.tau), np.maximum(rate, 1e-5), color=colour, linewidth=0.8)


@styled
def cross_cka(comparison: Comparison) -> Figure:
    """Draw each layer's CKA with its counterpart over the epochs, and all pairs at the end."""
    shown = comparison.cross[:MOST_GROUPS]
    rows = [max(0.9, 0.13 * len(cross.layers[0])) for cross in shown]
    figure = _new_figure(
        comparison,
        "CKA between runs on the same reference inputs",
        sum(rows) + 0.5 * len(rows) + 0.9,
    )
    panels = figure.subplots(
        len(shown), 2, squeeze=False, width_ratios=(2.2, 1), height_ratios=rows
    )
    scale = measure_scale(PRIMARY, np.concatenate([cross.values.ravel() for cross in shown]))
    colours = norm(scale)
    for (left, right), cross in zip(panels, shown, strict=True):
        _draw_over_epochs(left, cross, colours)
        _draw_layers(right, cross, colours, comparison.runs[0].unit)
    panels[-1, 0].set_xlabel(comparison.runs[0].unit)
    everything = np.concatenate([cross.values.ravel() for cross in shown])
    scale_bar(figure, list(panels.flat), scale, everything, length=sum(rows))
    return figure


def _draw_over_epochs(axes: Axes, cross: CrossCka, colours: Any) -> None:
    same = cross.same_layers()
    a, b = map(plain, cross.names)
    axes.set_title(f"{a} and {b}", loc="left", parse_math=False)
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
    axes.set_title(f"between layers, {unit} {step(int(cross.steps[-1]))}", loc="left")
    _names(axes.set_xticks, cross.layers[1], rotation=90)
    axes.set_yticks([])


def _names(set_ticks: Callable[..., Any], names: Sequence[str], **look: Any) -> None:
    set_ticks(range(len(names)), labels=map(plain, names), parse_math=False, fontsize=SMALL, **look)


def _new_figure(comparison: Comparison, what: str, height: float) -> Figure:
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    title = f"{what}\n{plain(comparison.title)}"
    figure.suptitle(title, x=0.01, ha="left", parse_math=False, linespacing=1.35)
    return figure
