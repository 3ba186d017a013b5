"""Which run a loop of its own measures into: a new one, an active one, or one that was stopped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Unpack

from repdyn.errors import UserError
from repdyn.measures.recorder import Recorder
from repdyn.runs.ownership import claimed
from repdyn.runs.past import Past, load_past
from repdyn.runs.session import Options, RunSession, started_run
from repdyn.settings.schema import StoreConfig
from repdyn.storage.locks import heartbeat
from repdyn.storage.search import find_run

_open: set[str] = set()
"""Ids of the runs that this process is measuring."""


@contextmanager
def joined(
    recorder: Recorder,
    name: str,
    run_id: str | None,
    store: StoreConfig,
    params: Mapping[str, str],
    **options: Unpack[Options],
) -> Iterator[RunSession]:
    """Open the session of a run: a new one, one that is active here or elsewhere, or a stopped one.

    Args:
        recorder: of the measures.
        name: of a new run.
        run_id: of a run that another program has started, or of a stopped one.
        store: where the run is.
        params: of a new run.
        options: of the session.

    Raises:
        UserError: the run is being measured already, or with other inputs, layers or settings.
    """
    with ExitStack() as stack:
        active = started_run() if run_id is None else _of_others(store, run_id)
        if (active or run_id) in _open:
            raise UserError(
                f"run {str(active or run_id)[:8]} is being measured already; end that first"
            )
        if run_id is not None and active is None:
            run_id = stack.enter_context(claimed(store, find_run(store, run_id).run_id)).run_id
            past = _past(store, run_id, recorder)
            session = RunSession.restart(recorder, run_id, store, **options)
        elif active is not None:
            past = _past(store, active, recorder)
            session = RunSession.attach(recorder, active, store, params=params, **options)
        else:
            past = None
            session = RunSession.create(recorder, name, store, params=params, **options)
        if past is not None:
            _load(session, past)
        _open.add(session.run_id)
        stack.callback(_open.discard, session.run_id)
        yield session


def _load(session: RunSession, past: Past) -> None:
    """Restore what a run had measured; a run that does not fit ends again."""
    try:
        session.load(past)
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        refused = UserError(
            f"run {session.run_id[:8]}: was measured with other inputs or settings ({error}); resume it "
            "with the same"
        )
        session.__exit__(UserError, refused, None)
        raise refused from error


def _past(store: StoreConfig, run_id: str, recorder: Recorder) -> Past | None:
    """Return what a run has measured, on the layers of this recorder."""
    past = load_past(store, run_id)
    now = tuple(layer.name for layer in recorder.layers)
    if past is not None and now and past.dynamics.layers != now:
        raise UserError(
            f"run {run_id[:8]}: was measured on the layers {', '.join(past.dynamics.layers)}, not "
            f"{', '.join(now)}; resume it with the same model and layers"
        )
    return past


def _of_others(store: StoreConfig, run_id: str) -> str | None:
    """Return the id of a run that another program runs; None if repdyn has started it."""
    found = find_run(store, run_id)
    theirs = found.status == "RUNNING" and heartbeat.TAG not in found.tags
    return found.run_id if theirs else None
