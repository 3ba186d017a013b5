"""How representations form while a network trains.

`load_run` reads a recorded run as arrays; `Recorder` measures any torch module at any epoch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from repdyn.layer import Layer
    from repdyn.layers import watched_layers
    from repdyn.measures.recorder import ProbeData, Recorder
    from repdyn.records import RunRecord

__all__ = ["Layer", "ProbeData", "Recorder", "load_run", "watched_layers"]

_HOMES = {
    "Layer": "repdyn.layer",
    "ProbeData": "repdyn.measures.recorder",
    "Recorder": "repdyn.measures.recorder",
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


def __getattr__(name: str) -> Any:
    """Import what needs torch on first access."""
    if name not in _HOMES:
        raise AttributeError(f"module 'repdyn' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
