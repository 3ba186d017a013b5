"""Every command in README.md and docs/ exists; each is run, or says why not."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from repdyn.cli.app import app
from repdyn.cli.options import given_pairs
from repdyn.own_runs import PARENT_TAG, SWEEP_TAG
from repdyn.settings.sweep_grid import make_grid
from repdyn.storage.schema import SCHEMA_TAG, SCHEMA_VERSION
from repdyn.storage.unpacking import unpack
from tests.e2e.conftest import clean_environment
from tests.support import forked
from tests.support.doc_blocks import Block, all_blocks, blocks
from tui.demo.source import bundle

NOT_RUN: Mapping[tuple[str, ...], str] = {
    (".", ".venv/bin/activate"): "the tests have an environment",
    ("export",): "is of the reader's shell",
    ("unset",): "is of the reader's shell",
    ("mlflow",): "serves pages until it is stopped",
    ("pip",): "installs",
    ("pre-commit",): "installs",
    ("pytest",): "runs the tests",
    ("python", "-m", "benchmarks"): "takes minutes to hours",
    ("python", "-m", "docs.pictures"): "draws for minutes; see test_pictures.py",
    ("python3", "-m", "venv"): "makes an environment; .ci/run does as README.md says",
    ("repdyn", "analyze"): "measures for minutes",
    ("repdyn", "import"): "needs checkpoints of another program",
    ("repdyn", "sweep"): "trains for hours, but for --dry-run",
    ("repdyn", "train"): "trains for minutes; .ci/run runs README.md's",
    ("repdyn", "tui"): "needs a terminal and someone at it",
    ("bash", ".ci/run"): "is what runs this test",
    ("sphinx-build",): "is run by .ci/run",
    ("grep",): "is of the sources, as architecture.md says",
}
"""Beginnings of commands that are only checked, with the reason."""

SWEEP = "digits-570ffe"
"""The sweep that the pages speak of: here, the runs of the demo."""

DOCS = Path(__file__).parents[2] / "docs"

BLOCKS = all_blocks()
OURS = [
    pytest.param(command, id=f"{block.place} {' '.join(command)[:60]}")
    for block in BLOCKS
    for command in block.commands()
    if command[0] == "repdyn" or command[:2] == ["srun", "repdyn"]
]
RUN = {
    " ".join(command): command
    for block in BLOCKS
    if block.reason is None
    for command in block.commands()
    if not any(command[: len(begin)] == list(begin) for begin in NOT_RUN)
    or (command[:2] == ["repdyn", "sweep"] and "--dry-run" in command)
}
"""Each command once, however many pages have it."""


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in a folder with the files that commands name; no settings of a stored run are read."""
    monkeypatch.chdir(tmp_path)
    for name in ("run.yaml", "grid.yaml"):
        (tmp_path / name).write_text("seed: 0\n")
    monkeypatch.setattr(app["analyze"], "config", ())


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("command", OURS)
def test_command_exists_with_its_options(command: list[str]) -> None:
    words = [word for word in command[command.index("repdyn") + 1 :] if word != "…"]
    _, bound, _ = app.parse_args(words, exit_on_error=False, print_error=False)
    if words[:1] == ["sweep"]:
        given = bound.arguments
        where = {name: given.get(name) for name in ("preset", "seeds")}
        make_grid(given_pairs(bound.args), file=given.get("config"), **where)


def test_pages_have_the_blocks_that_a_reader_sees() -> None:
    assert {block.language for block in BLOCKS} <= {"bash", "console", "python"}
    assert {"README.md", "docs/own-training.md", "docs/slurm.md"} <= {
        block.place.partition(":")[0] for block in BLOCKS
    }
    assert len(OURS) > 20


def test_an_unknown_option_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    text = (
        "<!-- not run: why -->\n```console\n$ cd x && repdyn show --nothing  # no\nprinted\n```\n"
    )
    page.write_text(f"{text}\n```python\nx = 1\n```\n")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("tests.support.doc_blocks.ROOT", tmp_path)
        console, python = blocks(page)
    assert console == Block(
        "page.md:2", "console", "$ cd x && repdyn show --nothing  # no\nprinted", "why"
    )
    assert console.commands() == [["cd", "x"], ["repdyn", "show", "--nothing"]]
    assert python == dataclasses.replace(python, reason=None, text="x = 1")
    with pytest.raises(Exception, match="--nothing"):
        app.parse_args(console.commands()[1][1:], exit_on_error=False, print_error=False)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Return a folder with the demo's runs as those of a sweep, and the address of their store."""
    folder = tmp_path_factory.mktemp("docs")
    (folder / "grid.yaml").write_text("opt: [sgd, adam]\n")
    (folder / "docs").symlink_to(DOCS)
    uri = unpack(bundle(), folder / "repdyn-demo")
    client = MlflowClient(uri)
    (experiment,) = client.search_experiments(filter_string="name = 'repdyn'")
    runs = client.search_runs([experiment.experiment_id])
    parent = client.create_run(
        experiment.experiment_id,
        tags={SWEEP_TAG: "digest", SCHEMA_TAG: str(SCHEMA_VERSION)},
        run_name=SWEEP,
    ).info.run_id
    client.set_terminated(parent)
    for run in runs:
        client.set_tag(run.info.run_id, PARENT_TAG, parent)
    return folder, uri


@pytest.mark.slow
@pytest.mark.parametrize("command", RUN.values(), ids=RUN)
def test_command_runs(command: list[str], demo: tuple[Path, str]) -> None:
    program, *words = command
    assert program == "repdyn", (
        f"{program}: mark its block with <!-- not run: why -->, or see NOT_RUN"
    )
    folder, uri = demo
    names = iter(("resnet18-sgd-digits-s0", "vit_tiny-sgd-digits-s0"))
    arguments = [next(names) if word == "RUN" else word for word in words]
    done = forked.run(
        ["-m", "repdyn.cli", *arguments],
        folder,
        clean_environment() | {"MLFLOW_TRACKING_URI": uri},
        timeout=280,
    )
    missing_here = words[:1] == ["doctor"]  # says so of whatever this machine lacks
    assert done.returncode in ((0, 1) if missing_here else (0,)), done.stdout + done.stderr
    assert done.stdout.strip()
