"""Turns records into the bytes that a run stores, and back.

Where the bytes lie is not known here. They
may be anyone's: what comes out is whole and within its bounds, or it is said to be damaged. NaN
stands for what is not defined, such as the similarity of a layer with constant features.
"""

from __future__ import annotations

import dataclasses
import io
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
from numpy.typing import NDArray

from repdyn.records import (
    MOST_CLASSES,
    OUTPUT,
    PLANE_KINDS,
    PROBE_SPLITS,
    Dynamics,
    Interval,
    LabelMaps,
    Phases,
    PlaneSet,
)
from repdyn.storage.decoding import Kind, damaged, read_json, read_npy, read_npz
from repdyn.storage.schema import (
    ARRAY_BYTES,
    BOUNDS,
    CHECKPOINT_SIDE,
    CLASS_SIDE,
    DYNAMICS,
    DYNAMICS_BYTES,
    EPOCHS,
    EPOCHS_BYTES,
    LAYER_SIDE,
    LAYERS,
    LAYERS_BYTES,
    MOST_EPOCHS,
    MOST_LAYERS,
    NAME_LENGTH,
    NEWER,
    OUTPUT_SIDE,
    PHASES,
    PLANES,
    SHAPES,
    SHARE,
    dynamics_bytes,
)

Read = Callable[[str, int], bytes]
"""Reads the file at a path, of so many bytes at most."""


def encode_dynamics(dynamics: Dynamics) -> Iterator[tuple[str, bytes]]:
    """Yield paths and contents in the order in which to write them: epochs last."""
    yield LAYERS, json.dumps(dynamics.layers).encode()
    for name in SHAPES:
        yield f"{DYNAMICS}/{name}.npy", _npy(getattr(dynamics, name).astype(np.float32))
    yield EPOCHS, _npy(dynamics.epochs.astype(np.int64))


def decode_dynamics(read: Read) -> Dynamics:
    """Return the dynamics up to the last checkpoint that all files have.

    The files are replaced one by one while a run trains, but grow only, so the part that all of
    them have is whole.

    Raises:
        UserError: a file is damaged or does not fit the others.
    """
    layers = decode_layers(read)
    epochs = read_npy(EPOCHS, read(EPOCHS, EPOCHS_BYTES), (np.int64, 1))
    if (epochs[1:] <= epochs[:-1]).any() or not _within(epochs, (0, MOST_EPOCHS)):
        raise damaged(EPOCHS, "epochs that do not increase from 0")
    if dynamics_bytes(len(layers), len(epochs), classes=2) > DYNAMICS_BYTES:
        raise damaged(EPOCHS, f"{len(epochs):,} checkpoints of {len(layers):,} layers are too many")
    arrays = {name: _decode_array(name, read, len(layers), len(epochs)) for name in SHAPES}
    e = min(len(epochs), *(array.shape[_epoch_axes(name)[0]] for name, array in arrays.items()))
    for name in arrays:
        for axis in _epoch_axes(name):
            if arrays[name].shape[axis] > e:  # a copy of what is whole would take as much again
                arrays[name] = arrays[name].take(range(e), axis=axis)
    return Dynamics(layers=layers, epochs=epochs[:e], **arrays)


def decode_layers(read: Read) -> tuple[str, ...]:
    """Return the names of the watched layers.

    Raises:
        UserError: the file is damaged.
    """
    names = read_json(LAYERS, read(LAYERS, LAYERS_BYTES))
    if not (isinstance(names, list) and 1 <= len(names) <= MOST_LAYERS):
        raise damaged(LAYERS, f"no list of 1 to {MOST_LAYERS:,} names")
    for i, name in enumerate(names):
        if not (isinstance(name, str) and name.isprintable() and 0 < len(name) <= NAME_LENGTH):
            raise damaged(LAYERS, f"entry {i} is no name")
    if len(set(names)) < len(names):
        raise damaged(LAYERS, "the same name twice")
    return tuple(names)


