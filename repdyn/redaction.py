"""Removes passwords and tokens from text that is shown or stored.

Secrets are a URI's userinfo (`scheme://user:password@host`), its query parameters that carry tokens
or signatures, and the values of environment variables that hold credentials.
"""

from __future__ import annotations

import os
import re
import shlex
import traceback
from collections.abc import Sequence
from urllib.parse import quote

HIDDEN = "***"
"""Replaces a secret."""

SECRET_VARIABLES = (
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
    "DATABRICKS_TOKEN",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AZURE_STORAGE_ACCESS_KEY",
    "AZURE_STORAGE_CONNECTION_STRING",
)
"""Environment variables read by MLflow and by artifact-store drivers. A user name is not a secret:
it appears in paths and in MLflow's own tags."""

SHORTEST = 4
"""Minimum length of a variable's value to be redacted: shorter ones occur in ordinary words."""

# up to the last @, for people forget to write one in a password as %40, and a slash as %2F; the
# address of an Azure container is no userinfo
_USERINFO = re.compile(
    r"""(?ix) \b (?! (?:wasb|abfs)s? : ) ([a-z][a-z0-9+.-]* ://)
    (?: [^\s"<>/?\#]+ | [^\s"<>/?\#@:]* : [^\s"<>]* ) @"""
)
_WORDS = r"(?:token|secret|passw(?:or)?d|pwd|signature|credential|api[_-]?key|access[_-]?key)"
_IN_QUERY = re.compile(
    rf"""(?ix) ( [?&;] (?: [\w.-]* {_WORDS} [\w.-]* | sig | key | auth | pass ) = ) [^\s&;"'<>#]+"""
)
_ALONE = re.compile(rf"""(?ix) (\b {_WORDS} =) [^\s&;,"'<>#)]+""")
_SECRET_OPTION = re.compile(rf"(?i) --? [\w.-]* {_WORDS}", re.VERBOSE)
_HEADER = re.compile(r"""(?i)(\bauthorization['"]?\s*[:=]\s*['"]?(?:basic|bearer)\s+)[^\s'"]+""")


def redact(text: str) -> str:
    """Return a text to display, with secrets replaced by HIDDEN."""
    text = redact_uris(text)
    for pattern in (_ALONE, _HEADER):
        text = pattern.sub(rf"\g<1>{HIDDEN}", text)
    for secret in _from_environment():
        text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", HIDDEN, text)
    return text


def redact_command(words: Sequence[str]) -> str:
    """Return a command line to store: as `redact`, and without the values of `--api-key VALUE`."""
    shown, hidden = [], False
    for word in words:
        shown.append(HIDDEN if hidden else redact(word))
        hidden = bool(_SECRET_OPTION.fullmatch(word))
    return shlex.join(shown)


def redact_uris(text: str) -> str:
    """Return a text with userinfo and secret parameters of its URIs replaced by HIDDEN."""
    if "://" not in text:
        return text
    return _IN_QUERY.sub(rf"\g<1>{HIDDEN}", _USERINFO.sub(rf"\g<1>{HIDDEN}@", text))


def without_secrets(uri: str) -> str:
    """Return a URI that may be stored: without userinfo and without secret parameters.

    To use it again, credentials come from the environment.
    """
    uri, _, fragment = _USERINFO.sub(r"\g<1>", uri).partition("#")
    place, _, query = uri.partition("?")
    kept = "&".join(part for part in query.split("&") if part and not _IN_QUERY.match(f"?{part}"))
    return place + (f"?{kept}" if kept else "") + (f"#{fragment}" if fragment else "")


def traceable(error: BaseException) -> BaseException | None:
    """Return an error as the cause of another; None if its traceback would show a secret."""
    shown = "".join(traceback.format_exception(error))
    return error if redact(shown) == shown else None


def _from_environment() -> list[str]:
    """Return the values of SECRET_VARIABLES, also URI-quoted; the longest first."""
    values = {os.environ.get(name, "") for name in SECRET_VARIABLES}
    values |= {quote(value, safe="") for value in values}
    return sorted((value for value in values if len(value) >= SHORTEST), key=len, reverse=True)
