"""Changes of stored runs: tags, note, deletion and restoration; needs no torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mlflow.entities import Run, RunTag, ViewType
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from repdyn.display.wording import duration, plain
from repdyn.errors import UserError
from repdyn.records import RunSummary
from repdyn.run_tags import NOTE, TagChanges, owner
from repdyn.settings.schema import StoreConfig
from repdyn.storage.locks import heartbeat
from repdyn.storage.locks.heartbeat import DEAD_SECONDS, HOST_TAG, PID_TAG
from repdyn.storage.locks.process_lock import HeldError
from repdyn.storage.locks.run_lock import run_lock
from repdyn.storage.moved import refuse_moved
from repdyn.storage.run_summary import summary_of
from repdyn.storage.schema import SCHEMA_TAG
from repdyn.storage.store import connect_existing, experiment_name, one_line, tracking_uri

LIVE = frozenset({"RUNNING", "SCHEDULED"})
NEWEST_FIRST = ["attributes.start_time DESC"]


def change_tags(store: StoreConfig, run_id: str, changes: TagChanges) -> None:
    """Set and remove tags of a run; those that are set are set together or not at all.

    Raises:
        UserError: a tag is not the user's, or the store rejects the changes.
    """
    for name in (*changes.values, *changes.removed):
        whose = owner(name)
        if whose is not None:
            raise UserError(f"{plain(name)} is {whose}'s own tag, which it needs as it is")
    values = dict(changes.values) | ({NOTE: changes.note} if changes.note else {})
    removed = [*changes.removed, *([NOTE] if changes.note == "" else [])]
    with _changing(store, run_id) as (client, run):
        if values:
            client.log_batch(run_id, tags=[RunTag(name, value) for name, value in values.items()])
        for name in removed:
            if name in run.data.tags:
                client.delete_tag(run_id, name)


@contextmanager
def _changing(store: StoreConfig, run_id: str) -> Iterator[tuple[MlflowClient, Run]]:
    """Yield a client and the run that is to be changed, as it is.

    Raises:
        UserError: the store was copied or moved: what MLflow deletes for good would be the original's
            artifacts.
    """
    client = connect_existing(store)
    with one_line(tracking_uri(store)):
        run = client.get_run(run_id)
        refuse_moved(client, run.info.experiment_id)
        yield client, run


def nested_runs(store: StoreConfig, run_id: str) -> int:
    """Return how many runs are nested in a run, as a sweep's are in its parent."""
    client = connect_existing(store)
    with one_line(tracking_uri(store)):
        return len(_nested(client, client.get_run(run_id), ViewType.ACTIVE_ONLY))


def delete(store: StoreConfig, run_id: str) -> int:
    """Delete a run and those nested in it; MLflow keeps them until its own `mlflow gc`.

    Returns:
        How many were deleted.

    Raises:
        UserError: a process writes one of them; then none is deleted.
    """
    with _changing(store, run_id) as (client, run):
        runs = [*_nested(client, run, ViewType.ACTIVE_ONLY), run]
        for one in runs:
            with _idle(client, one):
                pass
        for one in runs:
            with _idle(client, one):
                client.delete_run(one.info.run_id)
        return len(runs)


def restore(store: StoreConfig, run_id: str) -> int:
    """Restore a deleted run and those nested in it; return how many."""
    with _changing(store, run_id) as (client, run):
        runs = [run, *_nested(client, run, ViewType.DELETED_ONLY)]
        for one in runs:
            client.restore_run(one.info.run_id)
        return len(runs)


def deleted_runs(store: StoreConfig) -> list[RunSummary]:
    """Return the experiment's deleted runs, newest first, without those nested in a deleted one."""
    client = connect_existing(store)
    with one_line(tracking_uri(store)):
        experiment = client.get_experiment_by_name(experiment_name(store))
        if experiment is None:
            return []
        runs = list(_search(client, experiment.experiment_id, "", ViewType.DELETED_ONLY))
    ids = {run.info.run_id for run in runs}
    tops = [run for run in runs if run.data.tags.get(MLFLOW_PARENT_RUN_ID) not in ids]
    return [summary_of(run, experiment.name) for run in tops]


def _nested(client: MlflowClient, run: Run, view: int) -> list[Run]:
    """Return the runs nested in a run, at any depth, the deepest first."""
    children = _search(
        client,
        run.info.experiment_id,
        f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{run.info.run_id}'",
        view,
    )
    return [one for child in children for one in (*_nested(client, child, view), child)]


def _search(client: MlflowClient, experiment_id: str, matching: str, view: int) -> Iterator[Run]:
    token = None
    while True:
        found = client.search_runs([experiment_id], matching, view, 100, NEWEST_FIRST, token)
        yield from found
        token = found.token
        if not token:
            return


@contextmanager
def _idle(client: MlflowClient, run: Run) -> Iterator[None]:
    """Hold a run's lock, so that no process of this machine starts to write it.

    Raises:
        UserError: a process writes it.
    """
    summary = summary_of(run, "")
    ours = SCHEMA_TAG in summary.tags or HOST_TAG in summary.tags
    lock = run_lock(client, run) if ours else None
    if lock is not None:
        try:
            lock.take()
        except HeldError as held:
            raise _written(summary, held.owner.host, held.owner.pid) from None
    try:
        if summary.status in LIVE and not _abandoned(run, summary, locked=lock is not None):
            raise _written(summary, summary.tags.get(HOST_TAG), summary.tags.get(PID_TAG))
        yield
    finally:
        if lock is not None:
            lock.release()


def _abandoned(run: Run, summary: RunSummary, *, locked: bool) -> bool:
    """Return whether a run that is recorded as running is written no longer.

    One of this machine would hold its lock; one without heartbeat, another program's, logs metrics.
    """
    if HOST_TAG in summary.tags:
        here = summary.tags[HOST_TAG] == heartbeat.signature()[HOST_TAG]
        return here and locked
    return heartbeat.now() - _last_news(run) > DEAD_SECONDS * 1000


def _last_news(run: Run) -> int:
    """Return when a run last logged a metric or started, in milliseconds since 1970."""
    logged = (metric.timestamp for metric in run.data._metric_objs or ())
    return max([int(run.info.start_time or 0), *logged])


def _written(run: RunSummary, host: str | None, pid: str | None) -> UserError:
    who = f" by process {plain(pid)} on {plain(host)}" if host and pid else ""
    return UserError(
        f"{plain(run.name)}: is being written{who}; stop it first (a run without news for "
        f"{duration(DEAD_SECONDS)} counts as stopped). Nothing was deleted"
    )
