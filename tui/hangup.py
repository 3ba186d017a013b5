"""Ends the app when its terminal is gone, as when a connection breaks.

Usually the kernel's SIGHUP does. Where a program has it ignored (nohup), or the terminal is not the
process's controlling one, Textual (8.2) would read the end of its input over and over, at the full speed
of a core, and for good: its thread of input outlives the app if that cannot write to the terminal.
"""

from __future__ import annotations

import os
import select
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textual.app import App

LEAVING_SECONDS = 3.0
"""How long the app has to save its session."""

HUNG_UP = 129
"""Exit code, as of a process that SIGHUP ended."""


def end_on_hangup(app: App[None]) -> None:
    """Watch the terminal in the background, if standard input is one."""
    if hasattr(select, "poll") and sys.stdin is not None and sys.stdin.isatty():
        threading.Thread(target=_watch, args=(app,), name="hangup", daemon=True).start()


def _watch(app: App[None]) -> None:
    terminal = select.poll()
    terminal.register(sys.stdin.fileno(), 0)  # nothing but its end is waited for
    ((_, event), *_) = terminal.poll()
    if not event & (select.POLLHUP | select.POLLERR):
        return  # a system whose poll does not know terminals
    with suppress(RuntimeError):  # it is not running any more
        app.call_from_thread(app.exit)
    time.sleep(LEAVING_SECONDS)
    os._exit(HUNG_UP)
