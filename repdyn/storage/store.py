"""Opens an MLflow store: which one, whether it responds, where a run's artifacts are."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from repdyn.errors import UserError
from repdyn.redaction import redact, traceable
from repdyn.settings.schema import StoreConfig
from repdyn.storage.database_errors import driver_message, missing_driver
from repdyn.storage.deadline import within
from repdyn.storage.files import disk_full
from repdyn.storage.location import (
    ARTIFACTS,
    artifact_path,
    database_file,
    default_uri,
    is_database_server,
    is_local_folder,
    is_remote,
    sqlite_uri,
    uri_for_mlflow,
)
from repdyn.storage.new_store import CONNECT_SECONDS, make_store, opened_alone, try_to_open
from repdyn.storage.store_checks import check_uri

T = TypeVar("T")

EXPERIMENT = "repdyn"
ANSWER_SECONDS = 5.0

OPENING_SECONDS = 60.0
"""Time limit for opening a run or a database, whatever the server does."""

LOCKED_SECONDS = 120.0
LOCKED_PAUSE = 0.5
"""How long and how often a call to a locked SQLite store is retried."""

# MLflow would print that it creates tables, that git is missing, each retry of a server, a bar for
# each artifact it downloads and a run's URL, and psycopg what it ignores of a connection that is lost
# anyway: into our own output, or over the screen
_NOISY = ("alembic", "mlflow.utils.git_utils", "urllib3.connectionpool", "psycopg")
for _noisy in _NOISY:
    logging.getLogger(_noisy).setLevel(logging.ERROR)
# they log each database error with its traceback; the first raises it too, the second logs what
# happens to a connection that was lost before it was returned
for _noisy in ("mlflow.store.db.utils", "sqlalchemy.pool"):
    logging.getLogger(_noisy).setLevel(logging.CRITICAL)
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
# it would wait two minutes for a response, and retry seven times with growing pauses
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
# nor wait as long as a server requests
os.environ.setdefault("MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER", "false")
# a machine that is switched off never refuses a connection to its PostgreSQL
os.environ.setdefault("PGCONNECT_TIMEOUT", str(CONNECT_SECONDS))


def connect(options: StoreConfig) -> MlflowClient:
    """Return a client of the store from the option, the environment or MLflow's default.

    Raises:
        UserError: there is no such kind of store, or its server does not respond; nothing is left
            behind.
    """
    uri = tracking_uri(options)
    check_uri(uri)
    _knock(uri)
    database = database_file(uri)
    with one_line(uri), opened_alone(uri):
        if database is not None and _is_empty(database):
            make_store(database)
        elif database is not None or is_database_server(uri):
            try_to_open(uri_for_mlflow(uri))
        return _client(uri)


def _client(uri: str) -> MlflowClient:
    try:
        if is_database_server(uri):  # MLflow reads its tables
            return within(OPENING_SECONDS, lambda: MlflowClient(uri_for_mlflow(uri)))
        return MlflowClient(uri_for_mlflow(uri))
    except MlflowException as error:
        if not is_local_folder(uri):
            raise
        path = artifact_path(uri) or Path()
        file = path / "mlflow.db" if path.is_dir() or not path.suffix else path
        raise UserError(
            f"{uri}: MLflow no longer stores runs in folders of files; name a database, such as "
            f"{sqlite_uri(file)} (mlflow migrate-filestore converts a folder)"
        ) from error


def _is_empty(database: Path) -> bool:
    """Return whether a store has no tables yet: SQLite's tools leave empty files behind."""
    return not database.exists() or (database.is_file() and not database.stat().st_size)


def connect_existing(options: StoreConfig) -> MlflowClient:
    """Return a client of an existing store; unlike `connect`, never create one.

    Raises:
        UserError: there is no such store, or its server does not respond.
    """
    uri = tracking_uri(options)
    check_uri(uri)
    database = database_file(uri)
    if database is not None and not database.exists():
        raise UserError(
            f"{uri}: there is no such store; start a run with repdyn train, "
            "or name another with `tracking_uri`"
        )
    return connect(options)


