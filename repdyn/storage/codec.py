"""Encodes records as the bytes that a run stores, and decodes them.

It does not know where the bytes are stored. They are untrusted: what is decoded is complete and
within its bounds, or reported as damaged. NaN stands for undefined values, such as the similarity
of a layer with constant features.
"""

from __future__ import annotations

import dataclasses
import io
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
from numpy.typing import NDArray

from repdyn.analysis.drift import latest_rate
from repdyn.measures.spec import MEASURES
from repdyn.plane_kinds import PLANE_KINDS
from repdyn.records import (
    CHECKPOINT,
    CLASS,
    EPOCH,
    MOST_CLASSES,
    OUTPUT,
    OUTPUT_TOO,
    Dynamics,
    Interval,
    LabelMaps,
    Phases,
    PlaneSet,
)
from repdyn.storage.decoding import Kind, damaged, read_json, read_npy, read_npz
from repdyn.storage.schema import (
    ARRAY_BYTES,
    ARRAYS,
    BOUNDS,
    COMPARISON,
    DYNAMICS_BYTES,
    EPOCHS,
    EPOCHS_BYTES,
    ERRORS,
    LAYERS,
    LAYERS_BYTES,
    MOST_EPOCHS,
    MOST_LAYERS,
    NAME_LENGTH,
    NEWER,
    OUTPUT_APART,
    PHASES,
    PLANES,
    SHAPES,
    SHARE,
    WATCHED,
    array_path,
    dynamics_bytes,
    sides_of,
)

Read = Callable[[str, int], bytes | memoryview]
"""Reads the file at a path, up to a maximum number of bytes. Arrays keep the memory of a memoryview."""


def encode_dynamics(
    dynamics: Dynamics, *, with_matrices: bool = True
) -> Iterator[tuple[str, bytes]]:
    """Yield paths and contents in the order in which to write them: steps last.

    Arrays of what was not measured, which have no value but NaN, have no file. Without the matrices,
    those that are stored stay behind the other arrays, and a reader shows what all of them have.
    """
    yield LAYERS, json.dumps(dynamics.layers).encode()
    for name, matrices in dynamics.similarity.items() if with_matrices else ():
        yield array_path(name), _npy(matrices.astype(np.float32, copy=False))
    for name, errors in dynamics.errors.items() if with_matrices else ():
        yield array_path(ERRORS[name]), _npy(errors.astype(np.float32, copy=False))
    for name in ARRAYS:
        array = getattr(dynamics, name)
        if not np.isnan(array).all():
            yield array_path(name), _npy(array.astype(np.float32))
    yield EPOCHS, _npy(dynamics.steps.astype(np.int64))


def decode_dynamics(read: Read, unit: str = EPOCH) -> Dynamics:
    """Return the dynamics, with steps in a unit, up to the last checkpoint that all files have.

    The files are replaced one by one while a run trains, but only grow, so the part that all of
    them have is complete. A measure without a file is one that the run was not measured with; other
    arrays without a file are NaN, and areas of no class.

    Raises:
        UserError: a file is damaged or does not match the others.
        FileNotFoundError: the layers or the steps are missing: the run has no checkpoint yet.
    """
    layers = decode_layers(read)
    steps = read_npy(EPOCHS, read(EPOCHS, EPOCHS_BYTES), (np.int64, 1))
    if (steps[1:] <= steps[:-1]).any() or not _within(steps, (0, MOST_EPOCHS)):
        raise damaged(EPOCHS, "steps do not increase from 0")
    if dynamics_bytes(len(layers), len(steps), classes=2) > DYNAMICS_BYTES:
        raise damaged(EPOCHS, f"{len(steps):,} checkpoints of {len(layers):,} layers are too many")
    arrays: dict[str, NDArray[Any]] = {}
    for name in SHAPES:
        with suppress(FileNotFoundError):
            arrays[name] = _decode_array(name, read, len(layers), len(steps))
    e = min([len(steps), *(a.shape[_epoch_axes(name)[0]] for name, a in arrays.items())])
    for name in arrays:
        for axis in _epoch_axes(name):
            if arrays[name].shape[axis] > e:  # copying a complete array would double its memory
                arrays[name] = arrays[name].take(range(e), axis=axis)
    similarity = {name: arrays.pop(name) for name in MEASURES if name in arrays}
    known = {name: arrays.pop(path) for name, path in ERRORS.items() if path in arrays}
    errors = {name: array for name, array in known.items() if name in similarity}
    sides = sides_of(len(layers)) | {CHECKPOINT: e, CLASS: 0}
    for name in ARRAYS.keys() - arrays.keys():
        arrays[name] = np.full([sides[side] for side in SHAPES[name]], np.nan, dtype=np.float32)
    return Dynamics(layers, steps[:e], similarity, unit=unit, errors=errors, **arrays)


