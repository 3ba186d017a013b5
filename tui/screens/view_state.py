"""The state of a run's views: shared by all, so that switching views keeps it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from repdyn.display import axis
from repdyn.display.similarity import Similarity
from repdyn.measures.spec import MEASURES, PRIMARY
from repdyn.records import Dynamics, FloatArray
from repdyn.step_words import step

Reference = Literal["last", "previous", "first", "cursor"]

REFERENCES: tuple[Reference, ...] = ("last", "previous", "first", "cursor")


@dataclass(frozen=True)
class ViewState:
    """The state of a run's views.

    Attributes:
        measure: of similarity.
        reference: what checkpoints are compared with in the overview.
        layer: index of the layer; the output comes after the layers.
        epoch: of the cursor, None for the last.
        other: the second epoch, of the row in an E×E matrix; None for the last.
        cmap: colour map.
        stretch: whether colours span what is in view.
    """

    measure: str = PRIMARY.name
    reference: Reference = "last"
    layer: int = 0
    epoch: int | None = None
    other: int | None = None
    cmap: str = "viridis"
    stretch: bool = False


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


def to_reference(shown: Similarity, look: ViewState) -> FloatArray:
    """Return each checkpoint's similarity to the reference, (N, E)."""
    if look.reference == "previous":
        return shown.to_previous()
    if look.reference == "last":
        return shown.to_last()
    if look.reference == "first":
        return shown.matrices[:, :, 0]
    return shown.matrices[:, :, axis.nearest(shown.steps, look.epoch)]


def reference_words(shown: Similarity, look: ViewState) -> str:
    """Return the reference checkpoint in words, `the last checkpoint`."""
    if look.reference == "cursor":
        return f"{shown.unit} {step(int(shown.steps[axis.nearest(shown.steps, look.epoch)]))}"
    return f"the {look.reference} checkpoint"


def number(value: float) -> str:
    """Return a similarity with the precision of a readout."""
    return "–" if np.isnan(value) else f"{value:.4f}"
