"""Two processes of torchrun."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mlflow.tracking import MlflowClient

from repdyn.settings.schema import StoreConfig
from repdyn.storage.reader import load_run
from tests.support import two_ranks
from tests.support.present import present


def two_processes(kind: str, store: StoreConfig, folder: Path) -> str:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
            *("--nproc-per-node", "2", two_ranks.__file__, kind),
        ],
        cwd=folder,
        env=os.environ
        | {"MLFLOW_TRACKING_URI": str(store.tracking_uri), "PYTHONPATH": str(Path.cwd())},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_rank_zero_measures_and_the_others_wait(sqlite_store: StoreConfig, tmp_path: Path) -> None:
    """One measurement takes longer than the time limit of the training's own process group."""
    records = {}
    for kind in ("ddp", "fsdp"):
        said = two_processes(kind, sqlite_store, tmp_path)
        record = records[kind] = load_run(sqlite_store, kind)
        run = record.summary.run_id
        assert set(re.findall(r"rank \d: run \w+, record \w+", said)) == {
            f"rank 0: run {run}, record True",
            f"rank 1: run {run}, record False",
        }
        # what rank zero refuses ends the wait of the others
        assert len(re.findall(r"rank \d: refused .*matches none of the layers", said)) == 2
        assert record.summary.status == "FINISHED"
        assert present(record.dynamics).steps.tolist() == [0, 1, 2]
        assert present(record.dynamics).layers == ("layers.0", "layers.1", "layers.2", "logits")
        assert record.curves["train/loss"].steps.tolist() == [0, 1, 2]
    # the weights of both are the same but for the order of their sums
    np.testing.assert_allclose(
        present(records["ddp"].dynamics).similarity["cka"],
        present(records["fsdp"].dynamics).similarity["cka"],
        atol=1e-3,
    )
    client = MlflowClient(sqlite_store.tracking_uri)
    experiment = present(client.get_experiment_by_name("repdyn")).experiment_id
    assert len(client.search_runs([experiment])) == 2
