"""Sends what processes that have ended have left in their spools."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from repdyn.config import StoreConfig
from repdyn.errors import UserError
from repdyn.redaction import redact, without_secrets
from repdyn.tracking.courier import Courier
from repdyn.tracking.heartbeat import HOST_TAG, PID_TAG
from repdyn.tracking.jobs import EndRun, Job, LogMetrics, PutArtifact
from repdyn.tracking.process_lock import HeldError
from repdyn.tracking.spool import ROOT, RUN, Spool, SpooledRun
from repdyn.tracking.store import connect, one_line, tracking_uri


@dataclass(frozen=True)
class Sent:
    """What was sent of a run.

    Attributes:
        status: of the run now; RUNNING if its process died before its end.
    """

    uri: str
    run_id: str
    metrics: int
    artifacts: int
    status: str


def spools(root: Path) -> list[Path]:
    """Return the folders of the spools in a folder, which may be one itself."""
    folders = [root, *(sorted(root.iterdir()) if root.is_dir() else [])]
    return [folder for folder in folders if (folder / RUN).is_file()]


def send_left(run_id: str, store: StoreConfig) -> None:
    """Send what waits of a run in the working folder, if anything does.

    Args:
        run_id: of the run.
        store: whose credentials are taken where it is the server that the run was logged to.

    Raises:
        UserError: as `send_spool`.
    """
    for folder in spools(ROOT):
        if folder.name.startswith(run_id):
            send_spool(folder, store=store)


def send_spool(folder: Path, uri: str | None = None, *, store: StoreConfig | None = None) -> Sent:
    """Send a spool; what is sent is deleted, and what is not stays.

    Args:
        folder: of the spool.
        uri: of the server, if it is another by now or asks for credentials.
        store: where runs are looked for (default: the environment's); if it is the spool's server,
            with the credentials in its address.

    Raises:
        UserError: another process has the spool, an entry is damaged, the server does not answer or
            refuses, or another process has gone on with the run since.
    """
    with one_line(str(folder)):
        try:
            spool = Spool(folder)
        except HeldError as held:
            raise UserError(f"{folder}: is {held}, which sends it itself") from None
        try:
            spooled = spool.run()
            return _send(spool, spooled, uri or _with_credentials(spooled.uri, store))
        finally:
            spool.close()


def _with_credentials(uri: str, store: StoreConfig | None) -> str:
    """Return the address of a server as the store is named, if it is that server."""
    named = tracking_uri(store or StoreConfig())
    return named if without_secrets(named) == uri else uri


def _send(spool: Spool, spooled: SpooledRun, uri: str) -> Sent:
    client = connect(StoreConfig(tracking_uri=uri))
    sent: list[Job] = []
    run = client.get_run(spooled.run_id)
    _check_writer(run.data.tags, spooled, spool.folder)
    courier = Courier(client, run)
    while len(spool):
        sent.append(spool.send_first(courier))
    ends = [job.status for job in sent if isinstance(job, EndRun)]
    return Sent(
        uri=redact(uri),
        run_id=spooled.run_id,
        metrics=sum(len(job.metrics) for job in sent if isinstance(job, LogMetrics)),
        artifacts=sum(isinstance(job, PutArtifact) for job in sent),
        status=ends[-1] if ends else str(run.info.status),
    )


def _check_writer(tags: Mapping[str, str], run: SpooledRun, folder: Path) -> None:
    """See that nobody has gone on with the run: what is older would replace what is newer."""
    host, pid = tags.get(HOST_TAG, ""), tags.get(PID_TAG, "")
    if (host, pid) != (run.host, run.pid):
        raise UserError(
            f"{folder}: is out of date: process {pid} on {host} has gone on with the run since; "
            "delete the folder"
        )
