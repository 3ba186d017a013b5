"""Help: what the view in front shows, then the keys available there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from tui.actions import by_name, keys_file
from tui.screens.base_screen import NORMAL
from tui.screens.explained import COLOURS, EXPLAINED, WITH_COLOURS

TITLES = {
    "runs": "Runs",
    "overview": "Overview",
    "layer": "Layer",
    "layers": "Layers",
    "regions": "Regions",
    "curves": "Curves",
    "metrics": "Metrics",
    "chosen": "List of metrics",
    "phases": "Phases",
    "info": "Info",
    "artifact": "Text and pictures",
    "file": "File",
    "compare": "Compare",
    "scores": "Scores",
    "run": "Run",
    "cursor": "Cursor",
    "app": "Everywhere",
}
"""The groups of keys in the help, by the first part of an action's name: those of the view first."""

MOUSE = (
    "The mouse reads out what it is over, a click sets the cursor, a drag zooms to a range of epochs; "
    "where two rows share a line, another click reaches the lower one."
)


class HelpScreen(ModalScreen[None]):
    """What is in front where it was opened, and the keys that work there.

    Args:
        active: the bindings of the focused widget.
        topic: the view in front, one of EXPLAINED; empty for keys only.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark", "dismiss(None)", "Back", id="help.back")
    ]

    def __init__(self, active: Iterable[ActiveBinding], topic: str = "") -> None:
        super().__init__()
        self._active = list(active)
        self._topic = topic

    def compose(self) -> ComposeResult:
        """Yield the page."""
        with VerticalScroll(id="help"):
            yield Static(self._page())

    def _page(self) -> RenderableType:
        groups: dict[str, dict[str, tuple[list[str], str]]] = {}
        table = by_name()
        for active in self._active:
            binding = active.binding
            if binding.id is None or not active.enabled:
                continue
            place = binding.id.partition(".")[0]
            text = table[binding.id].help if binding.id in table else binding.description
            keys, _ = groups.setdefault(place, {}).setdefault(binding.id, ([], text))
            keys.append(self.app.get_key_display(binding))
        parts: list[RenderableType] = []
        if self._topic in EXPLAINED:
            parts += [Text(TITLES[self._topic], "bold"), Text(EXPLAINED[self._topic]), Text()]
        if self._topic in WITH_COLOURS:
            parts += [Text(COLOURS, "dim"), Text()]
        for place, title in TITLES.items():
            if place in groups:
                rows = _rows(groups[place], narrow=self.app.size.width < NORMAL)
                parts += [Text(f"Keys: {title}", "bold"), rows]
                parts += [Text(f"  {MOUSE}", "dim")] if place == "cursor" else []
                parts.append(Text())
        words = f"Change keys in {keys_file()}, by names such as app.help.  esc closes."
        return Group(*parts, Text(words, "dim"))


def _rows(group: dict[str, tuple[list[str], str]], *, narrow: bool) -> Table:
    rows = Table.grid(padding=(0, 2, 0, 2), expand=True)
    rows.add_column(style="bold", no_wrap=True, min_width=0 if narrow else 10)
    rows.add_column(ratio=1)
    rows.add_column(style="dim", no_wrap=True)
    for name, (keys, text) in group.items():
        if narrow:
            rows.add_row(Text(" ".join(keys)), Text.assemble(text, "  ", (name, "dim")))
        else:
            rows.add_row(Text(" ".join(keys)), Text(text), Text(name))
    return rows
