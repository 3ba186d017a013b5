"""Operations on a run in a store, as plain data that can be queued on disk."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

METRICS_A_BATCH = 1000
"""MLflow's limit per request."""

ENDS = ("FINISHED", "FAILED", "KILLED")
"""MLflow's statuses of a run that has ended."""


@dataclass(frozen=True)
class LogMetrics:
    """Metrics: name, value, milliseconds since 1970 (UTC) and step of each."""

    metrics: tuple[tuple[str, float, int, int], ...]


@dataclass(frozen=True)
class SetTag:
    """A tag; replaces one with the same name."""

    name: str
    value: str


@dataclass(frozen=True)
class Describe:
    """The run's description, in Markdown; one that someone else has written stays."""

    text: str


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
    """An artifact; replaces one with the same path.

    Attributes:
        content: its bytes, or a file with the artifact's name that contains them.
    """

    path: str
    content: bytes | Path


@dataclass(frozen=True)
class RemoveArtifact:
    """The removal of an artifact; a missing one is not an error."""

    path: str


@dataclass(frozen=True)
class LogModel:
    """A checkpoint as one of MLflow's models, whose weights stay among the run's artifacts.

    Attributes:
        path: of the weights, which identifies the model in the run.
        step: of the checkpoint.
        metrics: as in LogMetrics, and equal to those that the run has logged.
    """

    name: str
    path: str
    step: int
    metrics: tuple[tuple[str, float, int, int], ...]


@dataclass(frozen=True)
class RemoveModel:
    """The removal of a model whose weights, at a path, are removed; a missing one is not an error."""

    path: str


@dataclass(frozen=True)
class EndRun:
    """The end of the run: MLflow's status, milliseconds since 1970 (UTC)."""

    status: str
    time: int


Operation = (
    LogMetrics
    | SetTag
    | Describe
    | LogInput
    | PutArtifact
    | RemoveArtifact
    | LogModel
    | RemoveModel
    | EndRun
)


def _metrics(metrics: Any) -> LogMetrics:
    if len(metrics) > METRICS_A_BATCH:
        raise ValueError(f"{len(metrics)} metrics, more than {METRICS_A_BATCH}")
    return LogMetrics(
        tuple(
            (_text(name), float(value), _number(time), _number(step))
            for name, value, time, step in metrics
        )
    )


def _model(name: Any, path: Any, step: Any, metrics: Any) -> LogModel:
    return LogModel(_text(name), _relative(path), _number(step), _metrics(metrics).metrics)


def _model_removal(path: Any) -> RemoveModel:
    return RemoveModel(_relative(path))


def _artifact(path: Any, content: Path) -> PutArtifact:
    return PutArtifact(_relative(path), content)


def _removal(path: Any) -> RemoveArtifact:
    return RemoveArtifact(_relative(path))


def _tag(name: Any, value: Any) -> SetTag:
    return SetTag(_text(name), _text(value))


def _description(text: Any) -> Describe:
    return Describe(_text(text))


def _input(**fields: Any) -> LogInput:
    return LogInput(**{name: _text(value) for name, value in fields.items()})


def _end(status: Any, time: Any) -> EndRun:
    if status not in ENDS:
        raise ValueError("not the status of an ended run")
    return EndRun(status, _number(time))


def _text(value: Any) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise ValueError("not text")
    value.encode()  # raises ValueError for half a surrogate pair
    return value


def _number(value: Any) -> int:
    if type(value) is not int or abs(value) >= 1 << 63:
        raise ValueError("not a 64-bit integer")
    return value


def _relative(path: Any) -> str:
    """Return a path within a run's artifacts, unchanged."""
    parts = PurePosixPath(_text(path)).parts
    if not parts or ".." in parts or parts[0] == "/" or str(PurePosixPath(path)) != path:
        raise ValueError("a path outside the run's artifacts")
    return str(path)


_KINDS: Mapping[str, Callable[..., Operation]] = {
    "metrics": _metrics,
    "tag": _tag,
    "description": _description,
    "input": _input,
    "artifact": _artifact,
    "removal": _removal,
    "model": _model,
    "model removal": _model_removal,
    "end": _end,
}
_NAMES = {
    LogMetrics: "metrics",
    SetTag: "tag",
    Describe: "description",
    LogInput: "input",
    PutArtifact: "artifact",
    RemoveArtifact: "removal",
    LogModel: "model",
    RemoveModel: "model removal",
    EndRun: "end",
}


def replaced(operation: Operation) -> tuple[str, str] | None:
    """Return what an operation sets, which a later one may replace; None if it only adds."""
    match operation:
        case SetTag(name):
            return "tag", name
        case Describe():
            return "description", ""
        case PutArtifact(path) | RemoveArtifact(path):
            return "artifact", path
        case EndRun():
            return "end", ""
    return None


def summary(operation: Operation) -> str:
    """Return a short description of an operation."""
    match operation:
        case LogMetrics(metrics):
            return f"metrics {', '.join(dict.fromkeys(name for name, *_ in metrics))[:80]}"
        case SetTag(name):
            return f"tag {name}"
        case Describe():
            return "description"
        case LogInput(name):
            return f"data set {name}"
        case PutArtifact(path):
            return f"artifact {path}"
        case RemoveArtifact(path):
            return f"removal of {path}"
        case LogModel(path=path):
            return f"model of {path}"
        case RemoveModel(path):
            return f"removal of the model of {path}"
        case EndRun(status):
            return f"end as {status}"


def to_json(operation: Operation) -> dict[str, Any]:
    """Return an operation as JSON types; an artifact without its content."""
    said = dataclasses.asdict(operation)
    said.pop("content", None)
    return {"kind": _NAMES[type(operation)]} | said


def from_json(said: Mapping[str, Any], **content: Path) -> Operation:
    """Return the operation that `to_json` encoded.

    Args:
        said: what `to_json` returned.
        content: of an artifact, by its field's name.

    Raises:
        KeyError, TypeError, ValueError, OverflowError: it is not an operation.
    """
    if "content" in said:
        raise ValueError("content inside the description")
    fields = {name: value for name, value in said.items() if name != "kind"}
    return _KINDS[said["kind"]](**fields, **content)
