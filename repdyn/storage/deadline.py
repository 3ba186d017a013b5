"""Limits how long a call may take, whatever it waits for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")


class OverdueError(TimeoutError):
    """A call did not return in time."""


def within(seconds: float, call: Callable[[], T]) -> T:
    """Call, and wait at most `seconds` for the result.

    A request's timeout limits each read of the response, not the whole: a server that sends a byte
    now and then could block it for days. An overdue call is abandoned in its thread.

    Raises:
        OverdueError: the call did not return in time.
        Exception: whatever the call raises.
    """
    result: Future[T] = Future()

    def work() -> None:
        try:
            result.set_result(call())
        except BaseException as error:  # raised again below, in the thread that waits
            result.set_exception(error)

    run = copy_context().run
    threading.Thread(target=run, args=(work,), name="repdyn-request", daemon=True).start()
    try:
        return result.result(seconds)
    except TimeoutError:
        if result.done():
            raise
        raise OverdueError(f"no complete response within {seconds:.0f} s") from None
