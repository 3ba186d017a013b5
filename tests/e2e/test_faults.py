"""Runs before whose server a proxy lies, and whose process is killed: in the end all is there once."""

from __future__ import annotations

import hashlib
import itertools
import multiprocessing
import os
import random
import re
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from repdyn.storage.delivery import drain
from repdyn.storage.delivery.drain import drain_folder, queue_folders
from repdyn.storage.delivery.logged_models import WEIGHTS_TAG
from repdyn.storage.locks.heartbeat import HOST_TAG, PID_TAG, TAG
from repdyn.storage.schema import DESCRIPTION_TAG, checkpoint_path, image_paths
from tests.e2e.test_server_away import Server
from tests.support import synthetic_run
from tests.support.fault_proxy import FAULTS, FaultProxy, at_random

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SEEDS = range(30)
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.support.synthetic_run"])


@dataclass(frozen=True)
class Place:
    """A server, a proxy before it, and what an undisturbed run leaves."""

    server: Server
    folder: Path
    proxy: FaultProxy
    undisturbed: dict[str, object]


@pytest.fixture(scope="module")
def forks() -> Iterator[None]:
    """Let the process that is forked for each run load all once; it takes no path but this one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
        yield


@pytest.fixture(scope="module")
def place(forks: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("server")
    server = Server(folder)
    server.start()
    proxy = FaultProxy(int(server.address.rpartition(":")[2]))
    try:
        work = tmp_path_factory.mktemp("undisturbed")
        run_id, code = write(proxy, work, "run", kill_after=None, patience=synthetic_run.PATIENT)
        assert code == 0, (work / "said").read_text()
        yield Place(server, folder, proxy, left(folder, server, run_id))
    finally:
        proxy.close()
        server.kill()


def write(
    proxy: FaultProxy,
    folder: Path,
    name: str,
    *,
    kill_after: float | None,
    patience: float = 1.0,
    choose: Callable[[str, str], str | None] | None = None,
) -> tuple[str, int | None]:
    """Write a run in a process; returns its id and the process's exit code."""
    ours, theirs = CONTEXT.Pipe()
    process = CONTEXT.Process(
        target=synthetic_run.write, args=(proxy.address, folder, name, patience, theirs)
    )
    process.start()
    run_id = ours.recv()
    with proxy.disturbed(choose or proxy.choose):
        ours.send("go on")
        process.join(kill_after if kill_after is not None else 120)
        if kill_after is not None:
            process.kill()
        process.join(30)
    return run_id, process.exitcode


def sync(folder: Path) -> None:
    """Send all that waits, as `repdyn sync` does."""
    for queue in queue_folders(folder / "repdyn-spool"):
        assert drain_folder(queue).refused == ()
    assert not (folder / "repdyn-spool").exists()


OF_ONE_RUN = (TAG, HOST_TAG, PID_TAG, DESCRIPTION_TAG)
"""Tags that differ between two runs of one kind."""


def left(folder: Path, server: Server, run_id: str) -> dict[str, object]:
    """Return all that is there of a run; what is there twice, twice."""
    client = MlflowClient(server.address)
    run: Run = client.get_run(run_id)
    assert run.inputs is not None
    root = folder / "mlartifacts" / run.info.experiment_id / run_id / "artifacts"
    tags = {k: v for k, v in run.data.tags.items() if k.startswith("repdyn.")}
    return {
        "status": run.info.status,
        "params": dict(run.data.params),
        "tags": {k: v for k, v in tags.items() if k not in OF_ONE_RUN},
        "inputs": len(run.inputs.dataset_inputs),
        "metrics": {
            name: sorted((m.step, m.value) for m in client.get_metric_history(run_id, name))
            for name in run.data.metrics
        },
        "models": sorted(
            (
                model.tags[WEIGHTS_TAG],
                str(model.status),
                sorted((m.key, m.step, m.value) for m in model.metrics or ()),
            )
            for model in client.search_logged_models(
                [run.info.experiment_id], f"source_run_id = '{run_id}'"
            )
        ),
        "artifacts": {
            # the times of images are those at which their runs were created
            re.sub(r"\+timestamp\+\d+", "", str(path.relative_to(root))): hashlib.sha256(
                path.read_bytes()
            ).hexdigest()
            for path in root.rglob("*")
            if path.is_file() and not path.name.startswith(".artifact.uploading.")  # MLflow's own
        },
    }


