"""What a terminal that draws pictures gets from the app: whole sequences, which it can draw."""

from __future__ import annotations

import fcntl
import io
import os
import re
import select
import struct
import subprocess
import sys
import termios
import time
from base64 import b64decode
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SHOWING = """
from tests.support.fakes import FakeSource
from tests.tui.test_app_plain_runs import picture, theirs
from tui.app import RepdynApp

RepdynApp(FakeSource([theirs()], files={"two.png": picture()}), run="theirs").run()
"""

COLUMNS, LINES = 100, 30
CELL = (9, 18)
"""Pixels of a character of the terminal."""

ASKED = {b"\x1b[?2026$p": b"\x1b[?2026;2$y", b"\x1b[?2048$p": b"\x1b[?2048;0$y"}
"""What Textual asks a terminal, and the answers."""

SEQUENCE = re.compile(
    r"\x1b_G(?P<kitty>[^\x1b]*)\x1b\\|\x1b\]1337;(?P<iterm2>[^\x07]*)\x07|\x1bP(?P<sixel>[^\x1b]*)\x1b\\"
)


class Terminal:
    """A pseudo-terminal with graphics, and the app in it."""

    def __init__(self, graphics: str, folder: Path) -> None:
        self._ours, theirs = os.openpty()
        size = LINES, COLUMNS, COLUMNS * CELL[0], LINES * CELL[1]
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", *size))
        places = dict.fromkeys(("XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"), str(folder))
        terminal = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "REPDYN_GRAPHICS": graphics}
        self._app = subprocess.Popen(
            [sys.executable, "-c", SHOWING],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=os.environ | places | terminal,
        )
        os.close(theirs)
        self.got = ""

    def sees(self, pattern: str, seconds: float = 60.0) -> None:
        """Read, and answer, until something has been written."""
        end = time.monotonic() + seconds
        while not re.search(pattern, self.got):
            assert time.monotonic() < end, f"{pattern} not seen in {self.got[-2000:]!r}"
            if select.select([self._ours], [], [], 0.2)[0]:
                some = os.read(self._ours, 65536)
                for question, answer in ASKED.items():
                    os.write(self._ours, answer * some.count(question))
                self.got += some.decode("utf-8", "replace")

    def press(self, keys: str) -> None:
        """Press keys."""
        os.write(self._ours, keys.encode())

    def close(self) -> None:
        """End the app."""
        self._app.kill()
        self._app.wait()
        os.close(self._ours)


@pytest.mark.timeout(150)
@pytest.mark.parametrize("graphics", ["kitty", "iterm2", "sixel"])
def test_a_terminal_gets_whole_sequences_between_the_frames(graphics: str, tmp_path: Path) -> None:
    terminal = Terminal(graphics, tmp_path)
    try:
        terminal.sees("theirs")
        terminal.press("7")
        terminal.sees(r"two\.png")
        terminal.press("\x1b[F\r")  # the last of the list
        terminal.sees(SEQUENCE.pattern)
        if graphics == "kitty":  # whose pictures are cells
            terminal.sees("\U0010eeee")
        found = [(m.lastgroup, m[m.lastgroup or 0]) for m in SEQUENCE.finditer(terminal.got)]
    finally:
        terminal.close()
    assert {name for name, _ in found} == {graphics}
    READ[graphics]([content for _, content in found])


def read_kitty(parts: list[str]) -> None:
    keys = dict(part.split("=") for part in parts[0].partition(";")[0].split(","))
    assert (keys["a"], keys["U"], keys["f"]) == ("T", "1", "100")
    assert int(keys["i"]) < 1 << 24, "its number is a colour"
    is_the_picture("".join(part.partition(";")[2] for part in parts))


def read_iterm2(parts: list[str]) -> None:
    about, _, data = parts[0].removeprefix("File=").partition(":")
    keys = dict(part.split("=") for part in about.split(";"))
    assert keys["inline"] == "1"
    assert int(keys["width"]) <= COLUMNS
    assert int(keys["height"]) <= LINES
    is_the_picture(data)


def read_sixel(parts: list[str]) -> None:
    size = re.match(r'0;1q"1;1;(\d+);(\d+)', parts[0])
    assert size
    assert int(size[1]) <= COLUMNS * CELL[0]
    assert int(size[2]) <= LINES * CELL[1]
    assert int(size[1]) % CELL[0] == int(size[2]) % CELL[1] == 0, "it fills cells"


def is_the_picture(data: str) -> None:
    shown = np.asarray(Image.open(io.BytesIO(b64decode(data))))
    assert shown.shape == (20, 40, 3)
    assert shown[0, 0].tolist() == [255, 0, 0]
    assert shown[0, -1].tolist() == [0, 0, 255]


READ = {"kitty": read_kitty, "iterm2": read_iterm2, "sixel": read_sixel}
