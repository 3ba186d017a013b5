"""`repdyn train`: train, measure at the checkpoints, log to MLflow, print a summary."""

from __future__ import annotations

from rich.console import Console

from repdyn.checks import MOST_RUN_CHARACTERS, check_setting_text
from repdyn.cli.console import new_console
from repdyn.cli.progress import ConsoleObserver, tell_notice
from repdyn.cli.summary import sum_up
from repdyn.runs.experiment import Experiment, prepare
from repdyn.runs.several import joined
from repdyn.runs.train import train_run
from repdyn.settings.defaults import check_given, short_notice
from repdyn.settings.schema import StoreConfig, TrainConfig
from repdyn.training.replicas import Replicas


def run_training(config: TrainConfig, store: StoreConfig, name: str | None) -> None:
    """Run the whole of `repdyn train`.

    Raises:
        UserError: a setting is invalid; nothing is left behind.
        KeyboardInterrupt: stopped; the run ends as KILLED and stays readable up to its last
            checkpoint.
    """
    with joined() as replicas:
        _run(config, store, name, replicas)


def _run(config: TrainConfig, store: StoreConfig, name: str | None, replicas: Replicas) -> None:
    console = new_console()
    if name is not None:
        check_setting_text("run_name", name, MOST_RUN_CHARACTERS)
    check_given(config)
    observer = ConsoleObserver(console)
    experiment = prepare(config, observer)
    _announce(console, experiment)
    record = train_run(experiment, store, name, observer=observer, replicas=replicas)
    sum_up(console, record, store)


def _announce(console: Console, experiment: Experiment) -> None:
    """Say what is trained, and which settings are defaults."""
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
    tell_notice(console, short_notice(config))