def whole(place: Place, run_id: str, tmp_path: Path) -> None:
    sync(tmp_path)
    assert left(place.folder, place.server, run_id) == place.undisturbed


def test_the_undisturbed_run_is_what_was_written(place: Place) -> None:
    epochs = range(synthetic_run.EPOCHS)
    assert place.undisturbed["metrics"] == {
        "train/acc": [(epoch, epoch / 4) for epoch in epochs],
        "train/loss": [(epoch, 1 / (1 + epoch)) for epoch in epochs],
    }
    metrics = [("train/acc", 3, 0.75), ("train/loss", 3, 0.25)]
    assert place.undisturbed["models"] == [(checkpoint_path(3), "READY", metrics)]
    images = {
        re.sub(r"\+timestamp\+\d+", "", path): bytes([epoch]) * size
        for epoch in synthetic_run.SHOWN
        for path, size in zip(image_paths(synthetic_run.IMAGE, epoch, 0), (200, 50), strict=True)
    }
    contents = images | {
        checkpoint_path(3): bytes([3]) * 5000,
        "checkpoints/last.safetensors": bytes([3]) * 3000,
        "dynamics/cka.npy": bytes([3]) * 103,
    }
    digests = {path: hashlib.sha256(content).hexdigest() for path, content in contents.items()}
    assert place.undisturbed["artifacts"] == digests
    assert place.undisturbed["params"] == synthetic_run.PARAMS
    assert (place.undisturbed["status"], place.undisturbed["inputs"]) == ("FINISHED", 1)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_mix_of_faults_and_kills(seed: int, place: Place, tmp_path: Path) -> None:
    rng = random.Random(seed)
    killed = seed % 2 == 1
    run_id, code = write(
        place.proxy,
        tmp_path,
        "run",
        kill_after=rng.uniform(0.0, 1.5) if killed else None,
        choose=at_random(seed, rng.choice((0.1, 0.3, 0.6))),
    )
    expected = (0, synthetic_run.UNSENT, -9) if killed else (0, synthetic_run.UNSENT)
    assert code in expected, (tmp_path / "said").read_text()
    if code == -9:
        again = CONTEXT.Process(
            target=synthetic_run.go_on, args=(place.proxy.address, tmp_path, run_id)
        )
        again.start()
        again.join(120)
        assert again.exitcode == 0, (tmp_path / "said").read_text()
    whole(place, run_id, tmp_path)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_server_that_always_answers_so_neither_ends_nor_holds_a_run(
    fault: str, place: Place, tmp_path: Path
) -> None:
    start = time.monotonic()
    run_id, code = write(
        place.proxy, tmp_path, "run", kill_after=None, choose=lambda method, path: fault
    )
    assert time.monotonic() - start < 60
    if fault != "slow":
        assert code == synthetic_run.UNSENT
    whole(place, run_id, tmp_path)


def test_an_empty_answer_that_is_not_the_servers_loses_no_artifact_of_the_same_size(
    place: Place, tmp_path: Path
) -> None:
    """MLflow's own answer to an upload is empty, too."""
    swallowed = itertools.cycle(["empty", None])

    def swallow(method: str, path: str) -> str | None:
        return next(swallowed) if method == "PUT" and path.endswith("last.safetensors") else None

    run_id, code = write(
        place.proxy,
        tmp_path,
        "run",
        kill_after=None,
        patience=synthetic_run.PATIENT,
        choose=swallow,
    )
    assert code == 0
    whole(place, run_id, tmp_path)


def test_only_one_run_is_created_where_the_answer_is_lost(place: Place, tmp_path: Path) -> None:
    faults = iter(["lost", "truncated"])

    def lose(method: str, path: str) -> str | None:
        return next(faults, None) if path.endswith("runs/create") else None

    name = f"created-{os.getpid()}"
    with place.proxy.disturbed(lose):
        run_id, code = write(
            place.proxy, tmp_path, name, kill_after=None, patience=synthetic_run.PATIENT
        )
    assert code == 0
    client = MlflowClient(place.server.address)
    found = client.search_runs([client.get_run(run_id).info.experiment_id], f"run_name = '{name}'")
    assert [run.info.run_id for run in found] == [run_id]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain, "PAUSE", 0.01)
