"""Measures checkpoints that another program saved, as one run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
from torch import Tensor, nn

from repdyn.checkpoints import CheckpointSource, from_pairs, load_weights
from repdyn.errors import UserError
from repdyn.measures.inputs import Inputs
from repdyn.measures.settings import MeasureSettings
from repdyn.records import RunRecord
from repdyn.runs.loop import Run, start_run
from repdyn.runs.observer import Observer


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
        observer: receives progress; default: warns of what a checkpoint lacks.

    Returns:
        The run, with phases and scores.

    Raises:
        UserError: a checkpoint cannot be read or is of another architecture, or as for `start_run`.
    """
    found = source if isinstance(source, CheckpointSource) else from_pairs(source)
    model = make_model()
    with ExitStack() as stack:
        run: Run | None = None
        steps = _chosen(found.steps, checkpoints)
        shown = (observer or Observer()).measuring(steps)
        for _, checkpoint in zip(shown, found.only(steps), strict=True):
            load_weights(model, checkpoint, strict=strict)
            if run is None:  # only now: what cannot be loaded leaves no run behind
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
            run.measure(checkpoint.step)
    if run is None or run.record is None:
        raise UserError(f"{found.description}: has no checkpoints")
    return run.record


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
