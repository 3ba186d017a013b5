"""Bounds how long a call takes, whatever it waits for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")


class OverdueError(TimeoutError):
    """A call has not returned in time."""


def within(seconds: float, call: Callable[[], T]) -> T:
    """Call, and wait no longer than some seconds for the result.

    The timeout of a request bounds each read of its answer, not the whole: a server that sends a
    byte now and then could hold it for days. An overdue call is left behind in its thread.

    Raises:
        OverdueError: the call has not returned in time.
        Exception: what the call raises.
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
        raise OverdueError(f"no complete answer within {seconds:.0f} s") from None
