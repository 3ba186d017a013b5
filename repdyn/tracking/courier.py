"""Has MLflow do a job; tells a server that is away from one that refuses."""

from __future__ import annotations

import tempfile
from pathlib import Path, PurePosixPath

import requests
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Run
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

from repdyn.tracking.files import write_whole
from repdyn.tracking.jobs import (
    EndRun,
    Job,
    LogInput,
    LogMetrics,
    PutArtifact,
    RemoveArtifact,
    SetTag,
)
from repdyn.tracking.store import artifact_folder, first_line

_BUSY = (408, 429)
"""Refusals of the moment."""


class AwayError(ConnectionError):
    """A server does not answer, or is in trouble; the same may succeed later."""


class Courier:
    """Does the jobs of one run.

    Each may be done twice, when an answer was lost, and leaves what it leaves when done once: MLflow
    keeps one metric of a name, value, time and step, one input of a name and digest, and the last
    tag, artifact and end.
    """

    def __init__(self, client: MlflowClient, run: Run) -> None:
        self._client = client
        self._run_id = run.info.run_id
        self._artifact_uri = run.info.artifact_uri
        self._folder = artifact_folder(client, run)

    def __call__(self, job: Job) -> None:
        """Do a job.

        Raises:
            AwayError: the server does not answer, or is in trouble.
            MlflowException, OSError: the store refuses.
            UserError: the disk of a store on this machine is full.
        """
        try:
            self._do(job)
        except (MlflowException, requests.RequestException) as error:
            if _is_away(error):
                raise AwayError(f"{self._client.tracking_uri}: {_reason(error)}") from error
            raise

    def _do(self, job: Job) -> None:
        client, run = self._client, self._run_id
        match job:
            case LogMetrics(metrics):
                entities = [Metric(*metric) for metric in metrics]
                client.log_batch(run, metrics=entities, synchronous=True)
            case SetTag(name, value):
                client.set_tag(run, name, value)
            case LogInput(name, digest, source, profile, context):
                dataset = Dataset(name, digest, "local", source, profile=profile)
                given = DatasetInput(dataset, [InputTag(MLFLOW_DATASET_CONTEXT, context)])
                client.log_inputs(run, [given])
            case PutArtifact(path, content):
                self._put(PurePosixPath(path), content)
            case RemoveArtifact(path):
                self._remove(PurePosixPath(path))
            case EndRun(status, time):
                client.set_terminated(run, status, time)

    def _put(self, path: PurePosixPath, content: bytes | Path) -> None:
        if self._folder is not None:
            whole = content if isinstance(content, bytes) else content.read_bytes()
            write_whole(self._folder / path, whole)
        elif isinstance(content, Path):
            self._client.log_artifact(self._run_id, str(content), str(path.parent))
        else:
            with tempfile.TemporaryDirectory() as folder:
                local = Path(folder) / path.name
                local.write_bytes(content)
                self._client.log_artifact(self._run_id, str(local), str(path.parent))

    def _remove(self, path: PurePosixPath) -> None:
        if self._folder is not None:
            (self._folder / path).unlink(missing_ok=True)
        else:
            repository = get_artifact_repository(self._artifact_uri, self._client.tracking_uri)
            repository.delete_artifacts(str(path))


def _is_away(error: MlflowException | requests.RequestException) -> bool:
    """Say whether the same request may succeed later."""
    if isinstance(error, MlflowException):
        # MLflow gives 500 to a connection that failed or timed out, too
        status = int(error.get_http_status_code())
    elif error.response is not None:
        status = error.response.status_code
    else:
        return True
    return status >= 500 or status in _BUSY


def _reason(error: Exception) -> str:
    cause = error.__context__ or error
    silent = isinstance(cause, requests.ConnectionError | requests.Timeout)
    return "does not answer" if silent else first_line(error)
