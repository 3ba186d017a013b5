"""A sweep on a real local Ray cluster of two workers, one of which is killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from e2e.conftest import clean_environment
from repdyn.config import StoreConfig
from repdyn.errors import UserError
from repdyn.tracking.reader import find_sweep, sweep_runs

GRID = """
arch: resnet18
width: 0.0625
opt: [sgd, adam]
lr: 0.005
epochs: 40
checkpoints: 8
planes: 6
grid: 5
fine_planes: 1
fine_grid: 5
probe_images: 40
cka_batch: 20
probe_train: 100
layers: stem|logits
"""


def workers() -> list[int]:
    """Return the processes that train: Ray names them after their task."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            title = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if entry.name.isdecimal() and title.startswith(b"ray::_train"):
            found.append(int(entry.name))
    return found


def trained(store: StoreConfig) -> list:
    try:
        return sweep_runs(store, find_sweep(store, "two"))
    except UserError:
        return []


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds the workers in /proc")
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
        until = time.monotonic() + 120
        while time.monotonic() < until and not any(
            "test/acc" in run.metrics for run in trained(store)
        ):
            time.sleep(0.5)
        os.kill(workers()[0], signal.SIGKILL)
        said, _ = sweep.communicate(timeout=240)
    finally:
        sweep.kill()
    assert sweep.returncode == 0, said
    runs = trained(store)
    finished = [run for run in runs if run.status == "FINISHED"]
    assert {run.params["opt"] for run in finished} == {"sgd", "adam"}
    assert len(finished) == 2
    assert [run.status for run in runs if run not in finished] == ["FAILED"]
