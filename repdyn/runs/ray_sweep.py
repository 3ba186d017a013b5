"""The runs of a sweep as tasks of Ray, on one machine or a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from repdyn.runs.child import Child, Resources, one_line, train_child
from repdyn.runs.observer import Observer
from repdyn.runs.provenance import CommandLine
from repdyn.runs.ray_cluster import RETRIES, connected, ray, stand_in
from repdyn.settings.schema import StoreConfig
from repdyn.storage.store import tracking_uri


def train_all_by_ray(
    children: Sequence[Child],
    store: StoreConfig,
    parent: str,
    address: str,
    resources: Resources,
    observer: Observer,
) -> dict[str, str]:
    """Train the runs of a sweep as Ray has capacity for them; return the errors, by run.

    Args:
        children: of the sweep.
        store: reachable by all workers: a server, or a file on a shared disk.
        parent: run id of the sweep.
        address: of the cluster, `auto` for the one that runs here, or LOCAL.
        resources: of each run.
        observer: receives each run that ends.

    Raises:
        UserError: there is no such cluster, or it lacks the resources.
    """
    with connected(address, resources):
        task = ray.remote(_train).options(
            num_cpus=resources.cpus, num_gpus=resources.gpus, max_retries=RETRIES
        )
        # a relative store is relative to this folder, not to the worker's
        store = replace(store, tracking_uri=tracking_uri(store))
        waiting = {
            task.remote(child, store, parent, str(Path.cwd()), CommandLine.text()): child
            for child in children
            if child.todo == "train"
        }
        observer.say(
            f"{len(waiting)} runs on Ray, {resources.cpus:g} CPU, {resources.gpus:g} GPU each",
        )
        return _collect(waiting, observer)


def _collect(waiting: dict[Any, Child], observer: Observer) -> dict[str, str]:
    failed: dict[str, str] = {}
    done, total = 0, len(waiting)
    try:
        while waiting:
            (ended,), _ = ray.wait(list(waiting))
            child = waiting.pop(ended)
            done += 1
            try:
                said = str(ray.get(ended))
            except Exception as error:  # the other runs are worth having
                cause = getattr(error, "cause", error)
                failed[child.name] = one_line(cause if isinstance(cause, Exception) else error)
                said = f"failed: {failed[child.name]}"
            observer.say(f"[{done}/{total}] {child.name}: {said}")
    except KeyboardInterrupt:
        for task in waiting:
            ray.cancel(task)  # raises KeyboardInterrupt in its worker, which ends the run
        ray.wait(list(waiting), num_returns=len(waiting), timeout=30)
        raise
    return failed


def _train(child: Child, store: StoreConfig, parent: str, folder: str, command: str) -> str:
    """Train one run, in a worker, whose own command line tells nothing of the sweep."""
    stand_in(folder, command)
    return train_child(child, store, parent, Observer())
