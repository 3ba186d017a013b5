"""Writes a run to MLflow; see schema.py for what is stored."""

from __future__ import annotations

import json
import logging
import math
import re
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from functools import partial
from hashlib import sha256
from sys import float_info
from types import TracebackType
from typing import Any

import numpy as np
from mlflow.entities import Run
from mlflow.tracking import MlflowClient
from mlflow.tracking.context.registry import resolve_tags
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from mlflow.utils.validation import MAX_TAG_VAL_LENGTH
from numpy.typing import NDArray

from repdyn.errors import UnsentError
from repdyn.records import SYSTEM_METRICS, Dynamics, LabelMaps, Phases, PlaneSet, unit_of
from repdyn.redaction import redact_uris, without_secrets
from repdyn.score_key import ScoreKey
from repdyn.settings.schema import StoreConfig
from repdyn.storage import codec, schema
from repdyn.storage.delivery.disk_queue import DiskQueue
from repdyn.storage.delivery.executor import StoreExecutor
from repdyn.storage.delivery.memory_queue import MemoryQueue
from repdyn.storage.delivery.metric_batch import Metric, MetricBatch
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
from repdyn.storage.delivery.queue_folder import QueuedRun, new_queue_folder
from repdyn.storage.experiment import add_missing_tags, experiment_id
from repdyn.storage.files import remove_unfinished
from repdyn.storage.location import is_served
from repdyn.storage.locks import heartbeat
from repdyn.storage.locks.heartbeat import Heartbeat
from repdyn.storage.locks.process_lock import ProcessLock
from repdyn.storage.locks.run_lock import run_lock
from repdyn.storage.moved import refuse_moved
from repdyn.storage.opening import (
    Creation,
    check_texts,
    ended_if_raised,
    log_params,
    logged_metrics,
    opened,
    refuse_moved_run,
    run_record,
    status_after,
)
from repdyn.storage.run_summary import is_older, summary_of
from repdyn.storage.store import (
    artifact_folder,
    experiment_name,
    one_line,
    patiently,
)

_MODEL_NAME = re.compile(r"[/:.%\"']")
"""What MLflow allows in the names of runs, but not in those of models."""

_log = logging.getLogger(__name__)


