"""Reads a run out of MLflow into frozen records; needs no torch."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from mlflow.entities import Metric
from numpy.typing import NDArray

from repdyn.analysis.phases import find_phases, with_spikes, without_open_minimum
from repdyn.analysis.undefined import FOUND_IN
from repdyn.display.metric_names import is_other
from repdyn.errors import NoArtifactError, UserError
from repdyn.measures.spec import MEASURES
from repdyn.own_runs import is_own, is_sweep
from repdyn.records import (
    Curve,
    Dynamics,
    LabelMaps,
    Phases,
    PlaneSet,
    RunRecord,
    RunSummary,
    unit_of,
)
from repdyn.score_key import ScoreKey
from repdyn.settings.schema import StoreConfig
from repdyn.storage import codec, schema
from repdyn.storage.run_artifacts import RunArtifacts
from repdyn.storage.run_summary import is_newer, schema_version, summary_of
from repdyn.storage.search import find, find_run
from repdyn.storage.store import connect_existing, one_line, tracking_uri

PHASE = "phase/"
MOST_CURVES = 200
"""Metrics that are read with a run to be looked at; of more, the rest is read on demand."""

MOST_FILES = 5000
"""Artifacts that are listed of a run."""


def load_run(options: StoreConfig, text: str, *, most: int | None = None) -> RunRecord:
    """Read a complete run; `text` as in `find_run`.

    Args:
        options: which store and experiment.
        text: which run.
        most: of how many metrics the curves are read, accuracies and losses first; None for all.

    Raises:
        UserError: there is no such run, it was written by a newer repdyn, or a file is damaged.
    """
    summary, found = _open(options, text)
    measured = is_own(summary.tags)  # else the artifacts of other programs, perhaps out of reach
    with _naming(summary):
        dynamics = _decoded(found.buffer, unit_of(summary.tags)) if measured else None
    names = metric_names(summary)
    first = sorted(names, key=is_other)[:most]
    curves = load_curves(options, summary, sorted(first))
    with _naming(summary):
        phases = _phases(found, dynamics, summary.last_step) if measured else None
    phases = with_spikes(phases, curves) if phases else find_phases(curves, None)
    unread = tuple(name for name in names if name not in curves)
    return RunRecord(summary, dynamics, curves, phases, _scores(summary, dynamics), unread)


def _scores(summary: RunSummary, dynamics: Dynamics | None) -> dict[ScoreKey, float]:
    measures = () if dynamics is None else dynamics.similarity
    return {
        key: summary.metrics[f"{schema.SCORE}{name}"]
        for name, key in schema.SCORES.items()
        if f"{schema.SCORE}{name}" in summary.metrics
        and key.measure in measures  # metrics of a removed measure remain
    }


def load_outline(
    options: StoreConfig, text: str, choose: Callable[[Collection[str]], Collection[str]]
) -> RunRecord:
    """Read what outlines a run: one measure without standard errors, some curves, its phases.

    Args:
        options: which store and experiment.
        text: as in `find_run`.
        choose: given the names of the run's metrics, returns those whose curves are read.

    Raises:
        UserError: there is no such run, it was written by a newer repdyn, or a file is damaged.
    """
    summary, found = _open(options, text)
    with _naming(summary):
        stored = found.sizes(schema.DYNAMICS) if is_own(summary.tags) else {}
        measure = next((name for name in MEASURES if schema.array_path(name) in stored), "")
        arrays = (measure, schema.OUTPUT_APART.format(measure))
        wanted = {schema.LAYERS, schema.EPOCHS, *map(schema.array_path, arrays)}
        dynamics = _decoded(_only(found, wanted), unit_of(summary.tags)) if stored else None
        phases = _phases(found, dynamics, summary.last_step) if schema.PHASES in stored else None
    known = metric_names(summary)
    names = {*choose(known), *(() if phases else FOUND_IN)}
    curves = load_curves(options, summary, [name for name in known if name in names])
    phases = with_spikes(phases, curves) if phases else find_phases(curves, None)
    return RunRecord(summary, dynamics, curves, phases, _scores(summary, dynamics))


def load_measured(options: StoreConfig, text: str) -> tuple[Dynamics | None, list[str]]:
    """Read what a run has measured but for the matrices, which may be behind and take the most space.

    Returns:
        The dynamics without similarities, None before the first checkpoint; and the names of the measures.

    Raises:
        UserError: there is no such run, it was written by a newer repdyn, or a file is damaged.
    """
    summary, found = _open(options, text)
    if not is_own(summary.tags):
        return None, []
    with _naming(summary):
        stored = found.sizes(schema.DYNAMICS)
        paths = {schema.LAYERS, schema.EPOCHS, *map(schema.array_path, schema.ARRAYS)}
        dynamics = _decoded(_only(found, paths), unit_of(summary.tags))
    return dynamics, [name for name in MEASURES if schema.array_path(name) in stored]


def _only(found: RunArtifacts, paths: Collection[str]) -> codec.Read:
    """Return a reader for which there are only these files."""

    def read(path: str, most: int) -> memoryview:
        if path not in paths:
            raise FileNotFoundError(path)
        return found.buffer(path, most)

    return read


def load_verdicts(options: StoreConfig, text: str) -> dict[str, str]:
    """Read the verdicts on the findings from the stored comparison of a sweep; empty without one.

    Raises:
        UserError: there is no such run, or the comparison is damaged.
    """
    summary = find_run(options, text)
    client = connect_existing(options)
    with one_line(tracking_uri(options)):
        found = RunArtifacts(client, client.get_run(summary.run_id))
    try:
        with _naming(summary):
            content = found.read(schema.COMPARISON, schema.JSON_BYTES)
            return codec.decode_verdicts(content)
    except FileNotFoundError:
        return {}


def metric_names(summary: RunSummary) -> list[str]:
    """Return the names of a run's metrics, without those by layer, which its dynamics hold."""
    skipped = (PHASE, schema.SCORE, *schema.LAYER_METRICS) if is_own(summary.tags) else ()
    return [name for name in sorted(summary.metrics) if not name.startswith(skipped)]


