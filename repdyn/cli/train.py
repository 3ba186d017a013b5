"""`repdyn train`: train, measure at the checkpoints, log to MLflow, sum up."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from rich.console import Console
from torch import nn

from repdyn.cli.console import new_console
from repdyn.cli.progress import Progress, tell_notice
from repdyn.errors import UserError
from repdyn.measures.recorder import Recorder
from repdyn.measures.rows import Row
from repdyn.records import ClassArray, Curve, Dynamics, LabelMaps, RunRecord, RunSummary
from repdyn.runs import reproducible
from repdyn.runs.curves import GrowingCurves
from repdyn.runs.experiment import Experiment, prepare
from repdyn.runs.finish import finish, sum_up
from repdyn.runs.footprint import check_room, footprint
from repdyn.runs.readable import check_readable
from repdyn.runs.retention import between_boundaries, outdated
from repdyn.runs.saving import Saver, encode_state
from repdyn.runs.storing import drop_weights, run_tags, store_measurement, store_weights
from repdyn.settings.schema import MOST_RUN_CHARACTERS, StoreConfig, TrainConfig, check_text, known
from repdyn.storage import schema
from repdyn.storage.location import ARTIFACTS, is_remote
from repdyn.storage.store import tracking_uri
from repdyn.storage.writer import RunWriter
from repdyn.training.loop import Epoch, Trainer


@dataclass(frozen=True)
class Stopped:
    """Where a training was stopped.

    Attributes:
        state: what was saved.
        dynamics: what had been measured by then.
        checkpoints: rows and label maps of its epochs, read one after the other.
        curves: what had been logged; what comes after the state is logged again.
    """

    state: dict[str, Any]
    dynamics: Dynamics
    checkpoints: Iterable[tuple[Sequence[Row], LabelMaps]]
    curves: Mapping[str, Curve]

    @property
    def epoch(self) -> int:
        """The first epoch that is not done."""
        return int(self.state["trainer"]["epoch"])

    def load(self, trainer: Trainer, recorder: Recorder) -> list[LabelMaps]:
        """Set a trainer and a recorder to where they were; returns the label maps there are.

        Raises:
            UserError: they are not those of the run.
        """
        taken: list[LabelMaps] = []

        def each() -> Iterator[tuple[Sequence[Row], ClassArray]]:
            for rows, maps in self.checkpoints:
                taken.append(maps)
                yield rows, maps.maps

        try:
            trainer.load_state(self.state["trainer"])
            recorder.load_state(self.state["recorder"], self.dynamics, each())
        except (AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise UserError(
                f"{schema.LAST_STATE}: is not the state of this run ({reason}); train it anew"
            ) from error
        return taken


def run_training(config: TrainConfig, store: StoreConfig, name: str | None) -> None:
    """Run the whole of `repdyn train`.

    Raises:
        UserError: a setting that cannot be met; nothing is left behind.
        KeyboardInterrupt: stopped; the run ends as KILLED and stays readable up to its last
            checkpoint.
    """
    console = new_console()
    if name is not None:
        check_text("--run-name", name, MOST_RUN_CHARACTERS)
    experiment = prepare(config)
    _announce(console, experiment)
    sum_up(console, train_run(console, experiment, store, name), store)


def train_run(
    console: Console,
    experiment: Experiment,
    store: StoreConfig,
    name: str | None = None,
    *,
    tags: Mapping[str, str] | None = None,
    parent_run_id: str | None = None,
) -> RunRecord:
    """Train one run and log it.

    Args:
        console: shows the progress.
        experiment: what is run.
        store: where it is logged.
        name: of the run (default: from its settings).
        tags: set beside repdyn's own.
        parent_run_id: of the sweep that the run belongs to.

    Raises:
        UserError: the store refuses, the disk or the memory is too small, or the run's files would
            be larger than a reader takes.
        KeyboardInterrupt: as in `run_training`.
    """
    config = experiment.config
    taken = footprint(experiment)
    check_readable(experiment, taken, len(experiment.checkpoints))
    folder = None if is_remote(tracking_uri(store)) else ARTIFACTS
    check_room(console, experiment, taken, folder)
    writer = RunWriter.start(
        store,
        name or run_name(config),
        config.params(),
        run_tags(experiment) | dict(tags or {}),
        parent_run_id=parent_run_id,
    )
    return go_on(console, experiment, writer)


def go_on(
    console: Console,
    experiment: Experiment,
    writer: RunWriter,
    stopped: Stopped | None = None,
) -> RunRecord:
    """Train a run to its end, from the start or from where it was stopped.

    Raises:
        UserError: the store refuses, or the state is not that of this run.
        KeyboardInterrupt: stopped; the run ends as KILLED, readable up to its last checkpoint.
    """
    tell_notice(console, reproducible.notice(experiment))
    try:
        with writer:
            return _train(console, experiment, writer, writer.summary, stopped)
    except KeyboardInterrupt:
        short = writer.run_id[:8]
        console.print(
            f"\nStopped. Run {short} keeps everything up to its last checkpoint: repdyn show {short}"
            f"\nGo on with it: repdyn train --resume {short}",
            highlight=False,
            soft_wrap=True,
        )
        raise


def _train(
    console: Console,
    experiment: Experiment,
    writer: RunWriter,
    run: RunSummary,
    stopped: Stopped | None,
) -> RunRecord:
    config = experiment.config
    recorder = experiment.new_recorder()
    torch.manual_seed(config.optim.seed)
    model = experiment.new_model()
    trainer = Trainer(
        model,
        experiment.data,
        config.optim,
        epochs=experiment.epochs,
        batch_size=experiment.batch_size,
        augment=config.data.augment,
    )
    seconds: dict[str, float] = {}
    maps: list[LabelMaps] = []
    planes = experiment.plane_set(recorder)
    curves = GrowingCurves({} if stopped is None else stopped.curves)
    if stopped is None:
        _log_inputs(writer, experiment)
        writer.log_planes(planes)
    else:
        maps += stopped.load(trainer, recorder)
        seconds |= stopped.state["seconds"]
    done = [e for e in experiment.checkpoints if stopped is not None and e < stopped.epoch]
    saver = Saver(
        lambda: writer.log_state(encode_state(trainer, recorder, seconds)), config.optim.save_every
    )
    trainer.after_step = saver.after_step
    with saver, Progress(console, experiment.epochs, len(experiment.checkpoints)) as progress:
        progress.start_at(len(done))
        for epoch in trainer:
            writer.log_metrics(epoch.epoch, epoch.metrics())
            curves.add(epoch.epoch, epoch.metrics())
            seconds["training"] = seconds.get("training", 0.0) + epoch.seconds
            progress.epoch(epoch)
            if not epoch.finite and config.optim.on_nan == "stop":
                raise UserError(_not_finite(epoch, recorder.epochs))
            if epoch.epoch in experiment.checkpoints:
                maps.append(_measure(writer, recorder, model, epoch, progress, seconds))
                drop_weights(writer, outdated(recorder.epochs, config.optim.keep_checkpoints)[-1:])
            saver.after_epoch(epoch.epoch)
    record = finish(writer, run, recorder.dynamics, curves.curves(), planes, maps, seconds)
    if config.optim.keep_checkpoints == "phases":
        drop_weights(writer, between_boundaries(recorder.epochs, record.phases))
    return record


def _measure(
    writer: RunWriter,
    recorder: Recorder,
    model: nn.Module,
    epoch: Epoch,
    progress: Progress,
    seconds: dict[str, float],
) -> LabelMaps:
    """Measure and store a checkpoint; returns its label maps, adds the seconds spent, by part."""
    start = time.perf_counter()
    measurement = recorder.measure(model, epoch.epoch)
    for part, spent in measurement.seconds.items():
        seconds[part] = seconds.get(part, 0.0) + spent
    writing = time.perf_counter()
    not_finite = store_weights(writer, model, epoch.epoch)
    store_measurement(writer, measurement)
    writer.log_dynamics(recorder.dynamics)
    seconds["writing"] = seconds.get("writing", 0.0) + time.perf_counter() - writing
    progress.measured(epoch, time.perf_counter() - start)
    progress.undefined(measurement)
    progress.not_finite(epoch.epoch, not_finite)
    return measurement.label_maps


def _not_finite(epoch: Epoch, measured: Sequence[int]) -> str:
    at = "" if epoch.bad_step is None else f", step {epoch.bad_step}"
    last = (
        f"the last good checkpoint is epoch {measured[-1]}" if measured else "nothing is measured"
    )
    return (
        f"epoch {epoch.epoch}{at}: the loss is not finite; {last}; "
        "lower --lr, or train on with --on-nan continue"
    )


def run_name(config: TrainConfig) -> str:
    """Return what a run is called where nobody names it."""
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


def _announce(console: Console, experiment: Experiment) -> None:
    """Say what is trained, and which settings nobody gave."""
    config, images = experiment.config, experiment.images
    _, channels, h, w = images.train_images.shape
    noisy = int(images.noisy.sum())
    console.print(
        f"{config.model.arch} by {config.optim.opt} on {images.name}: "
        f"{len(images.train_images)} training images {h}×{w}×{channels} "
        f"({noisy} with a flipped label), {len(images.test_images)} test images; "
        f"{len(experiment.layers)} watched layers, {len(experiment.checkpoints)} checkpoints, "
        f"on {experiment.device}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    brought = ", ".join(
        f"{name.replace('_', '-')} {' '.join(value) if isinstance(value, tuple) else f'{value:g}'}"
        for name, value in experiment.brought.items()
    )
    console.print(
        f"defaults: {brought}", highlight=False, markup=False, soft_wrap=True, style="dim"
    )
    tell_notice(console, experiment.notice)
