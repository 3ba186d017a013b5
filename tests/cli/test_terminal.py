"""Nothing that a command prints steers the terminal, whatever names and options say."""

import contextlib
import io
import json
import logging
import re
import sys
import unicodedata
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.tracking import MlflowClient
from rich.table import Table
from rich.text import Text

from repdyn import checks
from repdyn.cli import main
from repdyn.cli.console import new_console
from repdyn.cli.terminal import guarded_errors, steers, visible
from repdyn.settings.schema import MeasureConfig, StoreConfig, TrainConfig
from repdyn.storage import schema, writer
from repdyn.storage.delivery.queue_folder import ROOT, QueuedRun, QueueFolder
from repdyn.storage.writer import RunWriter
from tests.support import stored as made
from tests.support.present import present

MARK = "PLANTED"
HOSTILE = (
    f"\x1b]52;c;ZWNobw==\x07\x1b[2J\x1b]0;t\x1b\\\x9b31m\x9d\x85\x90\x7f\x00\x08\r\t"
    f"\u202e\u2066\u200f\u2028{MARK}"
)
"""OSC 52 (the clipboard), CSI, OSC 0 (the title), C1, C0, DEL, bidi, a line separator."""

ARGUMENT = HOSTILE.replace("\x00", "")
"""As an option: no argument of a process holds a NUL."""

STYLES = re.compile(r"\x1b\[[\d;]*m")
PACKAGES = [Path(__file__).parents[2] / name for name in ("repdyn", "tui")]


