"""Reading a store: a list of a thousand runs, and one complete run, compared with MLflow's client."""

from __future__ import annotations

import io
import os
import sqlite3
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import patch

import mlflow
import numpy as np
from mlflow.tracking import MlflowClient

from benchmarks.result import Figure, Result, main
from benchmarks.timing import medians
from repdyn.analysis.phases import find_phases
from repdyn.analysis.scores import compute_scores
from repdyn.cli.show import list_all
from repdyn.records import PROBE_SPLITS, Curve, Dynamics, RunRecord, RunSummary
from repdyn.report.runs import WIDE
from repdyn.settings.defaults import resolved
from repdyn.settings.schema import Family, StoreConfig, TrainConfig
from repdyn.storage import codec, schema
from repdyn.storage.location import database_file
from repdyn.storage.reader import load_run
from repdyn.storage.search import NEWEST_FIRST, PAGE
from repdyn.storage.store import EXPERIMENT, artifact_folder, tracking_uri
from repdyn.storage.writer import RunWriter
from repdyn.training.checkpoint_epochs import checkpoint_epochs

EPOCHS, CLASSES = 200, 10

FAMILY: Family = "resnet"
LISTED_LAYERS, LISTED_CHECKPOINTS = 10, 60
"""Of the runs that are listed: ResNet-18's, and as many as are measured by default."""


@dataclass(frozen=True)
class Sizes:
    """How much is read.

    Attributes:
        runs: in the store.
        layers, checkpoints: of the run that is opened.
        repeat: how often each way is timed.
    """

    runs: int = 1000
    layers: int = 30
    checkpoints: int = 100
    repeat: int = 5


LARGE = Sizes(layers=100, checkpoints=400)
QUICK = Sizes(runs=50, layers=4, checkpoints=12, repeat=2)


def run(quick: bool) -> Result:
    """Time listing and opening."""
    sizes = QUICK if quick else Sizes()
    with temporary_store() as store:
        add_runs(store, sizes.runs - 1)
        opened = add_run(store, "opened", random_record(sizes.layers, sizes.checkpoints))
        figures = [*_listing(store, sizes), *_opening(store, opened, sizes)]
        if not quick:
            large = add_run(store, "large", large_record(LARGE), by_layer=False)
            figures += _opening(store, large, LARGE, most=0.5)
    return Result(
        "Reading a store",
        figures,
        f"SQLite store of {sizes.runs:,} runs with the params, tags, inputs and last metrics that a "
        f"ResNet-18 leaves; medians of {sizes.repeat} interleaved repetitions in one process with "
        f"mlflow loaded. repdyn runs is the whole command: search, table and text of {WIDE} columns. "
        "A run is opened with phases, scores and per-epoch curves; its artifacts are local.",
    )


def _listing(store: StoreConfig, sizes: Sizes) -> Iterator[Figure]:
    client = MlflowClient(tracking_uri(store))
    found = client.get_experiment_by_name(EXPERIMENT)
    assert found is not None
    experiment = found.experiment_id
    mlflow.set_tracking_uri(tracking_uri(store))
    ways = {
        "repdyn runs": lambda: _printed(store, sizes.runs),
        "search_runs": lambda: _searched(client, experiment, 1000),
        f"search_runs, {PAGE} a page": lambda: _searched(client, experiment, PAGE),
        "mlflow.search_runs": lambda: mlflow.search_runs([experiment]),
    }
    taken = medians(ways, sizes.repeat)
    of = f", {sizes.runs:,} runs"
    ours = taken["repdyn runs"]
    yield Figure(
        f"`repdyn runs` relative to search_runs{of}", ours / taken["search_runs"], most=1.2
    )
    yield Figure(
        "`repdyn runs` relative to search_runs, equal pages",
        ours / taken[f"search_runs, {PAGE} a page"],
    )
    yield Figure(
        "`repdyn runs` relative to mlflow.search_runs",
        ours / taken["mlflow.search_runs"],
        note="which also makes a table, a DataFrame",
    )
    for name, seconds in taken.items():
        yield Figure(name + of, seconds, "s")


def _printed(store: StoreConfig, runs: int) -> str:
    """Return what `repdyn runs` prints."""
    printed = io.StringIO()
    with patch.dict(os.environ, COLUMNS=str(WIDE)), redirect_stdout(printed):
        list_all(store, runs, as_json_text=False)
    text = printed.getvalue()
    if text.count("\n") <= runs:
        raise RuntimeError(f"not all of {runs} runs are listed")
    return text


def _searched(client: MlflowClient, experiment: str, page: int) -> int:
    """Return how many runs MLflow's client finds, with this page size."""
    found, token = 0, None
    while found == 0 or token:
        some = client.search_runs(
            [experiment], max_results=page, order_by=NEWEST_FIRST, page_token=token
        )
        found, token = found + len(some), some.token
    return found


