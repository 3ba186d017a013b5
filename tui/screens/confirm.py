"""A question with one key for yes."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static


class ConfirmScreen(ModalScreen[bool]):
    """Asks before something is done; `y` is yes, and nothing else is."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "dismiss(True)", "Yes", id="confirm.yes"),
        Binding("escape,n,q", "dismiss(False)", "No", id="confirm.no"),
    ]

    def __init__(self, question: str, more: str, yes: str) -> None:
        super().__init__()
        self._question, self._more, self._yes = question, more, yes

    def compose(self) -> ComposeResult:
        """Yield the question, what it means, and the keys."""
        with Vertical(id="confirm"):
            yield Static(Text(self._question, "bold"))
            yield Static(Text(self._more))
            yield Static(
                Text.assemble("\n", ("y", "bold"), f" {self._yes}   ", ("n", "bold"), " no")
            )
