"""Processes at one store at the same moment."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from repdyn.settings.schema import StoreConfig
from repdyn.storage.reader import load_run
from repdyn.storage.search import find_run, list_runs
from tests.e2e.conftest import clean_environment, started
from tests.e2e.test_resume import SETTINGS, stopped_after
from tests.support.forked import ForkedProcess

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

LIGHT = """
import sys
from repdyn.settings.schema import StoreConfig
from repdyn.storage.writer import RunWriter
print("ready", flush=True)
sys.stdin.readline()
with RunWriter.create(StoreConfig(), "light" + sys.argv[1], {"epochs": "3"}, {}) as writer:
    for epoch in range(3):
        writer.log_metrics(epoch, {"train/acc": epoch / 2})
        writer.log_input(f"data {epoch}", "here", "train", {"rows": 1})
        writer.flush()
"""


def test_twenty_runs_and_three_trainings_start_at_once_on_a_fresh_store(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(SETTINGS)
    light = [ForkedProcess(["-c", LIGHT, str(i)], tmp_path, clean_environment()) for i in range(20)]
    for process in light:
        assert process.stdout.readline() == "ready\n"
    train = ["train", "--config", "run.yaml", "--epochs", "2"]
    heavy = [
        started(*train, "--checkpoints", "2", "--run-name", f"heavy{i}", cwd=tmp_path)
        for i in range(3)
    ]
    for process in light:
        process.stdin.write("\n")
        process.stdin.flush()
    for process in (*light, *heavy):
        out, error = process.communicate(timeout=600)
        assert process.returncode == 0, out + error
        assert not error
    store = StoreConfig(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")
    runs = list_runs(store)
    names = [f"light{i}" for i in range(20)] + [f"heavy{i}" for i in range(3)]
    assert sorted(run.name for run in runs) == sorted(names)
    assert {run.status for run in runs} == {"FINISHED"}
    for name in names[:20]:
        assert load_run(store, name).curves["train/acc"].values.tolist() == [0, 0.5, 1]


def test_of_two_that_resume_a_killed_run_one_goes_on(tmp_path: Path) -> None:
    code, said = stopped_after("epoch 4/8", signal.SIGKILL, tmp_path, "--save-every", "1")
    assert code == -signal.SIGKILL, said
    both = [started("train", "--resume", "last", cwd=tmp_path) for _ in range(2)]
    done = [process.communicate(timeout=600) for process in both]
    codes = [process.returncode for process in both]
    assert sorted(codes) == [0, 2], done
    winner, loser = codes.index(0), codes.index(2)
    (line,) = done[loser][1].splitlines()
    assert f"by process {both[winner].pid}" in line
    assert "is being trained on " in line
    store = StoreConfig(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")
    assert find_run(store, "last").status == "FINISHED"
