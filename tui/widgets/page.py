"""A page of text that scrolls, also by the keys of the other widgets."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll


class Page(VerticalScroll):
    """A scrolling container; the page keys, home and end are Textual's."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "scroll_up", "Up", show=False, id="cursor.up"),
        Binding("down,j", "scroll_down", "Down", show=False, id="cursor.down"),
        Binding("ctrl+u", "half_page(-1)", "Up half", show=False, id="cursor.half_up"),
        Binding("ctrl+d", "half_page(1)", "Down half", show=False, id="cursor.half_down"),
        Binding("g", "scroll_home", "First line", show=False, id="cursor.top"),
        Binding("G", "scroll_end", "Last line", show=False, id="cursor.bottom"),
    ]

    def action_half_page(self, steps: int) -> None:
        """Scroll by half of what is in view."""
        self.scroll_relative(y=steps * max(1, self.size.height // 2), animate=False)
