"""Names, shapes, bounds and versions of what a run stores: the one place that knows them."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from repdyn.records import PROBE_SPLITS
from repdyn.settings.schema import MOST_CHECKPOINTS

SCHEMA_VERSION = 1
SCHEMA_TAG = "repdyn.schema"
LAYERS_TAG = "repdyn.layers"
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
DYNAMICS_BYTES = 2**29
"""Of a run's arrays by layer and checkpoint together: 50 layers at 1,000 checkpoints take 0.4 GB.

Training and analysis refuse what would be more (runs/readable.py)."""
ROWS_BYTES = 2**33
WEIGHTS_BYTES = 2**35
MOST_LAYERS, MOST_EPOCHS = 4096, 10**9
LAYERS_BYTES, EPOCHS_BYTES = 2**20, 8 * MOST_CHECKPOINTS + 2**10
NAME_LENGTH = 256
NEWER = 64
"""Checkpoints that a run which trains may add while its files are read one after the other."""

LAYER_SIDE, OUTPUT_SIDE, CHECKPOINT_SIDE, CLASS_SIDE = (
    "layers",
    "layers and the output",
    "checkpoints",
    "classes",
)
SHAPES: Mapping[str, tuple[str | int, ...]] = {
    "cka": (LAYER_SIDE, CHECKPOINT_SIDE, CHECKPOINT_SIDE),
    "regions": (LAYER_SIDE, CHECKPOINT_SIDE, CHECKPOINT_SIDE),
    "output_regions": (CHECKPOINT_SIDE, CHECKPOINT_SIDE),
    "probe_acc": (LAYER_SIDE, CHECKPOINT_SIDE, len(PROBE_SPLITS)),
    "fragmentation": (OUTPUT_SIDE, CHECKPOINT_SIDE),
    "areas": (OUTPUT_SIDE, CHECKPOINT_SIDE, CLASS_SIDE),
}
"""Of the float32 arrays of the dynamics; the number of checkpoints may differ while one writes."""

_ROUNDING = 1e-3
BOUNDS: Mapping[str, tuple[float, float]] = {
    "cka": (-1 - _ROUNDING, 1 + _ROUNDING),
    "fragmentation": (0, 1e9),
}
SHARE = (-_ROUNDING, 1 + _ROUNDING)
"""Bounds of the other arrays' values."""

LAYER_METRICS = ("probe_acc", "fragmentation", "cka_prev", "regions_prev")


def label_maps_path(epoch: int) -> str:
    """Return where a checkpoint's label maps are."""
    return f"{REGIONS}/epoch_{epoch:05d}.npz"


def rows_path(epoch: int) -> str:
    """Return where a checkpoint's packed Grams are."""
    return f"grams/epoch_{epoch:05d}.npy"


def checkpoint_path(epoch: int) -> str:
    """Return where a checkpoint's weights are."""
    return f"{CHECKPOINTS}/epoch_{epoch:05d}.safetensors"


def figure_path(name: str) -> str:
    """Return where a figure is."""
    return f"figures/{name}.png"


def dynamics_bytes(layers: int, checkpoints: int, classes: int) -> int:
    """Return the bytes that the matrices of so many layers, checkpoints and classes take."""
    sides: dict[str | int, int] = {
        LAYER_SIDE: layers,
        OUTPUT_SIDE: layers + 1,
        CHECKPOINT_SIDE: checkpoints,
        CLASS_SIDE: classes,
    }
    values = (math.prod(sides.get(side, len(PROBE_SPLITS)) for side in s) for s in SHAPES.values())
    return np.dtype(np.float32).itemsize * sum(values)
