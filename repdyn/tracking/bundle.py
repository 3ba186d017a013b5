"""Runs in one file, to be looked at without a store: a zip of what artifacts.py encodes.

Of the planes only those are kept that are drawn finely; checkpoints and Grams are left out.
"""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile

import numpy as np

from repdyn.errors import UserError
from repdyn.records import Curve, LabelMaps, PlaneSet, RunRecord, RunSummary
from repdyn.tracking import artifacts
from repdyn.tracking.decoding import damaged, read_json

SUMMARY, CURVES, SCORES = "summary.json", "curves.json", "scores.json"


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
        name: [curve.epochs.tolist(), curve.values.tolist()]
        for name, curve in record.curves.items()
    }
    files: dict[str, bytes | str] = {
        SUMMARY: json.dumps(dataclasses.asdict(record.summary)),
        CURVES: json.dumps(curves),
        SCORES: json.dumps(dict(record.scores)),
        artifacts.PHASES: artifacts.encode_phases(record.phases, record.dynamics.layers),
        artifacts.PLANES: artifacts.encode_planes(_drawn(planes)),
    }
    files |= dict(artifacts.encode_dynamics(record.dynamics))
    for at in maps:
        empty = at.maps[:, :0]
        files[artifacts.label_maps_path(at.epoch)] = artifacts.encode_label_maps(
            replace(at, maps=empty)
        )
    return files


def _drawn(planes: PlaneSet) -> PlaneSet:
    """Return the finely drawn planes only."""
    names = ("anchors", "labels", "true_labels", "kinds", "coords", "extent")
    kept = {name: getattr(planes, name)[planes.fine] for name in names}
    return replace(planes, **kept, fine=np.arange(len(planes.fine)))


class Bundle:
    """Packed runs.

    Args:
        content: of the file.

    Raises:
        UserError: it is no bundle.
    """

    def __init__(self, content: bytes) -> None:
        try:
            self._zip = ZipFile(io.BytesIO(content))
            names = self._zip.namelist()
            self.summaries = [
                RunSummary(**read_json(name, self._zip.read(name)))
                for name in names
                if name.endswith(f"/{SUMMARY}")
            ]
        except (BadZipFile, ValueError, TypeError) as error:
            raise UserError(f"no bundle of runs: {error}") from None

    def record(self, run: str) -> RunRecord:
        """Return one run whole."""
        summary = next(found for found in self.summaries if found.run_id == run)
        curves = {
            name: Curve(np.array(epochs, dtype=np.int64), np.array(values, dtype=np.float64))
            for name, (epochs, values) in self._json(run, CURVES).items()
        }
        return RunRecord(
            summary,
            artifacts.decode_dynamics(partial(self._read, run)),
            curves,
            artifacts.decode_phases(self._read(run, artifacts.PHASES, artifacts.JSON_BYTES)),
            self._json(run, SCORES),
        )

    def planes(self, run: str) -> PlaneSet:
        """Return a run's finely drawn planes."""
        return artifacts.decode_planes(self._read(run, artifacts.PLANES, artifacts.ARRAY_BYTES))

    def label_maps(self, run: str, epoch: int) -> LabelMaps:
        """Return a checkpoint's decision regions on these planes."""
        path = artifacts.label_maps_path(epoch)
        content = self._read(run, path, artifacts.ARRAY_BYTES)
        return artifacts.decode_label_maps(path, content, epoch)

    def sizes(self, run: str) -> dict[str, int]:
        """Return the sizes in bytes of a run's packed files, by path."""
        inside = [info for info in self._zip.infolist() if info.filename.startswith(f"{run}/")]
        return {info.filename.partition("/")[2]: info.compress_size for info in inside}

    def _json(self, run: str, path: str) -> Any:
        return read_json(path, self._read(run, path, artifacts.JSON_BYTES))

    def _read(self, run: str, path: str, most: int) -> bytes:
        size = self._zip.getinfo(f"{run}/{path}").file_size
        if size > most:
            raise damaged(path, f"{size:,} bytes")
        return self._zip.read(f"{run}/{path}")
