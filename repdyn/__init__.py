"""How representations form while a network trains.

`start_run` measures your own training into an MLflow run, `measure_checkpoints` a folder of
checkpoints; `load_run` reads a run as arrays, `cross_cka` compares two. `Recorder` measures without MLflow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from repdyn import checkpoints
    from repdyn.layer import Layer
    from repdyn.layers import watched_layers
    from repdyn.measures.inputs import Inputs
    from repdyn.measures.recorder import Recorder
    from repdyn.measures.settings import MeasureSettings
    from repdyn.records import RunRecord
    from repdyn.report.comparison import CrossCka
    from repdyn.runs.importing import measure_checkpoints
    from repdyn.runs.loop import Run, start_run
    from repdyn.runs.ray_tasks import RayTasks

__all__ = [
    "Inputs",
    "Layer",
    "MeasureSettings",
    "RayTasks",
    "Recorder",
    "Run",
    "checkpoints",
    "cross_cka",
    "load_run",
    "measure_checkpoints",
    "start_run",
    "watched_layers",
]

_HOMES = {
    "Inputs": "repdyn.measures.inputs",
    "Layer": "repdyn.layer",
    "MeasureSettings": "repdyn.measures.settings",
    "RayTasks": "repdyn.runs.ray_tasks",
    "Recorder": "repdyn.measures.recorder",
    "Run": "repdyn.runs.loop",
    "measure_checkpoints": "repdyn.runs.importing",
    "start_run": "repdyn.runs.loop",
    "watched_layers": "repdyn.layers",
}


def load_run(
    run: str = "last", *, tracking_uri: str | None = None, experiment: str | None = None
) -> RunRecord:
    """Read a run from MLflow: arrays with their epochs and layer names, curves and phases.

    Args:
        run: id, unique prefix of one, run name, or `last`.
        tracking_uri: MLflow store (default: MLFLOW_TRACKING_URI, else sqlite:///mlflow.db here).
        experiment: its name (default: MLFLOW_EXPERIMENT_NAME, else repdyn).

    Raises:
        UserError: there is no such store or run, or the run is ambiguous.
    """
    from repdyn.settings.schema import StoreConfig
    from repdyn.storage import reader

    return reader.load_run(StoreConfig(tracking_uri=tracking_uri, experiment=experiment), run)


def cross_cka(
    a: str, b: str, *, tracking_uri: str | None = None, experiment: str | None = None
) -> CrossCka:
    """Return the CKA of each layer of a run with each of another, from what they stored.

    Args:
        a, b: the runs, as for `load_run`; they were measured on the same reference images.
        tracking_uri: MLflow store (default: MLFLOW_TRACKING_URI, else sqlite:///mlflow.db here).
        experiment: its name (default: MLFLOW_EXPERIMENT_NAME, else repdyn).

    Raises:
        UserError: there is no such run, their reference images differ, or they have no checkpoint in
            common or did not store their Gram matrices.
    """
    from repdyn.runs import cross
    from repdyn.settings.schema import StoreConfig

    store = StoreConfig(tracking_uri=tracking_uri, experiment=experiment)
    first, second = (
        load_run(name, tracking_uri=tracking_uri, experiment=experiment) for name in (a, b)
    )
    return cross.cross_cka(first, second, store)


def __getattr__(name: str) -> Any:
    """Import what needs torch on first access."""
    from importlib import import_module

    if name == "checkpoints":
        return import_module("repdyn.checkpoints")
    if name not in _HOMES:
        raise AttributeError(f"module 'repdyn' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
