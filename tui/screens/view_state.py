"""The state of a run's views: shared by all, so that switching views keeps it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from repdyn.display import axis
from repdyn.display.scale import SCALES, ScaleKind
from repdyn.display.similarity import Similarity, previous
from repdyn.measures.spec import MEASURES, PRIMARY
from repdyn.records import Dynamics, FloatArray
from repdyn.step_words import step
from tui.widgets.epoch_axis import WHOLE, AxisView

Reference = Literal["last", "previous", "first", "cursor"]

REFERENCES: tuple[Reference, ...] = ("last", "previous", "first", "cursor")


@dataclass(frozen=True)
class ViewState:
    """The state of a run's views.

    Attributes:
        measure: of similarity.
        reference: what checkpoints are compared with in the overview.
        layer: index of the layer; the output comes after the layers.
        layer_chosen: whether the user has chosen the layer; decision regions are the output's until
            then.
        epoch: of the cursor, None for the last.
        other: the second epoch, of the row in an E×E matrix; None for the last.
        cmap: colour map.
        scale: what the colours span, before they are stretched.
        stretch: how far colours are stretched to what is in view, 0 if not.
        blurred: whether cells that differ from their neighbours within their error are grey.
        axis_view: the part of the epoch axis in view.
        range_from: the epoch at which a range to zoom to begins, while it is being chosen.
    """

    measure: str = PRIMARY.name
    reference: Reference = "last"
    layer: int = 0
    layer_chosen: bool = False
    epoch: int | None = None
    other: int | None = None
    cmap: str = "viridis"
    scale: ScaleKind = "fixed"
    stretch: int = 0
    blurred: bool = False
    axis_view: AxisView = WHOLE
    range_from: int | None = None


def liveliest(dynamics: Dynamics, measure: str) -> int:
    """Return the layer that changes most: its checkpoints are the least similar on average."""
    if measure not in dynamics.similarity or not dynamics.layers:
        return 0
    known = [matrix[np.isfinite(matrix)] for matrix in dynamics.matrices(measure)]
    means = [values.mean() if values.size else np.inf for values in known]
    return int(np.argmin(means))


def measures_of(runs: Iterable[Dynamics | None]) -> list[str]:
    """Return the measures that any of the runs was measured with, those of all of them first."""
    sets = [set(dynamics.similarity) for dynamics in runs if dynamics is not None]
    counts = {name: sum(name in known for known in sets) for name in MEASURES}
    return sorted((name for name in MEASURES if counts[name]), key=lambda name: -counts[name])


def existing_measure(measure: str, runs: Iterable[Dynamics | None]) -> str:
    """Return the measure if any of the runs was measured with it, else the first that one has."""
    names = measures_of(runs)
    return measure if measure in names or not names else names[0]


def next_measure(measure: str, runs: Iterable[Dynamics | None]) -> str:
    """Return the next measure among those that any of the runs was measured with."""
    names = measures_of(runs) or [measure]
    return names[(names.index(measure) + 1) % len(names)] if measure in names else names[0]


def next_scale(scale: ScaleKind, measure: str) -> ScaleKind:
    """Return the next scale that looks different: the fixed one of shares is linear already."""
    if not MEASURES[measure].log_distance:
        return "fixed" if scale == "run" else "run"
    return SCALES[(SCALES.index(scale) + 1) % len(SCALES)]


def to_reference(shown: Similarity, look: ViewState) -> FloatArray:
    """Return each checkpoint's similarity to the reference, (N, E)."""
    return _to_reference(shown.matrices, shown, look)


def error_to_reference(shown: Similarity, look: ViewState) -> FloatArray | None:
    """Return the standard errors of `to_reference`, (N, E); None if there are none."""
    return None if shown.errors is None else _to_reference(shown.errors, shown, look)


def _to_reference(matrices: FloatArray, shown: Similarity, look: ViewState) -> FloatArray:
    if look.reference == "previous":
        return previous(matrices)
    places = {"last": -1, "first": 0, "cursor": axis.nearest(shown.steps, look.epoch)}
    return matrices[:, :, places[look.reference]]


def reference_words(shown: Similarity, look: ViewState) -> str:
    """Return the reference checkpoint in words, `the last checkpoint`."""
    if look.reference == "cursor":
        return f"{shown.unit} {step(int(shown.steps[axis.nearest(shown.steps, look.epoch)]))}"
    return f"the {look.reference} checkpoint"
