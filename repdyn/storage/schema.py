"""Names, shapes, bounds and versions of what a run stores, defined only here."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Mapping
from uuid import NAMESPACE_URL, uuid5

import numpy as np

from repdyn.analysis.scores import MEANINGS
from repdyn.checks import MOST_CHECKPOINTS
from repdyn.measures.spec import MEASURES
from repdyn.own_runs import SWEEP_TAG as SWEEP_TAG
from repdyn.records import (
    CHECKPOINT,
    CLASS,
    LAYER,
    OUTPUT_TOO,
    PROBE_SPLITS,
    SPLIT,
    Dynamics,
)
from repdyn.records import UNIT_TAG as UNIT_TAG
from repdyn.score_key import ScoreKey

SCHEMA_VERSION = 2
SCHEMA_TAG = "repdyn.schema"
"""Version of what the run stores."""
LAYERS_TAG = "repdyn.layers"
"""Number of watched layers."""
INPUTS_TAG = "repdyn.inputs"
"""Fingerprint of the inputs of similarities: runs with the same one can be compared."""
FAMILY_TAG = "repdyn.family"
"""Architecture family: resnet, vit or other."""
POINT_TAG = "repdyn.point"
"""Digest of the settings of a sweep's run: it identifies finished ones."""
LAST_CHECKPOINT_TAG = "repdyn.last_checkpoint"
"""Step of the last checkpoint whose arrays are stored."""
DESCRIPTION_TAG = "repdyn.description"
"""Digest of the run's description as written here: one that differs is somebody's own, and stays."""
PROVENANCE_TAG = "repdyn.provenance"
"""What the run was trained with, at each of its starts (storage/provenance.py)."""
MEASURES_TAG = "repdyn.measures"
"""JSON of the settings of an in-place analysis: MLflow's params cannot be changed."""

DYNAMICS = "dynamics"
REGIONS = "regions"
CHECKPOINTS = "checkpoints"
PHASES = f"{DYNAMICS}/phases.json"
"""Boundaries, change points and their intervals, in steps."""
TIMINGS = f"{DYNAMICS}/timings.json"
"""Seconds by part of the work."""
LAST_STATE = f"{CHECKPOINTS}/last.safetensors"
"""From which a stopped training resumes."""
REPORT, COMPARISON = "report.html", "comparison.json"
"""Of the parent run of a sweep."""
PLANES = f"{REGIONS}/planes.npz"
"""The images that the planes go through, their labels, and the extent of each grid."""

LAYERS = f"{DYNAMICS}/layers.json"
"""Names of the watched layers, in order of depth."""
EPOCHS = f"{DYNAMICS}/epochs.npy"
"""Steps of the checkpoints, int64; of the dynamics written last."""

# bounds of what is read: no measured run comes near them
JSON_BYTES = 2**24
ARRAY_BYTES = 2**30
"""Of a file of arrays, and of its unpacked content."""
DYNAMICS_BYTES = (len(MEASURES) + sum(bool(one.error_over) for one in MEASURES.values())) * 2**30
"""Of all of a run's arrays by layer and checkpoint together, whichever measures it has.

200 layers at 1,000 checkpoints take 0.8 GB per measure, and as much for its standard errors.

Training and analysis reject anything larger (runs/readable.py)."""
SUMMARIES_BYTES = 2**33
WEIGHTS_BYTES = 2**35
MOST_LAYERS, MOST_EPOCHS = 4096, 10**15
LAYERS_BYTES, EPOCHS_BYTES = 2**20, 8 * MOST_CHECKPOINTS + 2**10
NAME_LENGTH = 256
NEWER = 64
"""Checkpoints that a running training may add while its files are read one by one."""

_MATRICES: Mapping[str, tuple[str, ...]] = {
    name: (OUTPUT_TOO if one.includes_output else LAYER, CHECKPOINT, CHECKPOINT)
    for name, one in MEASURES.items()
}
ARRAYS: Mapping[str, tuple[str, ...]] = {
    one.name: one.metadata["dims"]
    for one in dataclasses.fields(Dynamics)
    if "dims" in one.metadata and one.name not in ("steps", "similarity", "errors")
}
ERRORS: Mapping[str, str] = {
    name: one.error_name for name, one in MEASURES.items() if one.error_over
}
"""Names of the arrays of the standard errors, by measure."""

SHAPES: Mapping[str, tuple[str, ...]] = {
    **_MATRICES,
    **{errors: _MATRICES[name] for name, errors in ERRORS.items()},
    **ARRAYS,
}
"""Axes of the float32 arrays of the dynamics, one file each: the measures' matrices first. The
number of checkpoints may differ between them while a run is being written."""

