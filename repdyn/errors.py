"""The one exception that means: the user can mend this."""

import difflib
from collections.abc import Iterable

from repdyn.redaction import redact


class UserError(Exception):
    """A mistake the user can see and mend.

    The message is one line: what was wrong and what to do. The command line prints it without a
    traceback and exits with the exception's code. It holds no password or token, wherever it goes.
    """

    exit_code = 2

    def __init__(self, message: str) -> None:
        super().__init__(redact(message))


class UnsentError(UserError):
    """All is done, but not all has reached the server: it waits on this machine's disk."""

    exit_code = 75
    """EX_TEMPFAIL of sysexits.h: try again later."""


def nearest(word: str, known: Iterable[str]) -> str:
    """Return "; the nearest are …" for the end of a message, or nothing if none is near."""
    near = difflib.get_close_matches(word, list(known), n=3, cutoff=0.4)
    return f"; the nearest are {', '.join(near)}" if near else ""
