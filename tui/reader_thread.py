"""Reads in a separate thread and passes the results, frozen records, to the event loop.

A single thread handles requests one after the other, so that nothing is read twice at once. It is a
daemon: quitting the app does not wait for an unresponsive server.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import TypeVar

from textual.dom import DOMNode
from textual.message import Message
from textual.message_pump import MessagePump

from repdyn.display.option_names import in_options
from repdyn.display.wording import plain
from repdyn.errors import UserError
from repdyn.redaction import redact

T = TypeVar("T")

POLL_SECONDS = 1.5
"""How often a training run is polled: a new checkpoint is on the screen within 3 s."""

IDLE_SECONDS = 6.0
"""How often a list without training runs is polled."""


class Answered(Message):
    """A result has arrived; `deliver` passes it to the requester."""

    def __init__(self, asker: DOMNode, hand_over: Callable[[], None]) -> None:
        super().__init__()
        self._asker = asker
        self._hand_over = hand_over

    def deliver(self) -> None:
        """Pass the result on, unless the requester has left the screen or the app is exiting."""
        if self._asker.is_attached and self._asker.app.is_running:
            self._hand_over()


class ReaderThread:
    """Takes requests; `home`, the app, receives the results as messages.

    Attributes:
        is_starting: whether nothing has been handled yet: the first request loads MLflow for seconds.
    """

    def __init__(self, home: MessagePump) -> None:
        self._home = home
        self._questions: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self.is_starting = True

    def ask(
        self,
        asker: DOMNode,
        question: Callable[[], T],
        then: Callable[[T], None],
        failed: Callable[[str], None],
    ) -> None:
        """Handle a request in the thread.

        Args:
            asker: the widget or screen; if it is gone when the result arrives, nothing is called.
            question: called in the thread.
            then: called with the result in the event loop.
            failed: called there instead, with one line, if the request raised.
        """
        self._questions.put(partial(self._answer, asker, question, then, failed))
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="reader", daemon=True)
            self._thread.start()

    def opening(self, what: str) -> str:
        """Return that something is being opened, and what it waits for."""
        return f"{what}, once the store is open …" if self.is_starting else f"{what} …"

    def _work(self) -> None:
        while True:
            self._questions.get()()

    def _answer(
        self,
        asker: DOMNode,
        question: Callable[[], T],
        then: Callable[[T], None],
        failed: Callable[[str], None],
    ) -> None:
        try:
            answer = question()
        except UserError as error:
            told = partial(failed, plain(in_options(error)))
        except Exception as error:  # no exception from a driver may end the thread
            told = partial(failed, plain(redact(f"{type(error).__name__}: {error}"))[:300])
        else:
            told = partial(then, answer)
        self.is_starting = False
        self._home.post_message(Answered(asker, told))
