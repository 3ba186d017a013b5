"""The experiment that runs are in: created if missing, with a description and a kind."""

from __future__ import annotations

from contextlib import suppress
from uuid import uuid4

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

from repdyn.storage.location import ARTIFACTS, artifact_uri, is_remote

DESCRIPTION = """\
**How representations form while networks train**, layer by layer, checkpoint by checkpoint.

- The description of a run says what it shows, its phases and how to open it; that of a sweep, in which
  runs are nested, has the verdicts, and `report.html` among its artifacts the figures.
- Metrics: `train/`, `test/`; `watched/` by layer; `phase/` and `score/` are one number a run, to sort and
  filter by. *Model metrics* has images of the similarities as the training goes on.
- In a terminal: `repdyn tui`, `repdyn runs`, `repdyn compare`; in Python: `repdyn.load_run`.
"""

TAGS = {
    "mlflow.experimentKind": "custom_model_development",
    MLFLOW_RUN_NOTE: DESCRIPTION,
}
"""MLflow's UI lists the experiment as one of training rather than of agents."""


def experiment_id(client: MlflowClient, name: str) -> str:
    """Return the experiment's id, creating it if missing, even if another process does so too."""
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name, _artifact_location(client), tags=TAGS))
        except MlflowException:
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    if found.lifecycle_stage == "deleted":
        raise MlflowException(
            f"experiment {name} is deleted; restore it or choose another with `experiment`"
        )
    return str(found.experiment_id)


def add_missing_tags(client: MlflowClient, experiment: str) -> None:
    """Describe an experiment, by id, that has no description; what it has stays."""
    known = client.get_experiment(experiment).tags
    for tag, value in TAGS.items():
        if tag not in known:
            with suppress(MlflowException):  # a run does not need it, and may not be allowed to
                client.set_experiment_tag(experiment, tag, value)


def _artifact_location(client: MlflowClient) -> str | None:
    """Return where to store a new experiment's artifacts; None for MLflow's default.

    In a folder such as `a%20b` MLflow would record its path as it is, and read it as `a b`. The
    experiment's id, after which MLflow names its folder, is not known before it is created.
    """
    folder = ARTIFACTS.absolute()
    if is_remote(client.tracking_uri) or artifact_uri(folder) == str(folder):
        return None
    return artifact_uri(folder / uuid4().hex)
