"""Measures checkpoints that another program saved, as one run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor, nn

from repdyn.checkpoints import Checkpoint, CheckpointSource, from_pairs, load_weights
from repdyn.errors import UserError
from repdyn.measures.inputs import Inputs
from repdyn.measures.settings import MeasureSettings
from repdyn.records import RunRecord
from repdyn.runs.loop import Run, start_run
from repdyn.runs.observer import Observer
from repdyn.runs.ray_tasks import RayTasks, connected

if TYPE_CHECKING:
    from repdyn.runs.ray_measuring import Cluster


def measure_checkpoints(
    source: CheckpointSource | Sequence[tuple[int, Mapping[str, Tensor]]],
    make_model: Callable[[], nn.Module],
    inputs: Inputs,
    *,
    checkpoints: int | Sequence[int] | None = None,
    run_name: str | None = None,
    run_id: str | None = None,
    params: Mapping[str, Any] | None = None,
    layers: str | Sequence[str] = "",
    settings: MeasureSettings | None = None,
    save_weights: bool = False,
    strict: bool = True,
    tracking_uri: str | None = None,
    experiment: str | None = None,
    ray: RayTasks | None = None,
    observer: Observer | None = None,
) -> RunRecord:
    """Measure checkpoints into an MLflow run, joined or created as by `start_run`.

    For example::

        source = repdyn.checkpoints.from_folder("output")
        record = repdyn.measure_checkpoints(source, make_model, inputs)

    Args:
        source: from `repdyn.checkpoints`, or a list of pairs of a step and a
            state_dict.
        make_model: returns the model that the weights are loaded into, on the device to measure on.
        inputs: what it is measured on.
        checkpoints: how many of them, log-spaced, or which steps; default: all.
        run_name: of a run that is created; default: the model's class.
        run_id: of a stopped run to go on with.
        params: logged as MLflow's params, with the source's description as `checkpoints`.
        layers, settings, save_weights, tracking_uri, experiment: as for `start_run`.
        strict: whether missing and unexpected weights are an error.
        ray: measures the checkpoints side by side.
        observer: receives progress; default: warns of what a checkpoint lacks.

    Returns:
        The run, with phases and scores.

    Raises:
        UserError: a checkpoint cannot be read or is of another architecture, or as for `start_run`.
    """
    found = source if isinstance(source, CheckpointSource) else from_pairs(source)
    model = make_model()
    with ExitStack() as stack:
        steps = _chosen(found.steps, checkpoints)
        remaining = iter(found.only(steps))
        first = next(remaining, None)
        if first is None:
            raise UserError(f"{found.description}: has no checkpoints")
        load_weights(model, first, strict=strict)  # what cannot be loaded leaves no run behind
        cluster = None if ray is None else stack.enter_context(connected(ray))
        run = stack.enter_context(
            start_run(
                model,
                inputs,
                run_name=run_name,
                run_id=run_id,
                params={"checkpoints": found.description, **(params or {})},
                layers=layers,
                settings=settings,
                save_weights=save_weights,
                unit=found.unit,
                on_error="raise",
                tracking_uri=tracking_uri,
                experiment=experiment,
                observer=observer,
            )
        )
        for step, metrics in found.metrics.items():
            run.log(metrics, step)
        shown = (observer or Observer()).measuring(steps)
        each = chain([first], remaining)
        load = partial(load_weights, strict=strict)
        if cluster is None:
            for _, checkpoint in zip(shown, each, strict=True):
                load(model, checkpoint)
                run.measure(checkpoint.step)
        else:
            _measure_elsewhere(cluster, run, model, load, each, shown, save_weights=save_weights)
    if run.record is None:
        raise UserError(f"{found.description}: was measured by another process")
    return run.record


def _measure_elsewhere(
    cluster: Cluster,
    run: Run,
    model: nn.Module,
    load: Callable[[nn.Module, Checkpoint], None],
    checkpoints: Iterable[Checkpoint],
    shown: Iterable[int],
    *,
    save_weights: bool,
) -> None:
    """Have a cluster measure the checkpoints that are due, and add them to the run in their order."""
    waiting: dict[int, Checkpoint] = {}

    def due() -> Iterator[tuple[int, Checkpoint]]:
        for checkpoint in checkpoints:
            if run.is_due(checkpoint.step):
                # in memory: the weights may be mapped from a file that workers lack
                weights = {name: weight.clone() for name, weight in checkpoint.weights.items()}
                if save_weights:
                    waiting[checkpoint.step] = replace(checkpoint, weights=weights)
                yield checkpoint.step, replace(checkpoint, weights=weights)

    if run.recorder is None:
        return
    found = cluster.measured(model, load, run.recorder, due())
    for step in shown:
        if run.is_due(step):
            one = next(found)
            if save_weights:
                load(model, waiting.pop(step))
            run.add_observed(one.observed, one.device)


def _chosen(steps: Sequence[int], wanted: int | Sequence[int] | None) -> Sequence[int]:
    """Return which of the steps to measure: those listed, or that many, evenly in ln(1 + step)."""
    if wanted is None:
        return steps
    if not isinstance(wanted, int):
        return sorted({int(step) for step in wanted})
    if wanted < 2:
        raise UserError(f"checkpoints {wanted}: must be at least 2, or a list of steps")
    if wanted >= len(steps):
        return steps
    places = np.log1p(steps)
    chosen: list[int] = []
    for i, place in enumerate(np.linspace(places[0], places[-1], wanted)):
        free, latest = (chosen[-1] + 1 if chosen else 0), len(steps) - (wanted - i)
        chosen.append(min(max(int(np.abs(places - place).argmin()), free), latest))
    return [steps[i] for i in chosen]
