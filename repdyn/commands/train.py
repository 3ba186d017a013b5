"""`repdyn train`: train, measure at the checkpoints, log to MLflow, sum up."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType

import torch
from rich.console import Console

from repdyn.commands.finish import finish, sum_up
from repdyn.commands.progress import Progress
from repdyn.commands.storing import run_tags, store_measurement, store_weights
from repdyn.config import StoreConfig, TrainConfig, known
from repdyn.experiment import Experiment, prepare
from repdyn.records import RunRecord
from repdyn.tracking.writer import RunWriter
from repdyn.training import train


def run_training(config: TrainConfig, store: StoreConfig, name: str | None) -> None:
    """Run the whole of `repdyn train`.

    Raises:
        UserError: a setting that cannot be met; nothing is left behind.
        KeyboardInterrupt: stopped; the run ends as KILLED and stays readable up to its last
            checkpoint.
    """
    console = Console()
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
        UserError: the store refuses.
        KeyboardInterrupt: as in `run_training`.
    """
    config = experiment.config
    with _sigterm_as_interrupt():
        writer = RunWriter.start(
            store,
            name or run_name(config),
            config.params(),
            run_tags(experiment) | dict(tags or {}),
            parent_run_id=parent_run_id,
        )
        try:
            with writer:
                return _train(console, experiment, writer, store)
        except KeyboardInterrupt:
            console.print(
                f"\nStopped. Run {writer.run_id[:8]} keeps everything up to its last checkpoint: "
                f"repdyn show {writer.run_id[:8]}",
                highlight=False,
                soft_wrap=True,
            )
            raise


def _train(
    console: Console, experiment: Experiment, writer: RunWriter, store: StoreConfig
) -> RunRecord:
    recorder = experiment.new_recorder()
    config = experiment.config
    _log_inputs(writer, experiment)
    writer.log_planes(experiment.plane_set(recorder))
    torch.manual_seed(config.optim.seed)
    model = experiment.new_model()
    seconds: dict[str, float] = {}
    epochs = train(
        model,
        experiment.data,
        config.optim,
        epochs=experiment.epochs,
        batch_size=experiment.batch_size,
        augment=config.data.augment,
    )
    with Progress(console, experiment.epochs, len(experiment.checkpoints)) as progress:
        for epoch in epochs:
            writer.log_metrics(epoch.epoch, epoch.metrics())
            seconds["training"] = seconds.get("training", 0.0) + epoch.seconds
            progress.epoch(epoch)
            if epoch.epoch in experiment.checkpoints:
                start = time.perf_counter()
                measurement = recorder.measure(model, epoch.epoch)
                for part, spent in measurement.seconds.items():
                    seconds[part] = seconds.get(part, 0.0) + spent
                writing = time.perf_counter()
                store_weights(writer, model, epoch.epoch)
                store_measurement(writer, measurement)
                writer.log_dynamics(recorder.dynamics)
                seconds["writing"] = seconds.get("writing", 0.0) + time.perf_counter() - writing
                progress.measured(epoch, time.perf_counter() - start)
    return finish(writer, store, seconds)


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


@contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    """Let SIGTERM stop the run as Ctrl-C does."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
