"""Detects a SQLite store that was copied or moved: its database records the old artifact folder."""

from __future__ import annotations

import shlex
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mlflow.entities import Experiment, ViewType
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from repdyn.errors import UserError
from repdyn.storage.location import ARTIFACTS, artifact_path, database_file, sqlite_uri

LOOKED_AT = 20
"""How many folders next to the database are checked for runs of the experiment."""


@dataclass(frozen=True)
class Moved:
    """An experiment's artifact folder as recorded, and the one next to its database."""

    recorded: Path
    beside: Path


def find_moved(client: MlflowClient, experiment: Experiment) -> Moved | None:
    """Return both folders if the store was copied or moved after the experiment was created.

    It was if an `mlruns` elsewhere is recorded, and runs of the experiment have their artifacts in
    the one next to the database, or the parent of the recorded one is gone. A location chosen on
    purpose is neither, nor is one reached through a link. A database that was copied without its
    artifacts cannot be told from one that is written to from another folder.
    """
    database = database_file(client.tracking_uri)
    recorded = artifact_path(experiment.artifact_location)
    if database is None or recorded is None:
        return None
    beside = database.absolute().parent / ARTIFACTS / recorded.name
    mlruns = recorded.parent
    if mlruns.name != ARTIFACTS.name or recorded.resolve() == beside.resolve():
        return None
    is_gone = not mlruns.parent.exists()
    return Moved(recorded, beside) if is_gone or _has_runs(client, experiment, beside) else None


def _has_runs(client: MlflowClient, experiment: Experiment, folder: Path) -> bool:
    """Return whether a folder contains artifacts of an experiment's runs."""
    inside = sorted(one.name for one in folder.iterdir()) if folder.is_dir() else []
    for name in inside[:LOOKED_AT]:
        with suppress(MlflowException):  # there is no such run
            if client.get_run(name).info.experiment_id == experiment.experiment_id:
                return True
    return False


def moved_experiments(client: MlflowClient) -> list[Moved]:
    """Return the moved folders of all experiments in a store."""
    experiments = client.search_experiments(view_type=ViewType.ALL)
    found = (find_moved(client, one) for one in experiments)
    return [one for one in found if one is not None]


def refuse_moved(client: MlflowClient, experiment_id: str) -> None:
    """Refuse to write to an experiment whose artifacts are not where they are recorded.

    Raises:
        UserError: the store was copied or moved.
    """
    moved = find_moved(client, client.get_experiment(experiment_id))
    if moved is not None:
        raise UserError(describe(client.tracking_uri, moved))


def describe(uri: str, moved: Moved) -> str:
    """Return one line saying that a store was copied or moved, and what to do."""
    database = database_file(uri)
    named = "" if database is None else f" --tracking-uri {shlex.quote(sqlite_uri(database))}"
    return (
        f"{database}: was copied or moved: new artifacts would go to {moved.recorded} instead of "
        f"{moved.beside}; run repdyn rebind --yes{named}"
    )