def tracking_uri(options: StoreConfig) -> str:
    """Return the store's URI."""
    return options.tracking_uri or default_uri()


def experiment_name(options: StoreConfig) -> str:
    """Return the experiment's name: the option's, the environment's, or repdyn."""
    return options.experiment or os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT


def artifact_folder(client: MlflowClient, run: Run) -> Path | None:
    """Return the folder of a run's artifacts on this machine; None if they are on a server.

    A store that was copied or moved still records the old folder; the folder next to its database
    is its own.
    """
    recorded = artifact_path(run.info.artifact_uri)
    database = database_file(client.tracking_uri)
    if recorded is None or database is None:
        return recorded
    beside = database.parent / ARTIFACTS / Path(*recorded.parts[-3:])
    return beside if beside.is_dir() else recorded


def patiently(call: Callable[[], T]) -> T:
    """Call, and retry while other processes are in the way, as then nothing was written."""
    end = time.monotonic() + LOCKED_SECONDS
    while True:
        try:
            return call()
        except Exception as error:
            if not _was_in_the_way(str(error).lower()) or time.monotonic() > end:
                raise
        time.sleep(LOCKED_PAUSE)


def _was_in_the_way(said: str) -> bool:
    """Return whether another process was.

    It holds the lock of a SQLite store; or it logged the same data set at the same moment, which
    MLflow looks up and then inserts.
    """
    return "database is locked" in said or ("unique constraint" in said and "dataset" in said)


# a database's error when MLflow creates or changes its tables again
_HALF_MADE = ("table _alembic_tmp_", "(sqlite3.OperationalError) duplicate column name")
_FULL = "(sqlite3.OperationalError) database or disk is full"
_SQLITE_PAGE = 4096
"""Bytes that SQLite requests at least; it does not say how many are missing."""


_REFUSED = (401, 403)
NEEDS_CREDENTIALS = (
    "the server denied access: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or "
    "MLFLOW_TRACKING_TOKEN, or give valid credentials in `tracking_uri`"
)


@contextmanager
def one_line(uri: str) -> Iterator[None]:
    """Turn what MLflow and its database drivers raise into a one-line UserError."""
    try:
        yield
    except UserError:
        raise
    except (MlflowException, OSError, ImportError, UnicodeError) as error:
        raise UserError(f"{uri}: {first_line(error)}") from traceable(error)
    except Exception as error:
        if type(error).__module__.startswith("sqlalchemy"):
            raise UserError(f"{uri}: {first_line(error)}") from traceable(error)
        raise


def first_line(error: Exception) -> str:
    """Return an exception's message, on one line."""
    if any(said in str(error) for said in _HALF_MADE):
        return (
            "a process was killed while it created or changed this store's tables; restore a "
            "backup of the file, or delete it if it has no runs yet"
        )
    if _FULL in str(error):
        return disk_full(f"at least {_SQLITE_PAGE:,}")
    if isinstance(error, MlflowException) and error.get_http_status_code() in _REFUSED:
        return NEEDS_CREDENTIALS
    said = missing_driver(error) or driver_message(error) or str(error)
    # redacted before it is cut: a truncated secret would not be recognised
    lines = [line for line in redact(said).splitlines() if line.strip()]
    return lines[0].strip()[:300] if lines else type(error).__name__


def _knock(uri: str) -> None:
    """Check whether a server listens; MLflow itself would retry for minutes."""
    if not is_remote(uri):
        return
    try:
        parts = urlsplit(uri)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError as error:
        raise UserError(f"{uri}: invalid URI ({error}); fix `tracking_uri`") from None
    if port is None or parts.hostname is None:
        return
    try:
        socket.create_connection((parts.hostname, port), timeout=ANSWER_SECONDS).close()
    except OSError as error:
        raise UserError(
            f"{uri}: no MLflow server responds ({error.strerror or error}); start it, "
            "or name another store with `tracking_uri`"
        ) from None