OUTPUT_APART = "output_{}"
"""Up to schema 1, the output's matrix, if a measure includes it, was in a separate file."""

_ROUNDING = 1e-3
BOUNDS: Mapping[str, tuple[float, float]] = {
    **{
        name: (one.bounds[0] - _ROUNDING, one.bounds[1] + _ROUNDING)
        for name, one in MEASURES.items()
    },
    "fragmentation": (0, 1e9),
    # √(n - 1) times the range of CKA would be the most over n images, far from what occurs
    **dict.fromkeys(ERRORS.values(), (0, 1e5)),
}
SHARE = (-_ROUNDING, 1 + _ROUNDING)
"""Bounds of the other arrays' values."""

WATCHED = "watched/"
"""Begins the names of metrics by layer, so that MLflow lists them after `test/` and `train/`."""

_BY_LAYER = (
    "probe_acc/",
    "fragmentation/",
    *(f"{name}_{what}/" for name in MEASURES for what in ("drift", "prev")),
)
LAYER_METRICS = (*(f"{WATCHED}{name}" for name in _BY_LAYER), *_BY_LAYER)
"""Beginnings of the metrics by layer. Older runs have them without WATCHED, and `prev`, the similarity
to the checkpoint before."""

SCORE = "score/"
OLD_SCORES: Mapping[str, str] = {
    "fit_break_weakest_layer_rank": "fit_break_least_rank",
    "change_spread": "amplitude_cv",
    "change_spread_rank": "amplitude_cv_rank",
}
"""Former names of scores; still read."""

SCORES: Mapping[str, ScoreKey] = {
    ScoreKey(name, measure).name: ScoreKey(score, measure)
    for measure in MEASURES
    for score in MEANINGS
    for name in (OLD_SCORES.get(score, score), score)
}
"""The scores by their stored names, prefixed with SCORE in metrics: looked up, never parsed. A
score's old name comes before its current one."""


def array_path(name: str) -> str:
    """Return the path of an array of the dynamics, by its name or its measure's."""
    return f"{DYNAMICS}/{name}.npy"


def label_maps_path(epoch: int) -> str:
    """Return the path of a checkpoint's label maps."""
    return f"{REGIONS}/epoch_{epoch:05d}.npz"


def summaries_path(measure: str, epoch: int) -> str:
    """Return the path of what a measure stores of a checkpoint."""
    return f"{MEASURES[measure].folder}/epoch_{epoch:05d}.npy"


def checkpoint_path(epoch: int) -> str:
    """Return the path of a checkpoint's weights."""
    return f"{CHECKPOINTS}/epoch_{epoch:05d}.safetensors"


def figure_path(name: str) -> str:
    """Return the path of a figure."""
    return f"figures/{name}.png"


IMAGES_TAG = "mlflow.loggedImages"
"""Has MLflow's UI look for images by step."""


def image_paths(key: str, step: int, time: int) -> tuple[str, str]:
    """Return the paths of an image and of its smaller copy in MLflow's grid of images.

    They are those of MLflow's log_image, but the same whenever the image is logged again.

    Args:
        key: of the image: the grid has a slider over the steps of a key.
        step: of the run.
        time: milliseconds since 1970, the same for all steps.
    """
    unique = uuid5(NAMESPACE_URL, f"{key}/{step}")
    stem = f"images/{key.replace('/', '~')}+step+{step}+timestamp+{time}+{unique}"
    return f"{stem}.png", f"{stem}+compressed.webp"


def sides_of(layers: int) -> dict[str, int]:
    """Return the axis lengths that follow from the number of layers."""
    return {LAYER: layers, OUTPUT_TOO: layers + 1, SPLIT: len(PROBE_SPLITS)}


def matrices_bytes(layers: int, checkpoints: int, measures: Collection[str]) -> int:
    """Return the size in bytes of the matrices of some measures, and of their standard errors."""
    sides = sides_of(layers) | {CHECKPOINT: checkpoints}
    names = [*measures, *(ERRORS[name] for name in measures if name in ERRORS)]
    values = (math.prod(sides[side] for side in SHAPES[name]) for name in names)
    return np.dtype(np.float32).itemsize * sum(values)


def dynamics_bytes(layers: int, checkpoints: int, classes: int) -> int:
    """Return the size in bytes of the arrays for a number of layers, checkpoints and classes."""
    sides = sides_of(layers) | {CHECKPOINT: checkpoints, CLASS: classes}
    values = (math.prod(sides[side] for side in shape) for shape in SHAPES.values())
    return np.dtype(np.float32).itemsize * sum(values)
