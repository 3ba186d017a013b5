"""The lock of a run that is stored on this machine."""

from __future__ import annotations

from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from repdyn.storage.location import is_remote
from repdyn.storage.locks.process_lock import ProcessLock
from repdyn.storage.store import artifact_folder

LOCK = "repdyn.lock"
"""Next to the artifacts of the run."""


def run_lock(client: MlflowClient, run: Run) -> ProcessLock | None:
    """Return the lock held by the process that writes a run; None for a run on a server."""
    folder = None if is_remote(client.tracking_uri) else artifact_folder(client, run)
    if folder is None:
        return None
    folder.parent.mkdir(parents=True, exist_ok=True)
    return ProcessLock(folder.parent / LOCK)
