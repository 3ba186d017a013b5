"""A real terminal: a tmux of its own, with one command in it."""

from __future__ import annotations

import re
import shlex
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

SECONDS = 90.0
"""How long something is waited for: a busy machine starts slowly."""

STILL = 0.4
"""Seconds without a change after which the screen is drawn."""

SGR = re.compile(r"\x1b\[([\d;]*)m")


GREYS = {*range(232, 256), 16, 59, 102, 145, 188, 231}
"""Of the 256 colours, those without a hue."""


class Tmux:
    """A command in tmux.

    Args:
        folder: for the socket.
        command: to run.
        environ: variables of the command; None removes one.
        size: columns and lines.
        captures: where each look at the screen is written, as text.
    """

    def __init__(
        self,
        folder: Path,
        command: Sequence[str],
        environ: Mapping[str, str | None],
        size: tuple[int, int],
        captures: Path,
    ) -> None:
        self._socket = folder / "tmux"
        self._captures = captures
        self._exit = folder / "exit"
        self._seen = ""
        unset = [word for name, value in environ.items() if value is None for word in ("-u", name)]
        given = [f"{name}={value}" for name, value in environ.items() if value is not None]
        words = shlex.join(["env", *unset, *given, *command])
        columns, lines = size
        self._tmux(
            "-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", str(lines),
            f"{words}; echo $? > {shlex.quote(str(self._exit))}",
        )  # fmt: skip

    def _tmux(self, *words: str) -> str:
        done = subprocess.run(
            ["tmux", "-S", str(self._socket), *words], capture_output=True, text=True, check=True
        )
        return done.stdout

    def press(self, *keys: str) -> None:
        """Press keys, by tmux's names."""
        self._tmux("send-keys", *keys)

    def screen(self, *, colours: bool = False) -> str:
        """Return what the terminal shows, with the escape sequences of its colours if wanted."""
        return self._tmux("capture-pane", "-p", *(["-e"] if colours else []))

    def sees(self, name: str, *words: str) -> str:
        """Wait until the terminal shows all of some words, something new, and stands still.

        What it shows is kept under a name.
        """
        end = time.monotonic() + SECONDS
        before, shown = "", self.screen()
        while shown != before or shown == self._seen or not all(word in shown for word in words):
            assert time.monotonic() < end, f"{words} not seen; the terminal shows\n{shown}"
            time.sleep(STILL)
            before, shown = shown, self.screen()
        self._seen = shown
        (self._captures / f"{name}.txt").write_text(shown)
        return shown

    def colours(self) -> set[str]:
        """Return how colours are given in what is shown: default, grey, 16, 256 or true."""
        codes = [code for part in SGR.findall(self.screen(colours=True)) for code in kinds(part)]
        return set(codes)

    def status(self) -> int:
        """Wait until the command ends; return its exit status."""
        end = time.monotonic() + SECONDS
        while not self._exit.exists() or not self._exit.read_text().strip():
            assert time.monotonic() < end, f"it does not end; the terminal shows\n{self.screen()}"
            time.sleep(0.1)
        return int(self._exit.read_text())

    def close(self) -> None:
        """End tmux, and the command with it."""
        subprocess.run(["tmux", "-S", str(self._socket), "kill-server"], capture_output=True)


def kinds(codes: str) -> list[str]:
    """Return the kinds of the colours that the numbers of an SGR sequence select."""
    numbers = [int(code or 0) for code in codes.split(";")]
    found = []
    while numbers:
        first = numbers.pop(0)
        if first in (38, 48) and numbers:
            depth = numbers.pop(0)
            colour = numbers[: 1 if depth == 5 else 3]
            del numbers[: len(colour)]
            found.append("true" if depth != 5 else "grey" if colour[0] in GREYS else "256")
        elif 30 <= first <= 47 or 90 <= first <= 107:
            found.append("default" if first == 39 else "16")
    return found