def load_curves(
    options: StoreConfig, summary: RunSummary, names: Iterable[str]
) -> dict[str, Curve]:
    """Read metrics of a run by step."""
    client = connect_existing(options)
    with one_line(tracking_uri(options)):
        return {name: _curve(client.get_metric_history(summary.run_id, name)) for name in names}


def load_planes(options: StoreConfig, text: str) -> PlaneSet:
    """Read the planes of a run.

    Raises:
        UserError: there is no such run, it has none, or their file is damaged.
    """
    summary, found = _open(options, text)
    with _naming(summary):
        return codec.decode_planes(_needed(found, schema.PLANES, schema.ARRAY_BYTES))


def load_label_maps(options: StoreConfig, text: str, epoch: int) -> LabelMaps:
    """Read a checkpoint's label maps.

    Raises:
        UserError: there is no such run or checkpoint, or its file is damaged.
    """
    summary, found = _open(options, text)
    path = schema.label_maps_path(epoch)
    with _naming(summary):
        content = _needed(found, path, schema.ARRAY_BYTES)
        return codec.decode_label_maps(path, content, epoch, _layers(found))


def load_summaries(options: StoreConfig, text: str, measure: str, epoch: int) -> NDArray[Any]:
    """Read what a measure stored of a checkpoint, (N, m).

    For CKA these are rows, from which `measures.rows.cka_matrix` gives that of any two runs.

    Raises:
        UserError: there is no such run or checkpoint, or its file is damaged.
    """
    summary, found = _open(options, text)
    path = schema.summaries_path(measure, epoch)
    with _naming(summary):
        content = _needed(found, path, schema.SUMMARIES_BYTES)
        return codec.decode_summaries(measure, path, content, _layers(found))


def load_weights(options: StoreConfig, text: str, epoch: int) -> bytes:
    """Read a checkpoint's weights, as safetensors.

    Raises:
        UserError: there is no such run or checkpoint.
    """
    summary, found = _open(options, text)
    with _naming(summary):
        return _needed(found, schema.checkpoint_path(epoch), schema.WEIGHTS_BYTES)


def load_state(options: StoreConfig, text: str) -> bytes | None:
    """Read the stored state from which a stopped training resumes; None if there is none.

    Raises:
        UserError: there is no such run.
    """
    summary, found = _open(options, text)
    try:
        with _naming(summary):
            return found.read(schema.LAST_STATE, schema.WEIGHTS_BYTES)
    except FileNotFoundError:
        return None