class RunWriter:
    """An MLflow run, open for writing.

    As a context manager it ends the run: FINISHED, KILLED after Ctrl-C, FAILED after another
    exception. Everything is sent by another thread, in order; an error there is raised by a later
    call. What a server does not accept is queued on disk, and never ends the run (see
    delivery/disk_queue.py).

    Attributes:
        summary: of the run as it was opened.
    """

    def __init__(
        self,
        client: MlflowClient,
        run: Run,
        experiment: str,
        uri: str,
        *,
        ends: bool = True,
        lock: ProcessLock | None = None,
        logged: Mapping[tuple[str, int], tuple[float, int]] | None = None,
    ) -> None:
        self.run_id: str = run.info.run_id
        self._ends = ends
        self._lock = lock
        self._logged = logged or {}
        self._uri = uri
        self.summary = summary_of(run, experiment)
        self._stamped = not is_older(self.summary.tags)
        self._has_images = False
        self._executor = StoreExecutor(client, run)
        self._queue = self._open_queue(run.data.tags)
        self._metrics = MetricBatch(self._put)
        self._latest: dict[str, tuple[float, int, int]] = {}
        self._heartbeat = Heartbeat(self._beat) if ends else None

    @classmethod
    def create(
        cls,
        store: StoreConfig,
        run_name: str,
        params: Mapping[str, str],
        tags: Mapping[str, str],
        *,
        parent_run_id: str | None = None,
    ) -> RunWriter:
        """Create a run, in an experiment that is created if it does not exist.

        Raises:
            UserError: the store is unreachable or rejects the run, or a text is too long for it.
        """
        name = experiment_name(store)
        check_texts(name, run_name, params)
        with opened(store) as (uri, client, call):
            experiment = call(lambda: experiment_id(client, name))
            call(lambda: refuse_moved(client, experiment))
            call(lambda: add_missing_tags(client, experiment))
            # among MLflow's own tags, the URL of a git repository may contain a token
            found = {name: redact_uris(value) for name, value in resolve_tags().items()}
            stamp = {schema.SCHEMA_TAG: str(schema.SCHEMA_VERSION)}
            all_tags = found | heartbeat.signature() | stamp | dict(tags)
            if parent_run_id is not None:
                all_tags[MLFLOW_PARENT_RUN_ID] = parent_run_id
            run_id = call(Creation(client, experiment, all_tags, run_name))
            with ended_if_raised(client, run_id):
                log_params(client, run_id, params, call)
                run, named = run_record(client, run_id, call)
                lock = run_lock(client, run)
                if lock is not None:
                    lock.take()
                return cls(client, run, named, uri, lock=lock)

    @classmethod
    def restart(cls, store: StoreConfig, run_id: str) -> RunWriter:
        """Reopen a run that has ended, so that it runs and ends again; see `claimed`.

        Raises:
            UserError: the store is unreachable or has no such run.
        """
        with opened(store) as (uri, client, call):
            refuse_moved_run(client, run_id, call)
            for name, value in heartbeat.signature().items():
                call(partial(client.set_tag, run_id, name, value))
            with ended_if_raised(client, run_id):
                call(partial(client.update_run, run_id, status="RUNNING"))
                run, named = run_record(client, run_id, call)
                folder = artifact_folder(client, run)
                if folder is not None:
                    remove_unfinished(folder)
                return cls(client, run, named, uri, logged=logged_metrics(client, run))

    @classmethod
    def attach(
        cls, store: StoreConfig, run_id: str, params: Mapping[str, str] | None = None
    ) -> RunWriter:
        """Open a run to add to it, without changing its status.

        Raises:
            UserError: the store is unreachable or has no such run, or the run has a param with
                another value.
        """
        with opened(store) as (uri, client, call):
            refuse_moved_run(client, run_id, call)
            log_params(client, run_id, params or {}, call)
            run, named = run_record(client, run_id, call)
            return cls(client, run, named, uri, ends=False)

    def __enter__(self) -> RunWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self._end("FINISHED")
            return
        try:
            self._end(status_after(kind))
        except UnsentError as unsent:
            _log.warning("%s", unsent)
        except Exception:  # the user sees the exception that ends the run
            return

    def log_metrics(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Log metrics at an epoch; they are sent in a batch with those of the next seconds.

        What a resumed run logged before, in an epoch that it repeats, is not logged twice.
        """
        now = heartbeat.now()
        new: list[Metric] = []
        for name, value in metrics.items():
            before, time_before = self._logged.get((name, epoch), (None, now))
            repeated = before is not None and _is_stored_as(value, before)
            self._latest[name] = value, time_before if repeated else now, epoch
            if not repeated:
                new.append((name, value, now, epoch))
        self._metrics.add(new)

    def log_system_metrics(self, sample: int, metrics: Mapping[str, float]) -> None:
        """Log MLflow's system metrics; may be called by another thread."""
        now = heartbeat.now()
        self._put(LogMetrics(tuple((name, value, now, sample) for name, value in metrics.items())))

    @property
    def samples(self) -> int:
        """How many samples of system metrics a resumed run logged before."""
        return max(
            (step + 1 for name, step in self._logged if name.startswith(SYSTEM_METRICS)), default=0
        )

    def set_tag(self, name: str, value: str) -> None:
        """Set a tag, in order with everything logged."""
        self._put(SetTag(name, value))

    def describe(self, text: str) -> None:
        """Set the run's description, in Markdown, unless someone has written another."""
        self._put(Describe(text[:MAX_TAG_VAL_LENGTH]))

    def log_input(
        self, name: str, source: str, context: str, profile: Mapping[str, object]
    ) -> None:
        """Log a data set that the run used, so that MLflow lists it.

        Args:
            name: of the data set.
            source: where it comes from.
            context: train or test.
            profile: its description.
        """
        said = json.dumps(profile)
        digest = sha256(f"{name}{source}{context}{said}".encode()).hexdigest()[:8]
        self._put(LogInput(name, digest, json.dumps({"uri": source}), said, context))

    def log_dynamics(self, dynamics: Dynamics, *, with_matrices: bool = True) -> None:
        """Replace the E×E matrices and the arrays stored with them, and tag the last checkpoint.

        Without the matrices, those that are stored stay behind, and so does the tag.
        """
        if not self._stamped:  # before anything that only this schema's readers can read
            self.set_tag(schema.SCHEMA_TAG, str(schema.SCHEMA_VERSION))
            self._stamped = True
        for path, content in codec.encode_dynamics(dynamics, with_matrices=with_matrices):
            self.put(path, content)
        self.log_metrics(int(dynamics.steps[-1]), codec.layer_metrics(dynamics))
        if with_matrices:
            self.set_tag(schema.LAST_CHECKPOINT_TAG, str(dynamics.steps[-1]))

    def log_label_maps(self, maps: LabelMaps) -> None:
        """Store a checkpoint's label maps."""
        self.put(schema.label_maps_path(maps.step), codec.encode_label_maps(maps))

    def log_planes(self, planes: PlaneSet) -> None:
        """Store the planes."""
        self.put(schema.PLANES, codec.encode_planes(planes))

    def log_summaries(self, measure: str, epoch: int, summaries: NDArray[Any]) -> None:
        """Store what a measure needs of a checkpoint to compare it with others, (N, m)."""
        self.put(schema.summaries_path(measure, epoch), codec.encode_summaries(summaries))

    def log_phases(
        self, phases: Phases, scores: Mapping[ScoreKey, float], layers: tuple[str, ...]
    ) -> None:
        """Store phases as an artifact, and their epochs and the scores as metrics of the run."""
        self.put(schema.PHASES, codec.encode_phases(phases, layers))
        values = {f"phase/{name}": float(epoch) for name, epoch in phases.markers().items()}
        values |= {
            f"{schema.SCORE}{key.name}": value
            for key, value in scores.items()
            if np.isfinite(value)
        }
        self.log_metrics(0, values)

    def log_model(self, step: int) -> None:
        """Have MLflow list a checkpoint as a model, with the metrics of its step logged so far.

        Its weights are those stored at `schema.checkpoint_path`.
        """
        at_step = tuple(
            (name, value, at, step)
            for name, (value, at, logged) in self._latest.items()
            if logged == step and np.isfinite(value)
        )
        name = f"{_MODEL_NAME.sub('-', self.summary.name)}-{unit_of(self.summary.tags)}{step}"
        self._put(LogModel(name, schema.checkpoint_path(step), step, at_step))

    def remove_model(self, step: int) -> None:
        """Have MLflow no longer list a checkpoint as a model."""
        self._put(RemoveModel(schema.checkpoint_path(step)))

    def log_image(self, key: str, step: int, png: bytes, webp: bytes) -> None:
        """Log an image for MLflow's grid of images; logged again, it replaces the former."""
        for path, content in zip(
            schema.image_paths(key, step, self.summary.started), (png, webp), strict=True
        ):
            self.put(path, content)
        if not self._has_images:
            self.set_tag(schema.IMAGES_TAG, "True")
            self._has_images = True

    def log_state(self, content: bytes) -> None:
        """Store the state for resuming, after everything logged before it."""
        self._metrics.flush()
        self.put(schema.LAST_STATE, content)

    def put(self, path: str, content: bytes) -> None:
        """Store an artifact atomically, replacing one with the same path."""
        self._put(PutArtifact(path, content))

    def remove(self, path: str) -> None:
        """Remove an artifact; a missing one is not an error."""
        self._put(RemoveArtifact(path))

    def flush(self) -> None:
        """Wait until everything is sent.

        Raises:
            UnsentError: the server is unreachable for too long.
            UserError: something could not be sent.
        """
        self._metrics.flush()
        with self._as_user_error():
            self._queue.flush()

    def _open_queue(self, tags: Mapping[str, str]) -> MemoryQueue | DiskQueue:
        if not is_served(self._uri):
            return MemoryQueue(lambda operation: patiently(lambda: self._executor(operation)))
        queue = new_queue_folder(self.run_id)
        process = (tags.get(tag, "") for tag in (heartbeat.HOST_TAG, heartbeat.PID_TAG))
        queue.sign(QueuedRun(without_secrets(self._uri), self.run_id, *process))
        return DiskQueue(queue, self._executor)

    def _beat(self, now: int) -> None:
        self._queue.beat(SetTag(heartbeat.TAG, str(now)))

    def _put(self, operation: Operation) -> None:
        with self._as_user_error():
            self._queue.put(operation)

    def _as_user_error(self) -> AbstractContextManager[None]:
        return one_line(f"run {self.run_id[:8]} in {self._uri}")

    def _end(self, status: str) -> None:
        """Send what is queued and close the run.

        Raises:
            UnsentError: the server is unreachable; the end is queued with everything else.
            UserError: something was refused; then the run has failed.
        """
        if self._heartbeat is not None:
            self._heartbeat.stop()
        end = EndRun(status, heartbeat.now()) if self._ends else None
        try:
            with self._as_user_error():
                self._close(end)
        finally:
            if self._lock is not None:
                self._lock.release()

    def _close(self, end: EndRun | None) -> None:
        try:
            try:
                self._metrics.flush()
            finally:
                self._queue.close(end)
        except UnsentError:
            raise
        except Exception:
            if end is not None:
                failed = end if end.status != "FINISHED" else replace(end, status="FAILED")
                with suppress(Exception):  # the user sees the first error
                    self._executor(failed)
            raise


def _is_stored_as(value: float, stored: float) -> bool:
    """Return whether MLflow keeps a value as another: the largest number instead of infinity."""
    if math.isnan(value):
        return math.isnan(stored)
    return max(-float_info.max, min(value, float_info.max)) == stored
