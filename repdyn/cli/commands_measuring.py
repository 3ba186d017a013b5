"""Commands that train and measure; a command's own modules are imported when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from repdyn.cli.options import (
    RUN,
    CheckpointsOption,
    DataOptions,
    HowOptions,
    MeasureOptions,
    ModelOptions,
    OptimOptions,
    StoreOptions,
    given_pairs,
)
from repdyn.measures.settings import MeasureSettings
from repdyn.settings.schema import (
    DataConfig,
    MeasureConfig,
    ModelConfig,
    OptimConfig,
    StoreConfig,
    TrainConfig,
)

if TYPE_CHECKING:
    from repdyn.runs.ray_tasks import RayTasks

RAY = Annotated[bool | str, Parameter(negative=(), show_default=False)]
"""Without an address, a cluster on this machine."""


def train(
    data: DataOptions | None = None,
    model: ModelOptions | None = None,
    optim: OptimOptions | None = None,
    measure: MeasureOptions | None = None,
    store: StoreOptions | None = None,
    *,
    config: Path | None = None,
    run_name: str | None = None,
    resume: str | None = None,
) -> None:
    """Train a model, measure it at its checkpoints, and log everything to MLflow.

    Args:
        config: YAML file of settings, `name: value`; command-line options override it.
        run_name: name of the run (default: built from architecture, optimizer, data and seed).
        resume: resume this stopped run, with its own settings.
    """
    del config  # read by settings_file
    settings = TrainConfig(
        data=data or DataConfig(),
        model=model or ModelConfig(),
        optim=optim or OptimConfig(),
        measure=measure or MeasureConfig(),
    )
    if resume is not None:
        from repdyn.cli.resume import run_resume

        run_resume(resume, settings, store or StoreConfig())
        return
    from repdyn.cli.train import run_training

    run_training(settings, store or StoreConfig(), run_name)


def analyze(
    run: RUN = "last",
    /,
    measures: MeasureOptions | None = None,
    store: StoreOptions | None = None,
    *,
    in_place: bool = False,
    drs_error: float | None = None,
    ray: RAY = False,
    cpus_per_task: float = 1,
    gpus_per_task: float = 0,
) -> None:
    """Measure a run's saved checkpoints again, with different settings.

    Settings that are not given default to the run's own.

    Args:
        in_place: replace the run's measurements instead of logging them as a nested run.
        drs_error: use only as many of the planes as give decision-region similarity (DRS) this
            standard error in all layers and pairs of checkpoints, judged by the first 60.
        ray: measure checkpoints side by side as Ray tasks, on this machine or the cluster at ADDRESS
            (pip install 'repdyn[ray]').
        cpus_per_task: CPU cores per task on Ray.
        gpus_per_task: GPUs per task on Ray; 0.5 puts two tasks on one GPU.
    """
    from repdyn.cli.analyze import run_analysis

    run_analysis(
        run,
        measures or MeasureConfig(),
        store or StoreConfig(),
        in_place=in_place,
        drs_error=drs_error,
        ray=_tasks(ray, cpus_per_task, gpus_per_task),
    )


def import_(
    path: Annotated[Path, Parameter(help="Folder of the checkpoints.")],
    /,
    settings: HowOptions | None = None,
    store: StoreOptions | None = None,
    *,
    model: str,
    data: str,
    pattern: str | None = None,
    key: str | None = None,
    strip_prefix: str | None = None,
    unit: str | None = None,
    checkpoints: CheckpointsOption = None,
    layers: Annotated[str, Parameter(show_default=False)] = "",
    run_name: str | None = None,
    resume: str | None = None,
    ray: RAY = False,
    cpus_per_task: float = 1,
    gpus_per_task: float = 0,
) -> None:
    """Measure the checkpoints that another program saved, as one run.

    Files are .pt .pth .bin .pth.tar .ckpt .safetensors; nothing in them is unpickled.

    Args:
        model: function that returns the model: package.module:name or file.py:name.
        data: function that returns repdyn.Inputs, or a training and a test set, named likewise.
        pattern: glob, or regular expression with a group (?P<step>...), that selects files.
        key: where the weights are in a file (default: found).
        strip_prefix: prefix of the weights' names to remove, such as model. for Lightning's.
        unit: of the numbers in the names: step or epoch (default: found).
        checkpoints: how many of them, log-spaced, or a list of steps (default: all).
        layers: regular expression that selects layers (default: those of repdyn.watched_layers).
        run_name: name of the run (default: the model's class).
        resume: id of a stopped import to go on with.
        ray: measure checkpoints side by side as Ray tasks, on this machine or the cluster at ADDRESS
            (pip install 'repdyn[ray]').
        cpus_per_task: CPU cores per task on Ray.
        gpus_per_task: GPUs per task on Ray; 0.5 puts two tasks on one GPU.
    """
    from repdyn.cli.importing import run_import

    run_import(
        path,
        model,
        data,
        settings or MeasureSettings(),
        store or StoreConfig(),
        pattern=pattern,
        key=key,
        strip_prefix=strip_prefix,
        unit=unit,
        checkpoints=checkpoints,
        layers=layers,
        run_name=run_name,
        resume=resume,
        ray=_tasks(ray, cpus_per_task, gpus_per_task),
    )


def sweep(
    *settings: Annotated[
        str,
        Parameter(
            allow_leading_hyphen=True,
            show_default=False,
            help="Settings of repdyn train, as --name value or --name value,value: --lr 0.1,0.01.",
        ),
    ],
    preset: str | None = None,
    config: Path | None = None,
    seeds: int | None = None,
    name: str | None = None,
    dry_run: bool = False,
    ray: RAY = False,
    cpus_per_run: float = 1,
    gpus_per_run: float = 0,
    store: StoreOptions | None = None,
) -> None:
    """Train a grid of runs under one parent, and compare them.

    Running the same command again trains only unfinished runs; --seeds may be increased.

    Args:
        preset: digits or fashion-mnist; or paper-cifar10 or paper-tiny-imagenet, with
            decision-region similarity (DRS) at the paper's size.
        config: YAML file of the grid, `name: value` or `name: [value, value]`; options override it.
        seeds: seeds per grid point, counted from 0; also used as data seeds unless --data-seed is
            given.
        name: name of the sweep (default: that of a sweep with the same settings; else the preset's or
            file's name and a digest of the settings).
        dry_run: only list the runs, and whether they are finished.
        ray: train runs in parallel as Ray tasks, on this machine or the cluster at ADDRESS
            (pip install 'repdyn[ray]').
        cpus_per_run: CPU cores per run on Ray.
        gpus_per_run: GPUs per run on Ray; 0.25 puts four runs on one GPU.
    """
    from repdyn.settings.sweep_grid import make_grid

    grid = make_grid(given_pairs(settings), preset=preset, file=config, seeds=seeds)
    from repdyn.cli.sweep import run_sweep
    from repdyn.runs.child import Resources

    run_sweep(
        grid,
        store or StoreConfig(),
        name,
        dry_run=dry_run,
        ray=_address(ray),
        resources=Resources(cpus_per_run, gpus_per_run),
    )


def layers(
    model: ModelOptions | None = None,
    *,
    dataset: str = "digits",
    image_size: int | None = None,
    layers: str = "",
) -> None:
    """List the layers that would be watched, with the shapes of their activations.

    Args:
        dataset: data set that determines image size, channels and defaults.
        image_size: side of the images in pixels (default: the data set's).
        layers: regular expression that selects layers by name.
    """
    from repdyn.cli.layers import list_layers

    list_layers(model or ModelConfig(), dataset, image_size, layers)


def _address(ray: bool | str) -> str | None:
    """Return the address of a Ray cluster, of one on this machine if none is given."""
    return ("local" if ray is True else ray) or None


def _tasks(ray: bool | str, cpus: float, gpus: float) -> RayTasks | None:
    """Return what measures checkpoints on Ray; None if they are measured in this process."""
    from repdyn.runs.ray_tasks import RayTasks

    address = _address(ray)
    return None if address is None else RayTasks(address, cpus, gpus)
