"""The frozen arrays passed between layers: from measuring to storing, from storing to display.

Numpy only. Shapes are written with L watched layers, E checkpoints, K classes, P planes of a g×g
grid, and L+1 where the network's output comes after its layers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repdyn.measures.spec import spec
from repdyn.own_runs import is_own
from repdyn.run_summary import SYSTEM_METRICS as SYSTEM_METRICS
from repdyn.run_summary import RunSummary as RunSummary
from repdyn.score_key import ScoreKey

Interval = tuple[int, int]
"""First and last of a range of steps, inclusive."""

FloatArray = NDArray[np.floating[Any]]
IntArray = NDArray[np.integer[Any]]
ClassArray = NDArray[np.unsignedinteger[Any]]
"""Class indices, of the type that `class_dtype` returns."""

MOST_CLASSES = 2**16
"""The range of uint16."""


def class_dtype(classes: int) -> np.dtype[np.unsignedinteger[Any]]:
    """Return the smallest unsigned type for the indices of K classes: uint8 up to 256.

    Raises:
        ValueError: there are more than MOST_CLASSES.
    """
    if classes > MOST_CLASSES:
        raise ValueError(f"{classes} classes; there can be at most {MOST_CLASSES}")
    return np.dtype(np.uint8) if classes <= 2**8 else np.dtype(np.uint16)


PROBE_SPLITS = ("test", "clean", "noisy")
"""What a probe's accuracy is taken on: the test images, and the probe's training examples whose
label is true (clean) or was flipped (noisy, towards the flipped label; NaN where there are none)."""

EPOCH = "epoch"
"""The unit of steps, where nothing else is said: passes over the training set."""

STEP = "step"
"""The unit of steps of other programs' runs: what they count is not known."""

UNIT_LENGTH = 16


def is_unit(text: str) -> bool:
    """Return whether a text can be the unit of steps: one short word."""
    return text.isalpha() and len(text) <= UNIT_LENGTH


UNIT_TAG = "repdyn.unit"
"""Of a run, the unit of its steps."""


def unit_of(tags: Mapping[str, str]) -> str:
    """Return the unit of a run's steps; epoch if the tag is missing or is not a short word."""
    unit = tags.get(UNIT_TAG, EPOCH)
    return unit if is_unit(unit) else EPOCH


def plural(unit: str) -> str:
    """Return a unit in the plural, `epochs`; `tokens` stays as it is."""
    return unit if unit.endswith("s") else f"{unit}s"


OUTPUT = "output"
"""Name of the network's output where layer names are used."""

LAYER, OUTPUT_TOO, CHECKPOINT = "layer", "layer or output", "checkpoint"
SPLIT, CLASS = "split", "class"
"""Axes of arrays. `OUTPUT_TOO`: the network's output comes after its layers."""


