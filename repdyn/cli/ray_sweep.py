"""The runs of a sweep as tasks of Ray, on one machine or a cluster."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from repdyn.cli.child import Child, Resources, one_line, say, train_child
from repdyn.cli.console import new_console
from repdyn.errors import UserError
from repdyn.settings.schema import StoreConfig
from repdyn.storage.store import tracking_uri

try:
    import ray
except ImportError:
    raise UserError("--ray: Ray is not installed; pip install 'repdyn[ray]'") from None

LOCAL = "local"
"""Stands for a cluster that is started on this machine and ends with the sweep."""

RETRIES = 3
"""How often a run is taken up again whose worker died."""


def train_all_by_ray(
    console: Console,
    children: Sequence[Child],
    store: StoreConfig,
    parent: str,
    address: str,
    resources: Resources,
) -> dict[str, str]:
    """Train the runs of a sweep as Ray has room for them; returns what went wrong, by run.

    Args:
        console: for a line as each run ends.
        children: of the sweep.
        store: that all workers reach: a server, or a file on a disk that they share.
        parent: run id of the sweep.
        address: of the cluster, `auto` for the one that runs here, or LOCAL.
        resources: of each run.

    Raises:
        UserError: there is no such cluster, or it can never have the resources.
    """
    _connect(address)
    try:
        _check_room(resources)
        task = ray.remote(_train).options(
            num_cpus=resources.cpus, num_gpus=resources.gpus, max_retries=RETRIES
        )
        # a relative store is meant from here, whatever folder a worker stands in
        store = replace(store, tracking_uri=tracking_uri(store))
        waiting = {
            task.remote(child, store, parent, str(Path.cwd())): child
            for child in children
            if child.todo == "train"
        }
        say(
            console,
            f"{len(waiting)} runs on Ray, {resources.cpus:g} CPU, {resources.gpus:g} GPU each",
        )
        return _collect(console, waiting)
    finally:
        ray.shutdown()


def _collect(console: Console, waiting: dict[Any, Child]) -> dict[str, str]:
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
            say(console, f"[{done}/{total}] {child.name}: {said}")
    except KeyboardInterrupt:
        for task in waiting:
            ray.cancel(task)  # raises KeyboardInterrupt in its worker, which ends the run
        ray.wait(list(waiting), num_returns=len(waiting), timeout=30)
        raise
    return failed


def _train(child: Child, store: StoreConfig, parent: str, folder: str) -> str:
    """Train one run, in a worker."""
    if Path(folder).is_dir():
        os.chdir(folder)
    with Path(os.devnull).open("w") as nowhere:
        return train_child(new_console(nowhere), child, store, parent)


def _connect(address: str) -> None:
    logging.getLogger("ray").setLevel(logging.ERROR)
    try:
        ray.init(
            address=address,
            log_to_driver=False,
            logging_level=logging.ERROR,
            include_dashboard=False if address == LOCAL else None,
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise UserError(f"--ray {address}: {' '.join(str(error).split())}") from None


def _check_room(resources: Resources) -> None:
    there = ray.cluster_resources()
    for option, name, wanted in (
        ("--cpus-per-run", "CPU", resources.cpus),
        ("--gpus-per-run", "GPU", resources.gpus),
    ):
        if wanted > there.get(name, 0):
            raise UserError(
                f"{option} {wanted:g}: the Ray cluster has {there.get(name, 0):g} {name}"
            )
