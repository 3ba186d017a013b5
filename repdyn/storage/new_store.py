"""Opens a database for the first time: it is complete or absent, and leaves nothing else behind."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from hashlib import sha256
from pathlib import Path

from filelock import FileLock
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import create_engine

from repdyn.storage.files import unfinished
from repdyn.storage.location import (
    ARTIFACTS,
    artifact_uri,
    database_file,
    is_database_server,
    sqlite_uri,
    uri_for_mlflow,
)

TABLES_SECONDS = 600.0
"""How long one process waits while others create the tables of a store."""

CONNECT_SECONDS = 10
"""How long a database server may take to respond."""

_LEFT_BY_A_KILL = ("", "-journal", "-wal", "-shm")


def make_store(database: Path) -> None:
    """Create MLflow's tables in a temporary file, then rename it.

    MLflow creates them in several hundred steps without a transaction: a process that is killed
    between two leaves a file that MLflow never opens again. Only one process at a time may create
    a store.
    """
    beside = unfinished(database).absolute()
    _remove(beside)
    try:
        uri = uri_for_mlflow(sqlite_uri(beside))
        _open(uri)
        SqlAlchemyStore(uri, artifact_uri(ARTIFACTS)).engine.dispose()
        beside.replace(database)
    except BaseException:
        _remove(beside)
        raise


def _remove(database: Path) -> None:
    for ending in _LEFT_BY_A_KILL:
        Path(f"{database}{ending}").unlink(missing_ok=True)


@cache
def try_to_open(uri: str) -> None:
    """Connect to a database once: if that fails, MLflow would retry for two minutes.

    Args:
        uri: as for MLflow, see `uri_for_mlflow`.

    Raises:
        SQLAlchemyError, ImportError: it cannot be opened, or its driver is missing.
    """
    _open(uri)


def _open(uri: str) -> None:
    timeout = {"connect_timeout": CONNECT_SECONDS} if uri.startswith(("postgres", "mysql")) else {}
    engine = create_engine(uri, connect_args=timeout)
    try:
        engine.connect().close()
    finally:
        engine.dispose()


@contextmanager
def opened_alone(uri: str) -> Iterator[None]:
    """Lock a database against other processes while this one opens it and may create its tables.

    A file or folder that was created for it is removed if that fails.

    Raises:
        OSError: no file can be created there.
    """
    database = database_file(uri)
    if database is not None:
        with _folder_of(database), _locked(database):
            yield
    elif is_database_server(uri):
        name = f"repdyn-{os.getuid()}-{sha256(uri.encode()).hexdigest()[:16]}.lock"
        with FileLock(Path(tempfile.gettempdir()) / name, timeout=TABLES_SECONDS):
            yield
    else:
        yield


@contextmanager
def _folder_of(database: Path) -> Iterator[None]:
    folder = database.absolute().parent
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for made in missing:
            with suppress(OSError):  # another process has put something there
                made.rmdir()
        raise


@contextmanager
def _locked(database: Path) -> Iterator[None]:
    lock = Path(f"{database}.lock")
    is_new = not lock.exists()
    if not _may_write(database.absolute().parent):
        if database.exists():  # then there is nothing to create
            yield
            return
        raise OSError(f"cannot create a file in {database.absolute().parent}")
    with FileLock(lock, timeout=TABLES_SECONDS):
        try:
            yield
        except BaseException:
            if is_new:  # a waiting process sees that it is gone, and creates another
                lock.unlink(missing_ok=True)
            raise


def _may_write(folder: Path) -> bool:
    """Return whether files can be created in a folder; the mode of /proc, say, is misleading."""
    if not os.access(folder, os.W_OK):
        return False
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
