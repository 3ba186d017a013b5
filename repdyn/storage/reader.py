"""Reads runs out of MLflow into frozen records; needs no torch."""

from __future__ import annotations

import gc
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
from mlflow.entities import Metric, Run
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from numpy.typing import NDArray

from repdyn.analysis.phases import find_phases, without_open_minimum
from repdyn.analysis.undefined import FOUND_IN
from repdyn.display.metrics import is_other
from repdyn.errors import SettingError, UserError
from repdyn.measures.spec import MEASURES
from repdyn.own_runs import PARENT_TAG, is_own, is_sweep
from repdyn.records import (
    SYSTEM_METRICS,
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
from repdyn.storage.locks.heartbeat import is_silent
from repdyn.storage.run_artifacts import RunArtifacts
from repdyn.storage.store import connect_existing, experiment_name, one_line, tracking_uri

PAGE = 100
"""Runs per query: more need more memory at once, and are hardly faster."""
NEWEST_FIRST = ["attributes.start_time DESC"]
LAST_CHANGED_FIRST = ["last_update_time DESC"]
PHASE, SCORE = "phase/", "score/"
LAST = "last"
MOST_CURVES = 200
"""Metrics that are read with a run to be looked at; of more, the rest is read on demand."""

MOST_FILES = 5000
"""Artifacts that are listed of a run."""
_DIGITS = 9
"""Maximum digits read of a schema number: the tag is untrusted."""


def pages(
    options: StoreConfig, *, matching: str = "", size: int = PAGE, sweeps: bool = False
) -> Iterator[list[RunSummary]]:
    """Yield the experiment's runs, newest first, a page at a time.

    Args:
        options: which store and experiment.
        matching: a filter in MLflow's language, such as `params.opt = 'sgd'`.
        size: runs per page.
        sweeps: whether the parents of sweeps, which train nothing themselves, are among them.

    Raises:
        UserError: there is no such store or experiment, or the filter is invalid.
    """
    client = connect_existing(options)
    with one_line(tracking_uri(options)):
        experiment = client.get_experiment_by_name(experiment_name(options))
        if experiment is None:
            raise _no_experiment(client, options)
        token = None
        while True:
            with _without_collector():
                found = client.search_runs(
                    [experiment.experiment_id],
                    matching,
                    max_results=size,
                    order_by=NEWEST_FIRST,
                    page_token=token,
                )
            yield [
                summary_of(run, experiment.name)
                for run in found
                if sweeps or not is_sweep(run.data.tags)
            ]
            token = found.token
            if not token:
                return


@contextmanager
def _without_collector() -> Iterator[None]:
    """Disable the garbage collector during a query.

    SQLAlchemy creates many objects at once, and none of them is garbage: scanning them repeatedly
    takes more than half of the time of a page.
    """
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


def list_experiments(options: StoreConfig) -> list[str]:
    """Return the names of the store's experiments, last changed first.

    Raises:
        UserError: there is no such store.
    """
    client = connect_existing(options)
    with one_line(tracking_uri(options)):
        return [found.name for found in client.search_experiments(order_by=LAST_CHANGED_FIRST)]


def list_runs(options: StoreConfig, limit: int = 1000, *, sweeps: bool = False) -> list[RunSummary]:
    """Return the newest runs of the experiment.

    Args:
        options: which store and experiment.
        limit: how many.
        sweeps: whether the parents of sweeps are among them; those of the listed runs always are, in
            addition to the limit.

    Raises:
        UserError: there is no such store or experiment.
    """
    runs: list[RunSummary] = []
    for page in pages(options, size=min(limit, PAGE), sweeps=sweeps):
        runs += page
        if len(runs) >= limit:
            break
    runs = runs[:limit]
    return [*runs, *_parents(options, runs)] if sweeps else runs


def _parents(options: StoreConfig, runs: Iterable[RunSummary]) -> list[RunSummary]:
    """Return the runs in which some are nested that are not among them."""
    known = {run.run_id for run in runs}
    missing = {run.tags.get(PARENT_TAG, "") for run in runs} - known - {""}
    parents = []
    for run_id in sorted(missing):
        with suppress(UserError):  # another program's, or removed
            parents.append(find_run(options, run_id))
    return parents


def find_run(options: StoreConfig, text: str) -> RunSummary:
    """Return a run by id, name, unique id prefix, or `last`.

    Raises:
        UserError: no run matches, or several do.
    """
    client = connect_existing(options)
    with one_line(tracking_uri(options)):
        run = _find(client, options, text)
        return summary_of(run, client.get_experiment(run.info.experiment_id).name)


def find_sweep(options: StoreConfig, text: str) -> RunSummary:
    """Return the parent run of a sweep by id, name or unique id prefix.

    Raises:
        UserError: there is none, or it is not a sweep.
    """
    summary = find_run(options, text)
    if not is_sweep(summary.tags):
        raise SettingError("sweep", text, "is not a sweep; give the name that repdyn sweep printed")
    return summary


def sweep_with(options: StoreConfig, digest: str) -> RunSummary | None:
    """Return the last sweep with these settings, whatever its name; None if there is none.

    Args:
        options: which store and experiment.
        digest: of the settings.

    Raises:
        UserError: there is no such store or experiment.
    """
    matching = f"tags.`{schema.SWEEP_TAG}` = '{digest}'"
    return next(iter(next(pages(options, matching=matching, size=1, sweeps=True))), None)


def sweep_runs(options: StoreConfig, sweep: RunSummary) -> list[RunSummary]:
    """Return the runs of a sweep, in the order in which they were started."""
    client = connect_existing(options)
    runs: list[RunSummary] = []
    token = None
    with one_line(tracking_uri(options)):
        experiment = client.get_experiment_by_name(sweep.experiment)
        while experiment is not None:
            with _without_collector():
                found = client.search_runs(
                    [experiment.experiment_id],
                    f"tags.`{PARENT_TAG}` = '{sweep.run_id}'",
                    max_results=PAGE,
                    order_by=["attributes.start_time ASC"],
                    page_token=token,
                )
            runs += [summary_of(run, experiment.name) for run in found]
            token = found.token
            if not token:
                break
    return runs


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
        dynamics = _dynamics(found, unit_of(summary.tags)) if measured else None
    names = metric_names(summary)
    first = sorted(names, key=is_other)[:most]
    curves = load_curves(options, summary, sorted(first))
    with _naming(summary):
        phases = _phases(found, dynamics, summary.last_step) if measured else None
    phases = phases or find_phases(curves, None)
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

        def read(path: str, most: int) -> bytes:
            if path not in wanted:
                raise FileNotFoundError(path)
            return found.read(path, most)

        dynamics = _decoded(read, unit_of(summary.tags)) if stored else None
        phases = _phases(found, dynamics, summary.last_step) if schema.PHASES in stored else None
    known = metric_names(summary)
    names = {*choose(known), *(() if phases else FOUND_IN)}
    curves = load_curves(options, summary, [name for name in known if name in names])
    phases = phases or find_phases(curves, None)
    return RunRecord(summary, dynamics, curves, phases, _scores(summary, dynamics))


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
            raise UserError(f"{path}: the run has no such artifact") from None


def saved_epochs(options: StoreConfig, text: str) -> list[int]:
    """Return the epochs with saved weights, increasing."""
    _, found = _open(options, text)
    names = found.sizes(schema.CHECKPOINTS)
    numbers = (re.search(r"epoch_(\d+)\.safetensors$", name) for name in names)
    return sorted(int(match[1]) for match in numbers if match)


def _open(options: StoreConfig, text: str) -> tuple[RunSummary, RunArtifacts]:
    client = connect_existing(options)
    with one_line(tracking_uri(options)):
        run = _find(client, options, text)
        summary = summary_of(run, client.get_experiment(run.info.experiment_id).name)
    if is_sweep(run.data.tags):
        raise UserError(
            f"{text}: is a sweep, not a run; view it with repdyn compare --sweep {text}"
        )
    if is_newer(summary.tags):
        raise UserError(
            f"run {summary.run_id[:8]}: written by a newer repdyn (schema "
            f"{summary.tags[schema.SCHEMA_TAG][:_DIGITS]}, this one reads up to "
            f"{schema.SCHEMA_VERSION}); upgrade repdyn"
        )
    return summary, RunArtifacts(client, run)


def is_newer(tags: Mapping[str, str]) -> bool:
    """Return whether a run's artifacts have a schema that this repdyn does not know."""
    return _schema(tags) > schema.SCHEMA_VERSION


def is_older(tags: Mapping[str, str]) -> bool:
    """Return whether a run's artifacts have an earlier schema than this repdyn's, or none."""
    return _schema(tags) < schema.SCHEMA_VERSION


def _schema(tags: Mapping[str, str]) -> int:
    """Return the number of a run's schema, 0 if it has none."""
    version = tags.get(schema.SCHEMA_TAG, "0")
    return int(version[:_DIGITS]) if version.isdecimal() else 0


@contextmanager
def _naming(summary: RunSummary) -> Iterator[None]:
    """Add the run to the error for a file that cannot be read."""
    try:
        yield
    except UserError as error:
        raise UserError(f"run {summary.run_id[:8]}: {error}") from None


def _needed(found: RunArtifacts, path: str, most: int) -> bytes:
    try:
        return found.read(path, most)
    except FileNotFoundError:
        raise UserError(f"{path}: the run has no such artifact") from None


def _dynamics(found: RunArtifacts, unit: str) -> Dynamics | None:
    return _decoded(found.read, unit)


def _decoded(read: Callable[[str, int], bytes], unit: str) -> Dynamics | None:
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


def _find(client: MlflowClient, options: StoreConfig, text: str) -> Run:
    if re.fullmatch(r"[0-9a-f]{32}", text):
        try:
            return client.get_run(text)
        except MlflowException:
            raise UserError(f"{text}: there is no such run; repdyn runs lists them") from None
    experiment = client.get_experiment_by_name(experiment_name(options))
    if experiment is None:
        raise _no_experiment(client, options)

    def search(matching: str, most: int = 4) -> list[Run]:
        return list(
            client.search_runs(
                [experiment.experiment_id], matching, max_results=most, order_by=NEWEST_FIRST
            )
        )

    if text == LAST:
        newest = search("", 20)  # parents of sweeps may be among the newest
        found = [run for run in newest if not is_sweep(run.data.tags)]
        if not found:
            raise UserError(
                f"experiment {experiment.name} has no runs yet; start one with repdyn train"
            )
        return found[0]
    found = []
    quote = "'" if '"' in text else '"'
    if text and quote not in text:
        found = search(f"attributes.run_name = {quote}{text}{quote}")
    if not found and re.fullmatch(r"[0-9a-f]{1,31}", text):
        found = search(f"attributes.run_id LIKE '{text}%'")
    if not found:
        raise UserError(
            f"{text}: no run of experiment {experiment.name} has this name or id prefix; "
            "repdyn runs lists them"
        )
    if len(found) > 1:
        ids = ", ".join(run.info.run_id[:8] for run in found[:3])
        more = " and more" if len(found) > 3 else ""
        raise UserError(f"{text}: ambiguous: matches several runs ({ids}{more}); give an id")
    return found[0]


def _no_experiment(client: MlflowClient, options: StoreConfig) -> SettingError:
    names = [e.name for e in client.search_experiments(max_results=10)]
    return SettingError(
        "experiment",
        experiment_name(options),
        f"there is no such experiment in {tracking_uri(options)} "
        f"(it has {', '.join(names) or 'none'}); start a run with repdyn train",
    )


def summary_of(run: Run, experiment: str) -> RunSummary:
    """Return the summary of a run, from MLflow's record of it."""
    tags = dict(run.data.tags)
    return RunSummary(
        run_id=run.info.run_id,
        name=run.info.run_name or run.info.run_id[:8],
        experiment=experiment,
        status=_status(run.info.status, tags),
        started=int(run.info.start_time or 0),
        ended=None if run.info.end_time is None else int(run.info.end_time),
        params=dict(run.data.params) | _measured_again(tags),
        tags=tags,
        metrics=dict(run.data.metrics),
        last_step=_last_step(run),
    )


def _last_step(run: Run) -> int | None:
    """Return the last step of a run's metrics, which may be after its last checkpoint.

    Without MLflow's system metrics, which are counted by sample.
    """
    logged: list[Metric] = run.data._metric_objs
    steps = [int(one.step) for one in logged if not one.key.startswith(SYSTEM_METRICS)]
    return max(steps, default=None)


def _status(recorded: str, tags: Mapping[str, str]) -> str:
    """Return MLflow's status, or DIED for a run recorded as running without a heartbeat."""
    return "DIED" if recorded == "RUNNING" and is_silent(tags) else recorded


def _measured_again(tags: Mapping[str, str]) -> dict[str, str]:
    try:
        settings = json.loads(tags.get(schema.MEASURES_TAG, "{}"))
        return {str(name): str(value) for name, value in settings.items()}
    except (ValueError, AttributeError, RecursionError):
        return {}


def _curve(history: list[Metric]) -> Curve:
    """Return a metric by epoch; if an epoch was logged twice, the later value."""
    latest = {m.step: m for m in sorted(history, key=lambda m: (m.step, m.timestamp))}
    values = np.array([m.value for m in latest.values()], dtype=np.float64)
    # databases store infinity as the largest number
    largest = abs(values) >= np.finfo(np.float64).max
    values[largest] = np.copysign(np.inf, values[largest])
    times = np.array([m.timestamp for m in latest.values()], dtype=np.int64)
    return Curve(np.array(list(latest), dtype=np.int64), values, times)
