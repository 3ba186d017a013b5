"""Names, shapes, bounds and versions of what a run stores: the one place that knows them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

import numpy as np

from repdyn.analysis.scores import MEANINGS
from repdyn.measures.spec import MEASURES
from repdyn.records import (
    CHECKPOINT,
    CLASS,
    EPOCH,
    LAYER,
    OUTPUT_TOO,
    PROBE_SPLITS,
    SPLIT,
    Dynamics,
    is_unit,
)
from repdyn.score_key import ScoreKey
from repdyn.settings.schema import MOST_CHECKPOINTS

SCHEMA_VERSION = 2
SCHEMA_TAG = "repdyn.schema"
LAYERS_TAG = "repdyn.layers"
INPUTS_TAG = "repdyn.inputs"
"""Fingerprint of what similarities are computed on: runs of equal ones can be compared."""
UNIT_TAG = "repdyn.unit"
"""Of the run's steps; epoch where it is missing."""
FAMILY_TAG = "repdyn.family"
"""Architecture family: resnet, vit or other."""
SWEEP_TAG = "repdyn.sweep"
"""Marks the parent run of a sweep, which trains nothing itself; a digest of its settings."""
POINT_TAG = "repdyn.point"
"""Digest of the settings of a sweep's run: by it a finished one is known."""
LAST_CHECKPOINT_TAG = "repdyn.last_checkpoint"
MEASURES_TAG = "repdyn.measures"
"""JSON of the settings with which a run was measured again in place: MLflow's params stay."""

DYNAMICS = "dynamics"
REGIONS = "regions"
CHECKPOINTS = "checkpoints"
PHASES = f"{DYNAMICS}/phases.json"
TIMINGS = f"{DYNAMICS}/timings.json"
LAST_STATE = f"{CHECKPOINTS}/last.safetensors"
"""From which a stopped training goes on."""
REPORT, COMPARISON = "report.html", "comparison.json"
"""Of the parent run of a sweep."""
PLANES = f"{REGIONS}/planes.npz"

LAYERS, EPOCHS = f"{DYNAMICS}/layers.json", f"{DYNAMICS}/epochs.npy"

# bounds of what is read: nothing of a run that was measured comes near them
JSON_BYTES = 2**24
ARRAY_BYTES = 2**30
"""Of a file of arrays, and of what is packed in one."""
DYNAMICS_BYTES = len(MEASURES) * 2**28
"""Of a run's arrays by layer and checkpoint together, whichever measures it has.

50 layers at 1,000 checkpoints take 0.2 GB a measure.

Training and analysis refuse what would be more (runs/readable.py)."""
SUMMARIES_BYTES = 2**33
WEIGHTS_BYTES = 2**35
MOST_LAYERS, MOST_EPOCHS = 4096, 10**9
LAYERS_BYTES, EPOCHS_BYTES = 2**20, 8 * MOST_CHECKPOINTS + 2**10
NAME_LENGTH = 256
NEWER = 64
"""Checkpoints that a run which trains may add while its files are read one after the other."""

_MATRICES: Mapping[str, tuple[str, ...]] = {
    name: (OUTPUT_TOO if one.includes_output else LAYER, CHECKPOINT, CHECKPOINT)
    for name, one in MEASURES.items()
}
ARRAYS: Mapping[str, tuple[str, ...]] = {
    one.name: one.metadata["dims"]
    for one in dataclasses.fields(Dynamics)
    if "dims" in one.metadata and one.name not in ("steps", "similarity")
}
SHAPES: Mapping[str, tuple[str, ...]] = {**_MATRICES, **ARRAYS}
"""Axes of the float32 arrays of the dynamics, a file each: the measures' matrices first. How many
checkpoints there are may differ while one writes."""

OUTPUT_APART = "output_{}"
"""Until schema 1 the matrix of the output, where a measure takes it in, lay in a file of its own."""

_ROUNDING = 1e-3
BOUNDS: Mapping[str, tuple[float, float]] = {
    **{
        name: (one.bounds[0] - _ROUNDING, one.bounds[1] + _ROUNDING)
        for name, one in MEASURES.items()
    },
    "fragmentation": (0, 1e9),
}
SHARE = (-_ROUNDING, 1 + _ROUNDING)
"""Bounds of the other arrays' values."""

LAYER_METRICS = ("probe_acc", "fragmentation", *(f"{name}_prev" for name in MEASURES))

SCORE = "score/"
OLD_SCORES: Mapping[str, str] = {
    "fit_break_weakest_layer_rank": "fit_break_least_rank",
    "change_spread": "amplitude_cv",
    "change_spread_rank": "amplitude_cv_rank",
}
"""What scores were called before; still read."""

SCORES: Mapping[str, ScoreKey] = {
    ScoreKey(name, measure).name: ScoreKey(score, measure)
    for measure in MEASURES
    for score in MEANINGS
    for name in (OLD_SCORES.get(score, score), score)
}
"""The scores by the names that they are stored by, after SCORE where they are metrics: looked up,
never taken apart. A score's old name comes before its present one."""


def array_path(name: str) -> str:
    """Return where an array of the dynamics is, by its name or its measure's."""
    return f"{DYNAMICS}/{name}.npy"


def label_maps_path(epoch: int) -> str:
    """Return where a checkpoint's label maps are."""
    return f"{REGIONS}/epoch_{epoch:05d}.npz"


def summaries_path(measure: str, epoch: int) -> str:
    """Path of what a measure keeps of a checkpoint."""
    return f"{MEASURES[measure].folder}/epoch_{epoch:05d}.npy"


def checkpoint_path(epoch: int) -> str:
    """Return where a checkpoint's weights are."""
    return f"{CHECKPOINTS}/epoch_{epoch:05d}.safetensors"


def figure_path(name: str) -> str:
    """Return where a figure is."""
    return f"figures/{name}.png"


def sides_of(layers: int) -> dict[str, int]:
    """Return the lengths of the axes that are known of so many layers."""
    return {LAYER: layers, OUTPUT_TOO: layers + 1, SPLIT: len(PROBE_SPLITS)}


def dynamics_bytes(layers: int, checkpoints: int, classes: int) -> int:
    """Return the bytes that the matrices of so many layers, checkpoints and classes take."""
    sides = sides_of(layers) | {CHECKPOINT: checkpoints, CLASS: classes}
    values = (math.prod(sides[side] for side in shape) for shape in SHAPES.values())
    return np.dtype(np.float32).itemsize * sum(values)


def unit_of(tags: Mapping[str, str]) -> str:
    """Return the unit of a run's steps; epoch where the tag is missing or is no short word."""
    unit = tags.get(UNIT_TAG, EPOCH)
    return unit if is_unit(unit) else EPOCH
