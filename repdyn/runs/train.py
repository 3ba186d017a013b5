"""A training: measured at its checkpoints, logged to MLflow, stopped and resumed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from repdyn.errors import UserError
from repdyn.measures.recorder import Recorder
from repdyn.records import RunRecord
from repdyn.runs import reproducible
from repdyn.runs.experiment import Experiment
from repdyn.runs.footprint import check_room, footprint, room
from repdyn.runs.observer import Observer
from repdyn.runs.past import Past
from repdyn.runs.readable import check_readable
from repdyn.runs.retention import between_boundaries, outdated
from repdyn.runs.saving import Saver, encode_state
from repdyn.runs.session import Options, RunSession
from repdyn.runs.several import Start, new_trainer, raise_lost, start_others
from repdyn.settings.schema import StoreConfig, TrainConfig, known
from repdyn.storage import schema
from repdyn.storage.location import ARTIFACTS, is_remote
from repdyn.storage.store import tracking_uri
from repdyn.storage.writer import RunWriter
from repdyn.training.loop import Epoch, Trainer
from repdyn.training.replicas import ONE, Distributed, Replicas, is_lost_connection


@dataclass(frozen=True)
class Stopped:
    """Where a training was stopped: its saved state, and what had been measured by then."""

    state: dict[str, Any]
    past: Past

    @property
    def epoch(self) -> int:
        """The first epoch that is not done."""
        return int(self.state["trainer"]["epoch"])

    def load(self, trainer: Trainer, session: RunSession) -> None:
        """Restore a trainer and a session to where they were.

        Raises:
            UserError: they do not belong to the run.
        """
        try:
            trainer.load_state(self.state["trainer"])
            session.load(self.past, self.state["recorder"])
        except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise UserError(
                f"{schema.LAST_STATE}: does not belong to this run ({reason}); train a new run"
            ) from error
        session.seconds |= self.state["seconds"]


def train_run(
    experiment: Experiment,
    store: StoreConfig,
    name: str | None = None,
    *,
    tags: Mapping[str, str] | None = None,
    parent_run_id: str | None = None,
    observer: Observer | None = None,
    replicas: Replicas = ONE,
) -> RunRecord:
    """Train one run and log it.

    Args:
        experiment: what is run.
        store: where it is logged.
        name: of the run (default: built from its settings).
        tags: set in addition to repdyn's own.
        parent_run_id: of the sweep that the run belongs to.
        observer: receives progress.
        replicas: the processes that train it together; this one is rank zero.

    Raises:
        UserError: the store rejects the run, there is not enough disk space or memory, or the run's
            files would be too large to be read; nothing is left behind.
        KeyboardInterrupt: stopped; the run ends as KILLED and stays readable up to its last
            checkpoint.
    """
    observer = observer or Observer()
    config = experiment.config
    taken = footprint(experiment)
    check_readable(experiment, taken, len(experiment.checkpoints))
    observer.remark(room(taken))
    check_room(experiment, taken, None if is_remote(tracking_uri(store)) else ARTIFACTS)
    recorder = experiment.new_recorder()
    session = RunSession.create(
        recorder,
        name or run_name(config),
        store,
        params=config.params(),
        tags={schema.FAMILY_TAG: experiment.family} | dict(tags or {}),
        parent_run_id=parent_run_id,
        **session_options(experiment, observer),
    )
    return go_on(experiment, recorder, session, observer, replicas=replicas)


def session_options(experiment: Experiment, observer: Observer) -> Options:
    """Return a training's session options."""
    optim = experiment.config.optim
    return {
        "due": experiment.checkpoints,
        "observer": observer,
        "figures": optim.figures,
        "models": optim.log_models,
    }


def go_on(
    experiment: Experiment,
    recorder: Recorder,
    session: RunSession,
    observer: Observer,
    stopped: Stopped | None = None,
    *,
    replicas: Replicas = ONE,
) -> RunRecord:
    """Train a run to completion, from the start or from where it was stopped.

    Raises:
        UserError: the store rejects it, or the state does not belong to this run.
        KeyboardInterrupt: stopped; the run ends as KILLED, readable up to its last checkpoint.
    """
    notice = reproducible.notice(experiment)
    if notice:
        observer.notice(notice)
    try:
        with session:
            return _train(experiment, recorder, session, observer, stopped, replicas)
    except KeyboardInterrupt:
        observer.on_stop(session.run_id)
        raise
    except RuntimeError as error:
        if not isinstance(replicas, Distributed) or not is_lost_connection(error):
            raise
        raise_lost(replicas, session.run_id)


def _train(
    experiment: Experiment,
    recorder: Recorder,
    session: RunSession,
    observer: Observer,
    stopped: Stopped | None,
    replicas: Replicas,
) -> RunRecord:
    config, checkpoints = experiment.config, experiment.checkpoints
    keep = config.optim.keep_checkpoints
    state = None if stopped is None else stopped.state["trainer"]
    start_others(replicas, Start(session.run_id, config, state))
    trainer = new_trainer(experiment, replicas)
    if stopped is None:
        _log_inputs(session.writer, experiment)
    else:
        stopped.load(trainer, session)
    done = [e for e in checkpoints if stopped is not None and e < stopped.epoch]
    saver = Saver(
        lambda: session.writer.log_state(encode_state(trainer, recorder, session.seconds)),
        config.optim.save_every,
    )
    trainer.after_step = saver.after_step
    with saver, observer.training(experiment.epochs, len(checkpoints), len(done)):
        for epoch in trainer:
            session.log(epoch.epoch, epoch.metrics())
            session.spend("training", epoch.seconds)
            observer.on_epoch(epoch)
            if not epoch.finite and config.optim.on_nan == "stop":
                raise UserError(_not_finite(epoch, session.steps))
            if session.is_due(epoch.epoch):
                session.measure(trainer.model, epoch.epoch)
                session.drop_weights(outdated(session.steps, keep)[-1:])
            saver.after_epoch(epoch.epoch)
    record = session.finish()
    if keep == "phases":
        session.drop_weights(between_boundaries(session.steps, record.phases))
    return record


def _not_finite(epoch: Epoch, measured: Sequence[int]) -> str:
    at = "" if epoch.bad_step is None else f", step {epoch.bad_step}"
    last = (
        f"the last good checkpoint is epoch {measured[-1]}" if measured else "nothing was measured"
    )
    return (
        f"epoch {epoch.epoch}{at}: the loss is not finite; {last}; "
        "lower `lr`, or keep training with `on_nan continue`"
    )


def run_name(config: TrainConfig) -> str:
    """Return the default name of a run."""
    arch = config.model.arch.partition("_patch")[0]
    data = config.data.dataset.rpartition("/")[2]
    return f"{arch}-{config.optim.opt}-{data}-s{config.optim.seed}"


def _log_inputs(writer: RunWriter, experiment: Experiment) -> None:
    images, data = experiment.images, experiment.config.data
    for context, n in (("train", len(images.train_images)), ("test", len(images.test_images))):
        profile = {"images": n, "shape": list(images.train_images.shape[1:])}
        if context == "train":
            profile |= {"label_noise": known(data.label_noise), "data_seed": data.data_seed}
        writer.log_input(images.name, images.source, context, profile)
