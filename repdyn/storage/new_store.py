"""Opens a database for the first time: it is whole or absent, and nothing else is left behind."""

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
"""How long one process waits while others make the tables of a store."""

CONNECT_SECONDS = 10
"""How long a database server may take to answer."""

_LEFT_BY_A_KILL = ("", "-journal", "-wal", "-shm")


def make_store(database: Path) -> None:
    """Make MLflow's tables in a file beside, then rename it.

    MLflow makes them in several hundred steps that no transaction holds together: a process that is
    killed between two leaves a file that MLflow never opens again. Only one process at a time may
    make a store.
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
    """Connect to a database once: where that fails MLflow would try again for two minutes.

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
    """Keep other processes from a database while this one opens it: it may make the tables.

    A file or folder that was made for it is gone again if that fails.

    Raises:
        OSError: no file can be made there.
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
        if database.exists():  # then there is nothing to make
            yield
            return
        raise OSError(f"no file can be made in {database.absolute().parent}")
    with FileLock(lock, timeout=TABLES_SECONDS):
        try:
            yield
        except BaseException:
            if is_new:  # who waits for it sees that it is gone, and makes another
                lock.unlink(missing_ok=True)
            raise


def _may_write(folder: Path) -> bool:
    """Say whether files can be made in a folder; of /proc, say, its mode tells something else."""
    if not os.access(folder, os.W_OK):
        return False
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