def decode_layers(read: Read) -> tuple[str, ...]:
    """Return the names of the watched layers.

    Raises:
        UserError: the file is damaged.
    """
    names = read_json(LAYERS, bytes(read(LAYERS, LAYERS_BYTES)))
    if not (isinstance(names, list) and 1 <= len(names) <= MOST_LAYERS):
        raise damaged(LAYERS, f"not a list of 1 to {MOST_LAYERS:,} names")
    for i, name in enumerate(names):
        if not (isinstance(name, str) and name.isprintable() and 0 < len(name) <= NAME_LENGTH):
            raise damaged(LAYERS, f"entry {i} is not a valid name")
    if len(set(names)) < len(names):
        raise damaged(LAYERS, "duplicate name")
    return tuple(names)


def _decode_array(name: str, read: Read, layers: int, checkpoints: int) -> NDArray[Any]:
    """Read one of the arrays of the dynamics, no larger than the number of layers allows."""
    shape = SHAPES[name]
    # until schema 1 a measure that includes the output had it in a file of its own
    divided = name in MEASURES and shape[0] == OUTPUT_TOO
    array = _read_array(
        array_path(name), shape, read, layers, checkpoints, also=(layers,) if divided else ()
    )
    if divided and len(array) == layers:
        apart = array_path(OUTPUT_APART.format(name))
        try:
            last = _read_array(apart, shape[1:], read, layers, checkpoints)
        except FileNotFoundError:
            raise damaged(
                array_path(name), f"the output's matrix is missing, and so is {apart}"
            ) from None
        if not _within(last, BOUNDS.get(name, SHARE)):
            raise damaged(apart, "values out of range")
        e = min(array.shape[1], last.shape[0])
        array = np.concatenate([array[:, :e, :e], last[None, :e, :e]])
    if not _within(array, BOUNDS.get(name, SHARE)):
        raise damaged(array_path(name), "values out of range")
    return array


def _read_array(
    path: str,
    shape: tuple[str, ...],
    read: Read,
    layers: int,
    checkpoints: int,
    also: tuple[int, ...] = (),
) -> NDArray[Any]:
    """Read an array with these axes; `also` are further lengths allowed for the first."""
    sides = sides_of(layers)
    largest = sides | {CHECKPOINT: checkpoints + NEWER, CLASS: MOST_CLASSES}
    values = math.prod(largest[side] for side in shape)
    most = 2**10 + np.dtype(np.float32).itemsize * values
    if CLASS in shape:  # what the others leave: the number of classes is not known yet
        left = DYNAMICS_BYTES - dynamics_bytes(layers, checkpoints, classes=0)
        most = min(most, 2**10 + left)
    array = read_npy(path, read(path, most), (np.float32, len(shape)))
    for axis, (side, length) in enumerate(zip(shape, array.shape, strict=True)):
        if axis == 0 and length in also:
            continue
        if length != sides.setdefault(side, length):
            raise damaged(path, f"shape {array.shape} for {layers} layers")
    return array


def _epoch_axes(name: str) -> list[int]:
    return [axis for axis, side in enumerate(SHAPES[name]) if side == CHECKPOINT]


