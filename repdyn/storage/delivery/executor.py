"""Executes the operations of a run; separates unreachable (retry) from rejected."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path, PurePosixPath

import requests
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Run, RunTag
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT, MLFLOW_RUN_NOTE

from repdyn.redaction import redact, traceable
from repdyn.storage import schema
from repdyn.storage.deadline import OverdueError, within
from repdyn.storage.delivery.logged_models import log_model, remove_model
from repdyn.storage.delivery.operations import (
    Describe,
    EndRun,
    LogInput,
    LogMetrics,
    LogModel,
    Operation,
    PutArtifact,
    RemoveArtifact,
    RemoveModel,
    SetTag,
)
from repdyn.storage.delivery.retryable import ForeignAnswerError, is_retryable
from repdyn.storage.files import OutsideError, is_inside, write_whole
from repdyn.storage.location import is_served
from repdyn.storage.remote_artifacts import RemoteArtifacts
from repdyn.storage.rest_client import strict
from repdyn.storage.store import artifact_folder, first_line, patiently

ANSWER_SECONDS = 60.0
"""Time limit for an operation, in addition to the time for its content."""

SLOWEST = 10_000
"""Minimum assumed upload rate, in bytes per second."""


class RetryableError(ConnectionError):
    """A server does not respond, or has a temporary error; a retry may succeed."""


class MissingError(RetryableError):
    """A server, or something in front of it, accepted artifacts that are not there."""


class StoreExecutor:
    """Executes the operations of one run, each within a bounded time.

    Executing one twice, if a response was lost, has the same result: MLflow keeps one metric of a
    name, value, time and step, one input of a name and digest, one model of a path, and the last
    tag, artifact and end.
    """

    def __init__(self, client: MlflowClient, run: Run) -> None:
        self._client = strict(client)
        self._run, self._run_id = run, run.info.run_id
        self._folder = artifact_folder(client, run)
        self._remote = (
            RemoteArtifacts(run.info.artifact_uri, client.tracking_uri)
            if self._folder is None
            else None
        )

    def __call__(self, operation: Operation) -> None:
        """Execute an operation.

        Raises:
            RetryableError: the server does not respond in time, or has a temporary error.
            UserError: a local store's disk is full, or a link points outside the run.
            Exception: the store rejects it: MLflow's, the system's or the artifact driver's error.
        """
        content = operation.content if isinstance(operation, PutArtifact) else b""
        size = len(content) if isinstance(content, bytes) else content.stat().st_size
        self._answered(lambda: self._do(operation), size)

    def check(self, operations: Sequence[Operation]) -> None:
        """Check that the server has the artifacts that were put, and not those that were removed.

        A response may come from something other than the server: a proxy, a login page.

        Raises:
            MissingError: it does not.
            RetryableError, Exception: as in `__call__`.
        """
        remote = self._remote
        if remote is None:  # a folder on this machine
            return
        expected: dict[str, Path | None] = {}
        for operation in operations:
            match operation:
                case PutArtifact(path, Path() as content):
                    expected[path] = content
                case RemoveArtifact(path):
                    expected[path] = None
        missing: list[str] = []
        self._answered(lambda: missing.extend(remote.missing(expected)))
        if missing:
            raise MissingError(
                f"{self._client.tracking_uri}: accepted {missing[0]}, but does not have it: "
                "a login or proxy page?"
            )

    def ping(self) -> None:
        """Check that the server responds and has the run.

        Raises:
            RetryableError, Exception: as in `__call__`.
        """
        self._answered(lambda: self._client.get_run(self._run_id))

    def _answered(self, call: Callable[[], object], size: int = 0) -> None:
        """Call, and wait for the response as long as an upload of that many bytes may take."""
        try:
            if is_served(self._client.tracking_uri):
                within(ANSWER_SECONDS + size / SLOWEST, call)
            else:
                call()
        except Exception as error:
            if is_retryable(error):
                said = redact(f"{self._client.tracking_uri}: {reason(error)}")
                raise RetryableError(said) from traceable(error)
            raise

    def _do(self, operation: Operation) -> None:
        client, run = self._client, self._run_id
        match operation:
            case LogMetrics(metrics):
                entities = [Metric(*metric) for metric in metrics]
                client.log_batch(run, metrics=entities, synchronous=True)
            case SetTag(name, value):
                client.set_tag(run, name, value)
            case Describe(text):
                self._describe(text)
            case LogInput(name, digest, source, profile, context):
                dataset = Dataset(name, digest, "local", source, profile=profile)
                given = DatasetInput(dataset, [InputTag(MLFLOW_DATASET_CONTEXT, context)])
                patiently(lambda: client.log_inputs(run, [given]))
            case PutArtifact(path, content):
                self._put(PurePosixPath(path), content)
            case RemoveArtifact(path):
                self._remove(PurePosixPath(path))
            case LogModel():
                log_model(client, self._run, operation)
            case RemoveModel(path):
                remove_model(client, self._run, path)
            case EndRun(status, time):
                client.set_terminated(run, status, time)

    def _describe(self, text: str) -> None:
        """Set the description, unless the one that is there was not set here, or was changed since."""
        tags = self._client.get_run(self._run_id).data.tags
        there = tags.get(MLFLOW_RUN_NOTE, "")
        if there and _digest(there) != tags.get(schema.DESCRIPTION_TAG):
            return
        both = {MLFLOW_RUN_NOTE: text, schema.DESCRIPTION_TAG: _digest(text)}
        changed = [RunTag(name, value) for name, value in both.items()]
        self._client.log_batch(self._run_id, tags=changed, synchronous=True)

    def _put(self, path: PurePosixPath, content: bytes | Path) -> None:
        if self._folder is not None:
            whole = content if isinstance(content, bytes) else content.read_bytes()
            write_whole(_within(self._folder, path), whole)
        elif self._remote is not None:
            if isinstance(content, Path):
                self._remote.put(path, content)
                return
            with tempfile.TemporaryDirectory() as folder:
                local = Path(folder) / path.name
                local.write_bytes(content)
                self._remote.put(path, local)

    def _remove(self, path: PurePosixPath) -> None:
        if self._folder is not None:
            _within(self._folder, path).unlink(missing_ok=True)
        elif self._remote is not None:
            self._remote.remove(path)


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:16]


def _within(folder: Path, path: PurePosixPath) -> Path:
    """Return the file of an artifact: a link in an untrusted run may point elsewhere.

    The artifact itself may be a link: it is replaced or removed, not followed.

    Raises:
        OutsideError: the path points outside the folder.
    """
    file = folder / path
    if not is_inside(folder, file.parent):
        raise OutsideError(f"{path}: points outside the run's folder; remove the link")
    return file


def reason(error: Exception) -> str:
    """Return what a server did, on one line."""
    if isinstance(error, ForeignAnswerError | OverdueError):
        return str(error)
    cause = error.__context__ or error
    silent = isinstance(cause, requests.ConnectionError | requests.Timeout)
    return "does not respond" if silent else first_line(error)
