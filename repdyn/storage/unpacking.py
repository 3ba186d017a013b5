"""Writes the runs of a bundle into a store of their own, for all that reads stores."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from uuid import uuid4

from mlflow.tracking import MlflowClient

from repdyn.errors import UserError
from repdyn.records import RunSummary
from repdyn.settings.schema import StoreConfig
from repdyn.storage import codec
from repdyn.storage.bundle import Bundle
from repdyn.storage.experiment import TAGS
from repdyn.storage.location import ARTIFACTS, artifact_uri, sqlite_uri
from repdyn.storage.search import list_runs
from repdyn.storage.store import connect, one_line, patiently
from repdyn.storage.writer import RunWriter

DATABASE = "mlflow.db"


def unpack(bundle: Bundle, folder: Path) -> str:
    """Write a bundle's runs to a store in a folder, unless they are there; return its URI.

    Their ids are new; names, params, times and all that the bundle has of them are kept.

    Args:
        bundle: of runs of one experiment.
        folder: where to; it is made if it does not exist.

    Raises:
        UserError: the folder holds something else.
    """
    uri = sqlite_uri(folder.absolute() / DATABASE)
    experiment = bundle.summaries[0].experiment
    store = StoreConfig(tracking_uri=uri, experiment=experiment)
    if (folder / DATABASE).is_file():
        if _names(list_runs(store)) != _names(bundle.summaries):
            raise UserError(
                f"{folder}: holds other runs, or only some of these; name another folder, or delete it"
            )
        return uri
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder}: is not empty; name another folder")
    client = connect(store)
    with one_line(uri):
        location = artifact_uri(folder.absolute() / ARTIFACTS / uuid4().hex)
        experiment_id = client.create_experiment(experiment, location, tags=TAGS)
        for summary in bundle.summaries:
            _write(bundle, summary, client, experiment_id, store)
    return uri


def _names(summaries: list[RunSummary]) -> list[str]:
    return sorted(summary.name for summary in summaries)


def _write(
    bundle: Bundle,
    summary: RunSummary,
    client: MlflowClient,
    experiment_id: str,
    store: StoreConfig,
) -> None:
    record = bundle.record(summary.run_id)
    dynamics = record.dynamics
    if dynamics is None:
        raise ValueError("a bundle has no run without a checkpoint")
    run = client.create_run(
        experiment_id, start_time=summary.started, tags=dict(summary.tags), run_name=summary.name
    )
    with RunWriter.attach(store, run.info.run_id, summary.params) as writer:
        for name, curve in record.curves.items():
            for step, value in zip(curve.steps.tolist(), curve.values.tolist(), strict=True):
                writer.log_metrics(step, {name: value})
        for count, step in enumerate(dynamics.steps[:-1].tolist(), start=1):
            earlier = dynamics.at_checkpoints(slice(count))
            writer.log_metrics(step, codec.layer_metrics(earlier))
        for step in dynamics.steps.tolist():
            writer.log_label_maps(bundle.label_maps(summary.run_id, step))
        writer.log_planes(bundle.planes(summary.run_id))
        writer.log_dynamics(dynamics)
        writer.log_phases(record.phases, record.scores, dynamics.layers)
    end = partial(client.set_terminated, run.info.run_id, summary.status, summary.ended)
    patiently(end)