def _within(array: NDArray[Any], bounds: tuple[float, float]) -> bool:
    """Return whether all defined values are within bounds."""
    if not array.size:
        return True
    # both ignore NaN, and need no memory
    low, high = np.fmin.reduce(array, axis=None), np.fmax.reduce(array, axis=None)
    return not (low < bounds[0] or high > bounds[1])


def layer_metrics(dynamics: Dynamics) -> dict[str, float]:
    """Return MLflow's metrics of the last checkpoint, by layer, without NaNs.

    Similarities enter as drift at a fixed ratio of steps: the similarity to the checkpoint before would
    depend on how far that is.
    """
    metrics: dict[str, float] = {}
    for layer, value in zip((*dynamics.layers, OUTPUT), dynamics.fragmentation[:, -1], strict=True):
        metrics[f"{WATCHED}fragmentation/{layer}"] = float(value)
    for layer, value in zip(dynamics.layers, dynamics.probe_acc[:, -1, 0], strict=True):
        metrics[f"{WATCHED}probe_acc/{layer}"] = float(value)
    for measure, matrices in dynamics.similarity.items():
        drifted = latest_rate(matrices, dynamics.steps)
        if drifted is not None:
            for layer, value in zip(dynamics.names(measure), drifted, strict=True):
                metrics[f"{WATCHED}{measure}_drift/{layer}"] = float(value)
    return {name: value for name, value in metrics.items() if np.isfinite(value)}


_CLASSES: Kind = ((np.uint8, np.uint16), 4)


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
        layers: number the run watches; None if unknown.

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
            raise damaged(PLANES, f"{name} are not finite")
    ends = {"labels": known, "true_labels": known, "kinds": len(PLANE_KINDS), "fine": count}
    for name, end in ends.items():
        if not _within(arrays[name], (0, end - 1)):
            raise damaged(PLANES, f"{name} out of range")
    return PlaneSet(**arrays, classes=classes)


def encode_summaries(summaries: NDArray[Any]) -> bytes:
    """Return what a measure stores of a checkpoint, (N, m), as a file."""
    return _npy(summaries)


def decode_summaries(
    measure: str, path: str, content: bytes, layers: int | None = None
) -> NDArray[Any]:
    """Return what a measure stores of a checkpoint, (N, m): for CKA rows, see measures/rows.py.

    Args:
        measure: its name.
        path: for the message.
        content: of the file.
        layers: number the run watches; None if unknown.

    Raises:
        UserError: the file is damaged.
    """
    found = MEASURES[measure]
    types = tuple(np.dtype(each).type for each in found.dtypes)
    summaries = read_npy(path, content, (types, 2))
    compared = None if layers is None else layers + found.includes_output
    if 0 in summaries.shape or compared not in (None, len(summaries)):
        raise damaged(path, f"shape {summaries.shape} for {layers} layers")
    if np.isinf(summaries).any():
        raise damaged(path, "values that are not finite")
    return summaries


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
        # older files have no intervals
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


def decode_verdicts(content: bytes) -> dict[str, str]:
    """Return the verdicts of the comparison of a sweep, by the findings' names.

    Raises:
        UserError: the file is damaged.
    """
    try:
        findings = read_json(COMPARISON, content)["findings"]
        return {str(one["name"]): str(one["verdict"]) for one in findings}
    except (KeyError, TypeError) as error:
        raise damaged(COMPARISON, error) from None


def _epoch(value: object) -> int:
    if type(value) is not int or not 0 <= value <= MOST_EPOCHS:
        raise ValueError("not a valid epoch")
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
    """Return arrays as np.savez_compressed does, at a level that takes a fifth of its time.

    Training waits for it; a checkpoint's label maps are a third larger, its rows forty times theirs.
    """
    buffer = io.BytesIO()
    with ZipFile(buffer, "w", ZIP_DEFLATED, compresslevel=1) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as file:  # writestr would record the time of day
                file.write(_npy(array))
    return buffer.getvalue()