def assert_harmless(text: str, *, styled: bool = False) -> None:
    rest = STYLES.sub("", text) if styled else text
    found = {c for c in rest if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")} - {"\n"}
    assert not found, (found, text)


@given(st.text())
def test_visible_text_is_harmless_and_other_text_stays(text: str) -> None:
    shown = visible(text)
    assert_harmless(shown)
    assert visible(shown) == shown
    kept = "".join(c for c in text if c == "\n" or not steers(c))
    assert (shown == text) == (kept == text)
    assert len(shown) >= len(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", r"\x1b[2J"),
        ("a\x9bb\x07", r"a\x9bb\x07"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("\udc9b", r"\udc9b"),
        ("a\tb\r\n", "a\\tb\\r\n"),
        ("Größe 8×8 – 数据 é 👍", "Größe 8×8 – 数据 é 👍"),
    ],
)
def test_what_steers_is_written_out(text: str, shown: str) -> None:
    assert visible(text) == shown
    assert steers(text) == (shown != text)


@pytest.mark.parametrize("terminal", [False, True])
def test_a_console_prints_whatever_it_is_given(
    terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")
    out = io.StringIO()
    console = new_console(out)
    table = Table(title=HOSTILE)
    table.add_column(HOSTILE)
    table.add_row(HOSTILE, style="bold red")
    table.add_row(Text(HOSTILE, "green"))
    for what in (HOSTILE, Text(HOSTILE), table, f"[link=x]{HOSTILE}", [HOSTILE], Path(HOSTILE)):
        console.print(what, style="bold")
        console.print(what, soft_wrap=True)
        console.print(what, markup=True, highlight=True)
    said = out.getvalue()
    assert_harmless(said, styled=terminal)
    assert bool(STYLES.search(said)) == terminal
    assert "\\x1b]52;c;" in said
    assert "\\u202e" in said


def test_standard_error_is_guarded(capsys: pytest.CaptureFixture[str]) -> None:
    """As loggers, warnings and libraries write it, also the bars of tqdm."""
    with guarded_errors():
        print(HOSTILE, file=sys.stderr)
        sys.stderr.writelines([HOSTILE, "\n"])
        logging.getLogger("somewhere").handle(
            logging.makeLogRecord({"msg": HOSTILE, "levelno": logging.ERROR})
        )
        sys.stderr.write(warnings.formatwarning(HOSTILE, UserWarning, "x.py", 1))
        sys.stderr.write(f"\r 50%|{HOSTILE}")
        assert not sys.stderr.isatty()
    said = capsys.readouterr().err
    assert said.count("\\x1b]52") >= 4
    assert said.count("\r") == 1
    assert_harmless(said.replace("\r", ""))


SMALL = TrainConfig(measure=MeasureConfig(probe_images=40, cka_batch=20)).params()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, blank_database: Path) -> Path:
    """Return a folder whose store holds hostile names of runs, experiments, layers and more."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "mlflow.db").write_bytes(blank_database.read_bytes())
    with contextlib.chdir(folder), pytest.MonkeyPatch.context() as patched:
        # repdyn would refuse them, another writer's store may hold them
        patched.setattr(writer, "check_texts", lambda *_: None)
        patched.setattr(checks, "_fault", lambda *_: None)
        for experiment in ("repdyn", ARGUMENT):
            _write(StoreConfig(tracking_uri=f"sqlite:///{folder}/mlflow.db", experiment=experiment))
    return folder


def _write(store: StoreConfig) -> None:
    name = f"{HOSTILE}[bold]x[/]"
    params = SMALL | dict.fromkeys(("arch", "opt", "dataset", "width", "lr", "epochs"), HOSTILE)
    params |= {"label_noise": "0.1"}
    tags = {schema.SCHEMA_TAG: "1", schema.FAMILY_TAG: HOSTILE, "note": HOSTILE}
    parent = _run(store, f"{name}sweep", {}, {schema.SWEEP_TAG: HOSTILE}, None)
    for i in range(2):
        _run(store, f"{name}{i}", params, tags | {schema.POINT_TAG: f"{i}"}, parent)
    odd = _run(store, f"{name}killed", params, tags, None)
    MlflowClient(store.tracking_uri).set_terminated(odd, "KILLED")


def _run(
    store: StoreConfig,
    name: str,
    params: dict[str, str],
    tags: dict[str, str],
    parent: str | None,
) -> str:
    with RunWriter.create(store, name, params, tags, parent_run_id=parent) as run:
        if params:
            run.log_planes(replace(made.planes(), classes=(HOSTILE, "b", "c")))
            run.log_dynamics(made.dynamics())
            run.log_label_maps(made.label_maps(4))
            run.log_summaries("cka", 4, np.ones((3, 5), np.float16))
            run.log_metrics(0, {"train/acc": 0.5, "test/acc": 0.5})
    return run.run_id


NAME = f"{ARGUMENT}[bold]x[/]"
COMMANDS: dict[str, list[str]] = {
    "runs": ["runs"],
    "runs json": ["runs", "--json"],
    "runs of an experiment": ["runs", "--experiment", ARGUMENT],
    "runs of no experiment": ["runs", "--experiment", f"x{ARGUMENT}"],
    "runs of a strange store": ["runs", "--tracking-uri", f"sqlite:///{ARGUMENT}.db"],
    "runs of no kind of store": ["runs", "--tracking-uri", f"{ARGUMENT}://x"],
    "runs of a strange server": ["runs", "--tracking-uri", f"http://{ARGUMENT}:port"],
    "show": ["show", "ID"],
    "show json": ["show", "ID", "--json"],
    "show no run": ["show", ARGUMENT],
    "show a sweep": ["show", "SWEEP"],
    "compare": ["compare", "ID", "OTHER"],
    "compare no runs": ["compare", ARGUMENT, ARGUMENT],
    "compare json": ["compare", "ID", "OTHER", "--json"],
    "compare csv": ["compare", "ID", "OTHER", "--csv"],
    "compare a sweep": ["compare", "--sweep", "SWEEP"],
    "compare no sweep": ["compare", "--sweep", ARGUMENT],
    "report": ["report", "SWEEP"],
    "report of a run": ["report", "ID"],
    "report of runs": ["report", "ID", "OTHER"],
    "show csv": ["show", "ID", "--csv"],
    "report to a file": ["report", "SWEEP", "--out", f"{ARGUMENT}.html"],
    "report to no folder": ["report", "SWEEP", "--out", f"none/{ARGUMENT}.html"],
    "layers": ["layers", "--arch", ARGUMENT],
    "layers of a data set": ["layers", "--dataset", ARGUMENT],
    "layers by a pattern": ["layers", "--layers", f"{ARGUMENT}("],
    "layers with an argument": ["layers", "--arch-arg", ARGUMENT],
    "layers with a timm argument": ["layers", "--arch-arg", f"x={ARGUMENT}"],
    "doctor": ["doctor"],
    "doctor of a store": ["doctor", "--tracking-uri", f"sqlite:///{ARGUMENT}.db"],
    "doctor of data": ["doctor", "--data-dir", ARGUMENT],
    "cache": ["cache", ARGUMENT],
    "cache removed": ["cache", ARGUMENT, "--remove"],
    "sync": ["sync"],
    "sync a folder": ["sync", ARGUMENT],
    "train": ["train", "--arch", ARGUMENT],
    "train by": ["train", "--opt", ARGUMENT],
    "train on": ["train", "--dataset", f"imagefolder:{ARGUMENT}"],
    "train until": ["train", "--epochs", ARGUMENT],
    "train by a file": ["train", "--config", ARGUMENT],
    "train by a strange file": ["train", "--config", "strange.yaml"],
    "resume": ["train", "--resume", "KILLED"],
    "resume no run": ["train", "--resume", ARGUMENT],
    "analyze": ["analyze", "ID"],
    "analyze no run": ["analyze", ARGUMENT],
    "sweep": ["sweep", "--name", NAME, "--epochs", "1", "--dry-run"],
    "sweep a strange setting": ["sweep", "--lr", ARGUMENT],
    "sweep no setting": ["sweep", f"--{ARGUMENT}", "1"],
    "sweep no preset": ["sweep", "--preset", ARGUMENT],
    "sweep by a strange file": ["sweep", "--config", "strange.yaml"],
    "tui": ["tui", "a", ARGUMENT],
    "no command": [ARGUMENT],
    "no option": ["show", f"--{ARGUMENT}"],
    "help": ["show", ARGUMENT, "--help"],
    "version": ["--version", ARGUMENT],
}
REFUSED = "contains the non-printable character"
"""How an argument is refused of which nothing is repeated."""

UNMARKED = {"show", "analyze", "compare", "doctor", "help", "version", "report", "show a sweep"} | {
    "sweep no setting",
    "report of runs",
}
"""Commands that need not show the planted text."""


def _leave_a_queue() -> None:
    queue = QueueFolder(ROOT / "run")
    queue.sign(QueuedRun(f"http://{HOSTILE}", HOSTILE, HOSTILE, HOSTILE))
    (queue.folder / "00000001").mkdir(exist_ok=True)
    (queue.folder / "00000001" / "job.json").write_text(json.dumps({"kind": HOSTILE}))
    queue._lock.release()


def _ids(folder: Path) -> dict[str, str]:
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    experiment = present(client.get_experiment_by_name("repdyn"))
    runs = {run.info.run_name[-5:]: run for run in client.search_runs([experiment.experiment_id])}
    ids = {name: run.info.run_id for name, run in runs.items()}
    return {
        "ID": ids["x[/]0"],
        "OTHER": ids["x[/]1"],
        "SWEEP": ids["sweep"],
        "KILLED": ids["illed"],
    }


@pytest.mark.parametrize(
    "terminal",
    [
        pytest.param(False, id="to a file"),
        pytest.param(True, id="to a terminal", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_prints_what_steers_the_terminal(
    name: str,
    terminal: bool,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
    monkeypatch.setenv("COLUMNS", "160")
    if terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")
    Path("strange.yaml").write_text(f'"{MARK}\\e]52;c;x\\a\\u202E": "\\x9b31m"')
    _leave_a_queue()
    ids = _ids(folder)
    monkeypatch.setattr(sys, "argv", ["repdyn", *(ids.get(word, word) for word in COMMANDS[name])])
    with pytest.raises(SystemExit):
        main()
    said = capsys.readouterr()
    assert_harmless(said.out, styled=terminal)
    assert_harmless(said.err)
    assert "Traceback" not in said.err
    if name not in UNMARKED and REFUSED not in said.err:
        assert MARK in said.out + said.err


def test_consoles_are_made_in_one_place() -> None:
    """`print` is ruff's to find (T20)."""
    makes = re.compile(r"\bConsole\(|\bsys\.(?:stdout|stderr)\b|\b__std(?:out|err)__\b")
    files = [file for package in PACKAGES for file in package.rglob("*.py")]
    found = {file.name for file in files if makes.search(file.read_text())}
    # the child of pattern.py writes into a pipe; the screen asks its terminal what it is
    assert found == {"terminal.py", "pattern.py", "notices.py", "picture.py"}
