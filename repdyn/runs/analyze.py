"""Measures a run's saved checkpoints again, with different settings."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from torch import nn

from repdyn.display.wording import plain, trained_here
from repdyn.errors import SettingError, UserError
from repdyn.evenly import evenly
from repdyn.own_runs import PARENT_TAG
from repdyn.records import Curve, RunRecord, RunSummary
from repdyn.runs.enough_planes import check_drs_error, with_enough_planes
from repdyn.runs.experiment import Experiment, prepare
from repdyn.runs.footprint import footprint
from repdyn.runs.observer import Observer
from repdyn.runs.ray_tasks import RayTasks, connected
from repdyn.runs.readable import check_readable
from repdyn.runs.session import Options, RunSession
from repdyn.settings.schema import MeasureConfig, StoreConfig
from repdyn.settings.text import from_params
from repdyn.storage import schema
from repdyn.storage.reader import load_curves, load_weights, metric_names, saved_epochs
from repdyn.storage.search import find_run
from repdyn.storage.writer import RunWriter

Saved = tuple[int, bytes]
"""An epoch, and the weights that were saved after it."""


def analyze_run(
    run: str,
    measures: MeasureConfig,
    store: StoreConfig,
    *,
    in_place: bool = False,
    drs_error: float | None = None,
    ray: RayTasks | None = None,
    observer: Observer | None = None,
) -> RunRecord:
    """Measure a run's saved checkpoints again.

    Args:
        run: as for `find_run`.
        measures: settings to measure with.
        store: where the run is.
        in_place: replace the run's measurements instead of logging them as a nested run.
        drs_error: use only as many of the planes as give decision-region similarity this standard
            error; see enough_planes.py.
        ray: measures the checkpoints side by side.
        observer: receives progress.

    Raises:
        UserError: there is no such run, it has no checkpoints, or a setting is invalid.
    """
    observer = observer or Observer()
    summary = find_run(store, run)
    trained = _run_with_weights(summary, store)
    if in_place and summary.status == "RUNNING":
        raise UserError(f"{summary.name}: is still running; omit `in_place`")
    if schema.FAMILY_TAG not in trained.tags and not trained_here(trained):
        raise UserError(
            f"{plain(trained.name)} ({trained.run_id[:8]}): was not trained by repdyn train, so that its "
            "model is not known; measure its weights with repdyn.measure_checkpoints"
        )
    config = from_params(summary.params)
    # weights of the run's own checkpoints may be gone (keep_checkpoints)
    own = measures.checkpoints == config.measure.checkpoints
    experiment = prepare(replace(config, measure=measures), observer)
    stored = saved_epochs(store, trained.run_id)
    epochs = chosen_epochs(stored, None if own else measures.checkpoints)
    check_readable(experiment, footprint(experiment), len(epochs))
    if experiment.notice:
        observer.notice(experiment.notice)

    def saved_weights() -> Iterator[tuple[int, Saved]]:
        for epoch in epochs:
            yield epoch, (epoch, load_weights(store, trained.run_id, epoch))

    def loaded() -> Iterator[tuple[int, nn.Module]]:
        model = experiment.new_model()
        for _, (epoch, saved) in zip(observer.measuring(epochs), saved_weights(), strict=True):
            _load(model, saved)
            yield epoch, model

    if drs_error is not None:
        check_drs_error(experiment, drs_error)
        experiment = with_enough_planes(experiment, drs_error, loaded(), observer)
    curves = load_curves(store, trained, metric_names(trained))
    recorder = experiment.new_recorder()
    options: Options = {
        "observer": observer,
        "keeps_weights": False,
        "replaces_at_end": True,
    }
    with ExitStack() as stack:
        # first: without a cluster there is no run
        cluster = None if ray is None else stack.enter_context(connected(ray))
        if in_place:
            options |= {"curves": curves, "trains": False}
            session = RunSession.attach(recorder, summary.run_id, store, **options)
        else:
            session = RunSession.create(
                recorder,
                f"{trained.name}-analysis",
                store,
                params=experiment.config.params(),
                tags={schema.FAMILY_TAG: experiment.family},
                parent_run_id=trained.run_id,
                **options,
            )
        stack.enter_context(session)
        if in_place:
            _log_new_settings(session.writer, experiment)
        else:
            _copy_curves(session, curves)
        if cluster is None:
            for epoch, model in loaded():
                session.measure(model, epoch)
        else:
            found = cluster.measured(experiment.new_model(), _load, recorder, saved_weights())
            for _, one in zip(observer.measuring(epochs), found, strict=True):
                session.add(one.observed, one.device)
        return session.finish(find_run(store, session.run_id))


def chosen_epochs(saved: Sequence[int], wanted: int | tuple[int, ...] | None) -> list[int]:
    """Return which of the saved checkpoints to measure: the listed ones, or that many of them.

    Raises:
        UserError: a listed one was not saved.
    """
    if isinstance(wanted, tuple):
        missing = [epoch for epoch in wanted if epoch not in saved]
        if missing:
            listed = ", ".join(map(str, saved))
            raise SettingError(
                "checkpoints", missing[0], f"was not saved; saved epochs are {listed}"
            )
        return sorted(set(wanted))
    if wanted is None or wanted >= len(saved):
        return list(saved)
    return [saved[i] for i in evenly(len(saved), wanted)]


def _run_with_weights(summary: RunSummary, store: StoreConfig) -> RunSummary:
    """Return the run itself, or, for an analysis, the run that was analysed."""
    if saved_epochs(store, summary.run_id):
        return summary
    parent = summary.tags.get(PARENT_TAG)
    if parent is None:
        raise UserError(f"{summary.name} ({summary.run_id[:8]}): has no saved checkpoints")
    return _run_with_weights(find_run(store, parent), store)


def _load(model: nn.Module, saved: Saved) -> None:
    epoch, content = saved
    try:
        weights = load_tensors(content)
        model.load_state_dict(weights)
    except (SafetensorError, RuntimeError, KeyError, ValueError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0][:200]
        path = schema.checkpoint_path(epoch)
        raise UserError(f"{path}: does not match this model ({first})") from None
    if not all(torch.isfinite(t).all() for t in weights.values() if t.is_floating_point()):
        raise UserError(f"{schema.checkpoint_path(epoch)}: contains weights that are not finite")


def _log_new_settings(writer: RunWriter, experiment: Experiment) -> None:
    """Record the settings in a tag: MLflow's params cannot be changed."""
    params = experiment.config.params()
    names = [field.name for field in dataclasses.fields(MeasureConfig)]
    writer.set_tag(schema.MEASURES_TAG, json.dumps({name: params[name] for name in names}))


def _copy_curves(session: RunSession, curves: Mapping[str, Curve]) -> None:
    for name, curve in curves.items():
        for epoch, value in zip(curve.steps.tolist(), curve.values.tolist(), strict=True):
            session.log(epoch, {name: value})
