"""A line for a filter in MLflow's language, with completion and history."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from repdyn.display.wording import plain
from tui.mlflow_filter import Known, completions, problem_of

KEYS = "tab completes · ↓ chooses · ↑ earlier · enter filters · esc"


class FilterScreen(ModalScreen[str | None]):
    """Asks for a filter; the result is an empty one to show all runs, None to change nothing.

    Args:
        text: of the filter so far.
        known: the names and values that are offered.
        earlier: filters, the last first.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Back", id="filter.back"),
        Binding("tab", "complete", "Complete", id="filter.complete", priority=True),
        Binding("down", "choose(1)", "Next", id="filter.down", priority=True),
        Binding("up", "choose(-1)", "Previous", id="filter.up", priority=True),
    ]

    def __init__(self, text: str, known: Known, earlier: Sequence[str]) -> None:
        super().__init__()
        self._text, self._known, self._earlier = text, known, earlier
        self._back = -1  # which of the earlier filters is shown
        self._offered: list[tuple[int, str]] = []

    def compose(self) -> ComposeResult:
        """Yield the line, what could come next, and what is wrong."""
        with Vertical(id="mlflow"):
            yield Static(Text("Filter runs in MLflow's language", "bold"), classes="line")
            yield Input(
                self._text,
                placeholder="metrics.`test/acc` > 0.9 AND params.opt = 'sgd'",
                id="mlflow-filter",
                compact=True,
                select_on_focus=False,
            )
            offers = OptionList(id="offers", compact=True)
            offers.can_focus = False
            yield offers
            yield Static("", id="wrong")
            yield Static(Text(KEYS, "dim"), id="filter-keys")

    def on_mount(self) -> None:
        """Offer what could come first."""
        self._offer()

    @property
    def _input(self) -> Input:
        return self.query_one(Input)

    @property
    def _offers(self) -> OptionList:
        return self.query_one(OptionList)

    def _offer(self) -> None:
        """Show what could come at the cursor."""
        self._offered = completions(self._input.value[: self._input.cursor_position], self._known)
        offers = self._offers
        offers.clear_options()
        offers.add_options(Option(Text(plain(more.strip()))) for _, more in self._offered)
        offers.highlighted = None

    @on(Input.Changed)
    def _typed(self) -> None:
        self.query_one("#wrong", Static).update("")
        self._offer()

    def action_choose(self, steps: int) -> None:
        """Go through the offers; above them are the earlier filters."""
        at = self._offers.highlighted
        if at is None and (steps < 0 or self._back >= 0):
            self._recall(self._back - steps)
        elif at is None:
            self._offers.highlighted = 0 if self._offered else None
        else:
            self._offers.highlighted = (
                None if at + steps < 0 else min(at + steps, len(self._offered) - 1)
            )

    def _recall(self, back: int) -> None:
        """Show an earlier filter, or again what was there."""
        if back < len(self._earlier):
            self._back = max(-1, back)
            self._put(self._text if self._back < 0 else self._earlier[self._back])

    def action_complete(self) -> None:
        """Insert what is chosen, or else the first that could come."""
        self._insert(self._offers.highlighted or 0)

    def _insert(self, index: int) -> None:
        if index < len(self._offered):
            start, more = self._offered[index]
            rest = self._input.value[self._input.cursor_position :]
            self._put(self._input.value[:start] + more, rest)

    def _put(self, text: str, rest: str = "") -> None:
        self._input.value = text + rest
        self._input.cursor_position = len(text)
        self._offer()

    @on(OptionList.OptionSelected)
    def _clicked(self, event: OptionList.OptionSelected) -> None:
        self._insert(event.option_index)

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        """Insert what is chosen; else filter, or say where the filter is wrong."""
        event.stop()
        if self._offers.highlighted is not None:
            self._insert(self._offers.highlighted)
            return
        text = event.value.strip()
        problem = problem_of(text)
        if problem is None:
            self.dismiss(text)
            return
        self.query_one("#wrong", Static).update(Text(plain(str(problem))))
        self._input.cursor_position = problem.place + len(event.value) - len(event.value.lstrip())
