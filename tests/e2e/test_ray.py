"""A real local Ray cluster of two workers, one of which is killed."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

import repdyn as api
from repdyn.errors import UserError
from repdyn.records import RunSummary
from repdyn.settings.schema import StoreConfig
from repdyn.storage.locks.heartbeat import PID_TAG
from repdyn.storage.search import find_sweep, sweep_runs
from tests.e2e.conftest import clean_environment
from tests.storage.test_codec import assert_same
from tests.support import forked
from tests.support.present import present

GRID = """
arch: resnet18
width: 0.0625
opt: [sgd, adam]
lr: 0.005
epochs: 150
checkpoints: 8
planes: 6
grid: 5
fine_planes: 1
fine_grid: 5
probe_images: 40
cka_batch: 20
probe_train: 100
layers: stem|logits
figures: false
"""


def trained(store: StoreConfig) -> list[RunSummary]:
    try:
        return sweep_runs(store, find_sweep(store, "two"))
    except UserError:
        return []


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_whose_worker_is_killed_is_trained_by_another(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="comes with repdyn[ray]")
    (tmp_path / "grid.yaml").write_text(GRID)
    store = StoreConfig(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")
    command = [
        sys.executable,
        "-m",
        "repdyn.cli",
        "sweep",
        "--config",
        "grid.yaml",
        "--name",
        "two",
    ]
    sweep = subprocess.Popen(
        [*command, "--ray"],
        cwd=tmp_path,
        env=clean_environment() | {"RAY_DISABLE_IMPORT_WARNING": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        until = time.monotonic() + 300
        begun: list[RunSummary] = []
        while time.monotonic() < until and not begun:
            time.sleep(0.5)
            begun = [
                run
                for run in trained(store)
                if "test/acc" in run.metrics and run.status == "RUNNING"
            ]
        worker = int(begun[0].tags[PID_TAG])
        priorities = [os.getpriority(os.PRIO_PROCESS, pid) for pid in (sweep.pid, worker)]
        os.kill(worker, signal.SIGKILL)
        said, _ = sweep.communicate(timeout=500)
    finally:
        sweep.kill()
    assert sweep.returncode == 0, said
    assert priorities[0] == priorities[1]
    runs = trained(store)
    finished = [run for run in runs if run.status == "FINISHED"]
    assert {run.params["opt"] for run in finished} == {"sgd", "adam"}
    assert len(finished) == 2
    (killed,) = (run for run in runs if run.run_id == begun[0].run_id)
    # another went on with it, or where its state was not saved yet, trained it anew
    assert killed.tags[PID_TAG] != begun[0].tags[PID_TAG] or killed.status == "FAILED"


ONE_THREAD = """
import torch
from repdyn.cli import main
torch.set_num_threads(1)
main()
"""


def measuring_worker(command: int) -> psutil.Process | None:
    """Return a worker that measures for a command."""
    for process in psutil.Process(command).children(recursive=True):
        with suppress(psutil.Error):
            if process.cmdline()[:1] == ["ray::_observe"]:
                return process
    return None


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_checkpoints_of_a_killed_worker_are_measured_by_another(store: Path) -> None:
    pytest.importorskip("ray", reason="comes with repdyn[ray]")
    settings = ("analyze", "small", "--planes", "24", "--grid", "21")
    one_thread = clean_environment() | {"OMP_NUM_THREADS": "1"}
    analysis = subprocess.Popen(
        [sys.executable, "-m", "repdyn.cli", *settings, "--ray"],
        cwd=store,
        env=one_thread,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        until = time.monotonic() + 300
        worker = None
        while time.monotonic() < until and worker is None and analysis.poll() is None:
            time.sleep(0.02)
            worker = measuring_worker(analysis.pid)
        present(worker).kill()
        said, _ = analysis.communicate(timeout=500)
    finally:
        analysis.kill()
    assert analysis.returncode == 0, said
    apart = api.load_run("last")
    forked.run(["-c", ONE_THREAD, *settings], store, clean_environment(), timeout=500)
    whole = api.load_run("last")
    assert apart.summary.run_id != whole.summary.run_id
    assert_same(present(apart.dynamics), present(whole.dynamics))
    assert apart.phases == whole.phases