def _opening(store: StoreConfig, run_id: str, sizes: Sizes, most: float = 0.2) -> Iterator[Figure]:
    client = MlflowClient(tracking_uri(store))
    curves = tuple(random_curves())
    ways = {
        "load_run": lambda: load_run(store, run_id),
        "MLflow's client and np.load": lambda: _plainly_read(client, run_id, curves),
    }
    taken = medians(ways, sizes.repeat)
    of = f", E = {sizes.checkpoints}, L = {sizes.layers}"
    ours, plain = taken.values()
    yield Figure(f"opening a run{of}", ours, "s", most=most)
    yield Figure(
        f"the same by MLflow's client and np.load{of}",
        plain,
        "s",
        note="get_run, get_metric_history, download_artifacts",
    )
    yield Figure("opening relative to that", ours / plain, note="repdyn also checks what it reads")


def _plainly_read(
    client: MlflowClient, run_id: str, curves: tuple[str, ...]
) -> dict[str, np.ndarray]:
    """Return the arrays and curves that `load_run` reads, unchecked."""
    client.get_run(run_id)
    folder = Path(
        mlflow.artifacts.download_artifacts(
            run_id=run_id, artifact_path=schema.DYNAMICS, tracking_uri=client.tracking_uri
        )
    )
    read = {file.stem: np.load(file) for file in folder.glob("*.npy")}
    for name in curves:
        history = client.get_metric_history(run_id, name)
        read[name] = np.array([(metric.step, metric.value) for metric in history])
    return read


# --- the store


@contextmanager
def temporary_store() -> Iterator[StoreConfig]:
    """Create an empty SQLite store, with its artifacts next to it."""
    with tempfile.TemporaryDirectory() as folder:
        store = StoreConfig(tracking_uri=f"sqlite:///{folder}/mlflow.db", experiment=EXPERIMENT)
        location = (Path(folder) / "mlruns").as_uri()
        MlflowClient(tracking_uri(store)).create_experiment(EXPERIMENT, artifact_location=location)
        yield store


def add_run(store: StoreConfig, name: str, record: RunRecord, *, by_layer: bool = True) -> str:
    """Write a finished run as `repdyn train` does; without weights, planes and label maps.

    Args:
        store: where to.
        name: of the run.
        record: what it has measured.
        by_layer: whether the metrics by layer are logged too.

    Returns:
        The run's id.
    """
    dynamics = record.dynamics
    if dynamics is None:
        raise ValueError("a run without a checkpoint")
    summary = record.summary
    with RunWriter.create(store, name, summary.params, summary.tags) as writer:
        for context in ("train", "test"):
            writer.log_input("digits", "scikit-learn", context, {"images": 1000})
        for epoch in range(EPOCHS + 1):
            row = {name: float(curve.values[epoch]) for name, curve in record.curves.items()}
            writer.log_metrics(epoch, row)
        for count, epoch in enumerate(dynamics.steps.tolist() if by_layer else (), 1):
            writer.log_metrics(epoch, codec.layer_metrics(until(dynamics, count)))
        writer.log_dynamics(dynamics)
        writer.log_phases(record.phases, record.scores, dynamics.layers)
    return writer.run_id


def add_runs(store: StoreConfig, count: int) -> None:
    """Add finished runs: one is written by repdyn, its rows in the database are copied.

    The histories of the metrics, which no listing reads, are not copied.
    """
    written = add_run(store, "run-0", random_record(LISTED_LAYERS, LISTED_CHECKPOINTS))
    client = MlflowClient(tracking_uri(store))
    run = client.get_run(written)
    folder = artifact_folder(client, run)
    if folder is None:
        raise ValueError("the artifacts are not local")
    file = database_file(tracking_uri(store))
    assert file is not None
    with closing(sqlite3.connect(file)) as database:
        for number in range(1, count):
            _copy_run(database, written, number, run.info.start_time, folder)
        database.commit()


def _copy_run(
    database: sqlite3.Connection, written: str, number: int, start: int, folder: Path
) -> None:
    """Copy a run's rows; the copy has an id, a name, a seed, a start and a folder of its own."""
    run_id, name = uuid.uuid4().hex, f"run-{number}"
    of_run = {"run_uuid": run_id}
    about: dict[str, str | int] = {
        "name": name,
        "start_time": start - 60_000 * number,
        "end_time": start - 60_000 * number + 45_000,
        "artifact_uri": str(folder).replace(written, run_id),
    }
    _copy_rows(database, "runs", {"run_uuid": written}, of_run | about)
    for table in ("params", "tags", "latest_metrics"):
        _copy_rows(database, table, {"run_uuid": written}, of_run)
    changed = (
        ("params", str(number), "seed"),
        ("tags", name, "mlflow.runName"),
    )
    for table, value, key in changed:
        database.execute(
            f"UPDATE {table} SET value = ? WHERE run_uuid = ? AND key = ?", (value, run_id, key)
        )
    found = database.execute("SELECT input_uuid FROM inputs WHERE destination_id = ?", (written,))
    for (known,) in found.fetchall():
        new = {"input_uuid": uuid.uuid4().hex}
        _copy_rows(database, "inputs", {"input_uuid": known}, new | {"destination_id": run_id})
        _copy_rows(database, "input_tags", {"input_uuid": known}, new)


