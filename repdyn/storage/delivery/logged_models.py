"""A run's checkpoints as MLflow's models, which it ranks by their metrics.

A model is known by its run and the path of its weights. These stay among the artifacts of the run, so
that a model takes no room of its own: MLflow calls it external.
"""

from __future__ import annotations

from mlflow.entities import LoggedModel, LoggedModelOutput, Metric, Run
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_MODEL_IS_EXTERNAL

from repdyn.storage.delivery.operations import LogModel

WEIGHTS_TAG = "repdyn.weights"
"""Of a model: the path of its weights among the artifacts of its run."""

KIND = "checkpoint"
"""MLflow's type of the models."""


def log_model(client: MlflowClient, run: Run, given: LogModel) -> None:
    """Log a checkpoint as a model of a run, once, with its metrics."""
    run_id = run.info.run_id
    model = _find(client, run, given.path)
    if model is None:
        tags = {WEIGHTS_TAG: given.path, MLFLOW_MODEL_IS_EXTERNAL: "true"}
        model = client.create_logged_model(
            run.info.experiment_id, given.name, run_id, tags, model_type=KIND
        )
    client.finalize_logged_model(model.model_id, "READY")
    metrics = [Metric(*metric, model_id=model.model_id) for metric in given.metrics]
    client.log_batch(run_id, metrics=metrics, synchronous=True)
    outputs = client.get_run(run_id).outputs
    known = () if outputs is None else outputs.model_outputs
    if model.model_id not in [output.model_id for output in known]:
        client.log_outputs(run_id, [LoggedModelOutput(model.model_id, given.step)])


def remove_model(client: MlflowClient, run: Run, path: str) -> None:
    """Remove the model of a checkpoint, if there is one."""
    model = _find(client, run, path)
    if model is not None:
        client.delete_logged_model(model.model_id)


def _find(client: MlflowClient, run: Run, path: str) -> LoggedModel | None:
    matching = f"source_run_id = '{run.info.run_id}' AND tags.`{WEIGHTS_TAG}` = '{path}'"
    found = client.search_logged_models([run.info.experiment_id], matching, max_results=1)
    return next(iter(found), None)
