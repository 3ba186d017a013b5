"""Reads in a thread of its own and hands the answers, frozen records, to the event loop.

One thread answers one question after the other, so that nothing is asked twice at once. It is a
daemon: leaving the app does not wait for a server that does not answer.
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

from repdyn.display.wording import plain
from repdyn.errors import UserError

T = TypeVar("T")

POLL_SECONDS = 1.5
"""How often a run that trains is looked at: a new checkpoint is on the screen within 3 s."""

IDLE_SECONDS = 6.0
"""How often a list in which nothing runs is looked at."""


class Answered(Message):
    """An answer has come; `deliver` gives it to who asked."""

    def __init__(self, asker: DOMNode, hand_over: Callable[[], None]) -> None:
        super().__init__()
        self._asker = asker
        self._hand_over = hand_over

    def deliver(self) -> None:
        """Hand the answer over, unless who asked has left the screen meanwhile, or the app ends."""
        if self._asker.is_attached and self._asker.app.is_running:
            self._hand_over()


class ReaderThread:
    """Takes questions; `home`, the app, gets the answers as messages."""

    def __init__(self, home: MessagePump) -> None:
        self._home = home
        self._questions: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def ask(
        self,
        asker: DOMNode,
        question: Callable[[], T],
        then: Callable[[T], None],
        failed: Callable[[str], None],
    ) -> None:
        """Answer a question in the thread.

        Args:
            asker: the widget or screen; if it has left when the answer comes, nobody is told.
            question: called in the thread.
            then: called with the answer in the event loop.
            failed: called there with one line instead if the question raised.
        """
        self._questions.put(partial(self._answer, asker, question, then, failed))
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="reader", daemon=True)
            self._thread.start()

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
            told = partial(failed, plain(str(error)))
        except Exception as error:  # whatever a driver raises must not end the thread
            told = partial(failed, plain(f"{type(error).__name__}: {error}")[:300])
        else:
            told = partial(then, answer)
        self._home.post_message(Answered(asker, told))
