"""Runs in one file, to be viewed without a store: a zip of what schema.py encodes.

Only the finely drawn planes are kept; checkpoints and Grams are left out.
"""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from types import UnionType
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np

from repdyn.errors import UserError
from repdyn.records import (
    Curve,
    Dynamics,
    FloatArray,
    IntArray,
    LabelMaps,
    PlaneSet,
    RunRecord,
    RunSummary,
    unit_of,
)
from repdyn.score_key import ScoreKey
from repdyn.storage import codec, schema
from repdyn.storage.decoding import damaged, opened_zip, read_json, read_member

SUMMARY, CURVES, SCORES = "summary.json", "curves.json", "scores.json"
_SUMMARY = f"/{SUMMARY}"

_Types = type | UnionType
_KINDS: Mapping[str, _Types | dict[str, _Types]] = {
    **dict.fromkeys(("run_id", "name", "experiment", "status"), str),
    "started": int,
    "ended": int | None,
    "last_step": int | None,
    "params": {"of": str},
    "tags": {"of": str},
    "metrics": {"of": float | int},
}
"""Types of the fields that describe a run; a mapping's value types are in a dict."""

MOST_FILES = 2**14
"""In a bundle: some hundred runs."""


def pack(runs: Iterable[tuple[RunRecord, PlaneSet, Sequence[LabelMaps]]]) -> bytes:
    """Return runs as one file."""
    buffer = io.BytesIO()
    with ZipFile(buffer, "w", ZIP_DEFLATED, compresslevel=9) as bundle:
        for record, planes, maps in runs:
            folder = record.summary.run_id
            for path, content in _files(record, planes, maps).items():
                bundle.writestr(f"{folder}/{path}", content)
    return buffer.getvalue()


def _files(
    record: RunRecord, planes: PlaneSet, maps: Sequence[LabelMaps]
) -> Mapping[str, bytes | str]:
    if record.dynamics is None:
        raise ValueError("a run without a checkpoint has nothing to pack")
    curves = {
        name: [curve.steps.tolist(), curve.values.tolist()] for name, curve in record.curves.items()
    }
    files: dict[str, bytes | str] = {
        SUMMARY: json.dumps(dataclasses.asdict(record.summary)),
        CURVES: json.dumps(curves),
        SCORES: json.dumps({key.name: value for key, value in record.scores.items()}),
        schema.PHASES: codec.encode_phases(record.phases, record.dynamics.layers),
        schema.PLANES: codec.encode_planes(_drawn(planes)),
    }
    files |= dict(codec.encode_dynamics(record.dynamics))
    for at in maps:
        empty = at.maps[:, :0]
        files[schema.label_maps_path(at.step)] = codec.encode_label_maps(replace(at, maps=empty))
    return files


def _drawn(planes: PlaneSet) -> PlaneSet:
    """Return the finely drawn planes only."""
    names = ("anchors", "labels", "true_labels", "kinds", "coords", "extent")
    kept = {name: getattr(planes, name)[planes.fine] for name in names}
    return replace(planes, **kept, fine=np.arange(len(planes.fine)))


def _known_scores(values: Mapping[str, float]) -> dict[ScoreKey, float]:
    return {key: values[name] for name, key in schema.SCORES.items() if name in values}


class Bundle:
    """Packed runs.

    Args:
        content: of the file.

    Raises:
        UserError: it is not a bundle.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        with self._open() as bundle:
            self._packed = {info.filename: info.compress_size for info in bundle.infolist()}
            runs = [name[: -len(_SUMMARY)] for name in self._packed if name.endswith(_SUMMARY)]
        self.summaries = [self._summary(run) for run in runs]

    def record(self, run: str) -> RunRecord:
        """Return one run whole.

        Raises:
            UserError: there is no such run, or it is damaged; so do the other methods.
        """
        summary = next((found for found in self.summaries if found.run_id == run), None)
        if summary is None:
            raise UserError(f"{run}: the bundle has no such run")
        dynamics = self._dynamics(run, unit_of(summary.tags))
        phases = codec.decode_phases(self._read(run, schema.PHASES, schema.JSON_BYTES))
        return RunRecord(
            summary,
            dynamics,
            _curves(self._json(run, CURVES)),
            phases,
            _known_scores(_mapping(SCORES, self._json(run, SCORES), float | int)),
        )

    def planes(self, run: str) -> PlaneSet:
        """Return a run's finely drawn planes."""
        return codec.decode_planes(self._read(run, schema.PLANES, schema.ARRAY_BYTES))

    def label_maps(self, run: str, epoch: int) -> LabelMaps:
        """Return a checkpoint's decision regions on these planes."""
        path = schema.label_maps_path(epoch)
        content = self._read(run, path, schema.ARRAY_BYTES)
        return codec.decode_label_maps(path, content, epoch)

    def sizes(self, run: str) -> dict[str, int]:
        """Return the sizes in bytes of a run's packed files, by path."""
        inside = (name for name in self._packed if name.startswith(f"{run}/"))
        return {name.partition("/")[2]: self._packed[name] for name in inside}

    def content(self, run: str, path: str) -> bytes:
        """Return one of a run's packed files."""
        return self._read(run, path, schema.ARRAY_BYTES)

    def _open(self) -> AbstractContextManager[ZipFile]:
        return opened_zip("bundle of runs", self._content, MOST_FILES)

    def _summary(self, run: str) -> RunSummary:
        values = {"last_step": None} | _mapping(SUMMARY, self._json(run, SUMMARY), object)
        if values.keys() != _KINDS.keys() or values["run_id"] != run:
            raise damaged(SUMMARY, f"does not describe run {run}")
        for name, kind in _KINDS.items():
            if isinstance(kind, dict):
                _mapping(SUMMARY, values[name], kind["of"])
            elif not isinstance(values[name], kind):
                raise damaged(SUMMARY, f"invalid {name}")
        return RunSummary(**values)

    def _json(self, run: str, path: str) -> Any:
        return read_json(path, self._read(run, path, schema.JSON_BYTES))

    def _dynamics(self, run: str, unit: str) -> Dynamics:
        def read(path: str, most: int) -> bytes:
            if f"{run}/{path}" not in self._packed:
                raise FileNotFoundError(path)
            return self._read(run, path, most)

        try:
            return codec.decode_dynamics(read, unit)
        except FileNotFoundError as error:
            raise damaged("bundle of runs", f"missing {error}") from None

    def _read(self, run: str, path: str, most: int) -> bytes:
        with self._open() as bundle:
            return read_member("bundle of runs", bundle, f"{run}/{path}", most)


def _mapping(path: str, values: Any, kind: _Types) -> dict[str, Any]:
    """Return the content of a JSON file if it maps names to values of one type."""
    if not isinstance(values, dict) or not all(isinstance(v, kind) for v in values.values()):
        raise damaged(path, "unexpected values")
    return values


def _curves(values: Any) -> dict[str, Curve]:
    """Return the curves in a JSON file, each as epochs and values of the same length."""
    try:
        return {
            name: _curve(np.array(epochs, dtype=np.int64), np.array(numbers, dtype=np.float64))
            for name, (epochs, numbers) in values.items()
        }
    except (AttributeError, TypeError, ValueError, OverflowError) as error:
        raise damaged(CURVES, error) from None


def _curve(epochs: IntArray, values: FloatArray) -> Curve:
    if epochs.ndim != 1 or epochs.shape != values.shape or (epochs[1:] <= epochs[:-1]).any():
        raise ValueError("epochs do not increase, or do not match the values")
    return Curve(epochs, values)
