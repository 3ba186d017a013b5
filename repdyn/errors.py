"""The exception for errors that the user can fix."""

import difflib
import re
from collections.abc import Iterable

from repdyn.redaction import redact


class UserError(Exception):
    """An error that the user can fix.

    The message is one line: what was wrong and what to do. The command line prints it without a
    traceback and exits with the exception's code. Passwords and tokens are redacted from it, and
    overlong words, such as damaged files contain, are shortened.
    """

    exit_code = 2

    def __init__(self, message: str) -> None:
        super().__init__(_shortened(redact(message)))


class UnsentError(UserError):
    """Everything is done, but some of it is still queued on this machine's disk, unsent."""

    exit_code = 75
    """EX_TEMPFAIL of sysexits.h: try again later."""


_LONGEST_WORD = 400
"""Characters; real paths are shorter."""


def _shortened(message: str) -> str:
    return re.sub(
        rf"\S{{{_LONGEST_WORD},}}", lambda word: f"{word[0][:200]}…{word[0][-100:]}", message
    )


def nearest(word: str, known: Iterable[str]) -> str:
    """Return "; did you mean …?" for the end of a message, or nothing if no match is close."""
    near = difflib.get_close_matches(word, list(known), n=3, cutoff=0.4)
    return f"; did you mean {', '.join(near)}?" if near else ""
