"""What may reach the terminal: text without control characters and without secrets.

Names of runs, params, URIs and options are untrusted text, and a terminal obeys control sequences
in it: they could set its title, fill the clipboard (OSC 52), move the cursor, or reorder the text
shown. Everything that a command prints passes through here: standard output through
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
    r"""Return a text with control characters escaped, as `\x1b` or `\u202e`.

    Line feeds stay.
    """
    return text if text.isprintable() else _SUSPECT.sub(_written_out, text)


def _written_out(found: re.Match[str]) -> str:
    character = found[0]
    if unicodedata.category(character) not in _STEERING:
        return character
    return character.encode("unicode_escape").decode()


def steers(text: str) -> bool:
    """Say whether a text contains control characters; line feeds count."""
    return not text.isprintable() and any(unicodedata.category(c) in _STEERING for c in text)


def printable(text: str) -> str:
    """Return a text that is safe to print."""
    return visible(redact(text))


def write_out(text: str) -> None:
    """Write machine-readable output, JSON or CSV, to standard output."""
    sys.stdout.write(visible(text))


def tell_error(text: str) -> None:
    """Write a text to standard error as one line."""
    sys.stderr.write(printable(f"repdyn: {' '.join(text.split())}\n"))


@contextmanager
def guarded_errors() -> Iterator[None]:
    """Guard standard error: loggers, warnings and tracebacks, our own and those of libraries."""
    with redirect_stderr(_Guarded(sys.stderr)):
        yield


class _Guarded(io.TextIOBase):
    """Passes on what is written, escaped. Styles would be lost, so it is not a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        # libraries' progress bars (tqdm) begin with a carriage return
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
