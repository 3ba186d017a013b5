"""Where MLflow's own web pages show a run."""

from __future__ import annotations

from shlex import quote
from urllib.parse import urlsplit, urlunsplit

from repdyn.redaction import redact
from repdyn.settings.schema import StoreConfig
from repdyn.storage.location import is_remote
from repdyn.storage.store import connect_existing, one_line, tracking_uri

TRAINING = "?workflowType=machine_learning"
"""Has the UI show training rather than agents: its own links to an experiment open on the latter,
unless the browser has been told otherwise, whatever the experiment's tags say (MLflow 3.17)."""

LOCAL = "http://127.0.0.1:5000/#"
"""Where `mlflow ui` serves its pages unless it is told another port."""


def address(options: StoreConfig, run_id: str) -> str | None:
    """Return the address of a run, by id, in the UI of its MLflow server; None for other stores.

    Raises:
        UserError: the server does not respond.
    """
    uri = tracking_uri(options)
    if not is_remote(uri):
        return None
    at = urlsplit(uri)
    host = at.netloc.rpartition("@")[2]  # without a password, which browsers would show
    return urlunsplit((at.scheme, host, at.path.rstrip("/") + "/", "", _page(options, run_id)))


def local_address(options: StoreConfig, run_id: str) -> str | None:
    """Return the address of a run once `mlflow ui` serves its store; None unless that is a file.

    Raises:
        UserError: the store cannot be read.
    """
    return LOCAL + _page(options, run_id) if tracking_uri(options).startswith("sqlite:") else None


def _page(options: StoreConfig, run_id: str) -> str:
    client = connect_existing(options)
    with one_line(tracking_uri(options)):
        experiment = client.get_run(run_id).info.experiment_id
    return f"/experiments/{experiment}/runs/{run_id}{TRAINING}"


def ui_command(options: StoreConfig) -> str:
    """Return the command that serves MLflow's UI of a local store or a database, without secrets."""
    if options.tracking_uri is None:
        return "mlflow ui"
    return f"mlflow ui --backend-store-uri {quote(redact(tracking_uri(options)))}"
