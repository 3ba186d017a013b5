"""The exceptions for errors that the user can fix.

Messages speak of settings by name, as Python and YAML do: in a hint, between backticks (lower `lr`,
`on_nan continue`). The command line prints them as its options (cli/options.py).
"""

from __future__ import annotations

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
        super().__init__(_harmless(message))


class NoArtifactError(UserError):
    """A run does not have a file."""


class SettingError(UserError):
    """A setting or an argument whose value is invalid: `label_noise 1.2: must be below 1`.

    Attributes:
        name: of the setting, as in Python: label_noise.
        value: that was given; None if the message is better without it.
        reason: what is wrong with it and what to do.
        marked: the message with the name between backticks, as settings are named in hints.
    """

    def __init__(self, name: str, value: object, reason: str) -> None:
        rest = f": {reason}" if value is None else f" {value}: {reason}"
        super().__init__(f"{name}{rest}")
        self.name, self.value, self.reason = name, value, reason
        self.marked = _harmless(f"`{name}`{rest}")

    def __reduce__(self) -> tuple[type[SettingError], tuple[str, object, str]]:
        """Pickle the arguments, not the message that they make: Ray sends errors to its driver."""
        return type(self), (self.name, self.value, self.reason)


class UnsentError(UserError):
    """Everything is done, but some of it is still queued on this machine's disk, unsent."""

    exit_code = 75
    """EX_TEMPFAIL of sysexits.h: try again later."""


_LONGEST_WORD = 400
"""Characters; real paths are shorter."""


def _harmless(message: str) -> str:
    """Return a message without secrets and overlong words."""
    return re.sub(
        rf"\S{{{_LONGEST_WORD},}}",
        lambda word: f"{word[0][:200]}…{word[0][-100:]}",
        redact(message),
    )


def nearest(word: str, known: Iterable[str]) -> str:
    """Return "; did you mean …?" for the end of a message, or nothing if no match is close."""
    near = difflib.get_close_matches(word, list(known), n=3, cutoff=0.4)
    return f"; did you mean {', '.join(near)}?" if near else ""
