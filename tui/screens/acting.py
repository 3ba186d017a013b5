"""What is done to runs from the list and from a run: edited, watched, pinned, deleted, restored."""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

from textual.widgets import Input

from repdyn.display.wording import plain
from repdyn.run_tags import TagChanges
from repdyn.step_words import counted
from tui.browser import open_run
from tui.screens.base_screen import BaseScreen
from tui.screens.run_columns import COLUMNS

if TYPE_CHECKING:
    from repdyn.records import RunSummary
    from tui.session import OfStore


LIVE = frozenset({"RUNNING", "SCHEDULED"})

PINNED = "↑"
"""Sign in the list of a run that is kept at the top."""


class RunActions(BaseScreen):
    """A screen whose run in question can be edited and watched."""

    def runs_changed(self) -> None:
        """Show what has changed in the store."""
        raise NotImplementedError

    def action_edit(self) -> None:
        """Edit the tags and the note of the run, as they are now."""
        run_id = self.run_in_question()
        if run_id is None:
            return

        def look() -> RunSummary:
            # tells before something is typed whether the runs can be changed at all
            self.source.change_tags(run_id, TagChanges())
            return self.source.summary(run_id)

        self.ask_store(look, self._edit)

    def _edit(self, run: RunSummary) -> None:
        from tui.screens.edit import EditScreen

        self.app.push_screen(EditScreen(self.source, self.desk, run), self._edited)

    def _edited(self, saved: bool | None) -> None:
        if saved:
            self.tell("saved")
            self.runs_changed()

    def action_browse(self) -> None:
        """Open the run in MLflow's UI."""
        run_id = self.run_in_question()
        if run_id is not None:
            open_run(self, run_id)

    def signs_changed(self) -> None:
        """Show which runs are watched."""

    def action_watch(self) -> None:
        """Watch the run while it trains, or no longer."""
        run_id = self.run_in_question()
        if run_id is not None:
            self.ask_store(partial(self.source.summary, run_id), self._watch)

    def _watch(self, run: RunSummary) -> None:
        watches, name = self.home.watches, plain(run.name)
        if run.status not in LIVE and run.run_id not in watches.signs():
            self.tell(f"{name} has ended; a run is watched while it trains")
            return
        watched = watches.toggle(run, time.monotonic())
        more = "a notice comes when it ends, stalls, spikes or is not finite"
        self.tell(f"watching {name}: {more}" if watched else f"{name} is no longer watched")
        self.signs_changed()


class ListActions(RunActions):
    """A list whose runs can be filtered, pinned, deleted and restored.

    Attributes:
        apart: what is remembered of another source than the app's, such as the demo; nothing of it
            is left for the next session.
    """

    apart: OfStore | None = None

    _sorted_by: int
    _backwards: bool
    _matching: str

    @property
    def runs(self) -> tuple[RunSummary, ...]:
        """The runs of the list."""
        raise NotImplementedError

    def show_filter(self, text: str) -> None:
        """Show the runs that a filter in MLflow's language leaves."""
        raise NotImplementedError

    # --- what the next session finds

    @property
    def left(self) -> OfStore:
        """What is remembered of the runs' store."""
        return self.home.session.of_store if self.apart is None else self.apart

    def recall(self) -> None:
        """Sort and filter as the last session did."""
        left = self.left
        titles = [column.title for column in COLUMNS]
        if left.sort in titles:
            self._sorted_by, self._backwards = titles.index(left.sort), left.reverse
        self._matching = left.matching
        box = self.query_one("#filter", Input)
        box.value = left.matching or left.words
        box.display, box.can_focus = bool(box.value), False

    def remember(self) -> None:
        """Leave the order and the filter for the next session."""
        left, text = self.left, self.query_one("#filter", Input).value
        left.sort, left.reverse = COLUMNS[self._sorted_by].title, self._backwards
        left.matching, left.words = self._matching, "" if self._matching else text

    # --- pins and signs

    def pinned_first(self, runs: Iterable[RunSummary]) -> list[RunSummary]:
        """Return runs in their order, but those that are pinned before all others."""
        pins = self.left.pins
        return sorted(runs, key=lambda run: run.run_id not in pins)

    def signs(self) -> dict[str, str]:
        """Return the sign of each pinned or watched run, by its id."""
        pins = dict.fromkeys(self.left.pins, PINNED)
        return {**pins, **self.home.watches.signs()}

    def action_pin(self) -> None:
        """Keep the run at the top of the list, or no longer."""
        run_id = self.run_in_question()
        if run_id is not None:
            self.left.toggle_pin(run_id)
            self.signs_changed()

    # --- filtering

    def action_mlflow_filter(self) -> None:
        """Type a filter in MLflow's language, with completion."""
        from tui.mlflow_filter import Known
        from tui.screens.filter import FilterScreen

        session = self.home.session

        def typed(text: str | None) -> None:
            if text is not None:
                if text:
                    session.add_filter(text)
                self.show_filter(text)

        asking = FilterScreen(self._matching, Known.of(self.runs), session.filters)
        self.app.push_screen(asking, typed)

    # --- deleting

    def action_delete(self) -> None:
        """Delete the run under the cursor, after a question."""
        run_id = self.run_in_question()
        if run_id is None:
            return

        def look() -> tuple[RunSummary, int]:
            return self.source.summary(run_id), self.source.nested(run_id)

        self.ask_store(look, self._confirm)

    def _confirm(self, found: tuple[RunSummary, int]) -> None:
        from tui.screens.confirm import ConfirmScreen

        run, nested = found
        name = f"{plain(run.name)} ({run.run_id[:8]})"
        also = f" and the {counted(nested, 'run')} in it" if nested else ""
        question = ConfirmScreen(
            f"Delete {name}{also}?",
            "U lists deleted runs and restores them, until mlflow gc removes their files.",
            "delete",
        )

        def answered(yes: bool | None) -> None:
            if yes:
                job = partial(self.source.delete, run.run_id)
                self.desk.ask(self, job, partial(self._done, "deleted"), self.tell)

        self.app.push_screen(question, answered)

    def _done(self, what: str, count: int) -> None:
        back = "; U restores" if what == "deleted" else ""
        self.tell(f"{what} {counted(count, 'run')}{back}")
        self.runs_changed()

    def action_deleted(self) -> None:
        """Show the deleted runs, to restore one."""
        self.ask_store(self.source.deleted, self._offer_deleted)

    def _offer_deleted(self, runs: list[RunSummary]) -> None:
        if not runs:
            self.tell("this experiment has no deleted runs")
            return
        from tui.screens.choose import ChooseScreen

        named = {f"{run.run_id[:8]}  {run.name}": run.run_id for run in runs}

        def chosen(name: str | None) -> None:
            if name is not None:
                job = partial(self.source.restore, named[name])
                self.desk.ask(self, job, partial(self._done, "restored"), self.tell)

        title = "Deleted runs: enter restores one"
        self.app.push_screen(ChooseScreen(title, list(named)), chosen)
