"""`repdyn train --resume`: go on with a run that was stopped."""

from __future__ import annotations

from dataclasses import replace

from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from rich.console import Console

from repdyn.cli.console import new_console
from repdyn.cli.train import Stopped, go_on
from repdyn.display.wording import plain
from repdyn.errors import UserError
from repdyn.measures.rows import Row
from repdyn.records import Dynamics, LabelMaps, RunRecord, RunSummary
from repdyn.runs.experiment import prepare
from repdyn.runs.finish import sum_up
from repdyn.runs.ownership import claimed
from repdyn.runs.saving import decode_state
from repdyn.runs.state_check import check_state
from repdyn.settings.schema import StoreConfig, TrainConfig, from_params
from repdyn.settings.sweep_grid import PLACES
from repdyn.storage import schema
from repdyn.storage.delivery.drain import drain_run
from repdyn.storage.reader import find_run, load_label_maps, load_rows, load_run, load_state
from repdyn.storage.writer import RunWriter


def run_resume(text: str, given: TrainConfig, store: StoreConfig) -> None:
    """Run the whole of `repdyn train --resume`.

    Args:
        text: which run, as for `find_run`.
        given: settings beside --resume; only those of PLACES may be others than the defaults.
        store: where the run is.

    Raises:
        UserError: there is no such run, it is being trained, has no saved state, or other settings
            were given.
        KeyboardInterrupt: stopped again.
    """
    console = new_console()
    found = find_run(store, text)
    if schema.SWEEP_TAG in found.tags:
        raise UserError(f"{text}: is a sweep; the repdyn sweep that started it goes on with it")
    drain_run(found.run_id, store)
    with claimed(store, found.run_id) as run:
        if run.status == "FINISHED":
            console.print(
                f"{plain(run.name)} is finished; there is nothing to do",
                highlight=False,
                markup=False,
            )
            return
        config = _with_places(from_params(run.params), given)
        stopped = load_stopped(run, store)
        if stopped is None and not may_start_again(run):
            raise UserError(
                f"{run.name} ({run.run_id[:8]}): has no saved state and not all settings of a "
                "training; train it anew"
            )
        record = resume(console, run, config, stopped, store)
    sum_up(console, record, store)


def may_start_again(run: RunSummary) -> bool:
    """Say whether a run that has saved no state can be trained from its start.

    It cannot if it was stopped before all its settings were logged, or if it is an analysis.
    """
    tags = run.tags.keys()
    trained = schema.SCHEMA_TAG in tags and (
        MLFLOW_PARENT_RUN_ID not in tags or schema.POINT_TAG in tags
    )
    return trained and TrainConfig().params().keys() <= run.params.keys()


def resume(
    console: Console,
    run: RunSummary,
    config: TrainConfig,
    stopped: Stopped | None,
    store: StoreConfig,
) -> RunRecord:
    """Train a stopped run, which is claimed, to its end.

    Args:
        stopped: where to go on; None to start again.

    Raises:
        UserError: the state is not that of this run, or the store refuses.
        KeyboardInterrupt: stopped again.
    """
    experiment = prepare(config)
    if stopped is not None:
        check_state(stopped.state, experiment)
    how = (
        "starts again: it was stopped before its state was saved"
        if stopped is None
        else f"goes on in epoch {stopped.epoch} of {experiment.epochs}"
    )
    console.print(
        f"{plain(run.name)} ({run.run_id[:8]}) {how}", highlight=False, markup=False, soft_wrap=True
    )
    return go_on(console, experiment, RunWriter.reopen(store, run.run_id), stopped)


def load_stopped(run: RunSummary, store: StoreConfig) -> Stopped | None:
    """Return where a run was stopped; None if its state was never saved.

    Raises:
        UserError: what it stored is damaged.
    """
    content = load_state(store, run.run_id)
    if content is None:
        return None
    state = decode_state(content)
    record = load_run(store, run.run_id)
    if record.dynamics is None:
        raise UserError(f"{run.name}: has a saved state but no checkpoint; train it anew")
    dynamics = _before(record.dynamics, int(state["trainer"]["epoch"]))
    checkpoints = (_checkpoint(store, run, int(epoch)) for epoch in dynamics.epochs)
    return Stopped(state, dynamics, checkpoints, record.curves)


def _checkpoint(store: StoreConfig, run: RunSummary, epoch: int) -> tuple[list[Row], LabelMaps]:
    rows = list(load_rows(store, run.run_id, epoch))
    return rows, load_label_maps(store, run.run_id, epoch)


def _before(dynamics: Dynamics, epoch: int) -> Dynamics:
    """Return what was measured before an epoch: what follows is measured again."""
    e = int((dynamics.epochs < epoch).sum())
    return replace(
        dynamics,
        epochs=dynamics.epochs[:e],
        cka=dynamics.cka[:, :e, :e],
        regions=dynamics.regions[:, :e, :e],
        output_regions=dynamics.output_regions[:e, :e],
        probe_acc=dynamics.probe_acc[:, :e],
        fragmentation=dynamics.fragmentation[:, :e],
        areas=dynamics.areas[:, :e],
    )


def _with_places(config: TrainConfig, given: TrainConfig) -> TrainConfig:
    """Return a run's settings with the given ones that do not change what is computed."""
    default = dict(TrainConfig().settings())
    changed = {name: value for name, value in given.settings() if value != default[name]}
    others = sorted(changed.keys() - PLACES)
    if others:
        raise UserError(
            f"--{others[0].replace('_', '-')}: a run goes on with its own settings; "
            "leave this away, or train a new run"
        )
    data = {name: changed[name] for name in changed.keys() & {"data_dir"}}
    optim = {name: changed[name] for name in changed.keys() - {"data_dir"}}
    return replace(config, data=replace(config.data, **data), optim=replace(config.optim, **optim))
