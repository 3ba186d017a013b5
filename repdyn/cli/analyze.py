"""`repdyn analyze`: measure a run's saved checkpoints again, with other settings."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from torch import nn

from repdyn.cli.console import new_console
from repdyn.cli.progress import tell_notice, tell_undefined
from repdyn.errors import UserError
from repdyn.measures.recorder import Recorder
from repdyn.records import Curve, LabelMaps, RunSummary
from repdyn.runs.experiment import Experiment, prepare
from repdyn.runs.finish import finish, sum_up
from repdyn.runs.footprint import footprint
from repdyn.runs.readable import check_readable
from repdyn.runs.storing import run_tags, store_measurement
from repdyn.settings.schema import MeasureConfig, StoreConfig, from_params
from repdyn.storage import codec, schema
from repdyn.storage.reader import find_run, load_curves, load_weights, saved_epochs
from repdyn.storage.writer import RunWriter

PARENT_TAG = "mlflow.parentRunId"


def run_analysis(run: str, measures: MeasureConfig, store: StoreConfig, *, in_place: bool) -> None:
    """Run the whole of `repdyn analyze`.

    Raises:
        UserError: there is no such run, it has no checkpoints, or a setting cannot be met.
    """
    console = new_console()
    summary = find_run(store, run)
    trained = _run_with_weights(summary, store)
    if in_place and summary.status == "RUNNING":
        raise UserError(f"{summary.name}: is still running; leave --in-place away")
    config = from_params(summary.params)
    # weights of the run's own checkpoints may be gone (--keep-checkpoints)
    own = measures.checkpoints == config.measure.checkpoints
    config = replace(config, measure=measures)
    experiment = prepare(config)
    saved = saved_epochs(store, trained.run_id)
    epochs = chosen_epochs(saved, None if own else measures.checkpoints)
    check_readable(experiment, footprint(experiment), len(epochs))
    tell_notice(console, experiment.notice)
    if in_place:
        writer = RunWriter.resume(store, summary.run_id)
    else:
        writer = RunWriter.start(
            store,
            f"{trained.name}-analysis",
            experiment.config.params(),
            run_tags(experiment),
            parent_run_id=trained.run_id,
        )
    with writer:
        curves = load_curves(store, trained)
        if in_place:
            _log_new_settings(writer, experiment)
        else:
            _copy_curves(writer, curves)
        recorder = experiment.new_recorder()
        planes = experiment.plane_set(recorder)
        writer.log_planes(planes)
        maps, seconds = _measure(
            console, experiment.new_model(), recorder, writer, store, trained.run_id, epochs
        )
        began = find_run(store, writer.run_id)
        record = finish(writer, began, recorder.dynamics, curves, planes, maps, seconds)
    sum_up(console, record, store)


def chosen_epochs(saved: Sequence[int], wanted: int | tuple[int, ...] | None) -> list[int]:
    """Return which of the saved checkpoints to measure: the listed ones, or that many of them.

    Raises:
        UserError: a listed one was not saved.
    """
    if isinstance(wanted, tuple):
        missing = [epoch for epoch in wanted if epoch not in saved]
        if missing:
            listed = ", ".join(map(str, saved))
            raise UserError(f"--checkpoints {missing[0]}: was not saved; there are {listed}")
        return sorted(set(wanted))
    if wanted is None or wanted >= len(saved):
        return list(saved)
    places = np.unique(np.linspace(0, len(saved) - 1, wanted).round().astype(int))
    return [saved[i] for i in places]


def _run_with_weights(summary: RunSummary, store: StoreConfig) -> RunSummary:
    """Return the run itself, or of an analysis the run that was analysed."""
    if saved_epochs(store, summary.run_id):
        return summary
    parent = summary.tags.get(PARENT_TAG)
    if parent is None:
        raise UserError(f"{summary.name} ({summary.run_id[:8]}): has no saved checkpoints")
    return _run_with_weights(find_run(store, parent), store)


def _measure(
    console: Console,
    model: nn.Module,
    recorder: Recorder,
    writer: RunWriter,
    store: StoreConfig,
    trained: str,
    epochs: Sequence[int],
) -> tuple[list[LabelMaps], dict[str, float]]:
    """Measure the checkpoints; returns their label maps, and the seconds spent, by part."""
    maps: list[LabelMaps] = []
    seconds: dict[str, float] = {}
    shown = track(
        epochs, "measuring", console=console, disable=not console.is_terminal, transient=True
    )
    for epoch in shown:
        start = time.perf_counter()
        _load(model, load_weights(store, trained, epoch), epoch)
        measurement = recorder.measure(model, epoch)
        store_measurement(writer, measurement)
        maps.append(measurement.label_maps)
        writer.log_metrics(epoch, codec.layer_metrics(recorder.dynamics))
        for part, spent in measurement.seconds.items():
            seconds[part] = seconds.get(part, 0.0) + spent
        tell_undefined(console, measurement)
        if not console.is_terminal:
            spent = time.perf_counter() - start
            console.print(f"epoch {epoch} measured in {spent:.1f} s", highlight=False)
    writer.log_dynamics(recorder.dynamics)
    return maps, seconds


def _load(model: nn.Module, content: bytes, epoch: int) -> None:
    try:
        weights = load_tensors(content)
        model.load_state_dict(weights)
    except (SafetensorError, RuntimeError, KeyError, ValueError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0][:200]
        path = schema.checkpoint_path(epoch)
        raise UserError(f"{path}: not the weights of this model ({first})") from None
    if not all(torch.isfinite(t).all() for t in weights.values() if t.is_floating_point()):
        raise UserError(f"{schema.checkpoint_path(epoch)}: holds weights that are not finite")


def _log_new_settings(writer: RunWriter, experiment: Experiment) -> None:
    """Note the settings in a tag: MLflow's params cannot change."""
    params = experiment.config.params()
    names = [field.name for field in dataclasses.fields(MeasureConfig)]
    writer.set_tag(schema.MEASURES_TAG, json.dumps({name: params[name] for name in names}))
    writer.set_tag(schema.LAYERS_TAG, str(len(experiment.layers)))


def _copy_curves(writer: RunWriter, curves: dict[str, Curve]) -> None:
    for name, curve in curves.items():
        for epoch, value in zip(curve.epochs.tolist(), curve.values.tolist(), strict=True):
            writer.log_metrics(epoch, {name: value})
