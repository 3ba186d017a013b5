"""Has MLflow do a job; tells a server that is away from one that refuses."""

from __future__ import annotations

import tempfile
from pathlib import Path, PurePosixPath

import requests
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Run
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

from repdyn.errors import UserError
from repdyn.redaction import redact, traceable
from repdyn.tracking.away import is_away
from repdyn.tracking.files import is_inside, write_whole
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
            UserError: the disk of a store on this machine is full, or a link leads out of the run.
            Exception: the store refuses: MLflow's, the system's or that of the artifacts' driver.
        """
        try:
            self._do(job)
        except Exception as error:
            if is_away(error):
                said = redact(f"{self._client.tracking_uri}: {_reason(error)}")
                raise AwayError(said) from traceable(error)
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
            write_whole(_within(self._folder, path), whole)
        elif isinstance(content, Path):
            self._client.log_artifact(self._run_id, str(content), str(path.parent))
        else:
            with tempfile.TemporaryDirectory() as folder:
                local = Path(folder) / path.name
                local.write_bytes(content)
                self._client.log_artifact(self._run_id, str(local), str(path.parent))

    def _remove(self, path: PurePosixPath) -> None:
        if self._folder is not None:
            _within(self._folder, path).unlink(missing_ok=True)
        else:
            repository = get_artifact_repository(self._artifact_uri, self._client.tracking_uri)
            repository.delete_artifacts(str(path))


def _within(folder: Path, path: PurePosixPath) -> Path:
    """Return where an artifact lies: a link in a run of someone else may lead elsewhere.

    The artifact itself may be a link: it is replaced or removed, not followed.

    Raises:
        UserError: the path leads out of the folder.
    """
    file = folder / path
    if not is_inside(folder, file.parent):
        raise UserError(f"{path}: leads out of the run's folder; remove the link")
    return file


def _reason(error: Exception) -> str:
    cause = error.__context__ or error
    silent = isinstance(cause, requests.ConnectionError | requests.Timeout)
    return "does not answer" if silent else first_line(error)
