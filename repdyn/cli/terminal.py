"""What may reach the terminal: text without characters that steer it, and without secrets.

Names of runs, params, addresses and options are anyone's text, and a terminal obeys what stands in
it: it would set its title, fill the clipboard (OSC 52), move the cursor, or show text in another
order than it is written. Everything that a command prints passes here: standard output through
`new_console` (console.py) or `write_out`, standard error through `guarded_errors`.
"""

from __future__ import annotations

import io
import re
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from typing import TextIO

from repdyn.redaction import redact

_STEERING = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Unicode's categories: control (C0, C1), format (bidi, zero width), surrogates, line separators."""

_SUSPECT = re.compile(r"[^\w\n -~]")


def visible(text: str) -> str:
    r"""Return a text with characters that steer a terminal written out, as `\x1b` or `\u202e`.

    Line feeds stay.
    """
    return text if text.isprintable() else _SUSPECT.sub(_written_out, text)


def _written_out(found: re.Match[str]) -> str:
    character = found[0]
    if unicodedata.category(character) not in _STEERING:
        return character
    return character.encode("unicode_escape").decode()


def steers(text: str) -> bool:
    """Say whether a text holds characters that steer a terminal; line feeds are such."""
    return not text.isprintable() and any(unicodedata.category(c) in _STEERING for c in text)


def printable(text: str) -> str:
    """Return a text as it may be printed."""
    return visible(redact(text))


def write_out(text: str) -> None:
    """Write to standard output what a program is to read: JSON or CSV."""
    sys.stdout.write(visible(text))


def tell_error(text: str) -> None:
    """Write a line to standard error, whatever white space the text has."""
    sys.stderr.write(printable(f"repdyn: {' '.join(text.split())}\n"))


@contextmanager
def guarded_errors() -> Iterator[None]:
    """Guard standard error: loggers, warnings and tracebacks, our own and those of libraries."""
    with redirect_stderr(_Guarded(sys.stderr)):
        yield


class _Guarded(io.TextIOBase):
    """Passes on what is written, made printable. Styles would not pass, so it is no terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        # progress bars of libraries (tqdm) begin with a carriage return
        start = "\r" if text.startswith("\r") else ""
        self._stream.write(start + printable(text[len(start) :]))
        return len(text)

    def flush(self) -> None:
        self._stream.flush()

    def fileno(self) -> int:
        return self._stream.fileno()

    def isatty(self) -> bool:
        return False

    @property
    def encoding(self) -> str:  # type: ignore[override]  # a property there, too, in all but name
        return self._stream.encoding
