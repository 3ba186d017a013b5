"""The app ends with its terminal, however that is lost."""

import os
import select
import signal
import subprocess
import sys
import time

import pytest

IGNORING = """
import signal
signal.signal(signal.SIGHUP, signal.SIG_IGN)
from repdyn.cli import main
main()
"""


def shows(master: int, text: bytes, seconds: float) -> bool:
    """Return whether the app writes a text within a time."""
    said, end = b"", time.monotonic() + seconds
    while text not in said and time.monotonic() < end:
        if select.select([master], [], [], 0.1)[0]:
            said += os.read(master, 65536)
    return text in said


@pytest.mark.timeout(180)
@pytest.mark.parametrize("controlling", [True, False], ids=["controlling", "other"])
def test_a_terminal_that_is_gone_ends_the_app_even_if_no_signal_does(*, controlling: bool) -> None:
    master, terminal = os.openpty()
    command = ["setsid", *(["--ctty"] if controlling else []), sys.executable, "-c", IGNORING]
    app = subprocess.Popen(
        [*command, "tui", "--demo"],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=os.environ | {"TERM": "xterm-256color"},
    )
    os.close(terminal)
    try:
        assert shows(master, b"resnet18", 90)
        os.close(master)
        assert app.wait(60) >= 0, "it ended by itself"
    finally:
        if app.poll() is None:
            os.kill(app.pid, signal.SIGKILL)
