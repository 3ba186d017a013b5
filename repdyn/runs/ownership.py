"""Ensures that two processes never resume the same run."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from repdyn.display.wording import plain
from repdyn.errors import UserError
from repdyn.records import RunSummary
from repdyn.settings.schema import StoreConfig
from repdyn.storage.locks.heartbeat import HOST_TAG, PID_TAG, is_silent, signature
from repdyn.storage.locks.process_lock import HeldError, Owner
from repdyn.storage.locks.run_lock import run_lock
from repdyn.storage.moved import refuse_moved
from repdyn.storage.search import find_run
from repdyn.storage.store import connect_existing, one_line, tracking_uri

CLAIM_TAG = "repdyn.claim"
"""On a server: the signature of the process that is about to resume the run, as JSON."""

CLAIM_SECONDS = 1.0
"""After which a claim that another process made at the same moment is visible."""


@contextmanager
def claimed(store: StoreConfig, run_id: str) -> Iterator[RunSummary]:
    """Take exclusive ownership of a run; yield the run as it is then.

    On this machine by a lock, which ends with the process; on a server by a tag: if two are set at
    once, the last one counts.

    Raises:
        UserError: another process owns the run, or the store has no such run.
    """
    client = connect_existing(store)
    with one_line(tracking_uri(store)):
        found = client.get_run(run_id)
        refuse_moved(client, found.info.experiment_id)
        lock = run_lock(client, found)
        try:
            if lock is not None:
                lock.take()
            else:
                _claim_by_tag(client, run_id)
        except HeldError as held:
            raise _elsewhere(find_run(store, run_id), held.owner) from None
    try:
        run = find_run(store, run_id)
        if run.status == "RUNNING" and not _has_died(run, locked=lock is not None):
            raise _elsewhere(run, _owner(run.tags))
        yield run
    finally:
        if lock is not None:
            lock.release()
        else:
            with suppress(MlflowException):  # the server may be unreachable; the claim expires
                client.delete_tag(run_id, CLAIM_TAG)


def _has_died(run: RunSummary, *, locked: bool) -> bool:
    """Return whether a run's process has died although a process with its id exists.

    A restarted container has its old host name and the old process id, often ours. The process that
    writes a run on this machine holds the run's lock.
    """
    mine = signature()
    here = run.tags.get(HOST_TAG) == mine[HOST_TAG]
    return here and (locked or run.tags.get(PID_TAG) == mine[PID_TAG])


def _claim_by_tag(client: MlflowClient, run_id: str) -> None:
    """Set a tag, and check after a while whether it is still there.

    Raises:
        HeldError: another process has set it.
    """
    found = _claim(client, run_id)
    if found and not is_silent(found):
        raise HeldError(_owner(found))
    mine = signature()
    try:
        client.set_tag(run_id, CLAIM_TAG, json.dumps(mine))
    except MlflowException:
        if not _claim(client, run_id):  # else another process has set it at this very moment
            raise
    time.sleep(CLAIM_SECONDS)
    found = _claim(client, run_id)
    if found != mine:
        raise HeldError(_owner(found))


def _claim(client: MlflowClient, run_id: str) -> dict[str, str]:
    """Return the signature in the tag; empty if there is none."""
    try:
        said = json.loads(client.get_run(run_id).data.tags.get(CLAIM_TAG, "{}"))
        return {str(name): str(value) for name, value in said.items()}
    except (ValueError, AttributeError):
        return {}


def _owner(tags: Mapping[str, str]) -> Owner:
    return Owner(tags.get(HOST_TAG, "?"), tags.get(PID_TAG, "?"))


def _elsewhere(run: RunSummary, owner: Owner) -> UserError:
    return UserError(
        f"{plain(run.name)}: is being trained on {plain(owner.host)} by process {plain(owner.pid)}"
    )
