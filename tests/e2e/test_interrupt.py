"""A run that is stopped."""

import signal
import time
from pathlib import Path

import pytest

import repdyn as api
from tests.e2e.conftest import SETTINGS, started


@pytest.mark.slow
def test_signals_before_the_first_step(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(SETTINGS)
    process = started("train", "--config", "run.yaml", cwd=tmp_path)
    process.stdout.readline()  # what will be trained; the store is not made yet
    process.send_signal(signal.SIGUSR1)
    assert "defaults" in process.stdout.readline()
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 143
    assert not error


@pytest.mark.slow
@pytest.mark.usefixtures("made_store")
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_run_is_killed_and_readable_to_its_last_checkpoint(
    sent: signal.Signals, code: int, tmp_path: Path
) -> None:
    (tmp_path / "run.yaml").write_text(SETTINGS)
    settings = ["--config", "run.yaml", "--epochs", "5000", "--checkpoints", "0,1,2,3"]
    process = started("train", *settings, cwd=tmp_path)
    for line in process.stdout:
        if line.startswith("epoch 3/"):
            break
    time.sleep(0.5)
    process.send_signal(sent)
    out, error = process.communicate(timeout=60)
    assert process.returncode == code, error
    assert "Traceback" not in error
    assert "repdyn show" in out
    record = api.load_run(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")
    assert record.summary.status == "KILLED"
    assert record.dynamics is not None
    assert record.dynamics.steps.tolist() == [0, 1, 2, 3]
    assert record.curves["train/acc"].steps[-1] >= 3
