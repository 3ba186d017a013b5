"""Delivers what exited processes left queued."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from repdyn.errors import UserError
from repdyn.redaction import redact, without_secrets
from repdyn.settings.schema import StoreConfig
from repdyn.storage.delivery.executor import RetryableError, StoreExecutor
from repdyn.storage.delivery.operations import EndRun, LogMetrics, Operation, PutArtifact
from repdyn.storage.delivery.queue_folder import ROOT, RUN, QueuedRun, QueueFolder
from repdyn.storage.delivery.retryable import is_invalid
from repdyn.storage.delivery.sender import Sender, counted
from repdyn.storage.location import is_served
from repdyn.storage.locks.heartbeat import HOST_TAG, PID_TAG
from repdyn.storage.locks.process_lock import HeldError
from repdyn.storage.rest_client import strict
from repdyn.storage.retry import Retry
from repdyn.storage.store import connect, one_line, tracking_uri

TRIES = 4
"""How often an entry is sent to a server that is unreachable."""

PAUSE = 0.5
"""Seconds after the first try, doubled each time."""


@dataclass(frozen=True)
class Sent:
    """What was sent of a run.

    Attributes:
        status: of the run now; RUNNING if its process died before it ended.
        refused: what stays queued and why, one line each.
    """

    uri: str
    run_id: str
    metrics: int
    artifacts: int
    status: str
    refused: tuple[str, ...] = ()


def queue_folders(root: Path) -> list[Path]:
    """Return the queue folders in a folder, which may itself be one."""
    folders = [root, *(sorted(root.iterdir()) if root.is_dir() else [])]
    return [folder for folder in folders if (folder / RUN).is_file()]  # also if it is a link


def drain_run(run_id: str, store: StoreConfig) -> None:
    """Send what is queued of a run in the working folder, if anything.

    Args:
        run_id: of the run.
        store: whose credentials are used if it is the server that the run was logged to.

    Raises:
        UserError: as in `drain_folder`; or the server refused some of it.
    """
    for folder in queue_folders(ROOT):
        if folder.name.startswith(run_id):
            sent = drain_folder(folder, store=store)
            if sent.refused:
                raise UserError(refusals(sent))


def refusals(sent: Sent) -> str:
    """Return what the server refused, and what to do."""
    n = len(sent.refused)
    return (
        f"run {sent.run_id[:8]}: {counted(n)} refused: "
        f"{'; '.join(sent.refused[:3])}{'; …' if n > 3 else ''}; "
        "repdyn sync retries; delete what should not be sent"
    )


def drain_folder(folder: Path, uri: str | None = None, *, store: StoreConfig | None = None) -> Sent:
    """Send a queue; what is sent is deleted, the rest stays.

    Args:
        folder: of the queue.
        uri: of the server, if it has changed or needs credentials.
        store: where runs are looked for (default: the environment's); if it is the queue's server,
            the credentials in its URI are used.

    Raises:
        UserError: another process holds the queue, it is not one of a server, the server is
            unreachable or rejects, or another process has resumed the run since.
    """
    if folder.is_symlink():
        raise UserError(f"{folder}: is a link; give the folder itself")
    with one_line(str(folder)):
        try:
            queue = QueueFolder(folder)
        except HeldError as held:
            raise UserError(f"{folder}: is {held}, which will send it itself") from None
        try:
            queued = queue.run()
            return _send(queue, queued, uri or _with_credentials(queued.uri, store))
        finally:
            queue.close()


def _with_credentials(uri: str, store: StoreConfig | None) -> str:
    """Return a server's URI as the store gives it, if the store is that server."""
    named = tracking_uri(store or StoreConfig())
    return named if without_secrets(named) == uri else uri


def _send(queue: QueueFolder, queued: QueuedRun, uri: str) -> Sent:
    if not is_served(uri):
        raise UserError(f"{queue.folder}: {uri} is not a server; give one with `tracking_uri`")
    client = strict(connect(StoreConfig(tracking_uri=uri)))
    run = Retry(uri)(lambda: client.get_run(queued.run_id))
    _check_writer(run.data.tags, queued, queue.folder)
    queue.restore()
    delivery = Sender(queue, StoreExecutor(client, run))
    sent: list[Operation] = []
    while len(queue):
        operation = _step(delivery)
        if operation is not None:
            sent.append(operation)
    ends = [operation.status for operation in sent if isinstance(operation, EndRun)]
    return Sent(
        uri=redact(uri),
        run_id=queued.run_id,
        metrics=sum(
            len(operation.metrics) for operation in sent if isinstance(operation, LogMetrics)
        ),
        artifacts=len({operation.path for operation in sent if isinstance(operation, PutArtifact)}),
        status=ends[-1] if ends else str(run.info.status),
        refused=tuple(delivery.refused),
    )


def _step(delivery: Sender) -> Operation | None:
    """Do a step of a delivery; retry where that may help."""
    pause = PAUSE
    for _ in range(TRIES - 1):
        try:
            return delivery.step()
        except Exception as error:
            if not (isinstance(error, RetryableError) or is_invalid(error)):
                raise
        time.sleep(pause)
        pause *= 2
    return delivery.step()


def _check_writer(tags: Mapping[str, str], run: QueuedRun, folder: Path) -> None:
    """Check that nobody has resumed the run: older data would replace newer."""
    host, pid = tags.get(HOST_TAG, ""), tags.get(PID_TAG, "")
    if (host, pid) != (run.host, run.pid):
        raise UserError(
            f"{folder}: is out of date: process {pid} on {host} has since resumed the run; "
            "delete the folder"
        )
