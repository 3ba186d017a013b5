"""Runs that are stopped and go on end as if they had never been stopped, to the last bit."""

import contextlib
import hashlib
import itertools
import random
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from mlflow.tracking import MlflowClient

from repdyn.cli import main
from repdyn.errors import UserError
from repdyn.runs.saving import decode_state
from repdyn.settings.schema import StoreConfig
from repdyn.storage.locks import heartbeat
from repdyn.storage.reader import load_run
from repdyn.storage.search import find_run
from tests.e2e.conftest import repdyn, started
from tests.support.forked import ForkedProcess

SETTINGS = """
arch: resnet18
width: 0.0625
opt: adam
augment: crop-flip
epochs: 8
lr: 0.005
checkpoints: 0,1,2,4,6,8
planes: 6
grid: 5
fine_planes: 1
fine_grid: 7
probe_images: 100
probe_train: 100
train_size: 400
layers: stem|layer[24].1|logits
similarity: all
figures: false
"""

KILLS = 5  # of each seed


def train(folder: Path, *arguments: str) -> ForkedProcess:
    (folder / "run.yaml").write_text(SETTINGS)
    return started("train", *arguments, cwd=folder)


def store(folder: Path) -> StoreConfig:
    return StoreConfig(tracking_uri=f"sqlite:///{folder}/mlflow.db")


def artifacts_folder(folder: Path) -> Path:
    run = find_run(store(folder), "last").run_id
    (root,) = folder.glob(f"mlruns/*/{run}/artifacts")
    return root


def artifacts(folder: Path) -> dict[str, str]:
    """Return a digest of all that the run stored, but times and the state, which hold times."""
    root = artifacts_folder(folder)
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
        and path.name not in ("timings.json", "last.safetensors")
        and path.suffix != ".png"
    }


def same(folder: Path, whole: Path) -> None:
    """Check that two folders' last runs have the same weights, measures and curves."""
    assert artifacts(folder) == artifacts(whole)
    ours, theirs = (load_run(store(one), "last") for one in (folder, whole))
    assert ours.summary.status == "FINISHED"
    assert ours.curves.keys() == theirs.curves.keys()
    for name, curve in ours.curves.items():
        assert np.array_equal(curve.steps, theirs.curves[name].steps), name
        assert np.array_equal(curve.values, theirs.curves[name].values), name
    assert ours.scores == theirs.scores
    assert sorted(metric_rows(folder)) == sorted(metric_rows(whole))


def metric_rows(folder: Path) -> list[tuple[str, int, float]]:
    """Return all that MLflow keeps of the run's metrics, twice what is there twice."""
    client, run = MlflowClient(store(folder).tracking_uri), find_run(store(folder), "last")
    return [
        (name, metric.step, metric.value)
        for name in run.metrics
        for metric in client.get_metric_history(run.run_id, name)
    ]


