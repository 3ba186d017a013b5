"""What is done to runs from the list and from a run: edited, deleted, restored."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from repdyn.display.wording import plain
from repdyn.step_words import counted
from tui.screens.base_screen import BaseScreen

if TYPE_CHECKING:
    from repdyn.records import RunSummary


class RunActions(BaseScreen):
    """A screen whose run in question can be edited."""

    def runs_changed(self) -> None:
        """Show what has changed in the store."""
        raise NotImplementedError

    def action_edit(self) -> None:
        """Edit the tags and the note of the run, as they are now."""
        run_id = self.run_in_question()
        if run_id is not None:
            self.desk.ask(self, partial(self.source.summary, run_id), self._edit, self.tell)

    def _edit(self, run: RunSummary) -> None:
        from tui.screens.edit import EditScreen

        self.app.push_screen(EditScreen(self.source, self.desk, run), self._edited)

    def _edited(self, saved: bool | None) -> None:
        if saved:
            self.tell("saved")
            self.runs_changed()


class ListActions(RunActions):
    """A list whose runs can be deleted and restored."""

    def action_delete(self) -> None:
        """Delete the run under the cursor, after a question."""
        run_id = self.run_in_question()
        if run_id is None:
            return

        def look() -> tuple[RunSummary, int]:
            return self.source.summary(run_id), self.source.nested(run_id)

        self.desk.ask(self, look, self._confirm, self.tell)

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
        self.desk.ask(self, self.source.deleted, self._offer_deleted, self.tell)

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
