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
        status: of the run now; RUNNING if its process died before its end.
        refused: what stays and why, one line each.
    """

    uri: str
    run_id: str
    metrics: int
    artifacts: int
    status: str
    refused: tuple[str, ...] = ()


def queue_folders(root: Path) -> list[Path]:
    """Return the folders of the queues in a folder, which may be one itself."""
    folders = [root, *(sorted(root.iterdir()) if root.is_dir() else [])]
    return [folder for folder in folders if (folder / RUN).is_file()]  # also where it is a link


def drain_run(run_id: str, store: StoreConfig) -> None:
    """Send what waits of a run in the working folder, if anything does.

    Args:
        run_id: of the run.
        store: whose credentials are taken where it is the server that the run was logged to.

    Raises:
        UserError: as `drain_folder`; or the server has refused some of it.
    """
    for folder in queue_folders(ROOT):
        if folder.name.startswith(run_id):
            sent = drain_folder(folder, store=store)
            if sent.refused:
                raise UserError(refusals(sent))


def refusals(sent: Sent) -> str:
    """Say what the server has not taken, and what to do."""
    n = len(sent.refused)
    return (
        f"run {sent.run_id[:8]}: {counted(n)} refused: "
        f"{'; '.join(sent.refused[:3])}{'; …' if n > 3 else ''}; "
        "repdyn sync tries again; delete what is not to be sent"
    )


def drain_folder(folder: Path, uri: str | None = None, *, store: StoreConfig | None = None) -> Sent:
    """Send a queue; what is sent is deleted, and what is not stays.

    Args:
        folder: of the queue.
        uri: of the server, if it is another by now or asks for credentials.
        store: where runs are looked for (default: the environment's); if it is the queue's server,
            with the credentials in its address.

    Raises:
        UserError: another process has the queue, it is not one of a server, the server is
            unreachable or rejects, or another process has gone on with the run since.
    """
    if folder.is_symlink():
        raise UserError(f"{folder}: is a link; name the folder itself")
    with one_line(str(folder)):
        try:
            queue = QueueFolder(folder)
        except HeldError as held:
            raise UserError(f"{folder}: is {held}, which sends it itself") from None
        try:
            queued = queue.run()
            return _send(queue, queued, uri or _with_credentials(queued.uri, store))
        finally:
            queue.close()


def _with_credentials(uri: str, store: StoreConfig | None) -> str:
    """Return the address of a server as the store is named, if it is that server."""
    named = tracking_uri(store or StoreConfig())
    return named if without_secrets(named) == uri else uri


def _send(queue: QueueFolder, queued: QueuedRun, uri: str) -> Sent:
    if not is_served(uri):
        raise UserError(f"{queue.folder}: {uri} is no server; name one with --tracking-uri")
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
    """Do a step of a delivery, again where that may help."""
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
    """See that nobody has gone on with the run: what is older would replace what is newer."""
    host, pid = tags.get(HOST_TAG, ""), tags.get(PID_TAG, "")
    if (host, pid) != (run.host, run.pid):
        raise UserError(
            f"{folder}: is out of date: process {pid} on {host} has gone on with the run since; "
            "delete the folder"
        )
