"""Opens runs for writing: creates them, or finds them, on servers that may be slow or away."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from typing import Protocol, TypeVar

from mlflow.entities import Param, Run
from mlflow.tracking import MlflowClient
from mlflow.utils.validation import MAX_PARAM_VAL_LENGTH

from repdyn.checks import MOST_EXPERIMENT_CHARACTERS, MOST_RUN_CHARACTERS, check_text
from repdyn.settings.schema import StoreConfig
from repdyn.storage.location import is_served
from repdyn.storage.locks import heartbeat
from repdyn.storage.moved import refuse_moved
from repdyn.storage.rest_client import strict
from repdyn.storage.retry import Retry
from repdyn.storage.store import OPENING_SECONDS, connect, one_line, patiently, tracking_uri

T = TypeVar("T")

PARAMS_A_BATCH = 100
"""MLflow's limit per request."""

LAST_WORD_SECONDS = 10.0
"""Time limit for telling a server that a run could not be opened."""


class Call(Protocol):
    """Makes a call, and retries it where that may help."""

    def __call__(self, call: Callable[[], T], /) -> T:
        """Return what the call returns."""


@contextmanager
def opened(store: StoreConfig) -> Iterator[tuple[str, MlflowClient, Call]]:
    """Yield a store's URI, its client and what makes calls; the store's errors become one line."""
    uri = tracking_uri(store)
    client = strict(connect(store))
    with one_line(uri):
        yield uri, client, opening(uri)


def opening(uri: str, seconds: float = OPENING_SECONDS) -> Call:
    """Return what makes the calls that open a run, within a time limit for all of them."""
    return Retry(uri, seconds) if is_served(uri) else patiently


def run_record(client: MlflowClient, run_id: str, call: Call) -> tuple[Run, str]:
    """Return a run and the name of its experiment."""
    run = call(lambda: client.get_run(run_id))
    return run, call(lambda: str(client.get_experiment(run.info.experiment_id).name))


def check_texts(experiment: str, run_name: str, params: Mapping[str, str]) -> None:
    """Check, before a run is created, what MLflow or its database would reject later."""
    check_text("experiment name", experiment, MOST_EXPERIMENT_CHARACTERS)
    check_text("run name", run_name, MOST_RUN_CHARACTERS)
    for name, value in params.items():
        check_text(name, value, MAX_PARAM_VAL_LENGTH)


def log_params(client: MlflowClient, run_id: str, params: Mapping[str, str], call: Call) -> None:
    """Log params, in as many requests as it takes."""
    entities = [Param(*pair) for pair in params.items()]
    for start in range(0, len(entities), PARAMS_A_BATCH):
        call(partial(client.log_batch, run_id, params=entities[start : start + PARAMS_A_BATCH]))


class Creation:
    """Creates a run once: a second call first checks if only the response to the first was lost."""

    def __init__(
        self, client: MlflowClient, experiment: str, tags: Mapping[str, str], name: str
    ) -> None:
        self._client = client
        self._experiment = experiment
        self._tags = dict(tags)
        self._name = name
        self._called = False

    def __call__(self) -> str:
        """Return the id of the run."""
        found = self._find() if self._called else None
        self._called = True
        run = found or self._client.create_run(
            self._experiment, tags=self._tags, run_name=self._name
        )
        return str(run.info.run_id)

    def _find(self) -> Run | None:
        """Return the run of this name that this process has created at this time."""
        signed = (heartbeat.TAG, heartbeat.HOST_TAG, heartbeat.PID_TAG)
        equal = " AND ".join(f"tags.`{tag}` = '{self._tags[tag]}'" for tag in signed)
        found = self._client.search_runs([self._experiment], equal)
        return next((run for run in found if run.info.run_name == self._name), None)


def refuse_moved_run(client: MlflowClient, run_id: str, call: Call) -> None:
    """Refuse to write to a run whose store was copied or moved.

    Raises:
        UserError: it was.
    """
    run = call(lambda: client.get_run(run_id))
    call(lambda: refuse_moved(client, run.info.experiment_id))


@contextmanager
def ended_if_raised(client: MlflowClient, run_id: str) -> Iterator[None]:
    """Set a run's final status if it cannot be opened: nothing else would."""
    try:
        yield
    except BaseException as error:
        status = status_after(type(error))
        with suppress(Exception):  # the user sees why it cannot be opened
            opening(client.tracking_uri, LAST_WORD_SECONDS)(
                lambda: client.set_terminated(run_id, status)
            )
        raise


def status_after(kind: type[BaseException]) -> str:
    """Return the final status of a run that an exception of this kind ends."""
    return "KILLED" if issubclass(kind, KeyboardInterrupt) else "FAILED"


def logged_metrics(client: MlflowClient, run: Run) -> dict[tuple[str, int], tuple[float, int]]:
    """Return all metrics of a run, and when they were logged, by name and step.

    If one was logged twice, the later value.
    """
    found: dict[tuple[str, int], tuple[float, int]] = {}
    for name in run.data.metrics:
        call = opening(client.tracking_uri)  # their number must not count against the server
        history = call(partial(client.get_metric_history, run.info.run_id, name))
        for metric in sorted(history, key=lambda metric: metric.timestamp):
            found[name, metric.step] = metric.value, metric.timestamp
    return found


def end_run(store: StoreConfig, run_id: str, status: str) -> None:
    """Set the final status of a run that is no longer being written.

    Raises:
        UserError: the store is unreachable or has no such run.
    """
    client, uri = strict(connect(store)), tracking_uri(store)
    with one_line(uri):
        opening(uri)(lambda: client.set_terminated(run_id, status))