def _decode_array(name: str, read: Read, layers: int, checkpoints: int) -> NDArray[Any]:
    """Read one of the arrays of the dynamics, no larger than so many layers make it."""
    path, shape = f"{DYNAMICS}/{name}.npy", SHAPES[name]
    sides: dict[str | int, int] = {LAYER_SIDE: layers, OUTPUT_SIDE: layers + 1}
    largest = sides | {CHECKPOINT_SIDE: checkpoints + NEWER, CLASS_SIDE: MOST_CLASSES}
    values = math.prod(largest.get(side, len(PROBE_SPLITS)) for side in shape)
    most = 2**10 + np.dtype(np.float32).itemsize * values
    if CLASS_SIDE in shape:  # what the others leave: how many classes there are is not known before
        left = DYNAMICS_BYTES - dynamics_bytes(layers, checkpoints, classes=0)
        most = min(most, 2**10 + left)
    array = read_npy(path, read(path, most), (np.float32, len(shape)))
    for side, length in zip(shape, array.shape, strict=True):
        wanted = side if isinstance(side, int) else sides.setdefault(side, length)
        if length != wanted:
            raise damaged(path, f"shape {array.shape} for {layers} layers")
    if not _within(array, BOUNDS.get(name, SHARE)):
        raise damaged(path, "values that it cannot have")
    return array


def _epoch_axes(name: str) -> list[int]:
    return [axis for axis, side in enumerate(SHAPES[name]) if side == CHECKPOINT_SIDE]


def _within(array: NDArray[Any], bounds: tuple[float, float]) -> bool:
    """Say whether all values that are defined are within bounds."""
    if not array.size:
        return True
    # both pass NaN over, and take no memory
    low, high = np.fmin.reduce(array, axis=None), np.fmax.reduce(array, axis=None)
    return not (low < bounds[0] or high > bounds[1])


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


_CLASSES: Kind = (np.unsignedinteger, 4)


def encode_label_maps(maps: LabelMaps) -> bytes:
    """Return a checkpoint's label maps as one compressed file.

    The classes are uint8, or uint16 in a run of more than 256 classes.
    """
    return _npz(maps=maps.maps, fine=maps.fine)


def decode_label_maps(
    path: str, content: bytes, epoch: int, layers: int | None = None
) -> LabelMaps:
    """Return a checkpoint's label maps.

    Args:
        path: for the message.
        content: of the file.
        epoch: of the checkpoint.
        layers: that the run watches, None if it is not known.

    Raises:
        UserError: the file is damaged.
    """
    arrays = read_npz(path, content, {"maps": _CLASSES, "fine": _CLASSES}, ARRAY_BYTES)
    maps, fine = arrays["maps"], arrays["fine"]
    count = len(maps) if layers is None else layers + 1
    for array in (maps, fine):
        if len(array) != count or array.shape[2] != array.shape[3]:
            raise damaged(path, f"shapes {maps.shape} and {fine.shape} for {count - 1} layers")
    return LabelMaps(epoch, maps, fine)


