"""Untrusted regular expressions: matching them is bounded in time.

Python's `re` backtracks for hours on `(a+)+$` and cannot be stopped in its process; `regex`, which
takes a time limit, fills the memory on `a{1000000000}`, and RE2 knows no lookahead. So an expression
that may backtrack is matched by `re` in a process of its own, which can be ended.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence

from repdyn.errors import SettingError

MOST_CHARACTERS = 500
SECONDS = 5.0
"""For all names together, with the start of the process."""

_BACKTRACKS = re.compile(r"[*+?{(]")
_CHILD = """
import json, re, sys
pattern, names = json.load(sys.stdin)
json.dump([name for name in names if re.search(pattern, name)], sys.stdout)
"""


def check_pattern(pattern: str) -> None:
    """Check that text is a regular expression.

    Raises:
        UserError: it is not, or is too long.
    """
    if len(pattern) > MOST_CHARACTERS:
        raise SettingError(
            "layers", None, f"{len(pattern):,} characters; give at most {MOST_CHARACTERS}"
        )
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        reason = " ".join(str(error).split())
        raise SettingError("layers", pattern, f"invalid regular expression ({reason})") from None


def matching(pattern: str, names: Sequence[str]) -> list[str]:
    """Return the names in which a regular expression is found, all of them if it is empty.

    Raises:
        UserError: it is invalid, is too long, or takes too much time.
    """
    check_pattern(pattern)
    if not _BACKTRACKS.search(pattern):
        return [name for name in names if re.search(pattern, name)]
    try:
        done = subprocess.run(  # noqa: S603 (this interpreter and our own lines; the rest is data)
            [sys.executable, "-I", "-S", "-c", _CHILD],
            input=json.dumps([pattern, list(names)]),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=True,
        )
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError):
        advice = f"cannot be matched within {SECONDS:g} s; avoid nested repetitions"
        raise SettingError("layers", pattern, advice) from None
    found: list[str] = json.loads(done.stdout)
    return found
