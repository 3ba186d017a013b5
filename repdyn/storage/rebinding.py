"""Updates the recorded artifact folder of a SQLite store that was copied or moved."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

from mlflow.tracking import MlflowClient

from repdyn.display.wording import plain
from repdyn.errors import UserError
from repdyn.settings.schema import StoreConfig
from repdyn.storage.location import artifact_path, artifact_uri, database_file
from repdyn.storage.locks.heartbeat import DEAD_SECONDS, is_silent
from repdyn.storage.moved import Moved, moved_experiments
from repdyn.storage.store import connect_existing, one_line, tracking_uri

_COLUMNS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
)
"""The columns of MLflow's tables that hold a local folder."""


@dataclass(frozen=True)
class Change:
    """A recorded URI and the one that replaces it."""

    table: str
    column: str
    before: str
    after: str


def rebind(store: StoreConfig, *, write: bool) -> list[Change]:
    """Return the changes that make a store record the artifacts next to it; all or nothing.

    Args:
        store: a SQLite store.
        write: change it, in one transaction.

    Raises:
        UserError: the store is not a SQLite file, one of its runs is being written, or it is
            read-only.
    """
    uri = tracking_uri(store)
    database = database_file(uri)
    if database is None:
        raise UserError(f"{uri}: is not a SQLite store; only SQLite stores can be rebound")
    client = connect_existing(store)
    with one_line(uri):
        moved = moved_experiments(client)
        _refuse_live(client)
    try:
        with closing(sqlite3.connect(database, isolation_level=None)) as tables:
            tables.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            changes = list(_changes(tables, moved))
            for one in changes if write else ():
                tables.execute(
                    f"UPDATE {one.table} SET {one.column} = ? WHERE {one.column} = ?",  # noqa: S608 (names of _COLUMNS)
                    (one.after, one.before),
                )
            tables.execute("COMMIT")
            return changes
    except sqlite3.Error as error:
        raise UserError(f"{uri}: {error}; nothing was changed") from error


def _changes(tables: sqlite3.Connection, moved: list[Moved]) -> Iterator[Change]:
    folders = {one.recorded.parent: one.beside.parent for one in moved}
    names = tables.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    for table, column in _COLUMNS:
        if (table,) not in names:  # of an older MLflow
            continue
        rows = tables.execute(f"SELECT DISTINCT {column} FROM {table}").fetchall()  # noqa: S608 (names of _COLUMNS)
        for (before,) in rows:
            path = None if before is None else artifact_path(before)
            old = next((one for one in folders if path and path.is_relative_to(one)), None)
            if path is not None and old is not None:
                after = artifact_uri(folders[old] / path.relative_to(old))
                yield Change(table, column, before, after)


def _refuse_live(client: MlflowClient) -> None:
    experiments = [one.experiment_id for one in client.search_experiments()]
    for run in client.search_runs(experiments, "attributes.status = 'RUNNING'"):
        if not is_silent(run.data.tags):
            raise UserError(
                f"run {plain(str(run.info.run_name))} is being written, or was when the store was "
                f"copied; wait until it ends, or {DEAD_SECONDS / 60:.0f} minutes, then rebind"
            )
