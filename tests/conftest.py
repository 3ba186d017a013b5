"""For all tests: no test is timed; what they measure is printed; stores to write into."""

import gc
import os
import shutil
from contextlib import chdir
from pathlib import Path

import pytest
from hypothesis import settings

from repdyn.settings.schema import StoreConfig

# tests side by side: threads of one would only wait for those of another
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# machines are noisy
settings.register_profile("repdyn", deadline=None)
settings.load_profile("repdyn")


TOGETHER = {
    "tests/e2e/test_analyze.py": "the trained run",
    "tests/e2e/test_forked.py": "the trained run",
    "tests/e2e/test_mlflow_ui.py": "the trained run",
    "tests/e2e/test_paper_figures.py": "the trained run",
    "tests/e2e/test_run.py": "the trained run",
    "tests/e2e/test_faults.py": "the server behind a proxy",
    "tests/e2e/test_secrets.py": "the server behind a gate",
    "tests/e2e/test_server_away.py": "the server that is killed",
    "tests/e2e/test_postgres.py": "the database",
    "tests/e2e/test_resume.py": "the whole run",
    "tests/e2e/test_sweep.py": "the sweep",
    "tests/e2e/test_findings.py": "Ray",
    "tests/e2e/test_ray.py": "Ray",
}
"""Files whose tests one process runs, by what they share: it takes many seconds to make."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return the processes of -n auto: one more than cores, as many tests wait rather than work."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Deal out tests one by one, but together those that share a run or the machine's Ray.

    --dist=loadgroup would do it, but pytest 9.2 does not let xdist 3.8 mark the groups.
    """
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]  # no types

    class Together(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
        def _split_scope(self, nodeid: str) -> str:
            return TOGETHER.get(nodeid.partition("::")[0], nodeid)

    return Together(config, log)


def pytest_collection_finish() -> None:
    """Spare the garbage collector a million objects that stay: modules, and the tests themselves."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)  # an app or a figure is not looked through while it grows


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests have measured without asserting it."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{name}: {value}")


@pytest.fixture(scope="session", autouse=True)
def no_session(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Let no app find what the user's last session left, nor leave anything."""
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="session")
def blank_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a store's tables once; making them takes seconds."""
    from mlflow.tracking import MlflowClient

    folder = tmp_path_factory.mktemp("blank")
    MlflowClient(f"sqlite:///{folder}/mlflow.db").search_experiments()
    return folder / "mlflow.db"


@pytest.fixture(scope="session")
def partial_store(blank_database: Path, tmp_path_factory: pytest.TempPathFactory) -> StoreConfig:
    """Store the runs of support/partial_runs.py once, for tests that only read them."""
    from tests.support import partial_runs

    folder = tmp_path_factory.mktemp("partial")
    shutil.copy(blank_database, folder / "mlflow.db")
    where = StoreConfig(tracking_uri=f"sqlite:///{folder}/mlflow.db")
    with chdir(folder):
        for name in partial_runs.PARTIAL:
            partial_runs.store(name, where)
    return where


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
