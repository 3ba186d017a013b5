"""For all tests: no test is timed; what they measure is printed; stores to write into."""

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import settings

from repdyn.config import StoreConfig

# tests side by side: threads of one would only wait for those of another
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# machines are noisy
settings.register_profile("repdyn", deadline=None)
settings.load_profile("repdyn")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests have measured without asserting it."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{name}: {value}")


@pytest.fixture(scope="session")
def blank_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a store's tables once; making them takes seconds."""
    from mlflow.tracking import MlflowClient

    folder = tmp_path_factory.mktemp("blank")
    MlflowClient(f"sqlite:///{folder}/mlflow.db").search_experiments()
    return folder / "mlflow.db"


@pytest.fixture
def sqlite_store(
    blank_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> StoreConfig:
    """Stand in a folder with an empty store."""
    monkeypatch.chdir(tmp_path)
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    shutil.copy(blank_database, tmp_path / "mlflow.db")
    return StoreConfig(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")
