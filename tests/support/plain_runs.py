"""MLflow runs of another program: nothing of repdyn's, but whatever else MLflow takes."""

from __future__ import annotations

import math
from pathlib import Path

from mlflow.entities import Metric
from mlflow.tracking import MlflowClient

from repdyn.settings.schema import StoreConfig

POINTS = 20


def metrics(step: int) -> dict[str, float]:
    """What the ordinary run logs at a step."""
    return {
        "loss": 2 / (1 + step),
        "val_loss": 2.5 / (1 + step),
        "accuracy": 1 - 1 / (2 + step),
        "lr": 1e-3 * 0.9**step,
        "grad/encoder/block0/weight": 0.5 + step,
        "grad/encoder/block0/bias": 0.25 + step,
        "grad/encoder/block1/weight": 0.75 + step,
        "grad/head": 1.5 + step,
        "système/mémoire": 1000.0 + step,
    }


ODD = {
    "nan/all": [(0, math.nan), (1, math.nan)],
    "nan/some": [(0, 1.0), (1, math.nan), (2, 3.0), (3, math.inf), (4, -math.inf), (5, 2.0)],
    "negative": [(-1000, 1.0), (-10, 2.0), (0, 3.0), (100, 4.0)],
    "huge": [(0, 1.0), (10**12, 2.0), (9 * 10**18, 3.0)],
    "one point": [(7, 0.5)],
    "extreme": [(0, -1e308), (1, 1e308)],
    "学習/損失": [(0, 1.0), (1, 0.5)],
    "constant": [(0, 3.0), (5, 3.0)],
}


def write(where: StoreConfig, name: str, logged: dict[str, list[tuple[int, float]]]) -> str:
    """Write a run and return its id."""
    client = MlflowClient(where.tracking_uri)
    found = client.get_experiment_by_name(str(where.experiment))
    experiment = found.experiment_id if found else client.create_experiment(str(where.experiment))
    run = client.create_run(experiment, run_name=name)
    points = [
        Metric(metric, value, 0, step) for metric, curve in logged.items() for step, value in curve
    ]
    for start in range(0, len(points), 1000):
        client.log_batch(run.info.run_id, points[start : start + 1000])
    return str(run.info.run_id)


def ordinary(where: StoreConfig, files: Path) -> str:
    """Write an ordinary run with params, tags and artifacts."""
    logged: dict[str, list[tuple[int, float]]] = {}
    for step in range(POINTS):
        for name, value in metrics(step).items():
            logged.setdefault(name, []).append((step, value))
    run = write(where, "theirs", logged)
    client = MlflowClient(where.tracking_uri)
    client.log_param(run, "model/depth", "12")
    client.set_tag(run, "team", "vision")
    files.mkdir(parents=True, exist_ok=True)
    (files / "report.txt").write_text("first line\nsecond line: größer\n", "utf-8")
    (files / "config").mkdir()
    (files / "config" / "model.yaml").write_text("depth: 12\nwidth: 64\n", "utf-8")
    client.log_artifacts(run, str(files))
    client.set_terminated(run, "FAILED")
    return run
