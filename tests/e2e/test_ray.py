"""A sweep on a real local Ray cluster of two workers, one of which is killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from repdyn.errors import UserError
from repdyn.records import RunSummary
from repdyn.settings.schema import StoreConfig
from repdyn.storage.locks.heartbeat import PID_TAG
from repdyn.storage.search import find_sweep, sweep_runs
from tests.e2e.conftest import clean_environment

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
