"""The public way to measure one's own training: `repdyn.start_run`."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Any, Literal

from numpy.typing import ArrayLike
from torch import Tensor, nn

from repdyn.errors import UserError
from repdyn.layers import choose_layers
from repdyn.measures.inputs import Inputs
from repdyn.measures.passes import Observed
from repdyn.measures.recorder import Recorder
from repdyn.measures.settings import MeasureSettings
from repdyn.records import EPOCH, RunRecord
from repdyn.redaction import redact
from repdyn.runs.joining import joined
from repdyn.runs.measured_model import MeasuredModel
from repdyn.runs.observer import Checkpoint, Observer
from repdyn.runs.ranks import Ranks
from repdyn.runs.schedule import Schedule
from repdyn.runs.session import RunSession
from repdyn.settings.schema import StoreConfig

OnError = Literal["warn", "raise"]

_log = logging.getLogger(__name__)


def start_run(
    model: nn.Module | None = None,
    inputs: Inputs | None = None,
    *,
    checkpoints: int | Sequence[int] | None = None,
    max_steps: int | None = None,
    run_name: str | None = None,
    run_id: str | None = None,
    params: Mapping[str, Any] | None = None,
    layers: str | Sequence[str] = "",
    settings: MeasureSettings | None = None,
    save_weights: bool = False,
    unit: str = EPOCH,
    on_error: OnError = "warn",
    make_model: Callable[[], nn.Module] | None = None,
    tracking_uri: str | None = None,
    experiment: str | None = None,
    observer: Observer | None = None,
) -> Run:
    """Start to measure a training into an MLflow run; use it as a context manager.

    In a loop::

        with repdyn.start_run(model, inputs, max_steps=epochs) as run:
            for epoch in range(epochs):
                ...
                run.log({"train/loss": loss, "train/acc": accuracy}, step=epoch)
                run.measure(step=epoch)

    Joins the run that is active in this process (`mlflow.start_run`) or that MLFLOW_RUN_ID names, and
    leaves its end to its owner; without one, creates a run and ends it. In a training of several
    processes (DDP, FSDP, `torchrun`) all of them call the same methods: rank zero measures and logs,
    the others wait for it.

    Args:
        model: to measure; wrappers (DDP, DataParallel, torch.compile) are unwrapped. None if features
            are added instead.
        inputs: what it is measured on, see `Inputs`.
        checkpoints: how many, log-spaced from step 0 to `max_steps` (default: 60), or a list of steps.
            Without `max_steps` and a number, every `measure` measures.
        max_steps: the last step, if it is known.
        run_name: of a run that is created.
        run_id: of a run that another program has started and will end, or of a stopped run to go on
            with, in which steps that were measured are skipped.
        params: logged as MLflow's params.
        layers: a regular expression, or names and globs, that select layers (default: see
            `watched_layers`).
        settings: what is measured and how; default: CKA, decision regions, linear probes.
        save_weights: whether to store the model's weights at each checkpoint.
        unit: of the steps, one word: epoch, step, tokens.
        on_error: what a failed measurement does: warn, once for each reason, or raise.
        make_model: for a sharded model (FSDP): returns the same model, unsharded.
        tracking_uri: MLflow store (default: where MLflow logs to in this process).
        experiment: its name, for a run that is created (default: MLFLOW_EXPERIMENT_NAME, else repdyn).
        observer: receives each checkpoint; default: warns of what it lacks.

    Raises:
        UserError: something does not fit, or the store is unreachable; says what to do.
    """
    if on_error not in ("warn", "raise"):
        raise UserError(f"on_error {on_error!r}: must be warn or raise")
    schedule, ranks = Schedule(checkpoints, max_steps, unit), Ranks()
    measured = MeasuredModel.of(model, make_model)
    stack = ExitStack()
    with stack:
        session, found = None, ("", -1, "")
        if ranks.is_zero:
            try:
                recorder = _recorder(measured, inputs, layers, settings, unit)
                session = stack.enter_context(
                    joined(
                        recorder,
                        run_name or measured.name,
                        run_id,
                        StoreConfig(tracking_uri=tracking_uri, experiment=experiment),
                        {name: str(value) for name, value in (params or {}).items()},
                        observer=observer or _Warner(),
                        keeps_weights=save_weights,
                    )
                )
            except Exception as error:
                # the others would wait for ever
                ranks.shared(("", -1, str(error) or type(error).__name__))
                raise
            found = session.run_id, max(session.steps, default=-1), ""
        found_id, last, fault = ranks.shared(found)
        if fault:
            raise UserError(f"rank zero: {fault}")
        schedule.resume_after(last)
        return Run(measured, session, schedule, ranks, found_id, on_error, stack.pop_all())


class Run:
    """A training that is being measured; `start_run` returns it.

    Attributes:
        run_id: MLflow's id of the run.
        record: the whole run with its phases and scores, once it has ended; None in other processes
            than rank zero.
    """

    def __init__(
        self,
        measured: MeasuredModel,
        session: RunSession | None,
        schedule: Schedule,
        ranks: Ranks,
        run_id: str,
        on_error: OnError,
        opened: ExitStack,
    ) -> None:
        self.run_id = run_id
        self.record: RunRecord | None = None
        self._measured = measured
        self._session = session
        self._schedule = schedule
        self._ranks = ranks
        self._on_error = on_error
        self._opened = opened
        self._warned: set[str] = set()

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._opened:
            last = self._schedule.left_over
            if kind is None and last is not None and self._measured.model is not None:
                try:
                    self._take(last)
                except BaseException as late:
                    self._end(type(late), late, late.__traceback__)
                    raise
            self._end(kind, error, traceback)

    def _end(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._session is not None:
            with self._failures("the end of the run"):
                self._session.__exit__(kind, error, traceback)
                self.record = self._session.record

    def log(self, metrics: Mapping[str, Any], step: int) -> None:
        """Log metrics of a step.

        Phases are found from `train/acc`, `test/acc` and, with wrong labels, `train/acc_noisy`, all in
        [0, 1]; `train/loss` and `test/loss` are drawn with them.

        Args:
            metrics: numbers by name; tensors and arrays of one number count as such.
            step: of the run's unit.
        """
        if self._session is not None:
            with self._failures(f"metrics of {self._schedule.unit} {step}"):
                self._session.log(int(step), {name: _number(v) for name, v in metrics.items()})

    def measure(self, step: int) -> bool:
        """Measure the model if a checkpoint is due, and return whether it was.

        The last step is measured when the run ends, if it was not.

        Raises:
            UserError: the step comes before the last one.
        """
        if self._measured.model is None:
            raise UserError("start_run was given no model; give one, or use add_features")
        return self._schedule.takes(step) and self._take(int(step))

    def add_features(
        self,
        features: Mapping[str, ArrayLike | Tensor],
        step: int,
        labels: ArrayLike | Tensor | None = None,
    ) -> bool:
        """Add features that were computed elsewhere if a checkpoint is due; see `Recorder`.

        Args:
            features: of the same n inputs at every step, by layer in order of depth, (n, ...) each.
            step: of the run's unit.
            labels: classes of the inputs (n,), for linear probes.
        """
        if not self._schedule.takes(step):
            return False
        if self._session is not None:
            with self._failures(f"{self._schedule.unit} {step}"):
                self._session.add_features(features, step, labels)
        self._schedule.took(step)
        return True

    def add_observed(self, observed: Observed, device: str) -> bool:
        """Add a checkpoint that another process observed, if it is due; see `RunSession.add`.

        :meta private:
        """
        if not self._schedule.takes(observed.step):
            return False
        if self._session is not None:
            with self._failures(f"{self._schedule.unit} {observed.step}"):
                self._session.add(observed, device, self._measured.model)
        self._schedule.took(observed.step)
        return True

    @property
    def recorder(self) -> Recorder | None:
        """What measures the model; None in other processes than rank zero.

        :meta private:
        """
        return None if self._session is None else self._session.recorder

    def is_due(self, step: int) -> bool:
        """Return whether `measure` or `add_features` would measure a step."""
        return self._schedule.is_due(step)

    def _take(self, step: int) -> bool:
        try:
            model = self._measured.whole(self._ranks)
            if self._session is not None and model is not None:
                with self._failures(f"{self._schedule.unit} {step}"):
                    self._session.measure(model, step)
        finally:
            self._schedule.took(step)
            self._ranks.wait()
        return True

    @contextmanager
    def _failures(self, what: str) -> Iterator[None]:
        """Turn an error into a warning, once for each reason: it must not end a training."""
        try:
            yield
        except Exception as error:
            if self._on_error == "raise":
                raise
            reason = redact(f"{type(error).__name__}: {error}").splitlines()[0]
            reason = str(error) if isinstance(error, UserError) else reason
            if reason not in self._warned:
                self._warned.add(reason)
                warnings.warn(f"repdyn: {what}: not recorded ({reason})", stacklevel=4)


def _number(value: Any) -> float:
    return float(value.detach() if isinstance(value, Tensor) else value)


class _Warner(Observer):
    """Warns of what a checkpoint lacks, once for each kind and set of layers."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def on_checkpoint(self, checkpoint: Checkpoint) -> None:
        found = checkpoint.measurement
        faults = found.faults | {"stored weights are not finite": checkpoint.not_finite}
        for reason, names in faults.items():
            said = f"{reason}: {', '.join(names)}"
            if names and said not in self._said:
                self._said.add(said)
                warnings.warn(f"repdyn: checkpoint {found.step}: {said}", stacklevel=2)


def _recorder(
    measured: MeasuredModel,
    inputs: Inputs | None,
    layers: str | Sequence[str],
    settings: MeasureSettings | None,
    unit: str,
) -> Recorder:
    model = measured.layout
    if model is None:
        return Recorder(settings=settings, unit=unit)
    if inputs is None:
        raise UserError("there are no inputs to measure the model on; give repdyn.Inputs")
    choice = choose_layers(model, layers, inputs.reference, inputs.forward)
    _log.info("%s", choice.notice or "all layers can be watched")
    return Recorder(choice.layers, inputs, settings, unit=unit)
