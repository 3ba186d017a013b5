"""The one exception that means: the user can mend this."""

import difflib
import re
from collections.abc import Iterable

from repdyn.redaction import redact


class UserError(Exception):
    """A mistake the user can see and mend.

    The message is one line: what was wrong and what to do. The command line prints it without a
    traceback and exits with the exception's code. It holds no password or token, wherever it goes,
    and of an overlong word, as damaged files hold them, its ends only.
    """

    exit_code = 2

    def __init__(self, message: str) -> None:
        super().__init__(_shortened(redact(message)))


class UnsentError(UserError):
    """All is done, but not all has reached the server: it waits on this machine's disk."""

    exit_code = 75
    """EX_TEMPFAIL of sysexits.h: try again later."""


_LONGEST_WORD = 400
"""Characters; paths that people have are shorter."""


def _shortened(message: str) -> str:
    return re.sub(
        rf"\S{{{_LONGEST_WORD},}}", lambda word: f"{word[0][:200]}…{word[0][-100:]}", message
    )


def nearest(word: str, known: Iterable[str]) -> str:
    """Return "; the nearest are …" for the end of a message, or nothing if none is near."""
    near = difflib.get_close_matches(word, list(known), n=3, cutoff=0.4)
    return f"; the nearest are {', '.join(near)}" if near else ""
