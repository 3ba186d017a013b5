"""PostgreSQL as the tracking store: Debian's server, started and stopped by these tests."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient
from sqlalchemy import create_engine, text

from repdyn.settings.schema import StoreConfig
from repdyn.storage.search import list_runs
from tests.e2e.conftest import repdyn, started
from tests.e2e.test_server_away import artifacts, metrics, read_to, run_id
from tests.support.forked import ForkedProcess

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SETTINGS = """
arch: resnet18
width: 0.0625
epochs: 24
lr: 0.005
checkpoints: 0,2,4,8,16,24
planes: 3
grid: 5
fine_planes: 1
fine_grid: 7
probe_images: 60
probe_train: 60
train_size: 200
save_every: 4
layers: stem|logits
figures: false
"""

PASSWORD = "kept:to/oneself@all"
QUOTED = "kept%3Ato%2Foneself%40all"


def binaries() -> Path | None:
    """Return the folder of the newest server that Debian has installed."""
    found = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    return max(
        (path.parent for path in found), key=lambda path: int(path.parent.name), default=None
    )


class Database:
    """A PostgreSQL server on a loopback port, which can be stopped and started again.

    It refuses to run as root, so root starts it as the user that Debian's package makes.
    """

    def __init__(self, folder: Path, programs: Path) -> None:
        self._folder = folder
        self._programs = programs
        self._user = "postgres" if os.geteuid() == 0 else None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        if self._user is not None:
            shutil.chown(folder, self._user, self._user)
        secret = folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)  # the folder lets in nobody else
        login = ["--username=repdyn", f"--pwfile={secret}", "--auth=scram-sha-256"]
        self._run("initdb", *login, "--no-sync", "--encoding=UTF8", "--no-locale")
        self.start()
        self.address = self.made("runs")

    def start(self) -> None:
        options = f"-h 127.0.0.1 -p {self.port} -k {self._folder} -F"
        self._run("pg_ctl", "start", "--wait", "-l", str(self._folder / "log"), "-o", options)

    def kill(self, mode: str = "immediate") -> None:
        """Stop the server: immediate is what its crash does, fast what its administrator does."""
        self._run("pg_ctl", "stop", "--wait", "--mode", mode)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop the server's processes as a hung disk does: connections stay, nothing answers."""
        server = (self._folder / "data/postmaster.pid").read_text().split()[0]
        os.kill(int(server), signal.SIGSTOP)  # it starts no more
        children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
        stopped = [int(process) for process in (server, *children)]
        for process in stopped:
            os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            for process in stopped:
                os.kill(process, signal.SIGCONT)

    def runs(self) -> bool:
        return (self._folder / "data/postmaster.pid").exists()

    def made(self, name: str) -> str:
        """Make a database without tables; returns its URI."""
        server = f"postgresql+psycopg://repdyn:{QUOTED}@127.0.0.1:{self.port}"
        engine = create_engine(f"{server}/postgres", isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        engine.dispose()
        return f"{server}/{name}"

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._programs / program, "--pgdata", self._folder / "data", *arguments],
            user=self._user,
            group=self._user,
            extra_groups=None if self._user is None else [],
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # a pipe would stay open in the server
            stderr=subprocess.DEVNULL,
            timeout=120,
        )
        assert done.returncode == 0, (program, self._log())

    def _log(self) -> str:
        log = self._folder / "log"
        return log.read_text() if log.exists() else ""


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    programs = binaries()
    if programs is None or find_spec("psycopg") is None:
        reason = "needs a PostgreSQL server (apt-get install postgresql) and the extra postgres"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    # pytest's folders are root's alone
    with tempfile.TemporaryDirectory(prefix="repdyn-postgres-") as folder:
        server = Database(Path(folder), programs)
        yield server
        if server.runs():
            server.kill()


