"""One small real run, trained through the command line once for all tests that read it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support import forked
from tests.support.forked import ForkedProcess

SETTINGS = """
arch: resnet18
width: 0.0625
epochs: 12
lr: 0.01
checkpoints: 6
planes: 6
grid: 5
fine_grid: 9
probe_images: 200
probe_train: 200
layers: stem|layer[24].1|logits
"""


def clean_environment() -> dict[str, str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
    # seven processes beside each of MLflow's servers, which no test needs
    jobs = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    return environment | jobs | {"COLUMNS": "100", "NO_COLOR": "1"}


def started(*arguments: str, cwd: Path) -> ForkedProcess:
    """Start a command as a user would."""
    return ForkedProcess(["-m", "repdyn.cli", *arguments], cwd, clean_environment())


def repdyn(*arguments: str, cwd: Path, ok: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a command as a user would."""
    done = forked.run(["-m", "repdyn.cli", *arguments], cwd, clean_environment(), timeout=600)
    assert not ok or done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture
def made_store(blank_database: Path, tmp_path: Path) -> None:
    """Have a store in the test's folder, for a test that is not about how a command makes one."""
    shutil.copy(blank_database, tmp_path / "mlflow.db")


@pytest.fixture(scope="session")
def trained(blank_database: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Return the folder with the store, and what training printed."""
    folder = tmp_path_factory.mktemp("runs")
    shutil.copy(blank_database, folder / "mlflow.db")
    (folder / "run.yaml").write_text(SETTINGS)
    done = repdyn("train", "--config", "run.yaml", "--run-name", "small", cwd=folder)
    return folder, done.stdout


@pytest.fixture
def store(trained: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in the folder of the trained run."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(trained[0])
    return trained[0]
