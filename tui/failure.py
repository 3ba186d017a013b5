"""What is printed once the app has failed: where, and what to do.

Textual (8.2) would print the local variables of each function, among which are addresses of stores with
their passwords, folded so that no pattern finds them.
"""

from __future__ import annotations

import traceback

from rich.console import Group
from rich.text import Text

from repdyn.display.wording import plain
from repdyn.redaction import redact

ADVICE = (
    "This is an error of repdyn's screen; runs are not changed by it, and trainings continue. Please "
    "report it to repdyn's maintainers, with the lines above and what `repdyn doctor` prints. "
    "`repdyn runs`, `repdyn show` and `repdyn report` read the same runs without the screen."
)


def failure(error: BaseException) -> Group:
    """Return an error's traceback, without local variables and secrets, and what to do."""
    lines = redact("".join(traceback.format_exception(error))).splitlines()
    # lines as Python prints them, so that they can be copied
    shown = Text("\n".join(map(plain, lines)), no_wrap=True, overflow="ignore")
    return Group(shown, "", ADVICE)
