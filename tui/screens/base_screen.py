"""What all screens have: their data source, a notice, and a message if the terminal is too small."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar, cast

from rich.text import Text
from textual.app import ComposeResult
from textual.screen import Screen
from textual.widgets import Static

from tui.layout import CarefulCompositor
from tui.reader_thread import ReaderThread
from tui.source import Source
from tui.widgets.footer import KeysFooter

WIDE_TAB = 5
"""Columns of a tab besides its name: number, gaps."""

if TYPE_CHECKING:
    from tui.app import RepdynApp

T = TypeVar("T")

WAITING = "the store is being opened; this follows"

NORMAL = 81
"""Width from which a screen has space for more than the essentials."""

TOO_SMALL = "repdyn needs 60 columns and 20 lines; enlarge the terminal or reduce the font size."


class BaseScreen(Screen[None]):
    """A screen of the app; below 60×20 it only says that the terminal is too small."""

    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012 - Textual declares it without ClassVar
        (0, "-too-narrow"),
        (60, "-narrow"),
        (NORMAL, "-normal"),
        (120, "-wide"),
    ]
    VERTICAL_BREAKPOINTS = [  # noqa: RUF012
        (0, "-too-low"),
        (20, "-low"),
        (30, "-high"),
    ]

    def __init__(self, source: Source, desk: ReaderThread) -> None:
        super().__init__()
        self._compositor = CarefulCompositor()
        self.source = source
        self.desk = desk
        self._waits = False

    @property
    def topic(self) -> str:
        """What the help explains: the view in front, or the screen."""
        return ""

    @property
    def home(self) -> RepdynApp:
        """The app, which holds what all screens share."""
        return cast("RepdynApp", self.app)

    def compose(self) -> ComposeResult:
        """Yield the screen's own parts between notice and footer."""
        yield from self.compose_body()
        yield Static(id="notice")
        footer = KeysFooter()
        footer.compact = self._narrow
        yield footer
        yield Static(Text(TOO_SMALL), id="too-small")

    @property
    def _narrow(self) -> bool:
        return self.app.size.width < NORMAL - 1

    def on_resize(self) -> None:
        """Fit the footer to the new width."""
        self.query_one(KeysFooter).compact = self._narrow
        self.refresh_bindings()

    def compose_body(self) -> ComposeResult:
        """Yield the screen's own parts."""
        raise NotImplementedError

    def ask_store(
        self,
        question: Callable[[], T],
        then: Callable[[T], None],
        failed: Callable[[str], None] | None = None,
    ) -> None:
        """Have the reader's thread do what a key asked for; say so if the store is still being opened.

        Of such keys only the first one counts, since pressed again it would open its screen twice.
        """
        if self.desk.is_starting:
            self.tell(WAITING)
            if self._waits:
                return
            self._waits = True
        self.desk.ask(self, question, then, failed or self.tell)

    def show_notice(self, line: str = "") -> None:
        """Show an error above the footer until it is resolved; an empty line clears it."""
        notice = self.query_one("#notice", Static)
        notice.update(Text(line))
        notice.display = bool(line)

    def tell(self, line: str) -> None:
        """Show a brief notification."""
        self.app.notify(line, markup=False)

    def tell_saved(self, paths: list[str]) -> None:
        """Report what has been saved."""
        self.tell("saved " + ", ".join(paths) if paths else "nothing to save in this view")

    def action_copy(self) -> None:
        """Copy the id of the current run."""
        run_id = self.run_in_question()
        if run_id:
            self.app.copy_to_clipboard(run_id)
            self.tell(f"copied {run_id}")

    def run_in_question(self) -> str | None:
        """Return the id of the current run, if any."""
        return None


SHORT: Mapping[str, str] = {"layers": "All"}
"""Names of views on the narrowest screen, where they differ."""


def tabs(
    views: Sequence[str], front: str, empty: Collection[str] = (), room: int | None = None
) -> Text:
    """Return the names of a screen's views with their number keys; a click goes there.

    Those without anything to show are dim: they say why. In little room they are closer, and some
    names are shorter.
    """
    close = room is not None and sum(len(view) + WIDE_TAB for view in views) > room
    text = Text(no_wrap=True)
    for number, view in enumerate(views, start=1):
        style = "bold reverse" if view == front else "dim" if view in empty else ""
        name = SHORT.get(view, view.capitalize()) if close else view.capitalize()
        tab = f"{number} {name}" if close else f" {number} {name} "
        text.append(tab, style)
        text.apply_meta({"@click": f"screen.view('{view}')"}, -len(tab))
        text.append(" " if number < len(views) else "")
    return text
