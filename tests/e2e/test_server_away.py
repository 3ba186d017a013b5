"""A real MLflow server that is killed during a run: nothing is missing, nothing is twice."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest
from mlflow.tracking import MlflowClient

from repdyn.settings.schema import StoreConfig
from repdyn.storage.schema import DESCRIPTION_TAG, PROVENANCE_TAG
from repdyn.storage.search import find_run
from tests.e2e.conftest import clean_environment, repdyn, started
from tests.e2e.test_mlflow_ui import wait_for
from tests.support.forked import ForkedProcess

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SETTINGS = """
arch: resnet18
width: 0.0625
epochs: 80
lr: 0.005
checkpoints: 0,1,2,4,8,16,32,80
planes: 6
grid: 5
fine_planes: 1
fine_grid: 7
probe_images: 100
probe_train: 100
train_size: 400
save_every: 10
layers: stem|layer[24].1|logits
figures: false
"""


class Addressed(Protocol):
    """A server that is a tracking store: MLflow's or a database's."""

    address: str


class Server:
    """MLflow's server on one port and one store, which can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        log = self._folder / "server.log"
        command = [sys.executable, "-m", "mlflow", "server", "--port", str(self._port)]
        with log.open("a") as out:
            self._process = subprocess.Popen(
                [*command, "--workers", "1"],
                cwd=self._folder,
                env=clean_environment(),
                stdout=out,
                stderr=out,
                start_new_session=True,  # its workers are to be killed with it
            )
        try:
            wait_for(self.address, self._process, log)
        except AssertionError:
            self.kill()
            raise

    def kill(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(timeout=30)
            self._process = None


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def undisturbed(server: Server, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "run.yaml").write_text(SETTINGS)
    arguments = ["--run-name", "undisturbed", "--tracking-uri", server.address]
    repdyn("train", "--config", "run.yaml", *arguments, cwd=folder)
    assert not (folder / "repdyn-spool").exists()
    return run_id(server, "undisturbed")


def run_id(server: Addressed, name: str) -> str:
    return find_run(StoreConfig(tracking_uri=server.address), name).run_id


def train(server: Server, folder: Path, name: str) -> ForkedProcess:
    (folder / "run.yaml").write_text(SETTINGS)
    settings = ["--config", "run.yaml", "--run-name", name, "--tracking-uri", server.address]
    return started("train", *settings, cwd=folder)


def read_to(line: str, process: ForkedProcess) -> None:
    for printed in process.stdout:
        if printed.startswith(line):
            return
    raise AssertionError(process.communicate())


def metrics(server: Addressed, run: str) -> dict[str, list[tuple[int, float]]]:
    """Return all that was logged, in order, twice what is there twice."""
    client = MlflowClient(server.address)
    return {
        name: sorted((m.step, m.value) for m in client.get_metric_history(run, name))
        for name in client.get_run(run).data.metrics
    }


def artifacts(server: Addressed, run: str, tmp_path: Path) -> dict[str, str]:
    """Return the artifacts' digests; of what holds times, and figures with the run's name, none."""
    folder = tmp_path / "fetched" / run
    folder.mkdir(parents=True)
    MlflowClient(server.address).download_artifacts(run, "", str(folder))
    files = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    timed = ("dynamics/timings.json", "checkpoints/last.safetensors")
    return {
        name: "" if name in timed or path.suffix == ".png" else digest(path)
        for name, path in files.items()
    }


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def same(server: Server, run: str, other: str, tmp_path: Path) -> None:
    ours, theirs = metrics(server, run), metrics(server, other)
    assert ours == theirs
    assert sum(map(len, ours.values())) > 80 * 5
    one, another = (artifacts(server, each, tmp_path) for each in (run, other))
    assert one == another
    assert len(one) > 30
    client = MlflowClient(server.address)
    found = [client.get_run(each) for each in (run, other)]
    assert [each.info.status for each in found] == ["FINISHED", "FINISHED"]
    inputs = [len(each.inputs.dataset_inputs) for each in found if each.inputs is not None]
    assert inputs == [2, 2]
    tags = [
        {name: value for name, value in each.data.tags.items() if name.startswith("repdyn.")}
        for each in found
    ]
    for each in tags:
        # the last two have its start and its name
        for name in ("repdyn.heartbeat", "repdyn.pid", PROVENANCE_TAG, DESCRIPTION_TAG):
            each.pop(name)
    assert tags[0] == tags[1]


def test_a_server_that_is_killed_and_comes_back(
    server: Server, undisturbed: str, tmp_path: Path
) -> None:
    process = train(server, tmp_path, "disturbed")
    read_to("epoch 4/", process)
    server.kill()
    read_to("epoch 8/", process)  # training goes on
    time.sleep(3)
    server.start()
    out, error = process.communicate(timeout=600)
    assert process.returncode == 0, out + error
    lines = [line for line in error.splitlines() if line.strip()]
    assert len(lines) == 1, error
    assert "does not respond; training continues, and logged data is queued in" in lines[0]
    assert not (tmp_path / "repdyn-spool").exists()
    same(server, run_id(server, "disturbed"), undisturbed, tmp_path)


def test_a_server_that_comes_back_after_the_run(
    server: Server, undisturbed: str, tmp_path: Path
) -> None:
    process = train(server, tmp_path, "late")
    read_to("epoch 4/", process)
    server.kill()
    start = time.monotonic()
    out, error = process.communicate(timeout=300)
    took = time.monotonic() - start
    assert process.returncode == 75, out + error
    assert "Traceback" not in error
    last = error.splitlines()[-1]
    assert "repdyn sync" in last
    (queue,) = (tmp_path / "repdyn-spool").iterdir()
    assert str(queue) in last
    assert took < 150

    refused = repdyn("sync", cwd=tmp_path, ok=False)
    assert refused.returncode == 2
    assert "no MLflow server responds" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1

    server.start()
    done = repdyn("sync", cwd=tmp_path)
    assert f"sent to {server.address}; the run is FINISHED" in done.stdout
    assert not (tmp_path / "repdyn-spool").exists()
    same(server, run_id(server, "late"), undisturbed, tmp_path)
    assert "nothing is queued" in repdyn("sync", cwd=tmp_path).stdout


def test_a_run_that_was_killed_while_the_server_was_away_goes_on(
    server: Server, undisturbed: str, tmp_path: Path
) -> None:
    process = train(server, tmp_path, "killed")
    read_to("epoch 16/", process)
    server.kill()
    read_to("epoch 32/", process)
    process.kill()
    process.communicate()
    server.start()
    uri = ["--tracking-uri", server.address]
    done = repdyn("train", "--resume", "killed", *uri, cwd=tmp_path)
    assert "resumes in epoch" in done.stdout
    assert not (tmp_path / "repdyn-spool").exists()
    run = run_id(server, "killed")
    assert artifacts(server, run, tmp_path) == artifacts(server, undisturbed, tmp_path)
    assert metrics(server, run) == metrics(server, undisturbed)