@pytest.fixture(scope="module")
def undisturbed(database: Database, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("undisturbed")
    process = train(database, folder, "undisturbed")
    hides_the_password(*ended(process))
    assert not (folder / "repdyn-spool").exists()
    return run_id(database, "undisturbed")


def train(database: Database, folder: Path, name: str, *more: str) -> ForkedProcess:
    (folder / "run.yaml").write_text(SETTINGS)
    settings = ["--config", "run.yaml", "--run-name", name, "--tracking-uri", database.address]
    return started("train", *settings, *more, cwd=folder)


def ended(process: ForkedProcess, code: int = 0) -> tuple[str, str]:
    """Wait for the end of a training; returns what it printed and its errors."""
    out, error = process.communicate(timeout=300)
    assert process.returncode == code, out + error
    return out, error


def hides_the_password(*printed: str) -> None:
    for secret in (PASSWORD, QUOTED):
        assert secret not in "".join(printed)


def same(database: Database, run: str, other: str, tmp_path: Path) -> None:
    ours, theirs = metrics(database, run), metrics(database, other)
    assert ours == theirs  # also what is there twice
    assert [step for step, _ in ours["train/loss"]] == list(range(25))
    one, another = (artifacts(database, each, tmp_path) for each in (run, other))
    assert one == another
    assert len(one) > 20
    client = MlflowClient(database.address)
    found = [client.get_run(each) for each in (run, other)]
    assert [each.info.status for each in found] == ["FINISHED", "FINISHED"]
    inputs = [len(each.inputs.dataset_inputs) for each in found if each.inputs is not None]
    assert inputs == [2, 2]


def test_runs_are_listed_shown_and_compared(
    database: Database, undisturbed: str, tmp_path: Path
) -> None:
    assert not ended(train(database, tmp_path, "other", "--seed", "1"))[1]
    uri = ["--tracking-uri", database.address]
    listed = repdyn("runs", *uri, cwd=tmp_path)
    assert {"undisturbed", "other"} <= set(listed.stdout.split())
    shown = repdyn("show", "undisturbed", *uri, cwd=tmp_path)
    assert "perfect fit" in shown.stdout
    values = json.loads(repdyn("show", "other", "--json", *uri, cwd=tmp_path).stdout)
    compared = repdyn("compare", "undisturbed", "other", *uri, cwd=tmp_path)
    assert "other" in compared.stdout
    for done in (listed, shown, compared):
        assert not done.stderr
        hides_the_password(done.stdout, done.stderr)
    assert values["summary"]["status"] == "FINISHED"


def test_two_trainings_start_at_once_on_a_fresh_database(
    database: Database, tmp_path: Path
) -> None:
    (tmp_path / "run.yaml").write_text(SETTINGS)
    uri = database.made("fresh")
    command = ["train", "--config", "run.yaml", "--tracking-uri", uri]
    quick = ["--epochs", "2", "--checkpoints", "2"]
    both = [started(*command, *quick, "--run-name", f"run{i}", cwd=tmp_path) for i in range(2)]
    for process in both:
        assert not ended(process)[1]
    runs = list_runs(StoreConfig(tracking_uri=uri))
    assert sorted((run.name, run.status) for run in runs) == [
        ("run0", "FINISHED"),
        ("run1", "FINISHED"),
    ]


def test_a_run_that_was_killed_is_resumed_to_the_same_numbers(
    database: Database, undisturbed: str, tmp_path: Path
) -> None:
    process = train(database, tmp_path, "killed")
    read_to("epoch 8/", process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    uri = ["--tracking-uri", database.address]
    done = repdyn("train", "--resume", "killed", *uri, cwd=tmp_path)
    assert "resumes in epoch" in done.stdout
    hides_the_password(done.stdout, done.stderr)
    assert not (tmp_path / "repdyn-spool").exists()
    same(database, run_id(database, "killed"), undisturbed, tmp_path)


@pytest.mark.parametrize("mode", ["immediate", "fast"])
def test_a_database_that_is_stopped_and_comes_back(
    mode: str, database: Database, undisturbed: str, tmp_path: Path
) -> None:
    process = train(database, tmp_path, f"disturbed_{mode}")
    read_to("epoch 4/", process)
    database.kill(mode)
    read_to("epoch 16/", process)  # training goes on
    time.sleep(2)
    database.start()
    out, error = ended(process)
    lines = [line for line in error.splitlines() if line.strip()]
    assert len(lines) == 1, error
    assert "training continues, and logged data is queued in" in lines[0]
    hides_the_password(out, error)
    assert not (tmp_path / "repdyn-spool").exists()
    same(database, run_id(database, f"disturbed_{mode}"), undisturbed, tmp_path)


def test_what_a_database_that_stays_away_did_not_get_is_delivered_by_sync(
    database: Database, undisturbed: str, tmp_path: Path
) -> None:
    uri = ["--tracking-uri", database.address]
    process = train(database, tmp_path, "late")
    read_to("epoch 4/", process)
    database.kill()
    try:
        error = ended(process, code=75)[1]
        assert "Traceback" not in error
        assert "repdyn sync" in error.splitlines()[-1]
        for file in (tmp_path / "repdyn-spool").rglob("*"):
            assert file.is_dir() or QUOTED.encode() not in file.read_bytes()
        refused = repdyn("sync", *uri, cwd=tmp_path, ok=False)
        assert refused.returncode == 2
        assert len(refused.stderr.splitlines()) == 1
        hides_the_password(refused.stdout, refused.stderr)
    finally:
        database.start()
    without = repdyn("sync", cwd=tmp_path, ok=False)  # the queue holds no credentials
    assert without.returncode == 2
    assert len(without.stderr.splitlines()) == 1, without.stderr
    assert "give user and password in MLFLOW_TRACKING_URI or --tracking-uri" in without.stderr
    done = repdyn("sync", *uri, cwd=tmp_path)
    assert "the run is FINISHED" in done.stdout
    hides_the_password(done.stdout, done.stderr)
    assert not (tmp_path / "repdyn-spool").exists()
    same(database, run_id(database, "late"), undisturbed, tmp_path)


def test_a_database_that_freezes_holds_no_run(
    database: Database, undisturbed: str, tmp_path: Path
) -> None:
    process = train(database, tmp_path, "frozen")
    read_to("epoch 4/", process)
    with database.frozen():
        error = ended(process, code=75)[1]
        assert "repdyn sync" in error.splitlines()[-1]
        start = time.monotonic()
        refused = repdyn(
            "train", "--epochs", "1", "--tracking-uri", database.address, cwd=tmp_path, ok=False
        )
        assert refused.returncode == 2
        assert len(refused.stderr.splitlines()) == 1, refused.stderr
        assert time.monotonic() - start < 120
    repdyn("sync", "--tracking-uri", database.address, cwd=tmp_path)
    same(database, run_id(database, "frozen"), undisturbed, tmp_path)


def test_a_database_that_does_not_answer_is_one_line(database: Database, tmp_path: Path) -> None:
    absent = database.address.replace(f":{database.port}/", ":9/")
    for command in (["train", "--epochs", "1"], ["runs"], ["show"]):
        start = time.monotonic()
        done = repdyn(*command, "--tracking-uri", absent, cwd=tmp_path, ok=False)
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 1, done.stderr
        hides_the_password(done.stdout, done.stderr)
        assert time.monotonic() - start < 60
    assert not list(tmp_path.iterdir())