_PLANE_ARRAYS: Mapping[str, Kind] = {
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
    arrays = read_npz(PLANES, content, {**_PLANE_ARRAYS, "classes": (np.str_, 1)}, ARRAY_BYTES)
    classes = tuple(str(name) for name in arrays.pop("classes"))
    count, known = len(arrays["anchors"]), len(classes) or MOST_CLASSES
    _, anchors, channels, height, width = arrays["anchors"].shape
    if 0 in (count, channels, height, width) or anchors != 3 or known > MOST_CLASSES:
        raise damaged(PLANES, f"anchors of shape {arrays['anchors'].shape}, {known} classes")
    shapes = {
        "labels": (count, 3),
        "true_labels": (count, 3),
        "kinds": (count,),
        "coords": (count, 3, 2),
        "extent": (count, 4),
    }
    for name, shape in shapes.items():
        if arrays[name].shape != shape:
            raise damaged(PLANES, f"{name} of shape {arrays[name].shape}")
    for name in ("coords", "extent"):
        if not np.isfinite(arrays[name]).all():
            raise damaged(PLANES, f"{name} that are not finite")
    ends = {"labels": known, "true_labels": known, "kinds": len(PLANE_KINDS), "fine": count}
    for name, end in ends.items():
        if not _within(arrays[name], (0, end - 1)):
            raise damaged(PLANES, f"{name} that do not exist")
    return PlaneSet(**arrays, classes=classes)


def encode_rows(rows: NDArray[np.float16]) -> bytes:
    """Return a checkpoint's packed Grams, (L, m) float16, as a file."""
    return _npy(rows)


def decode_rows(path: str, content: bytes, layers: int | None = None) -> NDArray[np.float16]:
    """Return a checkpoint's packed Grams, (L, m) float16.

    Args:
        path: for the message.
        content: of the file.
        layers: that the run watches, None if it is not known.

    Raises:
        UserError: the file is damaged.
    """
    rows = read_npy(path, content, (np.float16, 2))
    if 0 in rows.shape or (layers is not None and len(rows) != layers):
        raise damaged(path, f"shape {rows.shape} for {layers} layers")
    if np.isinf(rows).any():
        raise damaged(path, "values that are not finite")
    return rows


def encode_phases(phases: Phases, layers: tuple[str, ...]) -> bytes:
    """Return the phases as JSON that can be read without repdyn."""
    said = {**dataclasses.asdict(phases), "layers": list(layers)}
    return json.dumps(said, indent=1).encode()


def decode_phases(content: bytes) -> Phases:
    """Return the phases.

    Raises:
        UserError: the file is damaged.
    """
    said = read_json(PHASES, content)
    try:
        points = tuple(_epochs(epochs) for epochs in said["change_points"])
        joint = _epochs(said.get("joint", ()))
        # files from before there were intervals have none
        intervals = {str(name): _pair(ends) for name, ends in said.get("intervals", {}).items()}
        change_intervals = tuple(
            tuple(map(_pair, layer)) for layer in said.get("change_intervals", ())
        )
        joint_intervals = tuple(map(_pair, said.get("joint_intervals", ())))
        boundaries = {
            name: None if said[name] is None else _epoch(said[name])
            for name in ("onset", "fit", "test_min", "test_peak")
        }
        spikes = _epochs(said.get("spikes", ()))
        if joint_intervals and len(joint_intervals) != len(joint):
            raise ValueError("joint_intervals")
        if change_intervals and [*map(len, change_intervals)] != [*map(len, points)]:
            raise ValueError("change_intervals")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise damaged(PHASES, error) from None
    return Phases(
        **boundaries,
        change_points=points,
        spikes=spikes,
        joint=joint,
        intervals=intervals,
        change_intervals=change_intervals,
        joint_intervals=joint_intervals,
    )


def _epoch(value: object) -> int:
    if type(value) is not int or not 0 <= value <= MOST_EPOCHS:
        raise ValueError("an epoch that is none")
    return value


def _epochs(values: Iterable[object]) -> tuple[int, ...]:
    return tuple(map(_epoch, values))


def _pair(ends: Iterable[object]) -> Interval:
    first, last = map(_epoch, ends)
    return first, last


def _npy(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _npz(**arrays: NDArray[Any]) -> bytes:
    """Return arrays as np.savez_compressed does, at the level that takes a fifth of its time.

    Training waits for it; a checkpoint's label maps are a third larger, its rows forty times theirs.
    """
    buffer = io.BytesIO()
    with ZipFile(buffer, "w", ZIP_DEFLATED, compresslevel=1) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as file:  # writestr would note the time of day
                file.write(_npy(array))
    return buffer.getvalue()
