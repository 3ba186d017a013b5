"""What the app prints when it fails: where, what to do, and no password."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from textual.dom import DOMNode

from tui.failure import failure
from tui.reader_thread import Answered, ReaderThread

SECRET = "hunter2swordfish"

ADDRESSES = [
    f"postgresql://user:{SECRET}@host/db",
    f"http://user:{SECRET}@host:5000",
    f"http://user:{'x' * 60}/{SECRET}@host:5000",  # too long for a line
]

FAILING = """
from repdyn.cli import main
from tui.screens.runs import RunsScreen

def fails(self, event):
    source = self.app._source
    store, address = source._store, source._store.tracking_uri
    raise RuntimeError("cannot draw what is in " + address + "\\033]0;title\\a")

RunsScreen.on_resize = fails
main()
"""


def run_failing(address: str, folder: Path) -> tuple[int, str]:
    """Run an app that fails in a terminal of 80 columns; return its exit code and what it wrote."""
    ours, terminal = os.openpty()
    variables = ("XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME")
    app = subprocess.Popen(
        [sys.executable, "-c", FAILING, "tui", "--tracking-uri", address],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        cwd=folder,
        env=os.environ | {"TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"}
        | dict.fromkeys(variables, str(folder)),
    )  # fmt: skip
    os.close(terminal)
    written = b""
    try:
        while some := os.read(ours, 65536):
            written += some
    except OSError:  # how Linux says that the other end is closed
        pass
    finally:
        os.close(ours)
        app.kill()
    return app.wait(60), written.decode()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("address", ADDRESSES)
def test_an_app_that_fails_prints_no_password_and_what_to_do(address: str, tmp_path: Path) -> None:
    code, written = run_failing(address, tmp_path)
    assert code == 1
    # however it is folded, and whatever frames it
    assert SECRET not in re.sub(r"[\s│]", "", written)
    assert "RuntimeError: cannot draw what is in" in written
    assert "***@host" in written
    assert "\x1b]0;title" not in written
    for word in ("report it", "repdyn doctor", "repdyn show"):
        assert word in " ".join(written.split())


def test_no_local_variable_is_shown() -> None:
    def fails() -> None:
        password = SECRET
        raise ValueError(len(password))

    with pytest.raises(ValueError, match="16") as found:
        fails()
    console = Console(file=io.StringIO(), width=200)
    console.print(failure(found.value))
    printed: str = console.file.getvalue()  # type: ignore[attr-defined]
    assert "ValueError: 16" in printed
    assert SECRET not in printed


class Home:
    """Receives what the reader's thread answers."""

    def __init__(self) -> None:
        self.told: list[Callable[[], None]] = []

    def post_message(self, message: Answered) -> None:
        self.told.append(message._hand_over)


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_error_while_reading_is_told_without_the_password(address: str) -> None:
    home: Any = Home()
    lines: list[str] = []

    def question() -> None:
        raise RuntimeError(f"no answer from {address}")

    ReaderThread(home)._answer(DOMNode(), question, lambda _: None, lines.append)
    home.told[0]()
    (line,) = lines
    assert line.startswith("RuntimeError: no answer from ")
    assert "***@host" in line
    assert SECRET not in line
