"""The one place that knows names, shapes and versions of what a run stores.

Bytes in, frozen records out, and the other way round; where the bytes lie is not known here.
Nothing is ever unpickled.
"""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from repdyn.errors import UserError
from repdyn.records import OUTPUT, PROBE_SPLITS, Dynamics, Interval, LabelMaps, Phases, PlaneSet

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
LAST_STATE = f"{CHECKPOINTS}/last.pt"
"""From which a stopped training goes on."""
REPORT, COMPARISON = "report.html", "comparison.json"
"""Of the parent run of a sweep."""
PLANES = f"{REGIONS}/planes.npz"

_LAYERS, _EPOCHS = f"{DYNAMICS}/layers.json", f"{DYNAMICS}/epochs.npy"
# where the axis of checkpoints is, by array; its length in the arrays may differ while one writes
_EPOCH_AXES: Mapping[str, tuple[int, ...]] = {
    "cka": (1, 2),
    "regions": (1, 2),
    "output_regions": (0, 1),
    "probe_acc": (1,),
    "fragmentation": (1,),
    "areas": (1,),
}
LAYER_METRICS = ("probe_acc", "fragmentation", "cka_prev", "regions_prev")
Read = Callable[[str], bytes]


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


def encode_dynamics(dynamics: Dynamics) -> Iterator[tuple[str, bytes]]:
    """Yield paths and contents in the order in which to write them: epochs last."""
    yield _LAYERS, json.dumps(dynamics.layers).encode()
    for name in _EPOCH_AXES:
        yield f"{DYNAMICS}/{name}.npy", _npy(getattr(dynamics, name).astype(np.float32))
    yield _EPOCHS, _npy(dynamics.epochs.astype(np.int64))


def decode_dynamics(read: Read) -> Dynamics:
    """Return the dynamics up to the last checkpoint that all files have.

    The files are replaced one by one while a run trains, but grow only, so the part that all of
    them have is whole.

    Raises:
        UserError: a file is damaged or does not fit the others.
    """
    layers = _layers(read(_LAYERS))
    epochs = _array(_EPOCHS, read(_EPOCHS), np.int64, 1)
    arrays = {
        name: _array(f"{DYNAMICS}/{name}.npy", read(f"{DYNAMICS}/{name}.npy"), np.float32)
        for name in _EPOCH_AXES
    }
    count = len(layers)
    leading = {"cka": count, "regions": count, "probe_acc": count}
    leading |= {"fragmentation": count + 1, "areas": count + 1}
    dimensions = {"output_regions": 2, "fragmentation": 2}
    for name, array in arrays.items():
        axes = _EPOCH_AXES[name]
        fits = array.ndim == dimensions.get(name, 3)
        fits = fits and (name not in leading or array.shape[0] == leading[name])
        fits = fits and len({array.shape[axis] for axis in axes}) == 1
        if not fits:
            raise _damaged(f"{DYNAMICS}/{name}.npy", f"shape {array.shape} for {count} layers")
    if arrays["probe_acc"].shape[2] != len(PROBE_SPLITS):
        raise _damaged(f"{DYNAMICS}/probe_acc.npy", f"shape {arrays['probe_acc'].shape}")
    if (np.diff(epochs) <= 0).any() or (len(epochs) and epochs[0] < 0):
        raise _damaged(_EPOCHS, "epochs that do not increase")
    e = min(len(epochs), *(arrays[name].shape[axes[0]] for name, axes in _EPOCH_AXES.items()))
    for name, axes in _EPOCH_AXES.items():
        for axis in axes:
            arrays[name] = arrays[name].take(range(e), axis=axis)
    return Dynamics(layers=layers, epochs=epochs[:e], **arrays)


def layer_metrics(dynamics: Dynamics) -> dict[str, float]:
    """Return MLflow's metrics of the last checkpoint, by layer; NaN ones are left out."""
    metrics: dict[str, float] = {}
    many = len(dynamics.epochs) > 1
    names = (*dynamics.layers, OUTPUT)
    for i, layer in enumerate(names):
        metrics[f"fragmentation/{layer}"] = float(dynamics.fragmentation[i, -1])
        if many:
            regions = dynamics.output_regions if layer == OUTPUT else dynamics.regions[i]
            metrics[f"regions_prev/{layer}"] = float(regions[-1, -2])
    for i, layer in enumerate(dynamics.layers):
        metrics[f"probe_acc/{layer}"] = float(dynamics.probe_acc[i, -1, 0])
        if many:
            metrics[f"cka_prev/{layer}"] = float(dynamics.cka[i, -1, -2])
    return {name: value for name, value in metrics.items() if np.isfinite(value)}


def encode_label_maps(maps: LabelMaps) -> bytes:
    """Return a checkpoint's label maps as one compressed file."""
    return _npz(maps=maps.maps, fine=maps.fine)


def decode_label_maps(path: str, content: bytes, epoch: int) -> LabelMaps:
    """Return a checkpoint's label maps.

    Raises:
        UserError: the file is damaged.
    """
    arrays = _arrays(path, content, {"maps": (np.uint8, 4), "fine": (np.uint8, 4)})
    return LabelMaps(epoch, arrays["maps"], arrays["fine"])