def artifact_sizes(options: StoreConfig, text: str) -> dict[str, int]:
    """Return the sizes in bytes of a run's artifacts, by path."""
    _, found = _open(options, text)
    return found.walk(MOST_FILES)


def artifact_place(options: StoreConfig, text: str, path: str) -> str:
    """Return where an artifact lies: its file, or its address in the store that has it."""
    _, found = _open(options, text)
    return found.place(path)


def artifact_head(options: StoreConfig, text: str, path: str, most: int) -> bytes:
    """Read the first bytes of an artifact.

    Raises:
        UserError: there is no such run or file, or it cannot be read.
    """
    summary, found = _open(options, text)
    with _naming(summary):
        try:
            return found.head(path, most)
        except FileNotFoundError:
            raise NoArtifactError(f"{path}: the run has no such artifact") from None


def saved_epochs(options: StoreConfig, text: str) -> list[int]:
    """Return the epochs with saved weights, increasing."""
    _, found = _open(options, text)
    names = found.sizes(schema.CHECKPOINTS)
    numbers = (re.search(r"epoch_(\d+)\.safetensors$", name) for name in names)
    return sorted(int(match[1]) for match in numbers if match)


def _open(options: StoreConfig, text: str) -> tuple[RunSummary, RunArtifacts]:
    client = connect_existing(options)
    with one_line(tracking_uri(options)):
        run = find(client, options, text)
        summary = summary_of(run, client.get_experiment(run.info.experiment_id).name)
    if is_sweep(run.data.tags):
        raise UserError(
            f"{text}: is a sweep, not a run; view it with repdyn compare --sweep {text}"
        )
    if is_newer(summary.tags):
        raise UserError(
            f"run {summary.run_id[:8]}: written by a newer repdyn (schema "
            f"{schema_version(summary.tags)}, this one reads up to "
            f"{schema.SCHEMA_VERSION}); upgrade repdyn"
        )
    return summary, RunArtifacts(client, run)


@contextmanager
def _naming(summary: RunSummary) -> Iterator[None]:
    """Add the run to the error for a file that cannot be read."""
    try:
        yield
    except UserError as error:
        kind = NoArtifactError if isinstance(error, NoArtifactError) else UserError
        raise kind(f"run {summary.run_id[:8]}: {error}") from None


def _needed(found: RunArtifacts, path: str, most: int) -> bytes:
    try:
        return found.read(path, most)
    except FileNotFoundError:
        raise NoArtifactError(f"{path}: the run has no such artifact") from None


def _decoded(read: codec.Read, unit: str) -> Dynamics | None:
    try:
        dynamics = codec.decode_dynamics(read, unit)
    except FileNotFoundError:
        return None
    return dynamics if len(dynamics.steps) else None


def _phases(found: RunArtifacts, dynamics: Dynamics | None, last: int | None) -> Phases | None:
    """Return the stored phases; None if there are none, or they are still those of other layers."""
    try:
        content = found.read(schema.PHASES, schema.JSON_BYTES)
    except FileNotFoundError:
        return None
    phases = without_open_minimum(codec.decode_phases(content), last or 0)
    count = len(phases.change_points)
    return phases if dynamics is None or count in (0, len(dynamics.layers)) else None


def _layers(found: RunArtifacts) -> int | None:
    """Return how many layers the run watches; None before its first checkpoint is stored."""
    try:
        return len(codec.decode_layers(found.read))
    except FileNotFoundError:
        return None


def _curve(history: list[Metric]) -> Curve:
    """Return a metric by epoch; if an epoch was logged twice, the later value."""
    latest = {m.step: m for m in sorted(history, key=lambda m: (m.step, m.timestamp))}
    values = np.array([m.value for m in latest.values()], dtype=np.float64)
    # databases store infinity as the largest number
    largest = abs(values) >= np.finfo(np.float64).max
    values[largest] = np.copysign(np.inf, values[largest])
    times = np.array([m.timestamp for m in latest.values()], dtype=np.int64)
    return Curve(np.array(list(latest), dtype=np.int64), values, times)
