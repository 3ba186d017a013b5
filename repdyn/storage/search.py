"""Finds runs and sweeps in a store."""

from __future__ import annotations

import gc
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from repdyn.errors import SettingError, UserError
from repdyn.own_runs import PARENT_TAG, is_sweep
from repdyn.records import RunSummary
from repdyn.settings.schema import StoreConfig
from repdyn.storage import schema
from repdyn.storage.run_summary import summary_of
from repdyn.storage.store import connect_existing, experiment_name, one_line, tracking_uri

PAGE = 100
"""Runs per query: more need more memory at once, and are hardly faster."""
NEWEST_FIRST = ["attributes.start_time DESC"]
LAST_CHANGED_FIRST = ["last_update_time DESC"]
LAST = "last"


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
        run = find(client, options, text)
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


def find(client: MlflowClient, options: StoreConfig, text: str) -> Run:
    """Return MLflow's record of a run; `text` as in `find_run`."""
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
