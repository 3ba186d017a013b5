"""The app: opens the first screen, and holds what all screens share."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from rich.markup import escape
from textual import on
from textual.app import SystemCommand
from textual.binding import BindingType
from textual.command import CommandPalette
from textual.screen import Screen
from textual.theme import Theme

from repdyn.display.wording import plain, settings
from repdyn.errors import UserError
from repdyn.settings.schema import StoreConfig
from tui import actions
from tui.commands import PLACEHOLDER, ActionCommands
from tui.demo.source import DemoSource
from tui.failure import failure
from tui.hangup import end_on_hangup
from tui.listing_cache import ListingCache, cache_folder
from tui.notices import tell
from tui.paced_app import PacedApp
from tui.reader_thread import POLL_SECONDS, Answered, ReaderThread
from tui.screens.acting import RunActions
from tui.screens.base_screen import BaseScreen
from tui.screens.runs import RunsScreen
from tui.session import Session, session_file, store_key
from tui.source import Source, StoreSource
from tui.watch import Watches

if TYPE_CHECKING:
    from repdyn.records import RunSummary


T = TypeVar("T")

READING_SECONDS = 15.0
"""How long an error in a file, or what is told of a watched run, stays on the screen."""

SAVING_SECONDS = 2.0
"""How often the session is saved, if it has changed."""


class RepdynApp(PacedApp):
    """How representations form, in the terminal.

    Attributes:
        session: what is left for the next one.
        watches: the runs that are watched.

    Args:
        source: of the runs.
        run: to open at once, by id, name, unique prefix, or `last`; otherwise the list is shown.
        session: what the last one left; None for nothing, and to leave nothing.
    """

    TITLE = "repdyn"
    CSS_PATH = "app.tcss"
    COMMANDS = PacedApp.COMMANDS | {ActionCommands}
    BINDINGS: ClassVar[list[BindingType]] = actions.bindings("app")

    def __init__(
        self, source: Source, run: str | None = None, session: Session | None = None
    ) -> None:
        super().__init__()
        self.session = session or Session()
        self.watches = Watches()
        self._looking = False
        self._source = source
        self._first_run = run
        self._desk = ReaderThread(self)

    def get_default_screen(self) -> RunsScreen:
        """Return the list of runs, the screen below all others."""
        return RunsScreen(self._source, self._desk)

    def on_mount(self) -> None:
        """Open the requested run, once the list has been shown."""
        self._change_keys()
        if self.session.theme in self.available_themes:
            self.theme = self.session.theme
        self.app_resume_signal.subscribe(self, lambda _: self.shown.forget())
        self.theme_changed_signal.subscribe(self, self._theme_chosen)
        if self.session.damage:
            self.notify(self.session.damage, timeout=READING_SECONDS, markup=False)
        self.set_interval(SAVING_SECONDS, self._save_session)
        self.set_interval(POLL_SECONDS, self._look_at_watched)
        if self._first_run is not None:
            self.call_after_refresh(self._open, self._first_run)

    def on_resize(self) -> None:
        """Draw all of it: terminals move or cut what they show."""
        self.shown.forget()

    def action_redraw(self) -> None:
        """Draw all of it: another program may have written over it."""
        self.shown.forget()
        self.refresh(layout=True)

    def _fatal_error(self) -> None:
        """Leave after an unexpected error, and tell it as repdyn does, not as Textual would."""
        error = sys.exc_info()[1]
        if error is None:
            super()._fatal_error()
            return
        self.bell()
        self.panic(failure(error))

    def on_unmount(self) -> None:
        """Save what is not saved yet."""
        with suppress(UserError):  # nobody would see it
            self.session.save()

    # --- the session

    def _theme_chosen(self, theme: Theme) -> None:
        self.session.theme = theme.name

    def _save_session(self) -> None:
        """Save what has changed, so that a lost connection loses little of it."""
        if self.session.is_changed:
            self._ask(self.session.save, lambda _: None, self._session_lost)

    def _session_lost(self, line: str) -> None:
        self.notify(line, severity="warning", markup=False)

    def _ask(
        self, question: Callable[[], T], then: Callable[[T], None], failed: Callable[[str], None]
    ) -> None:
        """Have the thread do something for the app itself, whichever screen is shown."""
        self._desk.ask(self.screen_stack[0], question, then, failed)

    # --- watched runs

    def _look_at_watched(self) -> None:
        """Read the watched runs that still train."""
        waiting = self.watches.waiting()
        if waiting and not self._looking:
            self._looking = True
            self._ask(partial(_summaries, self._source, waiting), self._looked, self._not_looked)

    def _looked(self, runs: dict[str, RunSummary]) -> None:
        self._looking = False
        said = self.watches.observe(runs, time.monotonic())
        for run_id, lines in said.items():
            name, text = plain(runs[run_id].name), "; ".join(lines)
            tell(self, name, text)
            self.notify(text, title=name, timeout=READING_SECONDS, markup=False)
        if said:
            for screen in self.screen_stack:
                if isinstance(screen, RunActions):
                    screen.signs_changed()

    def _not_looked(self, line: str) -> None:
        del line  # the screens say it of what they read
        self._looking = False

    def _open(self, run: str) -> None:
        from tui.screens.run import RunScreen

        self.push_screen(RunScreen(self._source, self._desk, run))

    def _known_runs(self) -> list[RunSummary]:
        lists = [screen for screen in self.screen_stack if isinstance(screen, RunsScreen)]
        return [run for screen in lists for run in screen.runs]

    def _change_keys(self) -> None:
        try:
            self.set_keymap(actions.read_keymap(actions.keys_file()))
        except UserError as error:
            self.notify(str(error), severity="error", timeout=READING_SECONDS, markup=False)

    @on(Answered)
    def _answered(self, event: Answered) -> None:
        event.deliver()

    def action_help(self) -> None:
        """Explain the view in front and show the keys available there."""
        from tui.screens.help import HelpScreen

        topic = self.screen.topic if isinstance(self.screen, BaseScreen) else ""
        self.push_screen(HelpScreen(self.screen.active_bindings.values(), topic))

    def action_commands(self) -> None:
        """Show the actions available here, to find one by its name."""
        if not isinstance(self.screen, CommandPalette):
            self.push_screen(CommandPalette([ActionCommands], placeholder=PLACEHOLDER))

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Yield the palette's entries besides the actions: the runs."""
        del screen
        for summary in self._known_runs():
            title = escape(f"Open {plain(summary.name)} {summary.run_id[:8]}")
            opening = partial(self._open, summary.run_id)
            yield SystemCommand(title, settings(summary), opening, discover=False)


def run(run: str | None, store: StoreConfig, *, demo: bool = False) -> None:
    """Show the runs of a store, or one of them, or the demo's runs, until the user quits.

    Raises:
        SystemExit: the app has failed; Textual has printed why.
    """
    source: Source = DemoSource() if demo else StoreSource(store, ListingCache(cache_folder()))
    session = None if demo else Session(session_file(), store_key(store))
    app = RepdynApp(source, run, session)
    end_on_hangup(app)
    app.run()
    if app.return_code:
        raise SystemExit(app.return_code)


def _summaries(source: Source, run_ids: list[str]) -> dict[str, RunSummary]:
    """Return runs as a list shows them, by id, without those that were deleted."""
    found = {}
    for run_id in run_ids:
        with suppress(UserError):
            found[run_id] = source.summary(run_id)
    return found