@dataclass(frozen=True)
class Dynamics:
    """Everything measured in one run, up to its last checkpoint.

    Attributes:
        layers: names of the watched layers, in order of depth (L).
        steps: of the checkpoints, increasing, (E,) int64; 0 is the initial model.
        similarity: by measure (measures/spec.py), a layer's similarity with itself at another
            checkpoint, float32, (L, E, E), or (L+1, E, E) where the measure takes in the output.
        probe_acc: accuracy of a layer's linear probe, (L, E, 3) float32, last axis PROBE_SPLITS.
        fragmentation: mean number of connected regions of a plane, (L+1, E) float32, output last.
        areas: share of the plane points given to each class, (L+1, E, K) float32, output last.
        unit: of the steps, such as epoch, step or tokens.
        errors: standard errors of the similarities, of the same axes, by measure: of those that have
            any, and none for runs of older versions.
    """

    layers: tuple[str, ...]
    steps: IntArray = field(metadata={"dims": (CHECKPOINT,)})
    similarity: Mapping[str, FloatArray] = field(
        metadata={"dims": (OUTPUT_TOO, CHECKPOINT, CHECKPOINT)}
    )
    probe_acc: FloatArray = field(metadata={"dims": (LAYER, CHECKPOINT, SPLIT)})
    fragmentation: FloatArray = field(metadata={"dims": (OUTPUT_TOO, CHECKPOINT)})
    areas: FloatArray = field(metadata={"dims": (OUTPUT_TOO, CHECKPOINT, CLASS)})
    unit: str = EPOCH
    errors: Mapping[str, FloatArray] = field(
        default_factory=dict, metadata={"dims": (OUTPUT_TOO, CHECKPOINT, CHECKPOINT)}
    )

    def at_checkpoints(self, chosen: slice | Sequence[int] | NDArray[np.bool_]) -> Dynamics:
        """Return the same at some of the checkpoints, given as an index along the axis."""

        def taken(array: NDArray[Any], dims: tuple[str, ...]) -> NDArray[Any]:
            for axis, dim in enumerate(dims):
                if dim == CHECKPOINT:
                    array = array[(slice(None),) * axis + (chosen,)]
            return array

        changes: dict[str, Any] = {}
        for one in fields(self):
            dims, value = one.metadata.get("dims"), getattr(self, one.name)
            if dims is not None:
                changes[one.name] = (
                    {name: taken(array, dims) for name, array in value.items()}
                    if isinstance(value, Mapping)
                    else taken(value, dims)
                )
        return replace(self, **changes)

    def with_similarity(self, **matrices: FloatArray) -> Dynamics:
        """Return the same with other matrices for some measures."""
        return replace(self, similarity={**self.similarity, **matrices})

    def names(self, measure: str) -> tuple[str, ...]:
        """Return the names of what a measure compares, in the order of its matrices."""
        return (*self.layers, OUTPUT)[: len(self.similarity[measure])]

    def matrices(self, measure: str) -> FloatArray:
        """Return a measure's matrices of the layers alone, (L, E, E)."""
        return self.similarity[measure][: len(self.layers)]

    def errors_of(self, measure: str) -> FloatArray | None:
        """Return the standard errors of `matrices`, (L, E, E); None if there are none."""
        return self.errors[measure][: len(self.layers)] if measure in self.errors else None


@dataclass(frozen=True)
class LabelMaps:
    """Decision regions at one checkpoint.

    Attributes:
        step: of the checkpoint.
        maps: class at each grid point, (L+1, P, g, g), output last; row index is the v2 axis,
            column index the v1 axis. uint8, or uint16 if there are more than 256 classes. On these
            planes the similarity is computed.
        fine: the same on the few planes meant for drawing, (L+1, Pf, gf, gf).
    """

    step: int
    maps: ClassArray
    fine: ClassArray

    def fit(self, planes: PlaneSet) -> bool:
        """Say whether they are of these planes and classes; of packed runs the fine ones suffice."""
        known = len(planes.classes) or MOST_CLASSES
        drawn, count = self.fine.shape[1], self.maps.shape[1]
        whole = drawn == len(planes.fine) and (count == len(planes.kinds) or count == 0)
        return whole and all(a.max(initial=0) < known for a in (self.maps, self.fine))


@dataclass(frozen=True)
class PlaneSet:
    """Planes spanned by three anchor images each, x0 + a·v1 + b·v2 with v1 ⟂ v2.

    Attributes:
        anchors: the images, (P, 3, C, H, W) uint8.
        labels: their given labels, (P, 3) int64.
        true_labels: their true labels, (P, 3) int64; differs where a label was flipped.
        kinds: index into PLANE_KINDS, (P,) int64.
        coords: (a, b) of the three anchors, in units of pixel-space length, (P, 3, 2) float64.
        extent: (a_min, a_max, b_min, b_max) that the grid covers, (P, 4) float64.
        fine: which of the planes LabelMaps.fine draws, indices, (Pf,) int64.
        classes: names of the classes (K).
    """

    anchors: NDArray[np.uint8]
    labels: IntArray
    true_labels: IntArray
    kinds: IntArray
    coords: FloatArray
    extent: FloatArray
    fine: IntArray
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Curve:
    """A metric over steps.

    Attributes:
        steps: (n,) int64, strictly increasing.
        values: (n,) float64.
        times: when each was logged, in milliseconds since 1970, (n,) int64; None if it is unknown.
    """

    steps: IntArray
    values: FloatArray
    times: IntArray | None = None


