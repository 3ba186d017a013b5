"""Makes a SQLite store that is whole or absent."""

from __future__ import annotations

from pathlib import Path

from mlflow.store.tracking import DEFAULT_LOCAL_FILE_AND_ARTIFACT_PATH
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

from repdyn.tracking.files import unfinished

_LEFT_BY_A_KILL = ("", "-journal", "-wal", "-shm")


def make_store(database: Path) -> None:
    """Make MLflow's tables in a file beside, then rename it.

    MLflow makes them in several hundred steps that no transaction holds together: a process that is
    killed between two leaves a file that MLflow never opens again. Only one process at a time may
    make a store.
    """
    beside = unfinished(database)
    for ending in _LEFT_BY_A_KILL:
        Path(f"{beside}{ending}").unlink(missing_ok=True)
    SqlAlchemyStore(f"sqlite:///{beside}", DEFAULT_LOCAL_FILE_AND_ARTIFACT_PATH).engine.dispose()
    beside.replace(database)
