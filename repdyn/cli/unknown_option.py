"""Tells of an option that one command does not have which others have."""

from __future__ import annotations

from difflib import get_close_matches

from cyclopts import App
from cyclopts.exceptions import UnknownOptionError

CLOSE = 0.85
"""How alike an option of the command itself must be to have been meant instead, as by `get_close_matches`."""


def elsewhere(app: App, error: object) -> str:
    """Return the line to print if an error is of an option that only other commands have; else empty."""
    if not isinstance(error, UnknownOptionError):
        return ""
    option = (error.token.keyword or error.token.value).partition("=")[0]
    own = {name for argument in error.argument_collection for name in argument.names}
    others = [name for name in app if not name.startswith("-") and option in _options(app[name])]
    if not others or get_close_matches(option, own, cutoff=CLOSE):
        return ""
    commands = ", ".join(f"repdyn {name}" for name in others)
    return f"Unknown option: {option}. It is an option of {commands}."


def _options(command: App) -> set[str]:
    return {name for argument in command.assemble_argument_collection() for name in argument.names}
