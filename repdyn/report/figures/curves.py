"""Accuracy, loss, the probes of each layer and the fragmentation of its regions, over epochs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from repdyn.display.labels import ACCURACIES, LOSSES, PHASES, PROBES
from repdyn.display.reading import last_epoch, measured
from repdyn.records import OUTPUT, PROBE_SPLITS, Curve, Dynamics, FloatArray, RunRecord
from repdyn.report.figures.style import (
    CURVE_COLOURS,
    OUTPUT_COLOUR,
    depth_bar,
    epoch_axis,
    label_lines,
    layer_colours,
    new_figure,
    phase_legend,
    phase_lines,
    styled,
)


@styled
def curves(record: RunRecord) -> Figure:
    """Draw accuracy and loss, and below them the accuracy of each layer's probe, if measured.

    Probes are shown on the test images and on the training examples with a flipped label, or on the
    clean ones if no label was flipped.
    """
    dynamics = record.dynamics
    rows = 1 if dynamics is None else 2
    figure = new_figure(record, "Accuracy and loss over training", height=0.75 + 1.75 * rows)
    panels = figure.subplots(rows, 2, sharex=True, squeeze=False)
    accuracy, loss = panels[0]
    draw_accuracies(accuracy, record.curves)
    _draw_losses(loss, record.curves)
    if dynamics is not None:
        for axes, split in zip(panels[1], _probe_splits(dynamics), strict=True):
            _draw_probes(axes, dynamics, split)
        depth_bar(figure, panels[1], dynamics.layers)
    epoch_axis(accuracy, "x", *_span(record))
    for axes in panels[-1]:
        axes.set_xlabel(record.unit)
    for axes in panels.flat:
        phase_lines(axes, record.phases, PHASES)
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
    epoch_axis(axes, "x", *_span(record))
    depth_bar(figure, [axes], dynamics.layers)
    phase_lines(axes, record.phases, PHASES)
    phase_legend(figure, record, PHASES)
    return figure


def draw_accuracies(axes: Axes, curves: Mapping[str, Curve]) -> None:
    """Draw the available accuracy curves, each labelled at its end."""
    _draw_named(axes, curves, ACCURACIES)
    axes.set(ylabel="accuracy", ylim=(-0.02, 1.02))
    label_lines(axes)


def _draw_losses(axes: Axes, curves: Mapping[str, Curve]) -> None:
    _draw_named(axes, curves, LOSSES)
    axes.set(ylabel="loss")
    values = [curves[name].values for name in LOSSES if name in curves]
    positive = np.concatenate([np.empty(0), *values])
    positive = positive[(positive > 0) & np.isfinite(positive)]
    if positive.size and positive.max() > 10 * positive.min():
        axes.set_yscale("log", nonpositive="mask")
        axes.yaxis.set_major_formatter("{x:g}")
    label_lines(axes)


def _draw_named(axes: Axes, curves: Mapping[str, Curve], names: Mapping[str, str]) -> None:
    for name, label in names.items():
        curve = curves.get(name)
        if curve is not None and np.isfinite(curve.values).any():
            lone = "." if len(curve.steps) == 1 else ""
            axes.plot(
                curve.steps, curve.values, color=CURVE_COLOURS[label], label=label, marker=lone
            )


def _probe_splits(dynamics: Dynamics) -> tuple[str, str]:
    noisy = dynamics.probe_acc[..., PROBE_SPLITS.index("noisy")]
    return "test", "noisy" if np.isfinite(noisy).any() else "clean"


def _draw_probes(axes: Axes, dynamics: Dynamics, split: str) -> None:
    _draw_layers(axes, dynamics, dynamics.probe_acc[..., PROBE_SPLITS.index(split)])
    axes.set_title(PROBES[split], loc="left")
    axes.set(ylabel="accuracy", ylim=(-0.02, 1.02))


def _draw_layers(axes: Axes, dynamics: Dynamics, values: FloatArray) -> None:
    """Draw a line for each layer, (L, E), coloured by depth."""
    for name, colour, line in zip(dynamics.layers, layer_colours(len(values)), values, strict=True):
        axes.plot(
            dynamics.steps, line, color=colour, linewidth=0.9, gid=name, marker=".", markersize=2
        )


def _span(record: RunRecord) -> tuple[float, float]:
    """Return the limits of the epoch axis: a little to the left of epoch 0, and the last epoch."""
    return -0.12, max(1, last_epoch(record))
