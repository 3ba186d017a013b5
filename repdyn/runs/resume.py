"""Resumes a stopped training."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from repdyn.display.wording import going_on, plain, trained_here
from repdyn.errors import SettingError, UserError
from repdyn.own_runs import PARENT_TAG
from repdyn.records import RunRecord, RunSummary
from repdyn.runs.experiment import prepare
from repdyn.runs.observer import Observer
from repdyn.runs.ownership import claimed
from repdyn.runs.past import load_past
from repdyn.runs.saving import decode_state
from repdyn.runs.session import RunSession
from repdyn.runs.state_check import check_state
from repdyn.runs.train import Stopped, go_on, session_options
from repdyn.settings.schema import StoreConfig, TrainConfig
from repdyn.settings.sweep_grid import PLACES
from repdyn.settings.text import from_params
from repdyn.storage import schema
from repdyn.storage.delivery.drain import drain_run
from repdyn.storage.reader import load_state
from repdyn.storage.search import find_run
from repdyn.training.replicas import ONE, Replicas

EPS = "eps"
_NOT_OURS = "was not trained by repdyn train; resume it in its own loop"


def resume_stopped(
    text: str,
    given: TrainConfig,
    store: StoreConfig,
    observer: Observer,
    replicas: Replicas = ONE,
) -> tuple[RunSummary, RunRecord | None]:
    """Find a stopped run, claim it, and finish training it.

    Args:
        text: which run, as for `find_run`.
        given: the user's settings; only those in PLACES may differ from the defaults.
        store: where the run is.
        observer: receives progress.
        replicas: the processes that train it together, perhaps others than before.

    Returns:
        The run as it was found, and the finished run; None if it was already finished.

    Raises:
        UserError: there is no such run, it is being trained, it has no saved state, or different
            settings were given.
        KeyboardInterrupt: stopped again.
    """
    found = find_run(store, text)
    if schema.SWEEP_TAG in found.tags:
        raise UserError(
            f"{text}: is a sweep; resume it with the repdyn sweep command that started it"
        )
    drain_run(found.run_id, store)
    with claimed(store, found.run_id) as run:
        if run.status == "FINISHED":
            return run, None
        if schema.FAMILY_TAG not in run.tags and not trained_here(run):
            raise UserError(f"{plain(run.name)}: {going_on(run) or _NOT_OURS}")
        config = _with_places(from_params(run.params), given)
        stopped = load_stopped(run, store)
        if stopped is None and not may_start_again(run):
            raise UserError(
                f"{run.name} ({run.run_id[:8]}): has no saved state and incomplete settings; "
                "train a new run"
            )
        if stopped is not None and EPS not in run.params:
            config = with_epsilon(config, stopped.state)
        return run, resume(run, config, stopped, store, observer, replicas)


def with_epsilon(config: TrainConfig, state: Mapping[str, Any]) -> TrainConfig:
    """Return settings with the epsilon of a saved state: a run from before it was a setting."""
    with suppress(KeyError, IndexError, TypeError, SettingError):
        eps = state["trainer"]["optimizer"]["param_groups"][0][EPS]
        if isinstance(eps, float):
            return replace(config, optim=replace(config.optim, eps=eps))
    return config  # the optimizer has none, or the state is refused for what it is


def may_start_again(run: RunSummary) -> bool:
    """Return whether a run without a saved state can be trained from the start.

    It cannot if it was stopped before all its settings were logged, or if it is an analysis.
    """
    tags = run.tags.keys()
    trained = schema.SCHEMA_TAG in tags and (PARENT_TAG not in tags or schema.POINT_TAG in tags)
    return trained and TrainConfig().params().keys() - PLACES <= run.params.keys()


def resume(
    run: RunSummary,
    config: TrainConfig,
    stopped: Stopped | None,
    store: StoreConfig,
    observer: Observer,
    replicas: Replicas = ONE,
) -> RunRecord:
    """Finish training a stopped run, which must be claimed.

    Args:
        run: the stopped run.
        config: of the run.
        stopped: where to resume; None to start from the beginning.
        store: where the run is.
        observer: receives progress.
        replicas: the processes that train it together.

    Raises:
        UserError: the state does not belong to this run, or the store rejects it.
        KeyboardInterrupt: stopped again.
    """
    experiment = prepare(config, observer)
    if stopped is not None:
        check_state(stopped.state, experiment)
    how = (
        "starts over: it was stopped before its state was saved"
        if stopped is None
        else f"resumes in epoch {stopped.epoch} of {experiment.epochs}"
    )
    observer.say(f"{plain(run.name)} ({run.run_id[:8]}) {how}")
    recorder = experiment.new_recorder()
    options = session_options(experiment, observer)
    session = RunSession.restart(recorder, run.run_id, store, **options)
    return go_on(experiment, recorder, session, observer, stopped, replicas=replicas)


def load_stopped(run: RunSummary, store: StoreConfig) -> Stopped | None:
    """Return where a run was stopped; None if its state was never saved.

    Raises:
        UserError: its stored data is damaged.
    """
    content = load_state(store, run.run_id)
    if content is None:
        return None
    state = decode_state(content)
    past = load_past(store, run.run_id, int(state["trainer"]["epoch"]))
    if past is None:
        raise UserError(f"{run.name}: has a saved state but no checkpoint; train a new run")
    return Stopped(state, past)


def _with_places(config: TrainConfig, given: TrainConfig) -> TrainConfig:
    """Return a run's settings, updated by given ones that do not change what is computed."""
    default = dict(TrainConfig().settings())
    changed = {name: value for name, value in given.settings() if value != default[name]}
    others = sorted(changed.keys() - PLACES)
    if others:
        raise SettingError(
            others[0], None, "a resumed run keeps its own settings; omit it, or train a new run"
        )
    data = {name: changed[name] for name in changed.keys() & {"data_dir"}}
    optim = {name: changed[name] for name in changed.keys() - {"data_dir"}}
    return replace(config, data=replace(config.data, **data), optim=replace(config.optim, **optim))
