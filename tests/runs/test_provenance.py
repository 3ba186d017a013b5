"""What a run is trained with is recorded as it starts, and nothing about it fails a run."""

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from repdyn.errors import UserError
from repdyn.runs import provenance as module
from repdyn.runs.provenance import provenance
from repdyn.runs.session import RunSession
from repdyn.settings.schema import StoreConfig
from repdyn.storage import schema
from repdyn.storage.provenance import MOST_WRITTEN, Provenance, encode, starts_of
from repdyn.storage.search import find_run
from tests.runs.test_session import Loop, recorder
from tests.support import synthetic

SECRET = "hunter2swordfish"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder under git with one commit, and work there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text("1\n")
    for command in (
        ("init", "-q"),
        ("add", "."),
        ("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "first"),
    ):
        subprocess.run(["git", *command], check=True)
    return tmp_path


def head() -> str:
    done = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_commit_of_the_working_folder_is_recorded_and_whether_it_has_changes(
    repository: Path,
) -> None:
    found = provenance()
    assert (found.commit, found.dirty) == (head(), False)
    (repository / "train.py").write_text("2\n")
    assert provenance().dirty is True


def test_versions_and_date_are_recorded() -> None:
    found = provenance()
    assert {"repdyn", "torch", "timm", "mlflow", "numpy", "python"} <= found.versions.keys()
    assert found.versions["python"] == ".".join(map(str, sys.version_info[:3]))
    assert found.started.endswith("+00:00")


def test_a_folder_without_git_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert (provenance().commit, provenance().dirty) == ("", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance().commit == ""


@pytest.mark.parametrize(("hangs_in", "commit"), [("rev-parse", ""), ("status", "abc")])
def test_a_git_that_hangs_is_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hangs_in: str, commit: str
) -> None:
    monkeypatch.setattr(module, "GIT_SECONDS", 0.4)
    script = tmp_path / "git"
    script.write_text(f'#!/bin/sh\ncase "$*" in *{hangs_in}*) exec sleep 60;; *) echo abc;; esac\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    start = time.monotonic()
    found = provenance()
    assert (found.commit, found.dirty) == (commit, None)
    assert time.monotonic() - start < 10


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["/env/bin/python", "/env/bin/repdyn", "train", "--opt", "sgd"], "repdyn train --opt sgd"),
        (["/usr/bin/python3", "/project/sub/train.py"], "python3 sub/train.py"),
        (["python", "-m", "mine", "--api-key", SECRET], "python -m mine --api-key '***'"),
        (["python", "a.py", f"--token={SECRET}"], "python a.py '--token=***'"),
        (["python", "a.py", f"http://me:{SECRET}@host/x"], "python a.py 'http://***@host/x'"),
    ],
)
def test_the_command_line_is_recorded_as_one_types_it_and_without_secrets(
    monkeypatch: pytest.MonkeyPatch, argv: list[str], said: str
) -> None:
    monkeypatch.setattr(sys, "orig_argv", argv)
    monkeypatch.setattr(Path, "cwd", lambda: Path("/project"))
    assert module.CommandLine.text() == said


def test_a_resumed_run_has_an_entry_for_each_start_and_an_analysis_adds_none(
    sqlite_store: StoreConfig,
) -> None:
    store = sqlite_store
    model = Loop().model
    with suppress(UserError), RunSession.create(recorder(), "run", store) as session:
        session.measure(model, 0)
        raise UserError("stopped")
    (first,) = starts_of(find_run(store, session.run_id))
    assert first.device.startswith("cpu")
    with RunSession.restart(recorder(), session.run_id, store, figures=False) as again:
        again.measure(model, 1)
    starts = starts_of(find_run(store, session.run_id))
    assert len(starts) == 2
    assert starts[0] == first
    analysis = RunSession.attach(recorder(), session.run_id, store, trains=False, figures=False)
    with analysis:
        analysis.measure(model, 2)
    assert starts_of(find_run(store, session.run_id)) == starts


@pytest.mark.parametrize("letter", ["a", "é", "\U0001f600", "\udc80"])
def test_a_history_of_any_length_fits_into_a_tag(letter: str) -> None:
    texts = dict.fromkeys("abcdefgh", "1.2.3")
    starts = [Provenance(str(i), texts, letter * 9999, "c" * 40, True, "cpu") for i in range(100)]
    text = encode(starts)
    assert len(text) <= MOST_WRITTEN
    text.encode("ascii")
    kept = starts_of(synthetic.summary(tags={schema.PROVENANCE_TAG: text}))
    assert kept[-1].started == "99"
    assert len(kept) < 2 or kept[0].started == "0"


@pytest.mark.parametrize(
    "text", ["", "{", "[1]", "{}", "[" * 9999, '[{"versions": 3, "dirty": "x", "commit": {}}]']
)
def test_a_strange_tag_is_read_as_nothing(text: str) -> None:
    run = synthetic.summary(tags={schema.PROVENANCE_TAG: text})
    assert all(one == Provenance() for one in starts_of(run))


def test_the_commit_that_mlflow_recorded_stands_in() -> None:
    tags = {schema.PROVENANCE_TAG: encode([Provenance(command="a")])}
    run = synthetic.summary(tags=tags | {"mlflow.source.git.commit": "abc"})
    assert [one.commit for one in starts_of(run)] == ["abc"]
    assert starts_of(synthetic.summary()) == ()
