"""The command line without a run: help, speed of imports, mistakes.

Most mistakes are made within this process: each process of its own would import torch again.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from repdyn.cli import main

Outcome = tuple[int, str]


def in_a_process(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "repdyn.cli", *arguments], capture_output=True, text=True, cwd=cwd
    )


@pytest.fixture
def repdyn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Outcome]:
    """Run a command in an empty folder; returns its exit code and what it said to stderr."""
    monkeypatch.chdir(tmp_path)
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["repdyn", *arguments])
        try:
            main()
        except SystemExit as stop:
            return int(stop.code or 0), capsys.readouterr().err
        return 0, capsys.readouterr().err

    return run


HEAVY = ("torch", "torchvision", "timm", "mlflow", "matplotlib", "scipy", "sklearn", "textual")


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["analyze", "--help"]])
def test_help_imports_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    script = (
        "import sys\nfrom repdyn.cli import main\n"
        f"sys.argv = ['repdyn', *{arguments!r}]\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print('LOADED', sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert "Usage: repdyn" in done.stdout
    assert done.stdout.rstrip().endswith("LOADED []")


def test_help_of_train_lists_every_setting(tmp_path: Path) -> None:
    from repdyn.settings.schema import TrainConfig

    text = in_a_process("train", "--help", cwd=tmp_path).stdout
    for name, _ in TrainConfig().settings():
        assert f"--{name.replace('_', '-')}" in text


MISTAKES = [
    (["train", "--arch", "resnet81"], "--arch resnet81: timm has no such model; did you mean"),
    (["train", "--opt", "adamm"], "--opt adamm: timm has no such optimizer; did you mean"),
    (["train", "--opt", "madgrad"], "--opt madgrad: repdyn has no default learning rate"),
    (["train", "--dataset", "digit"], "digits"),
    (["train", "--label-noise", "1.5"], "--label-noise 1.5"),
    (["train", "--label-noise", "much"], "--label-noise"),
    (["train", "--batch-size", "5000"], "--batch-size 5000: there are only 1000 training images"),
    (["train", "--train-size", "5000"], "1000"),
    (["train", "--layers", "nothing"], "--layers nothing: matches none of the layers stem"),
    (["train", "--layers", "("], "--layers (: invalid regular expression"),
    (["train", "--checkpoints", "0,500"], "--checkpoints 500"),
    (["train", "--checkpoints", "often"], "--checkpoints often"),
    (["train", "--arch-arg", "depth"], "--arch-arg depth: write key=value"),
    (["train", "--arch-arg", "no_such=1"], "no_such"),
    (["train", "--dataset", "imagefolder:nowhere"], "nowhere"),
    (["train", "--dataset", "imagefolder:."], "class"),
    (["train", "--config", "nowhere.yaml"], "--config nowhere.yaml: No such file"),
    (["train", "--tracking-uri", "http://127.0.0.1:9"], "http://127.0.0.1:9"),
    (["train", "--tracking-uri", "nonsense://x"], "nonsense://x"),
    (["train", "--unknown", "1"], "--unknown"),
    (["show"], "repdyn train"),
    (["show", "abc", "--tracking-uri", "http://127.0.0.1:9"], "http://127.0.0.1:9"),
    (["runs", "--limit", "0"], "--limit 0"),
    (["analyze", "abc"], "repdyn train"),
    (["layers", "--arch", "vit_tny"], "did you mean"),
    (["tran"], "train"),
]


@pytest.mark.parametrize(("arguments", "said"), MISTAKES, ids=[" ".join(m[0]) for m in MISTAKES])
def test_a_mistake_is_one_line_and_exit_code_2(
    arguments: list[str], said: str, repdyn: Callable[..., Outcome], tmp_path: Path
) -> None:
    code, error = repdyn(*arguments)
    assert code == 2
    lines = [line for line in error.splitlines() if line.strip()]
    assert len(lines) == 1, error
    assert lines[0].startswith("repdyn: ")
    assert said in lines[0]
    assert not list(tmp_path.iterdir()), "a mistake leaves nothing behind"


def test_a_mistake_in_a_process_of_its_own(tmp_path: Path) -> None:
    done = in_a_process("train", "--arch", "resnet81", cwd=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert not done.stdout


@pytest.mark.parametrize("rank", ["0", "1"])
@pytest.mark.parametrize("command", ["sweep", "analyze", "import"])
def test_a_command_for_one_process_is_refused_once(
    repdyn: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch, rank: str, command: str
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", rank)
    code, error = repdyn(command)
    assert code == 2
    refused = f"repdyn: repdyn {command}: runs in one process; leave out torchrun, or use --ray\n"
    assert error == (refused if rank == "0" else "")


def test_a_config_file_is_read_and_options_win(repdyn: Callable[..., Outcome]) -> None:
    Path("run.yaml").write_text("arch: resnet81\nlabel_noise: 0.1\n")
    assert "resnet81" in repdyn("train", "--config", "run.yaml")[1]
    assert "resnet82" in repdyn("train", "--config", "run.yaml", "--arch", "resnet82")[1]


def test_a_config_file_reaches_every_kind_of_setting(repdyn: Callable[..., Outcome]) -> None:
    """Also `layers`, which is the name of a command too."""
    Path("run.yaml").write_text("layers: nothing\ncheckpoints: [0, 1]\n")
    assert "--layers nothing: matches none" in repdyn("train", "--config", "run.yaml")[1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("arhc: resnet18", "arhc"),
        ("- a\n- b", "name: value"),
        ("epochs: many", "epochs"),
        ("label_noise: 2", "--label-noise"),
        ("a: [", "invalid YAML"),
    ],
)
def test_a_bad_config_file_is_one_line(
    text: str, said: str, repdyn: Callable[..., Outcome]
) -> None:
    Path("run.yaml").write_text(text)
    code, error = repdyn("train", "--config", "run.yaml")
    assert code == 2
    assert said in error
    assert len(error.strip().splitlines()) == 1


def test_what_is_not_sent_yet_has_an_exit_code_of_its_own(
    repdyn: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    from repdyn.cli import sync
    from repdyn.errors import UnsentError

    def unsent(folder: Path, uri: str | None) -> None:
        raise UnsentError(f"{folder} {uri}")

    assert repdyn("sync") == (0, "")
    monkeypatch.setattr(sync, "run_sync", unsent)
    assert repdyn("sync") == (75, "repdyn: repdyn-spool None\n")
    assert repdyn("sync", "there", "--tracking-uri", "x") == (75, "repdyn: there x\n")


@pytest.mark.parametrize("command", [["train", "--epochs", "1"], ["runs"], ["doctor"]])
def test_a_working_folder_that_is_no_utf8_is_one_line(command: list[str], tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "repdyn.cli", *command], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        f"repdyn: {tmp_path}/caf\\udce9: is not valid UTF-8; rename it"
    ]
    assert not list(folder.iterdir())


def test_a_working_folder_that_is_gone_is_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    script = "import os; os.rmdir(os.getcwd()); from repdyn.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr == ("repdyn: the working folder no longer exists; change to one that does\n")
