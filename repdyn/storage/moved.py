"""Recognizes a SQLite store that was copied or moved: its database records the old artifact folder."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from mlflow.entities import Experiment, ViewType
from mlflow.tracking import MlflowClient

from repdyn.errors import UserError
from repdyn.storage.location import ARTIFACTS, artifact_path, database_file, sqlite_uri

LOOKED_AT = 20
"""Runs of an experiment whose artifacts are looked for beside the database."""


@dataclass(frozen=True)
class Moved:
    """The artifact folder of an experiment as its database records it, and the one beside it."""

    recorded: Path
    beside: Path


def find_moved(client: MlflowClient, experiment: Experiment) -> Moved | None:
    """Return both folders if the store was copied or moved after the experiment was made.

    It was if runs of the experiment have their artifacts in `mlruns` beside the database although
    another folder is recorded; or if an `mlruns` is recorded whose own folder is gone. A location
    that was chosen on purpose is neither, nor is one that a link leads to.
    """
    database = database_file(client.tracking_uri)
    recorded = artifact_path(experiment.artifact_location)
    if database is None or recorded is None:
        return None
    beside = database.absolute().parent / ARTIFACTS / recorded.name
    if recorded.resolve() == beside.resolve():
        return None
    mlruns = recorded.parent
    if mlruns.name == ARTIFACTS.name and not mlruns.parent.exists():
        return Moved(recorded, beside)
    runs = client.search_runs(
        [experiment.experiment_id], run_view_type=ViewType.ALL, max_results=LOOKED_AT
    )
    found = any((beside / run.info.run_id).is_dir() for run in runs)
    return Moved(recorded, beside) if found else None


def moved_experiments(client: MlflowClient) -> list[Moved]:
    """Return those of all experiments of a store that was copied or moved."""
    experiments = client.search_experiments(view_type=ViewType.ALL)
    found = (find_moved(client, one) for one in experiments)
    return [one for one in found if one is not None]


def refuse_moved(client: MlflowClient, experiment_id: str) -> None:
    """Refuse to write into an experiment whose artifacts are not where they are recorded.

    Raises:
        UserError: the store was copied or moved.
    """
    moved = find_moved(client, client.get_experiment(experiment_id))
    if moved is not None:
        raise UserError(describe(client.tracking_uri, moved))


def describe(uri: str, moved: Moved) -> str:
    """Say in one line that a store was copied or moved, and what to do."""
    database = database_file(uri)
    named = "" if database is None else f" --tracking-uri {shlex.quote(sqlite_uri(database))}"
    return (
        f"{database}: was copied or moved: it would put new artifacts into {moved.recorded}, not "
        f"into {moved.beside}; run repdyn rebind --yes{named}"
    )