def _copy_rows(
    database: sqlite3.Connection,
    table: str,
    which: Mapping[str, str],
    changes: Mapping[str, str | int],
) -> None:
    columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
    taken = ", ".join("?" if name in changes else f'"{name}"' for name in columns)
    names = ", ".join(f'"{name}"' for name in columns)
    where = " AND ".join(f"{name} = ?" for name in which)
    values = [changes[name] for name in columns if name in changes]
    database.execute(
        f"INSERT INTO {table} ({names}) SELECT {taken} FROM {table} WHERE {where}",
        (*values, *which.values()),
    )


# --- a run


def random_record(layers: int, checkpoints: int) -> RunRecord:
    """Return a finished run of random, smooth numbers that pass all checks."""
    dynamics = random_dynamics(layers, checkpoints)
    curves = random_curves()
    phases = find_phases(curves, dynamics)
    config, _ = resolved(TrainConfig(), FAMILY)
    tags = {
        schema.SCHEMA_TAG: str(schema.SCHEMA_VERSION),
        schema.LAYERS_TAG: str(layers),
        schema.FAMILY_TAG: FAMILY,
    }
    summary = RunSummary(
        run_id=f"{layers:032x}",
        name="random",
        experiment=EXPERIMENT,
        status="FINISHED",
        started=1_700_000_000_000,
        ended=1_700_000_240_000,
        params=config.params() | {"epochs": str(EPOCHS)},
        tags=tags,
        metrics={name: float(curve.values[-1]) for name, curve in curves.items()},
    )
    return RunRecord(summary, dynamics, curves, phases, compute_scores(dynamics, phases))


def large_record(sizes: Sizes) -> RunRecord:
    """Return a run with standard errors, whose phases nobody has looked for."""
    small = random_record(2, 12)
    dynamics = random_dynamics(sizes.layers, sizes.checkpoints, 20 * sizes.checkpoints)
    errors = {name: 0.01 * (1 - matrices) for name, matrices in dynamics.similarity.items()}
    none = ((),) * sizes.layers
    phases = replace(small.phases, change_points=none, change_intervals=none)
    return replace(small, dynamics=replace(dynamics, errors=errors), phases=phases, scores={})


def random_dynamics(layers: int, checkpoints: int, last: int = EPOCHS) -> Dynamics:
    """Return what might have been measured: similarities of features that drift at random."""
    rng = np.random.default_rng(0)
    epochs = np.array(checkpoint_epochs(last, checkpoints))
    count = len(epochs)
    steps = rng.normal(size=(layers, count, 64)) / np.arange(1, count + 1)[:, None]
    features = steps.cumsum(axis=1)
    features /= np.linalg.norm(features, axis=-1, keepdims=True)
    similar = ((features @ features.transpose(0, 2, 1)) ** 2).clip(0, 1).astype(np.float32)
    areas = rng.dirichlet(np.ones(CLASSES), size=(layers + 1, count))
    return Dynamics(
        layers=tuple(f"layer{i // 4}.{i % 4}" for i in range(layers)),
        steps=epochs,
        similarity={
            "cka": similar,
            "regions": np.sqrt(np.concatenate([similar, similar.mean(axis=0)[None]])),
        },
        probe_acc=rng.random((layers, count, len(PROBE_SPLITS)), dtype=np.float32),
        fragmentation=rng.uniform(1, 40, size=(layers + 1, count)).astype(np.float32),
        areas=areas.astype(np.float32),
    )


def random_curves() -> dict[str, Curve]:
    """Return the per-epoch metrics that a training with label noise logs."""
    epochs = np.arange(EPOCHS + 1)
    noise = np.random.default_rng(1).normal(size=len(epochs)) * 0.004
    learned, memorised = -np.expm1(-epochs / 5), 1 / (1 + np.exp((40 - epochs) / 5))
    values = {
        "train/loss": 2.3 * np.exp(-epochs / 9),
        "train/acc": 0.85 * learned + 0.15 * memorised,
        "train/acc_clean": learned,
        "train/acc_noisy": memorised,
        "test/loss": 0.4 + 1.9 * np.exp(-epochs / 6) + noise,
        "test/acc": 0.9 * learned + noise,
        "lr": np.full(len(epochs), 0.01),
    }
    return {name: Curve(epochs, each.astype(np.float64)) for name, each in values.items()}


def until(dynamics: Dynamics, count: int) -> Dynamics:
    """Return a run as it was at its nth checkpoint."""
    return dynamics.at_checkpoints(slice(count))


if __name__ == "__main__":
    main(["reading"], __doc__.splitlines()[0])
