"""`repdyn train` in two processes, as of torchrun: one dies, and one alone finishes the run."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import numpy as np
import pytest

import repdyn as api
from repdyn.errors import UserError
from repdyn.records import RunSummary
from repdyn.settings.schema import StoreConfig
from repdyn.storage.search import list_runs
from tests.e2e.conftest import clean_environment, repdyn
from tests.support.forked import ForkedProcess
from tests.support.present import present

SETTINGS = """
arch: resnet18
width: 0.0625
epochs: 20
lr: 0.01
augment: crop-flip
checkpoints: 4
planes: 4
grid: 5
fine_planes: 1
fine_grid: 5
probe_images: 40
cka_batch: 20
probe_train: 60
train_size: 250
layers: stem|logits
figures: false
save_every: 1
"""


def started_run(store: StoreConfig) -> RunSummary | None:
    try:
        runs = list_runs(store)
    except UserError:
        return None
    return next((run for run in runs if "test/acc" in run.metrics), None)


def process(rank: int, port: int, folder: Path) -> ForkedProcess:
    """Start one of two processes, as torchrun does."""
    environment = clean_environment() | {"RANK": str(rank), "WORLD_SIZE": "2"}
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    command = ("-m", "repdyn", "train", "--config", "run.yaml", "--run-name", "two")
    return ForkedProcess(command, folder, environment | place)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_process_that_dies_ends_the_run_which_one_process_resumes(
    tmp_path: Path, made_store: None
) -> None:
    (tmp_path / "run.yaml").write_text(SETTINGS)
    store = StoreConfig(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    zero, one = (process(rank, port, tmp_path) for rank in (0, 1))
    until = time.monotonic() + 300
    while time.monotonic() < until and started_run(store) is None:
        time.sleep(0.1)
    one.kill()
    printed, error = zero.communicate(timeout=300)
    assert zero.returncode == 2, error
    run = present(started_run(store))
    assert error == (
        "repdyn: another process of this training died, so that it ended; resume it with "
        f"--resume {run.run_id[:8]}\n"
    )
    assert one.communicate(timeout=100) == ("", "")
    assert "250 training images" in printed
    assert api.load_run("two", tracking_uri=store.tracking_uri).summary.status == "FAILED"
    repdyn("train", "--resume", "two", cwd=tmp_path)
    repdyn("train", "--config", "run.yaml", "--run-name", "one", cwd=tmp_path)
    two, alone = (api.load_run(name, tracking_uri=store.tracking_uri) for name in ("two", "one"))
    assert two.summary.status == "FINISHED"
    for name in ("train/loss", "test/loss", "train/acc"):
        np.testing.assert_allclose(two.curves[name].values, alone.curves[name].values, atol=0.02)
    np.testing.assert_allclose(
        present(two.dynamics).similarity["cka"],
        present(alone.dynamics).similarity["cka"],
        atol=0.01,
    )
