"""An MLflow run into which a model is measured, step by step; no console, no command line.

`repdyn train`, `repdyn analyze` and `repdyn.start_run` drive a session:

    recorder = Recorder(layers, inputs)
    with RunSession.create(recorder, "mine", store, due=checkpoint_epochs(100, 20)) as session:
        for epoch in range(101):
            session.log(epoch, {"train/acc": train(model)})
            if session.is_due(epoch):
                session.measure(model, epoch)
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import TypedDict, Unpack

import mlflow
from numpy.typing import ArrayLike
from torch import Tensor, nn

from repdyn.analysis.phases import find_phases
from repdyn.analysis.scores import compute_scores
from repdyn.batches import device_of
from repdyn.errors import UserError
from repdyn.measures.engine import Summaries
from repdyn.measures.passes import Observed
from repdyn.measures.recorder import Measurement, Recorder
from repdyn.records import ClassArray, Curve, Dynamics, LabelMaps, RunRecord, RunSummary
from repdyn.report import description
from repdyn.report.figures import png, standard_figures
from repdyn.runs.curves import GrowingCurves
from repdyn.runs.observer import Checkpoint, Observer
from repdyn.runs.past import Past
from repdyn.runs.provenance import device_name, provenance
from repdyn.runs.storing import (
    are_due,
    is_drawn,
    log_matrices,
    store_measurement,
    store_weights,
)
from repdyn.settings.schema import StoreConfig
from repdyn.storage import codec, schema, system_metrics
from repdyn.storage.provenance import Provenance, encode, starts_of
from repdyn.storage.system_metrics import SystemMetrics
from repdyn.storage.writer import RunWriter

RUN_VARIABLE = "MLFLOW_RUN_ID"
"""Environment variable by which MLflow passes a run to another process."""


class Options(TypedDict, total=False):
    """Options of a session.

    Attributes:
        due: steps at which the model is to be measured.
        observer: receives each checkpoint.
        keeps_weights: whether the model's weights are stored with each checkpoint.
        replaces_at_end: whether the matrices are stored once, at the end: those of an earlier
            measurement stay until then.
        curves: metrics that the run already has.
        figures: whether figures are drawn at the end, and a few pictures before.
        models: whether MLflow lists the checkpoints whose weights are stored as models.
        trains: whether the model is being trained, or imported: what it is trained with is recorded.
    """

    due: Collection[int]
    observer: Observer
    keeps_weights: bool
    replaces_at_end: bool
    curves: Mapping[str, Curve]
    figures: bool
    models: bool
    trains: bool


class RunSession:
    """One run, from its first measurement to its figures.

    As a context manager it ends the run: FINISHED after everything derived from the measurements is
    stored, KILLED after Ctrl-C, FAILED after another exception. A run that was started elsewhere is
    neither ended nor given a heartbeat here.

    Args:
        writer: of the run.
        recorder: to measure with; must not have measured anything yet.
        options: see `Options`.

    Attributes:
        writer: for what is stored beside the measurements.
        recorder: measures the model.
        seconds: time spent, by part of the work.
        record: the run with its phases and scores; None before `finish`.
    """

    def __init__(self, writer: RunWriter, recorder: Recorder, **options: Unpack[Options]) -> None:
        self.writer = writer
        self.seconds: dict[str, float] = {}
        self.record: RunRecord | None = None
        self.recorder = recorder
        self._due = frozenset(options.get("due", ()))
        self._observer = options.get("observer") or Observer()
        self._keeps_weights = options.get("keeps_weights", True)
        self._replaces_at_end = options.get("replaces_at_end", False)
        self._draws = options.get("figures", True)
        self._lists = options.get("models", False)
        self._curves = GrowingCurves(options.get("curves", {}))
        self._maps: list[LabelMaps] = []
        self._stored = 0
        self._system: SystemMetrics | None = None
        self._starts: tuple[Provenance, ...] = ()
        if options.get("trains", True):
            self._record_start(provenance())

    @classmethod
    def create(
        cls,
        recorder: Recorder,
        name: str,
        store: StoreConfig,
        *,
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        parent_run_id: str | None = None,
        **options: Unpack[Options],
    ) -> RunSession:
        """Create a run.

        Args:
            recorder: to measure with; must not have measured anything yet.
            name: of the run.
            store: where it is created.
            params: as MLflow lists them.
            tags: set in addition to repdyn's own.
            parent_run_id: of the run under which MLflow lists this one.
            options: see `Options`.

        Raises:
            UserError: the store is unreachable or rejects the run.
        """
        all_tags = _tags(recorder) | dict(tags or {})
        writer = RunWriter.create(store, name, params or {}, all_tags, parent_run_id=parent_run_id)
        return cls(writer, recorder, **options)._watching()

    @classmethod
    def attach(
        cls,
        recorder: Recorder,
        run_id: str | None = None,
        store: StoreConfig | None = None,
        *,
        params: Mapping[str, str] | None = None,
        **options: Unpack[Options],
    ) -> RunSession:
        """Measure into a run that was started, and will be ended, elsewhere.

        Args:
            recorder: to measure with; must not have measured anything yet.
            run_id: of the run (default: MLflow's active run in this process, else the one that the
                environment variable MLFLOW_RUN_ID names).
            store: where the run is (default: where MLflow logs to in this process).
            params: added to the run's.
            options: see `Options`.

        Raises:
            UserError: there is no such run, the store is unreachable, or the run has a param with
                another value.
        """
        run_id = run_id or started_run()
        if run_id is None:
            raise UserError(
                f"no run to attach to: start one with mlflow.start_run, or set {RUN_VARIABLE}"
            )
        session = cls(RunWriter.attach(store or StoreConfig(), run_id, params), recorder, **options)
        for tag, value in _tags(recorder).items():
            session.writer.set_tag(tag, value)
        return session

    @classmethod
    def restart(
        cls, recorder: Recorder, run_id: str, store: StoreConfig, **options: Unpack[Options]
    ) -> RunSession:
        """Resume a stopped run, and end it; `load` restores what it had measured.

        Raises:
            UserError: the store is unreachable or has no such run.
        """
        return cls(RunWriter.restart(store, run_id), recorder, **options)._watching()

    def _watching(self) -> RunSession:
        """Log system metrics until the end, if MLflow is told to; of another's run, MLflow does."""
        self._system = system_metrics.started(self.writer.log_system_metrics, self.writer.samples)
        return self

    def _record_start(self, now: Provenance) -> None:
        """Add what this process trains with to what the run has recorded of earlier starts."""
        self._starts = (*starts_of(self.writer.summary), now)
        self.writer.set_tag(schema.PROVENANCE_TAG, encode(self._starts))

    def _record_device(self, device: str) -> None:
        """Complete what was recorded at the start: only a measured model tells its device."""
        if self._starts and not self._starts[-1].device:
            self._starts = (*self._starts[:-1], replace(self._starts[-1], device=device))
            self.writer.set_tag(schema.PROVENANCE_TAG, encode(self._starts))

    def __enter__(self) -> RunSession:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._system is not None:
            self._system.stop()
        if kind is not None:
            with suppress(Exception):  # the user sees the exception that ends the run
                if 0 < self._stored < len(self.steps):
                    self._store_the_rest(self.recorder.dynamics)
            self.writer.__exit__(kind, error, traceback)
            return
        with self.writer:  # an error at the end is a failure of the run
            if self.record is None:
                self.finish()

    @property
    def run_id(self) -> str:
        """MLflow's id of the run."""
        return self.writer.run_id

    @property
    def steps(self) -> tuple[int, ...]:
        """The steps measured so far."""
        return self.recorder.steps

    def is_due(self, step: int) -> bool:
        """Return whether the model is to be measured at a step, and has not been."""
        return step in self._due and step not in self.steps

    def load(self, past: Past, probes: Mapping[str, Mapping[str, Tensor]] | None = None) -> None:
        """Restore what the run had measured before it was stopped.

        Args:
            past: see past.py.
            probes: the recorder's state at that time; without it the solver starts from zero.

        Raises:
            KeyError, RuntimeError, TypeError, ValueError: it does not match this recorder.
        """
        self.recorder.load_state(probes or {}, past.dynamics, self._taken_in(past.checkpoints))
        self._curves = GrowingCurves(past.curves)

    def _taken_in(
        self, checkpoints: Iterable[tuple[Mapping[str, Summaries], LabelMaps | None]]
    ) -> Iterator[tuple[Mapping[str, Summaries], ClassArray | None]]:
        for summaries, maps in checkpoints:
            if maps is not None:
                self._keep_maps(maps)
            yield summaries, None if maps is None else maps.maps

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Log metrics; phases are found from `train/acc`, `train/acc_noisy` and `test/acc`."""
        self.writer.log_metrics(step, metrics)
        self._curves.add(step, metrics)

    def spend(self, part: str, seconds: float) -> None:
        """Add to the time spent on a part of the work."""
        self.seconds[part] = self.seconds.get(part, 0.0) + seconds

    def measure(self, model: nn.Module, step: int) -> Measurement:
        """Measure a model and store the measurement; the model is left unchanged.

        Raises:
            UserError: the step does not come after the last measured one, a layer cannot be watched,
                or the store rejects the data.
        """
        start = time.perf_counter()
        measurement = self.recorder.measure(model, step)
        inputs = self.recorder.inputs
        if inputs is not None:
            self._record_device(device_name(device_of(model, inputs.reference)))
        return self._keep(measurement, start, model)

    def add(self, observed: Observed, device: str, model: nn.Module | None = None) -> Measurement:
        """Store a checkpoint that another process observed with the `passes` of this recorder.

        Args:
            observed: the checkpoint.
            device: its name, on which it was observed.
            model: whose weights are stored, if weights are.

        Raises:
            UserError: the step does not come after the last measured one, or the store rejects the data.
        """
        start = time.perf_counter() - sum(observed.seconds.values())
        measurement = self.recorder.add(observed)
        self._record_device(device)
        return self._keep(measurement, start, model)

    def _keep(self, measurement: Measurement, start: float, model: nn.Module | None) -> Measurement:
        """Store a measurement, and the weights of its model if weights are stored."""
        writing, step = time.perf_counter(), measurement.step
        not_finite: tuple[str, ...] = ()
        if self._keeps_weights and model is not None:
            not_finite = store_weights(self.writer, model, step)
            if self._lists:
                self.writer.log_model(step)
        self._store(measurement)
        self._tell(measurement, start, writing, not_finite)
        return measurement

    def add_features(
        self,
        features: Mapping[str, ArrayLike | Tensor],
        step: int,
        labels: ArrayLike | Tensor | None = None,
    ) -> Measurement:
        """Store a checkpoint of features that were computed elsewhere; see `Recorder.add_features`."""
        start = time.perf_counter()
        measurement = self.recorder.add_features(features, step, labels)
        writing = time.perf_counter()
        self._store(measurement)
        self._tell(measurement, start, writing, ())
        return measurement

    def _store(self, measurement: Measurement) -> None:
        if len(self.steps) == 1 and self.recorder.inputs is None:
            for tag, value in _tags(self.recorder).items():  # features tell their layers only now
                self.writer.set_tag(tag, value)
        maps = measurement.label_maps
        if maps is not None:
            planes = self.recorder.plane_set() if not self._maps else None
            if planes is not None:
                self.writer.log_planes(planes)
            self._keep_maps(maps)
        store_measurement(self.writer, measurement)
        if self._replaces_at_end:
            metrics = codec.layer_metrics(self.recorder.measured(with_errors=False))
            self.writer.log_metrics(measurement.step, metrics)
            return
        layers, count = len(self.recorder.layers), len(self.steps)
        size = schema.matrices_bytes(layers, count, self.recorder.measures)
        due = are_due(count, self._stored, size)
        dynamics = self.recorder.measured(with_errors=due)
        self.writer.log_dynamics(dynamics, with_matrices=due)
        if due:
            self._stored = count
        if self._draws and is_drawn(count):
            log_matrices(self.writer, dynamics)

    def _keep_maps(self, maps: LabelMaps) -> None:
        """Keep label maps for the figures."""
        (coarse,), (fine,) = map(self.recorder.shelf.keep, ([maps.maps], [maps.fine]))
        self._maps.append(LabelMaps(maps.step, coarse, fine))

    def _store_the_rest(self, dynamics: Dynamics) -> None:
        """Store the matrices if those that are stored are behind."""
        if self.steps and not self._replaces_at_end and self._stored < len(self.steps):
            self.writer.log_dynamics(dynamics)
            self._stored = len(self.steps)

    def _tell(
        self, measurement: Measurement, start: float, writing: float, not_finite: tuple[str, ...]
    ) -> None:
        end = time.perf_counter()
        for part, spent in measurement.seconds.items():
            self.spend(part, spent)
        self.spend("writing", end - writing)
        self._observer.on_checkpoint(Checkpoint(measurement, end - start, not_finite))

    def drop_weights(self, steps: Iterable[int]) -> None:
        """Remove the stored weights of these steps."""
        for step in steps:
            if self._lists:
                self.writer.remove_model(step)
            self.writer.remove(schema.checkpoint_path(step))

    def finish(self, began: RunSummary | None = None) -> RunRecord:
        """Store everything derived from the measurements; works offline, nothing is read back.

        Args:
            began: summary of the run (default: as it was opened).

        Returns:
            The run, with phases and scores.
        """
        dynamics = self.recorder.dynamics if self.steps else None
        curves = self._curves.curves()
        phases = find_phases(curves, dynamics)
        scores = {} if dynamics is None else compute_scores(dynamics, phases)
        self.record = RunRecord(began or self.writer.summary, dynamics, curves, phases, scores)
        if dynamics is not None:
            if self._replaces_at_end:
                written = {path for path, _ in codec.encode_dynamics(dynamics)}
                for path in map(schema.array_path, schema.SHAPES):
                    if path not in written:
                        self.writer.remove(path)  # of an earlier measurement
                self.writer.log_dynamics(dynamics)
            self._store_the_rest(dynamics)
            self.writer.log_phases(phases, scores, dynamics.layers)
        self.writer.describe(description.of_run(self.record))
        rounded = {part: round(spent, 3) for part, spent in self.seconds.items()}
        self.writer.put(schema.TIMINGS, json.dumps(rounded, indent=1).encode())
        if self._draws:
            self._draw(self.record)
        return self.record

    def _draw(self, record: RunRecord) -> None:
        planes = self.recorder.plane_set() if self._maps else None
        classes = () if planes is None else planes.classes
        for name, figure in standard_figures(record, planes, self._maps, classes).items():
            self.writer.put(schema.figure_path(name), png(figure))
        if record.dynamics is not None and len(self.steps) > 1:
            # those drawn as the run went on, unless they are replaced with the matrices
            before = range(1, len(self.steps)) if self._replaces_at_end else ()
            for count in filter(is_drawn, before):
                log_matrices(self.writer, record.dynamics.at_checkpoints(slice(count)))
            log_matrices(self.writer, record.dynamics, last=True)


def started_run() -> str | None:
    """Return the id of MLflow's active run in this process, else the one in MLFLOW_RUN_ID."""
    active = mlflow.active_run()
    return os.environ.get(RUN_VARIABLE) or None if active is None else str(active.info.run_id)


def _tags(recorder: Recorder) -> dict[str, str]:
    tags = {
        schema.LAYERS_TAG: str(len(recorder.layers) or ""),
        schema.INPUTS_TAG: recorder.fingerprint,
        schema.UNIT_TAG: recorder.unit,
    }
    return {name: text for name, text in tags.items() if text}
