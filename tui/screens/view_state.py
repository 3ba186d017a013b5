"""The state of a run's views: shared by all, so that switching views keeps it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from repdyn.display import axis
from repdyn.display.similarity import Similarity, previous
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
        blurred: whether cells that differ from their neighbours within their error are grey.
    """

    measure: str = PRIMARY.name
    reference: Reference = "last"
    layer: int = 0
    epoch: int | None = None
    other: int | None = None
    cmap: str = "viridis"
    stretch: bool = False
    blurred: bool = False


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