_PLANE_ARRAYS: Mapping[str, tuple[type[np.generic], int]] = {
    "anchors": (np.uint8, 5),
    "labels": (np.int64, 2),
    "true_labels": (np.int64, 2),
    "kinds": (np.int64, 1),
    "coords": (np.float64, 3),
    "extent": (np.float64, 2),
    "fine": (np.int64, 1),
}


def encode_planes(planes: PlaneSet) -> bytes:
    """Return the planes as one compressed file."""
    arrays = {
        name: getattr(planes, name).astype(dtype) for name, (dtype, _) in _PLANE_ARRAYS.items()
    }
    return _npz(**arrays, classes=np.array(planes.classes, dtype=np.str_))


def decode_planes(content: bytes) -> PlaneSet:
    """Return the planes.

    Raises:
        UserError: the file is damaged.
    """
    arrays = _arrays(PLANES, content, {**_PLANE_ARRAYS, "classes": (np.str_, 1)})
    classes = tuple(str(name) for name in arrays.pop("classes"))
    count = len(arrays["anchors"])
    shapes = {
        "labels": (count, 3),
        "true_labels": (count, 3),
        "kinds": (count,),
        "coords": (count, 3, 2),
        "extent": (count, 4),
    }
    for name, shape in shapes.items():
        if arrays[name].shape != shape:
            raise _damaged(PLANES, f"{name} of shape {arrays[name].shape}")
    if not ((arrays["fine"] >= 0) & (arrays["fine"] < count)).all():
        raise _damaged(PLANES, "fine planes that do not exist")
    return PlaneSet(**arrays, classes=classes)


def encode_rows(rows: NDArray[np.float16]) -> bytes:
    """Return a checkpoint's packed Grams, (L, m) float16, as a file."""
    return _npy(rows)


def decode_rows(path: str, content: bytes) -> NDArray[np.float16]:
    """Return a checkpoint's packed Grams, (L, m) float16.

    Raises:
        UserError: the file is damaged.
    """
    return _array(path, content, np.float16, 2)


def encode_phases(phases: Phases, layers: tuple[str, ...]) -> bytes:
    """Return the phases as JSON that can be read without repdyn."""
    said = {**dataclasses.asdict(phases), "layers": list(layers)}
    return json.dumps(said, indent=1).encode()


def decode_phases(content: bytes) -> Phases:
    """Return the phases.

    Raises:
        UserError: the file is damaged.
    """
    try:
        said = json.loads(content)
        points = tuple(_ints(epochs) for epochs in said["change_points"])
        joint = _ints(said.get("joint", ()))
        # files from before there were intervals have none
        intervals = {str(name): _pair(ends) for name, ends in said.get("intervals", {}).items()}
        change_intervals = tuple(
            tuple(map(_pair, layer)) for layer in said.get("change_intervals", ())
        )
        joint_intervals = tuple(map(_pair, said.get("joint_intervals", ())))
        boundaries = {
            name: None if said[name] is None else int(said[name])
            for name in ("onset", "fit", "test_min", "test_peak")
        }
        spikes = _ints(said.get("spikes", ()))
        if joint_intervals and len(joint_intervals) != len(joint):
            raise ValueError("joint_intervals")
        if change_intervals and [*map(len, change_intervals)] != [*map(len, points)]:
            raise ValueError("change_intervals")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(PHASES, error) from None
    return Phases(
        **boundaries,
        change_points=points,
        spikes=spikes,
        joint=joint,
        intervals=intervals,
        change_intervals=change_intervals,
        joint_intervals=joint_intervals,
    )


def _ints(values: Iterable[int]) -> tuple[int, ...]:
    return tuple(map(int, values))


def _pair(ends: Iterable[int]) -> Interval:
    first, last = map(int, ends)
    return first, last


def _layers(content: bytes) -> tuple[str, ...]:
    try:
        names = json.loads(content)
    except ValueError as error:
        raise _damaged(_LAYERS, error) from None
    if not (isinstance(names, list) and names and all(isinstance(n, str) for n in names)):
        raise _damaged(_LAYERS, "no list of names")
    return tuple(names)


def _npy(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _npz(**arrays: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _array(
    path: str, content: bytes, dtype: type[np.generic], ndim: int | None = None
) -> NDArray[Any]:
    try:
        array = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, EOFError, OSError, SyntaxError) as error:
        raise _damaged(path, error) from None
    if not isinstance(array, np.ndarray):
        raise _damaged(path, "no array")
    return _checked(path, array, dtype, ndim)


def _arrays(
    path: str, content: bytes, wanted: Mapping[str, tuple[type[np.generic], int]]
) -> dict[str, NDArray[Any]]:
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in wanted}
    except (ValueError, EOFError, OSError, SyntaxError, KeyError, BadZipFile, TypeError) as error:
        raise _damaged(path, error) from None
    return {name: _checked(path, arrays[name], *wanted[name]) for name in wanted}


def _checked(
    path: str, array: NDArray[Any], dtype: type[np.generic], ndim: int | None
) -> NDArray[Any]:
    if not np.issubdtype(array.dtype, dtype) or (ndim is not None and array.ndim != ndim):
        raise _damaged(path, f"{array.dtype} array of shape {array.shape}")
    return array


def _damaged(path: str, why: object) -> UserError:
    said = " ".join(str(why).split()) or type(why).__name__
    return UserError(
        f"{path}: damaged ({said[:120]}); make it again with repdyn analyze RUN --in-place"
    )
