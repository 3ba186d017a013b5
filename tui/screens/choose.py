"""A list to choose one thing from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from repdyn.display.wording import plain


class ChooseScreen(ModalScreen[str | None]):
    """Asks for one of several names; the result is None if the user goes back."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss(None)", "Back", id="choose.back")
    ]

    def __init__(self, title: str, names: Sequence[str]) -> None:
        super().__init__()
        self._title = title
        self._names = list(names)

    def compose(self) -> ComposeResult:
        """Yield the title and the names."""
        with Vertical(id="choose"):
            yield Static(Text(self._title, "bold"))
            yield OptionList(*(Option(Text(plain(name))) for name in self._names))

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._names[event.option_index])