@pytest.fixture(scope="module")
def whole(blank_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a run that was never stopped."""
    folder = tmp_path_factory.mktemp("whole")
    shutil.copy(blank_database, folder / "mlflow.db")
    (folder / "run.yaml").write_text(SETTINGS)
    repdyn("train", "--config", "run.yaml", cwd=folder)
    return folder


def stopped_after(line: str, sent: signal.Signals, folder: Path, *settings: str) -> tuple[int, str]:
    """Start a run, send a signal when it has printed a line; returns exit code and what it said."""
    process = train(folder, "--config", "run.yaml", *settings)
    said = ""
    for printed in process.stdout:
        said += printed
        if printed.startswith(line):
            break
    process.send_signal(sent)
    out, error = process.communicate(timeout=60)
    return process.returncode, said + out + error


@pytest.mark.slow
@pytest.mark.usefixtures("made_store")
def test_a_run_that_ctrl_c_stopped_goes_on(whole: Path, tmp_path: Path) -> None:
    code, said = stopped_after("epoch 2/8", signal.SIGINT, tmp_path)
    assert code == 130, said
    assert "repdyn train --resume" in said
    assert find_run(store(tmp_path), "last").status == "KILLED"
    # what a kill in the midst of a write leaves (tests/storage/test_files.py): gone afterwards
    (artifacts_folder(tmp_path) / "grams" / ".repdyn-cut.npy").write_bytes(b"half a ro")
    done = repdyn("train", "--resume", "last", cwd=tmp_path)
    assert "resumes in epoch" in done.stdout
    same(tmp_path, whole)
    again = repdyn("train", "--resume", "last", cwd=tmp_path)
    assert "nothing to do" in again.stdout


@pytest.mark.slow
@pytest.mark.usefixtures("made_store")
@pytest.mark.parametrize(("saved", "how"), [(False, "starts over"), (True, "resumes in epoch")])
def test_a_run_that_was_killed_goes_on(saved: bool, how: str, whole: Path, tmp_path: Path) -> None:
    code, said = stopped_after("epoch 4/8", signal.SIGKILL, tmp_path, "--save-every", "3")
    assert code == -signal.SIGKILL, said
    if not saved:  # as of a run that was killed within its first minute
        (artifacts_folder(tmp_path) / "checkpoints/last.safetensors").unlink()
    assert how in repdyn("train", "--resume", "last", cwd=tmp_path).stdout
    same(tmp_path, whole)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(4))
def test_runs_that_were_killed_at_any_moment_go_on(seed: int, whole: Path, tmp_path: Path) -> None:
    """Runs are killed and resumed at random moments until finished: 4 times 5 kills at least."""
    rng = random.Random(seed)
    kills = 0
    for attempt in itertools.count():  # one that is quick may finish before it is killed
        if kills == KILLS:
            break
        folder = tmp_path / f"attempt_{attempt}"
        folder.mkdir()
        kills += killed_until_finished(folder, KILLS - kills, rng)
        same(folder, whole)


def killed_until_finished(folder: Path, kills: int, rng: random.Random) -> int:
    """Train until the run is finished, killed up to `kills` times; returns how often it was."""
    fresh = ["--config", "run.yaml", "--save-every", "1"]
    arguments, killed = fresh, 0
    while True:
        code, said = left_alone(rng.uniform(0, 5) if killed < kills else 200, folder, *arguments)
        if code == 0:
            return killed
        unknown = code == 2 and "has no saved state and incomplete settings" in said
        assert code == -signal.SIGKILL or unknown, said
        killed += code == -signal.SIGKILL
        try:
            find_run(store(folder), "last")
        except UserError:
            continue
        arguments = fresh if unknown else ["--resume", "last"]


def left_alone(seconds: float, folder: Path, *arguments: str) -> tuple[int, str]:
    """Train and kill that some seconds after its first word; returns exit code and what it said."""
    with train(folder, *arguments) as process:
        try:
            said = process.stdout.readline()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=seconds)
        finally:
            process.kill()
        out, error = process.communicate(timeout=60)
    return process.returncode, said + out + error


@pytest.mark.slow
@pytest.mark.usefixtures("made_store")
@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="no such signal here")
def test_sigusr1_saves_and_goes_on(whole: Path, tmp_path: Path) -> None:
    code, said = stopped_after("epoch 2/8", signal.SIGUSR1, tmp_path, "--save-every", "1000")
    assert code == 0, said
    run = find_run(store(tmp_path), "last").run_id
    (state,) = tmp_path.glob(f"mlruns/*/{run}/artifacts/checkpoints/last.safetensors")
    assert 2 <= decode_state(state.read_bytes())["trainer"]["epoch"] < 8
    same(tmp_path, whole)


def fill(file: Path) -> None:
    """Take all room that the file's disk has."""
    with file.open("wb", buffering=0) as others, contextlib.suppress(OSError):
        while True:
            others.write(bytes(4096))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("at", "statuses"),
    [("mlruns", {"FAILED"}), (".", {"FAILED", "DIED"})],
    ids=["of the artifacts", "of the database, too"],
)
def test_a_run_whose_disk_was_full_goes_on(
    at: str, statuses: set[str], whole: Path, tmp_path: Path
) -> None:
    """Where the database has no room either, the end of the run can only be told there if the
    artifact that did not fit has left enough.
    """
    tmp_path = tmp_path / "here"
    disk = tmp_path / at
    disk.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", disk], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("only root may mount a small disk")
    try:
        process = train(tmp_path, "--config", "run.yaml", "--save-every", "1")
        for line in process.stdout:
            if line.startswith("epoch 1/"):
                break
        fill(disk / "others")
        said, error = process.communicate(timeout=120)
        assert process.returncode == 2, said
        (line,) = error.splitlines()
        where = r"/mlruns/.*" if at == "mlruns" else r"/(mlruns/.*|mlflow\.db)"
        assert re.search(rf"{where}: the disk is full, [\w ,]+ more bytes are needed", line)
        assert find_run(store(tmp_path), "last").status in statuses
        assert load_run(store(tmp_path), "last").dynamics is not None
        (disk / "others").unlink()
        repdyn("train", "--resume", "last", cwd=tmp_path)
        same(tmp_path, whole)
    finally:
        # lazily: MLflow keeps a database that it has read open in this process
        subprocess.run(["umount", "--lazy", disk], check=True)


@pytest.fixture
def command(
    whole: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(whole)

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["repdyn", *arguments])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        said = capsys.readouterr()
        return code, said.out + said.err

    return run


@pytest.mark.slow
def test_mistakes_are_told(command: Callable[..., tuple[int, str]], whole: Path) -> None:
    code, said = command("train", "--resume", "nothing")
    assert (code, len(said.splitlines())) == (2, 1)
    client, run = MlflowClient(store(whole).tracking_uri), find_run(store(whole), "last")
    state = next(whole.glob(f"mlruns/*/{run.run_id}/artifacts/checkpoints")) / "last.safetensors"
    try:
        client.set_terminated(run.run_id, "KILLED")
        state.write_bytes(b"no state")
        assert "is damaged" in command("train", "--resume", "last")[1]
        client.update_run(run.run_id, status="RUNNING")
        client.set_tag(run.run_id, heartbeat.HOST_TAG, "elsewhere")
        client.set_tag(run.run_id, heartbeat.TAG, heartbeat.now())
        code, said = command("train", "--resume", "last")
        assert code == 2
        assert "is being trained on elsewhere by process" in said
    finally:
        client.set_terminated(run.run_id, "FINISHED")


@pytest.mark.slow
def test_a_run_goes_on_with_its_own_settings(
    command: Callable[..., tuple[int, str]], whole: Path
) -> None:
    client, run = MlflowClient(store(whole).tracking_uri), find_run(store(whole), "last")
    client.set_terminated(run.run_id, "KILLED")
    try:
        code, said = command("train", "--resume", "last", "--device", "cpu", "--lr", "0.5")
        assert code == 2
        assert "--lr: a resumed run keeps its own settings" in said
    finally:
        client.set_terminated(run.run_id, "FINISHED")
