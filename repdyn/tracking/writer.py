"""Writes a run into MLflow; see artifacts.py for what is stored."""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from functools import partial
from hashlib import sha256
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import TypeVar

import numpy as np
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.tracking import MlflowClient
from mlflow.tracking.context.registry import resolve_tags
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT, MLFLOW_PARENT_RUN_ID
from numpy.typing import NDArray

from repdyn.config import StoreConfig
from repdyn.records import Dynamics, LabelMaps, Phases, PlaneSet
from repdyn.tracking import artifacts, heartbeat
from repdyn.tracking.files import write_whole
from repdyn.tracking.heartbeat import Heartbeat
from repdyn.tracking.outbox import Job, Outbox
from repdyn.tracking.store import artifact_folder, connect, experiment_name, one_line, tracking_uri

T = TypeVar("T")

METRICS_A_BATCH, PARAMS_A_BATCH = 1000, 100
"""MLflow's limits of one request."""

EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}
"""Lets MLflow's pages open on training rather than on agents."""

METRIC_SECONDS = 1.0
"""How long a metric may wait for others to travel with."""


class RunWriter:
    """One run of MLflow, open for writing.

    As a context manager it ends the run: FINISHED, KILLED after Ctrl-C, FAILED after another
    exception. Everything but the end is sent by another thread, in order; an error there is raised
    by a later call.
    """

    def __init__(self, client: MlflowClient, run_id: str, uri: str, *, ends: bool = True) -> None:
        self.run_id = run_id
        self._ends = ends
        self._client = client
        self._uri = uri
        self._folder = artifact_folder(client, client.get_run(run_id))
        self._outbox = Outbox()
        self._metrics: list[Metric] = []
        self._lock = threading.Lock()
        self._sent = time.monotonic()
        self._heartbeat = (
            Heartbeat(lambda at: self.set_tag(heartbeat.TAG, str(at))) if ends else None
        )

    @classmethod
    def start(
        cls,
        store: StoreConfig,
        run_name: str,
        params: Mapping[str, str],
        tags: Mapping[str, str],
        *,
        parent_run_id: str | None = None,
    ) -> RunWriter:
        """Create a run, in an experiment that is made if it does not exist.

        Raises:
            UserError: the store does not answer or refuses.
        """
        uri, name = tracking_uri(store), experiment_name(store)
        client = connect(store)
        with one_line(uri):
            experiment = _experiment_id(client, name)
            all_tags = resolve_tags() | heartbeat.signature() | dict(tags)
            if parent_run_id is not None:
                all_tags[MLFLOW_PARENT_RUN_ID] = parent_run_id
            run = client.create_run(experiment, tags=all_tags, run_name=run_name)
            writer = cls(client, run.info.run_id, uri)
            entities = [Param(*pair) for pair in params.items()]
            for some in _batches(entities, PARAMS_A_BATCH):
                client.log_batch(run.info.run_id, params=some)
        return writer

    @classmethod
    def reopen(cls, store: StoreConfig, run_id: str) -> RunWriter:
        """Open a run that has ended so that it runs again, and ends again.

        Raises:
            UserError: the store does not answer or has no such run.
        """
        uri = tracking_uri(store)
        client = connect(store)
        with one_line(uri):
            for name, value in heartbeat.signature().items():
                client.set_tag(run_id, name, value)
            client.update_run(run_id, status="RUNNING")
            return cls(client, run_id, uri)

    @classmethod
    def resume(cls, store: StoreConfig, run_id: str) -> RunWriter:
        """Open a run that has ended, to add to it; its state stays as it is.

        Raises:
            UserError: the store does not answer or has no such run.
        """
        uri = tracking_uri(store)
        client = connect(store)
        with one_line(uri):
            return cls(client, run_id, uri, ends=False)

    def __enter__(self) -> RunWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            try:
                self.flush()
            except BaseException:
                self._end("FAILED")
                raise
            self._end("FINISHED")
        else:
            self._end("KILLED" if issubclass(kind, KeyboardInterrupt) else "FAILED")

    def log_metrics(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Log metrics at an epoch; they travel with those of the next second."""
        now = int(time.time() * 1000)
        with self._lock:
            self._metrics += [Metric(name, value, now, epoch) for name, value in metrics.items()]
            full = len(self._metrics) >= METRICS_A_BATCH
        if full or time.monotonic() - self._sent > METRIC_SECONDS:
            self._sent = time.monotonic()
            self._put(self._send_metrics)

    def set_tag(self, name: str, value: str) -> None:
        """Set a tag, in order with what is logged."""
        self._put(partial(self._client.set_tag, self.run_id, name, value))

    def log_input(
        self, name: str, source: str, context: str, profile: Mapping[str, object]
    ) -> None:
        """Log a data set that the run used, so that MLflow lists it.

        Args:
            name: of the data set.
            source: where it comes from.
            context: train or test.
            profile: what is to be known of it.
        """
        said = json.dumps(profile)
        dataset = Dataset(
            name=name,
            digest=sha256(f"{name}{source}{context}{said}".encode()).hexdigest()[:8],
            source_type="local",
            source=json.dumps({"uri": source}),
            profile=said,
        )
        logged = DatasetInput(dataset, [InputTag(MLFLOW_DATASET_CONTEXT, context)])
        self._put(partial(self._client.log_inputs, self.run_id, [logged]))

    def log_dynamics(self, dynamics: Dynamics) -> None:
        """Replace the E×E matrices and their companions, and tag the last checkpoint."""
        for path, content in artifacts.encode_dynamics(dynamics):
            self.put(path, content)
        self.log_metrics(int(dynamics.epochs[-1]), artifacts.layer_metrics(dynamics))
        self._put(self._send_metrics)
        self.set_tag(artifacts.LAST_CHECKPOINT_TAG, str(dynamics.epochs[-1]))

    def log_label_maps(self, maps: LabelMaps) -> None:
        """Store a checkpoint's label maps."""
        self.put(artifacts.label_maps_path(maps.epoch), artifacts.encode_label_maps(maps))

    def log_planes(self, planes: PlaneSet) -> None:
        """Store the planes."""
        self.put(artifacts.PLANES, artifacts.encode_planes(planes))

    def log_rows(self, epoch: int, rows: NDArray[np.float16]) -> None:
        """Store a checkpoint's packed Grams, (L, m)."""
        self.put(artifacts.rows_path(epoch), artifacts.encode_rows(rows))

    def log_phases(
        self, phases: Phases, scores: Mapping[str, float], layers: tuple[str, ...]
    ) -> None:
        """Store phases as an artifact, their epochs and the scores as metrics of the run."""
        self.put(artifacts.PHASES, artifacts.encode_phases(phases, layers))
        values = {f"phase/{name}": float(epoch) for name, epoch in phases.markers().items()}
        values |= {f"score/{name}": value for name, value in scores.items() if np.isfinite(value)}
        self.log_metrics(0, values)

    def log_state(self, content: bytes) -> None:
        """Store the state to go on from, after all that was logged before it."""
        self._put(self._send_metrics)
        self.put(artifacts.LAST_STATE, content)

    def put(self, path: str, content: bytes) -> None:
        """Store an artifact, whole or not at all, replacing one of that path."""
        self._put(partial(self._store, PurePosixPath(path), content))

    def remove(self, path: str) -> None:
        """Remove an artifact; none of that path is no mistake."""
        self._put(partial(self._remove, PurePosixPath(path)))

    def flush(self) -> None:
        """Wait until everything is sent.

        Raises:
            UserError: something could not be.
        """
        self._put(self._send_metrics)
        with self._as_user_error():
            self._outbox.flush()

    def _put(self, job: Job) -> None:
        with self._as_user_error():
            self._outbox.put(job)

    def _as_user_error(self) -> AbstractContextManager[None]:
        return one_line(f"run {self.run_id[:8]} in {self._uri}")

    def _send_metrics(self) -> None:
        with self._lock:
            waiting, self._metrics = self._metrics, []
        for some in _batches(waiting, METRICS_A_BATCH):
            self._client.log_batch(self.run_id, metrics=some, synchronous=True)

    def _store(self, path: PurePosixPath, content: bytes) -> None:
        if self._folder is None:
            with tempfile.TemporaryDirectory() as folder:
                local = Path(folder) / path.name
                local.write_bytes(content)
                self._client.log_artifact(self.run_id, str(local), str(path.parent))
        else:
            write_whole(self._folder / path, content)

    def _remove(self, path: PurePosixPath) -> None:
        if self._folder is None:
            artifact_uri = self._client.get_run(self.run_id).info.artifact_uri
            get_artifact_repository(artifact_uri, self._uri).delete_artifacts(str(path))
        else:
            (self._folder / path).unlink(missing_ok=True)

    def _end(self, status: str) -> None:
        """Send what waits and close the run, as far as the store still takes it."""
        if self._heartbeat is not None:
            self._heartbeat.stop()
        # an earlier error of the outbox is being raised already, by the call that met it
        with suppress(Exception):
            self._outbox.put(self._send_metrics)
        self._outbox.close()
        if not self._ends:
            return
        try:
            self._client.set_terminated(self.run_id, status)
        except (MlflowException, OSError):
            if status == "FINISHED":
                raise


def end_run(store: StoreConfig, run_id: str, status: str) -> None:
    """Give a run that nobody writes any more its last status.

    Raises:
        UserError: the store does not answer or has no such run.
    """
    with one_line(tracking_uri(store)):
        connect(store).set_terminated(run_id, status)


def _experiment_id(client: MlflowClient, name: str) -> str:
    """Return the experiment's id; made if missing, also if another process makes it just now."""
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name, tags=EXPERIMENT_TAGS))
        except MlflowException:
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    if found.lifecycle_stage == "deleted":
        raise MlflowException(f"experiment {name} is deleted; restore it or take --experiment")
    return str(found.experiment_id)


def _batches(items: Sequence[T], size: int) -> list[list[T]]:
    return [list(items[i : i + size]) for i in range(0, len(items), size)]
