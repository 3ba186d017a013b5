"""A pseudo-terminal that runs a command, reads as fast as it is told to, and answers what it is asked."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import tempfile
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psutil

Size = tuple[int, int]

SMALL: Size = (120, 40)
LARGE: Size = (300, 100)

TRUE_COLOUR = {"TERM": "xterm-256color", "COLORTERM": "truecolor"}

STATE = tempfile.TemporaryDirectory(prefix="repdyn-benchmarks-")
NO_SESSION = {"XDG_STATE_HOME": STATE.name, "XDG_CACHE_HOME": STATE.name}
"""Nothing is found of the user's last session, and nothing is left."""

QUESTION, ANSWER = b"\x1b[?2026$p", b"\x1b[?2026;2$y"
"""Whether a terminal can draw a frame at once, which it answers after what it was sent before."""

PATIENCE = 120.0
"""Seconds to wait for output in a terminal before giving up."""


class Terminal:
    """A command in a pseudo-terminal that answers, after some seconds, what it is asked."""

    def __init__(self, command: Sequence[str], size: Size, answers_after: float) -> None:
        self._after = answers_after
        self._answers: list[float] = []
        self._tail = b""
        self._ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (size[1], size[0]))
        kept = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES", "NO_COLOR")}
        self._process = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=kept | TRUE_COLOUR | NO_SESSION,
            start_new_session=True,
        )
        os.close(theirs)

    @property
    def process(self) -> psutil.Process:
        """The process of the command."""
        return psutil.Process(self._process.pid)

    def wait_for(self, text: str) -> None:
        """Read until a text has been written.

        Raises:
            RuntimeError: it is not written.
        """
        wanted, seen = text.encode(), b""
        end = time.monotonic() + PATIENCE
        while wanted not in seen:
            some = self.read(end - time.monotonic())
            if not some:
                raise RuntimeError(f"{text!r} does not come; the last was {seen[-500:]!r}")
            seen += some

    def read(self, seconds: float) -> bytes:
        """Return what is written next, empty if nothing is within this many seconds."""
        return self.read_up_to(2**16, seconds)

    def read_up_to(self, most: int, seconds: float) -> bytes:
        """Return up to this many bytes of what is written next, as `read` does."""
        end = time.monotonic() + seconds
        while self._answers and (due := self._answers[0]) < end:
            if select.select([self._ours], [], [], max(0.0, due - time.monotonic()))[0]:
                break
            self._answer()
        ready, _, _ = select.select([self._ours], [], [], max(0.0, end - time.monotonic()))
        try:
            some = os.read(self._ours, most) if ready else b""
        except OSError:  # how Linux says that the other end is closed
            return b""
        self._tail += some
        due = time.monotonic() + self._after
        self._answers += [due] * self._tail.count(QUESTION)
        self._tail = self._tail.rpartition(QUESTION)[2][1 - len(QUESTION) :]
        self._answer()
        return some

    def _answer(self) -> None:
        """Answer the questions that are due: that frames are drawn at once."""
        while self._answers and self._answers[0] <= time.monotonic():
            self._answers.pop(0)
            os.write(self._ours, ANSWER)

    def write(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self._ours, keys)

    def read_for(self, seconds: float) -> None:
        """Read continuously, as a terminal does, for this many seconds."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if not self.read(left):
                time.sleep(max(0.0, end - time.monotonic()))

    def quiet(self, seconds: float) -> None:
        """Read until nothing is written for this many seconds."""
        while self.read(seconds):
            pass

    def close(self) -> None:
        """End the command."""
        self._process.kill()
        self._process.wait()
        os.close(self._ours)


@contextmanager
def terminal(
    command: Sequence[str], size: Size = SMALL, answers_after: float = 0.0
) -> Iterator[Terminal]:
    """Run a command in a pseudo-terminal; it is killed at the end."""
    opened = Terminal(command, size, answers_after)
    try:
        yield opened
    finally:
        opened.close()


def words(size: Size) -> str:
    """Return the size of a screen, `120×40`."""
    return f"{size[0]}×{size[1]}"
