"""What a store is asked to do for a run, as plain data: it can wait on disk."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class LogMetrics:
    """Metrics: name, value, milliseconds since 1970 (UTC) and step of each."""

    metrics: tuple[tuple[str, float, int, int], ...]


@dataclass(frozen=True)
class SetTag:
    """A tag; replaces the one of that name."""

    name: str
    value: str


@dataclass(frozen=True)
class LogInput:
    """A data set that the run used.

    Attributes:
        source, profile: JSON.
        context: train or test.
    """

    name: str
    digest: str
    source: str
    profile: str
    context: str


@dataclass(frozen=True)
class PutArtifact:
    """An artifact; replaces the one of that path.

    Attributes:
        content: its bytes, or a file of the artifact's name that holds them.
    """

    path: str
    content: bytes | Path


@dataclass(frozen=True)
class RemoveArtifact:
    """The removal of an artifact; none of that path is no mistake."""

    path: str


@dataclass(frozen=True)
class EndRun:
    """The end of the run: MLflow's status, milliseconds since 1970 (UTC)."""

    status: str
    time: int


Job = LogMetrics | SetTag | LogInput | PutArtifact | RemoveArtifact | EndRun

_KINDS: Mapping[str, Callable[..., Job]] = {
    "metrics": lambda metrics: LogMetrics(
        tuple((str(n), float(v), int(time), int(step)) for n, v, time, step in metrics)
    ),
    "tag": SetTag,
    "input": LogInput,
    "artifact": PutArtifact,
    "removal": RemoveArtifact,
    "end": EndRun,
}
_NAMES = {
    LogMetrics: "metrics",
    SetTag: "tag",
    LogInput: "input",
    PutArtifact: "artifact",
    RemoveArtifact: "removal",
    EndRun: "end",
}


def to_json(job: Job) -> dict[str, Any]:
    """Return a job as JSON's own types; an artifact without its content."""
    said = dataclasses.asdict(job)
    said.pop("content", None)
    return {"kind": _NAMES[type(job)]} | said


def from_json(said: Mapping[str, Any], **content: Path) -> Job:
    """Return the job that `to_json` told.

    Args:
        said: by `to_json`.
        content: of an artifact, by its field's name.

    Raises:
        KeyError, TypeError, ValueError: it is none.
    """
    fields = {name: value for name, value in said.items() if name != "kind"}
    return _KINDS[said["kind"]](**fields, **content)
