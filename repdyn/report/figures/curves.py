"""Accuracy, loss, the probes of each layer and the fragmentation of its regions, over epochs."""

from __future__ import annotations

from itertools import cycle

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from repdyn.display import axis
from repdyn.display.labels import PHASES, PROBES
from repdyn.display.metric_names import LOSS
from repdyn.display.metrics import MetricGroup, main_groups
from repdyn.display.reading import last_epoch, measured, probe_splits
from repdyn.records import OUTPUT, PROBE_SPLITS, Dynamics, FloatArray, RunRecord
from repdyn.report.figures.depth import depth_legend, layer_looks
from repdyn.report.figures.phase_marks import mark_phases, phase_legend
from repdyn.report.figures.style import (
    CURVE_COLOURS,
    CURVE_DASHES,
    DASHES,
    OTHER_COLOURS,
    OUTPUT_COLOUR,
    epoch_axis,
    label_lines,
    new_figure,
    styled,
)

PANEL = 1.75
"""Inches of a panel's height."""


@styled
def curves(record: RunRecord) -> Figure:
    """Draw accuracy and loss, and below them the accuracy of each layer's probe, if measured.

    A run without accuracies or losses has others of its metrics instead. Probes are shown on the test
    images and on the training examples with a flipped label, or on the clean ones if no label was
    flipped.

    Raises:
        ValueError: the run has neither metrics nor probes.
    """
    groups, dynamics = main_groups(record.curves), record.dynamics
    splits = () if dynamics is None else _probe_splits(dynamics)
    parts = [group.title for group in groups] or ["linear probes"]
    title = f"{' and '.join(parts)} over training"
    rows, columns = bool(groups) + bool(splits), max(len(groups), len(splits))
    figure = new_figure(record, title[0].upper() + title[1:], height=0.75 + PANEL * rows)
    panels = figure.subplots(rows, columns, sharex=True, squeeze=False)
    for axes, group in zip(panels[0], groups, strict=False):
        draw_metrics(axes, group)
    if dynamics is not None and splits:
        for axes, split in zip(panels[-1], splits, strict=False):
            _draw_probes(axes, dynamics, split)
        depth_legend(panels[-1], dynamics.layers, PANEL)
    epoch_axis(panels[0, 0], "x", *span(record))
    for axes in panels.flat:
        axes.set_visible(axes.has_data())
    for axes in panels[-1]:
        axes.set_xlabel(record.unit)
    for axes in panels.flat:
        mark_phases(axes, record.phases, PHASES)
    phase_legend(figure, record, PHASES)
    return figure


@styled
def fragmentation(record: RunRecord) -> Figure:
    """Draw the number of connected decision regions of a plane, of each layer and of the output.

    Raises:
        UserError: the run has no checkpoint yet.
    """
    dynamics = measured(record)
    figure = new_figure(record, "Fragmentation of decision regions over training", height=2.9)
    axes = figure.subplots()
    _draw_layers(axes, dynamics, dynamics.fragmentation[:-1])
    axes.plot(dynamics.steps, dynamics.fragmentation[-1], color=OUTPUT_COLOUR, label=OUTPUT)
    axes.set_ylabel("connected regions in a plane")
    axes.set_ylim(bottom=0)
    label_lines(axes)
    axes.set_xlabel(record.unit)
    epoch_axis(axes, "x", *span(record))
    depth_legend([axes], dynamics.layers, PANEL)
    mark_phases(axes, record.phases, PHASES)
    phase_legend(figure, record, PHASES)
    return figure


def draw_metrics(axes: Axes, group: MetricGroup) -> None:
    """Draw metrics on one axis, each labelled at its end."""
    plot_metrics(axes, group)
    label_lines(axes)


def plot_metrics(axes: Axes, group: MetricGroup) -> None:
    """Draw metrics on one axis, without a legend."""
    others = zip(cycle(OTHER_COLOURS), cycle(DASHES), strict=False)
    for label, curve in group.curves.items():
        lone = "." if len(curve.steps) == 1 else ""
        ours = label in CURVE_COLOURS
        colour, dash = (CURVE_COLOURS[label], CURVE_DASHES[label]) if ours else next(others)
        axes.plot(curve.steps, curve.values, color=colour, ls=dash, label=label, marker=lone)
    axes.set_ylabel(group.title, parse_math=False)
    positive = group.values[group.values > 0]
    if group.are_shares:
        axes.set_ylim(-0.02, 1.02)
    elif group.title == LOSS and positive.size and positive.max() > 10 * positive.min():
        axes.set_yscale("log", nonpositive="mask")
        axes.yaxis.set_major_formatter("{x:g}")


def _probe_splits(dynamics: Dynamics) -> tuple[str, ...]:
    known = probe_splits(dynamics)
    left_out = "clean" if "noisy" in known else "noisy"
    return tuple(split for split in known if split != left_out)


def _draw_probes(axes: Axes, dynamics: Dynamics, split: str) -> None:
    _draw_layers(axes, dynamics, dynamics.probe_acc[..., PROBE_SPLITS.index(split)])
    axes.set_title(PROBES[split], loc="left")
    axes.set(ylabel="accuracy", ylim=(-0.02, 1.02))


def _draw_layers(axes: Axes, dynamics: Dynamics, values: FloatArray) -> None:
    """Draw a line for each layer, (L, E), coloured by depth."""
    for name, look, line in zip(dynamics.layers, layer_looks(len(values)), values, strict=True):
        axes.plot(dynamics.steps, line, linewidth=0.9, gid=name, marker=".", markersize=2, **look)


def span(record: RunRecord) -> tuple[float, float, int]:
    """Return the limits of the epoch axis, from a little to the left of epoch 0 on, and its grain."""
    curves = [axis.grain(curve.steps) for curve in record.curves.values()]
    grain = min(curves, default=1) if record.dynamics is None else axis.grain(record.dynamics.steps)
    return -0.12 * grain, max(1, last_epoch(record)), grain