@dataclass(frozen=True)
class Phases:
    """Boundaries between the phases of one run, in steps; None where the curves show none.

    Attributes:
        onset: memorisation onset, when the flipped labels begin to be fit.
        fit: perfect fit of the training set.
        test_min: minimum of the test error before it rises again.
        test_peak: the later peak of the test error, if it rises and descends again.
        change_points: for each watched layer, the steps at which its representation changes.
        spikes: steps after the fit at which training accuracy has fallen back: all layers move
            together there, whatever they do otherwise.
        joint: the steps at which the representations of all layers together change.
        intervals: the steps between which a boundary lies, by its field's name.
        change_intervals: the same of each change point, as they are in change_points.
        joint_intervals: the same of each in joint.
    """

    onset: int | None = None
    fit: int | None = None
    test_min: int | None = None
    test_peak: int | None = None
    change_points: tuple[tuple[int, ...], ...] = ()
    spikes: tuple[int, ...] = ()
    joint: tuple[int, ...] = ()
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    change_intervals: tuple[tuple[Interval, ...], ...] = ()
    joint_intervals: tuple[Interval, ...] = ()

    def markers(self) -> dict[str, int]:
        """Return the steps of the boundaries that exist, by name, without the change points."""
        named = {
            "onset": self.onset,
            "fit": self.fit,
            "test_min": self.test_min,
            "test_peak": self.test_peak,
        }
        return {name: epoch for name, epoch in named.items() if epoch is not None}


@dataclass(frozen=True, repr=False)
class RunRecord:
    """One run, read whole; `run["layer1.0"]` is what was measured of a layer.

    Attributes:
        dynamics: what was measured up to the last checkpoint; None before the first.
        curves: the metrics by name, a value a step (`train/acc`, `test/loss`, ...).
        unread: names of further metrics, of a run with so many that their curves are read when asked
            for.
        phases: the boundaries; of a run that still trains, those that its curves show so far.
        scores: of analysis/scores.py; empty where they are not defined yet.
    """

    summary: RunSummary
    dynamics: Dynamics | None
    curves: Mapping[str, Curve]
    phases: Phases
    scores: Mapping[ScoreKey, float]
    unread: tuple[str, ...] = ()

    def __getitem__(self, layer: str) -> dict[str, FloatArray]:
        """Return what was measured of a layer, or of the `output`, by name.

        Similarities by measure, (E, E), and their standard errors, `cka_error`; `probe_acc`, (E, 3); `fragmentation`, (E,); `areas`, (E, K);
        without what is not measured of it.

        Raises:
            KeyError: there is no such layer.
        """
        dynamics = self.dynamics
        names = () if dynamics is None else (*dynamics.layers, OUTPUT)
        if dynamics is None or layer not in names:
            raise KeyError(f"{layer}; there are {', '.join(names) or 'no checkpoints yet'}")
        place = names.index(layer)
        arrays = {
            **dynamics.similarity,
            **{spec(name).error_name: errors for name, errors in dynamics.errors.items()},
            "probe_acc": dynamics.probe_acc,
            "fragmentation": dynamics.fragmentation,
            "areas": dynamics.areas,
        }
        of_layer = {name: array[place] for name, array in arrays.items() if place < len(array)}
        return {name: array for name, array in of_layer.items() if not np.isnan(array).all()}

    def __repr__(self) -> str:
        name, status = self.summary.name, self.summary.status.lower()
        if self.dynamics is None:
            return f"<run {name!r}: {status}, no checkpoints, {len(self.curves)} metrics>"
        measured, last = self.dynamics, int(self.dynamics.steps[-1])
        return (
            f"<run {name!r}: {status}, {len(measured.steps)} checkpoints of {len(measured.layers)} "
            f"layers up to {self.unit} {last}, {', '.join(measured.similarity)}, "
            f"{len(self.curves)} metrics>"
        )

    @property
    def logs_accuracy(self) -> bool:
        """Whether its training accuracy was logged, in which a perfect fit is seen."""
        return "train/acc" in self.curves or "train/acc" in self.summary.metrics

    @property
    def unit(self) -> str:
        """Of the steps."""
        if self.dynamics is not None:
            return self.dynamics.unit
        return unit_of(self.summary.tags) if is_own(self.summary.tags) else STEP
