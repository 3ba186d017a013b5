"""Opens MLflow's store: which one is meant, whether it answers, where a run's artifacts lie."""

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
"""How long it may take to open a run or a database, whatever the server does."""

LOCKED_SECONDS = 120.0
LOCKED_PAUSE = 0.5
"""How long and how often a SQLite store is asked again that others keep locked."""

# MLflow would print how it makes tables, that git is missing, each try of a server, a bar for each
# artifact it fetches and where a server shows the run: all over our own output, or over the screen
_NOISY = ("alembic", "mlflow.utils.git_utils", "urllib3.connectionpool")
for _noisy in _NOISY:
    logging.getLogger(_noisy).setLevel(logging.ERROR)
# it logs each error of a database with its traceback, and raises it
logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
# it would wait two minutes for an answer, and try seven times with longer and longer pauses
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
# nor as long as a server says that it should
os.environ.setdefault("MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER", "false")
# a machine that is switched off refuses no connection to its PostgreSQL
os.environ.setdefault("PGCONNECT_TIMEOUT", str(CONNECT_SECONDS))


def connect(options: StoreConfig) -> MlflowClient:
    """Return a client of the store that is meant: the option's, the environment's, MLflow's own.

    Raises:
        UserError: there is none of that kind, or its server does not answer; nothing is left behind.
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
        if is_database_server(uri):  # of which MLflow looks at the tables
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
    """Say whether a store has no tables yet: SQLite's tools leave an empty file where they look."""
    return not database.exists() or (database.is_file() and not database.stat().st_size)


def connect_existing(options: StoreConfig) -> MlflowClient:
    """Return a client of a store that is there; unlike `connect`, never makes one.

    Raises:
        UserError: there is no such store, or its server does not answer.
    """
    uri = tracking_uri(options)
    check_uri(uri)
    database = database_file(uri)
    if database is not None and not database.exists():
        raise UserError(
            f"{uri}: there is no such store; start a run with repdyn train, "
            "or name another with --tracking-uri"
        )
    return connect(options)


def tracking_uri(options: StoreConfig) -> str:
    """Return the store's URI."""
    return options.tracking_uri or default_uri()


def experiment_name(options: StoreConfig) -> str:
    """Return the experiment's name: the option's, the environment's, or repdyn."""
    return options.experiment or os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT


def artifact_folder(client: MlflowClient, run: Run) -> Path | None:
    """Return the folder of a run's artifacts on this machine, None if a server keeps them.

    A store that was copied or moved still names the old folder; what lies beside its database is
    its own.
    """
    recorded = artifact_path(run.info.artifact_uri)
    database = database_file(client.tracking_uri)
    if recorded is None or database is None:
        return recorded
    beside = database.parent / ARTIFACTS / Path(*recorded.parts[-3:])
    return beside if beside.is_dir() else recorded


def patiently(call: Callable[[], T]) -> T:
    """Call, and again as long as others are in the way: then nothing has been written."""
    end = time.monotonic() + LOCKED_SECONDS
    while True:
        try:
            return call()
        except Exception as error:
            if not _was_in_the_way(str(error).lower()) or time.monotonic() > end:
                raise
        time.sleep(LOCKED_PAUSE)


def _was_in_the_way(said: str) -> bool:
    """Say whether another process was.

    It keeps a SQLite store locked; or it logged the same data set in the same moment, which MLflow
    looks for and then inserts.
    """
    return "database is locked" in said or ("unique constraint" in said and "dataset" in said)


# what a database says when MLflow makes or changes its tables once more
_HALF_MADE = ("table _alembic_tmp_", "(sqlite3.OperationalError) duplicate column name")
_FULL = "(sqlite3.OperationalError) database or disk is full"
_SQLITE_PAGE = 4096
"""Bytes that SQLite asks for at least; it does not say how many it lacks."""


_REFUSED = (401, 403)
NEEDS_CREDENTIALS = (
    "the server refuses without other credentials: set MLFLOW_TRACKING_USERNAME and "
    "MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, or give --tracking-uri with them"
)


@contextmanager
def one_line(uri: str) -> Iterator[None]:
    """Turn what MLflow and its database drivers raise into the user's one line."""
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
    """Return what an exception says, on one line."""
    if any(said in str(error) for said in _HALF_MADE):
        return (
            "a process was killed while it made or changed the tables of this store; put back a "
            "copy of the file, or remove it if it holds no runs yet"
        )
    if _FULL in str(error):
        return disk_full(f"at least {_SQLITE_PAGE:,}")
    if isinstance(error, MlflowException) and error.get_http_status_code() in _REFUSED:
        return NEEDS_CREDENTIALS
    said = missing_driver(error) or driver_message(error) or str(error)
    # redacted before it is cut: what is left of a secret would not be known as one
    lines = [line for line in redact(said).splitlines() if line.strip()]
    return lines[0].strip()[:300] if lines else type(error).__name__


def _knock(uri: str) -> None:
    """See whether a server listens; MLflow itself would try again for minutes."""
    if not is_remote(uri):
        return
    try:
        parts = urlsplit(uri)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError as error:
        raise UserError(f"{uri}: is no address ({error}); mend --tracking-uri") from None
    if port is None or parts.hostname is None:
        return
    try:
        socket.create_connection((parts.hostname, port), timeout=ANSWER_SECONDS).close()
    except OSError as error:
        raise UserError(
            f"{uri}: no MLflow server answers ({error.strerror or error}); start it, "
            "or name another store with --tracking-uri"
        ) from None
