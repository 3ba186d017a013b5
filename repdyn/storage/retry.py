"""Retries calls to a server while it is unreachable, for a limited time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from repdyn.errors import UserError
from repdyn.storage.deadline import OverdueError, within
from repdyn.storage.delivery.executor import reason
from repdyn.storage.delivery.retryable import is_retryable
from repdyn.storage.store import OPENING_SECONDS

T = TypeVar("T")

PAUSES = (0.5, 8.0)
"""Seconds between tries: the first, doubled each time up to the last."""


class Retry:
    """Calls a server, retrying while it is unreachable.

    Args:
        uri: of the server.
        seconds: time limit for all calls together.
    """

    def __init__(self, uri: str, seconds: float = OPENING_SECONDS) -> None:
        self._uri = uri
        self._seconds = seconds
        self._end = time.monotonic() + seconds

    def __call__(self, call: Callable[[], T]) -> T:
        """Call until there is a response.

        Raises:
            UserError: the server is unreachable for too long.
            Exception: the server rejects the call.
        """
        pause = PAUSES[0]
        while True:
            left = self._end - time.monotonic()
            try:
                return within(max(left, 0.0), call)
            except Exception as error:
                if not is_retryable(error):
                    raise
                if isinstance(error, OverdueError) or time.monotonic() + pause > self._end:
                    raise UserError(
                        f"{self._uri}: {reason(error)}; gave up after {self._seconds:.0f} s; "
                        "check the server, or name another store with "
                        "`tracking_uri`"
                    ) from error
            time.sleep(pause)
            pause = min(2 * pause, PAUSES[1])
