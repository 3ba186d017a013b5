"""The interface through which the reading of a data set reports what it does."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol


class Reading(Protocol):
    """Receives what is said while a data set is read."""

    def remark(self, text: str) -> None:
        """Receive a line of minor importance."""

    def notice(self, text: str) -> None:
        """Receive a line that the user should see."""

    def decoding(self, what: str, images: int) -> AbstractContextManager[Callable[[int], object]]:
        """Return a context that is entered while images are read; its function counts those done.

        Args:
            what: is done with them, such as decoding.
            images: how many there are.
        """
        ...


class Silent:
    """Shows nothing."""

    def remark(self, text: str) -> None:
        """Show nothing."""

    def notice(self, text: str) -> None:
        """Show nothing."""

    def decoding(self, what: str, images: int) -> AbstractContextManager[Callable[[int], object]]:
        """Show nothing."""
        del what, images
        return nullcontext(_uncounted)


def _uncounted(done: int) -> None:
    del done
