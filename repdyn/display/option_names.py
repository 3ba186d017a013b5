"""Settings in messages, as who gives options on a command line knows them."""

from __future__ import annotations

import re

from repdyn.errors import SettingError

_NAMED = re.compile(r"`([a-z][a-z0-9_]*)((?: [^`]*)?)`")


def in_options(message: object) -> str:
    """Return an error's or another message with settings named as options: `lr` becomes --lr."""
    said = message.marked if isinstance(message, SettingError) else str(message)
    return _NAMED.sub(lambda named: f"--{named[1].replace('_', '-')}{named[2]}", said)
