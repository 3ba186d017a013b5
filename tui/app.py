"""The app: opens the first screen, and holds what all screens share."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from rich.console import RenderableType
from rich.markup import escape
from textual import on
from textual.app import App, SystemCommand
from textual.binding import BindingType
from textual.screen import Screen

from repdyn.display.wording import plain, settings
from repdyn.errors import UserError
from repdyn.settings.schema import StoreConfig
from tui import actions
from tui.demo.source import DemoSource
from tui.partial_updates import send_pieces_only
from tui.reader_thread import Answered, ReaderThread
from tui.screens.base_screen import BaseScreen
from tui.screens.runs import RunsScreen
from tui.source import Source, StoreSource

if TYPE_CHECKING:
    from repdyn.records import RunSummary


READING_SECONDS = 15.0
"""How long an error in a file stays on the screen."""


class RepdynApp(App[None]):
    """How representations form, in the terminal.

    Args:
        source: of the runs.
        run: to open at once, by id, name, unique prefix, or `last`; otherwise the list is shown.
    """

    TITLE = "repdyn"
    CSS_PATH = "app.tcss"
    BINDINGS: ClassVar[list[BindingType]] = actions.bindings("app")

    def __init__(self, source: Source, run: str | None = None) -> None:
        super().__init__()
        self._source = source
        self._first_run = run
        self._desk = ReaderThread(self)

    def get_default_screen(self) -> RunsScreen:
        """Return the list of runs, the screen below all others."""
        return RunsScreen(self._source, self._desk)

    def on_mount(self) -> None:
        """Open the requested run, once the list has been shown."""
        self._change_keys()
        if self._first_run is not None:
            self.call_after_refresh(self._open, self._first_run)

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

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        """Send the terminal only what changed within lines."""
        send_pieces_only(renderable)
        super()._display(screen, renderable)

    @on(Answered)
    def _answered(self, event: Answered) -> None:
        event.deliver()

    def action_help(self) -> None:
        """Explain the view in front and show the keys available there."""
        from tui.screens.help import HelpScreen

        topic = self.screen.topic if isinstance(self.screen, BaseScreen) else ""
        self.push_screen(HelpScreen(self.screen.active_bindings.values(), topic))

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Yield the palette's entries: all actions available here, and the runs."""
        here = {a.binding.id: a.node for a in screen.active_bindings.values() if a.enabled}
        for action in actions.ACTIONS:
            if action.name in here:
                call = partial(self.run_action, action.call, here[action.name])
                yield SystemCommand(action.title, action.help, call)
        for summary in self._known_runs():
            title = escape(f"Open {plain(summary.name)} {summary.run_id[:8]}")
            opening = partial(self._open, summary.run_id)
            yield SystemCommand(title, settings(summary), opening, discover=False)


def run(run: str | None, store: StoreConfig, *, demo: bool = False) -> None:
    """Show the runs of a store, or one of them, or the demo's runs, until the user quits."""
    source: Source = DemoSource() if demo else StoreSource(store)
    RepdynApp(source, run).run()
