"""The list of runs: sorted, grouped, filtered, marked, previewed, and kept up to date."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import Input, Static

from repdyn.display.wording import duration, plain
from repdyn.step_words import counted
from tui import actions
from tui.listing_cache import Listing
from tui.reader_thread import POLL_SECONDS, ReaderThread
from tui.screens import run_groups
from tui.screens.acting import ListActions
from tui.screens.metric_columns import columns_of
from tui.screens.run_columns import NEWEST, matches, sorted_by
from tui.screens.run_groups import ARCH, OPT, Row
from tui.screens.runs_listed import NEEDS, ListedRuns
from tui.screens.runs_read import RUNNING, RunsRead
from tui.screens.runs_table import RunsTable
from tui.source import Source

if TYPE_CHECKING:
    from repdyn.records import RunSummary

MOST_COMPARED = 4

NO_RUNS = """There are no runs yet.

repdyn train --arch resnet18 --opt sgd

trains a first one in minutes, and it appears here."""

OFFER = "d opens four recorded runs."

ELSEWHERE = "x shows another experiment, U deleted runs."

OF_RUNS = frozenset(
    {"open", "mark", "compare", "filter", "sort", "group", "pin", "watch", "edit", "delete", "copy"}
)
"""The actions that do nothing while there are no runs."""

MLFLOW_FILTER = re.compile(r"\s*(params?|metrics?|tags?|attributes?)\s*\.")
"""How a filter in MLflow's syntax begins."""


class RunsScreen(ListActions):
    """A table of the runs, filled page by page as they arrive."""

    BINDINGS: ClassVar[list[BindingType]] = actions.bindings("runs")

    def __init__(self, source: Source, desk: ReaderThread) -> None:
        super().__init__(source, desk)
        self._read = RunsRead(source, desk, self, self._arrived, self._failed)
        self._marked: list[str] = []
        self._sorted_by, self._backwards = NEWEST, False
        self._matching = ""
        self._group = ""
        self._folds: dict[str, bool] = {}
        self._failing = False

    @property
    def topic(self) -> str:
        """What the help explains."""
        return "runs"

    def compose_body(self) -> ComposeResult:
        """Yield title, filter, table and preview."""
        yield Static(Text("repdyn", "bold"), id="title")
        yield Input(placeholder="words, or params.opt = 'sgd' and enter", id="filter")
        yield ListedRuns(self.source, self.desk, id="listed")
        yield Static("", id="empty")

    def on_mount(self) -> None:
        """Request the runs."""
        self.recall()
        self._begin()
        self.query_one(RunsTable).focus()
        self.call_after_refresh(self._read.load)  # its imports would delay the first frame
        self.set_interval(POLL_SECONDS, self._poll)

    def on_screen_resume(self) -> None:
        """Poll at once for changes made while another screen was shown."""
        self._read.hurry()

    def on_screen_suspend(self) -> None:
        """Leave the reader's thread to the screen above."""
        self.query_one(ListedRuns).rest()

    def on_unmount(self) -> None:
        """Keep the list for the next start."""
        self._read.keep()

    def on_resize(self) -> None:
        """Place the preview beside the list, or below it."""
        self.query_one(ListedRuns).place(self.app.size)

    # --- reading

    def _poll(self) -> None:
        if self.is_current:
            self._read.poll(POLL_SECONDS)

    def _arrived(self, changed: bool) -> None:
        """Clear the notice; previews that failed while the store did are read again."""
        self.show_notice()
        if self._failing:
            self._failing = False
            self.query_one(ListedRuns).retry()
        self._marked = [run_id for run_id in self._marked if run_id not in self._read.gone]
        if changed:
            self._draw()

    def _failed(self, line: str) -> None:
        self._failing = True
        if self._read.runs:
            self.show_notice(f"{line}; retrying")
            self._draw()
        else:
            self._say_empty(f"{line}\n\n{OFFER}")

    # --- showing

    def _draw(self) -> None:
        self.remember()
        runs = self._shown()
        table = self.query_one(RunsTable)
        table.signs = self.signs()
        table.show(
            self._rows(runs),
            columns=columns_of(self._read.runs.values()),
            marked=frozenset(self._marked),
            fingerprints=self.query_one(ListedRuns).previews.fingerprints,
            sorted_by=self._sorted_by,
            backwards=self._backwards,
        )
        self._say_empty("" if runs else self._why_none())
        self.query_one("#title", Static).update(self._title(len(run_groups.trained(runs))))

    def _shown(self) -> list[RunSummary]:
        words = self._words()
        below = self._read.runs if words else {}
        runs = [
            run
            for run in self.query_one(ListedRuns).as_told(self._read.runs)
            if matches(run, words)
            or ((parent := run_groups.parent_of(run, below)) and matches(parent, words))
        ]
        column = columns_of(self._read.runs.values())[self._sorted_by]
        return self.pinned_first(sorted_by(runs, column, backwards=self._backwards))

    def _words(self) -> list[str]:
        text = self.query_one("#filter", Input).value
        is_words = text != self._matching and not MLFLOW_FILTER.match(text)
        return text.casefold().split() if is_words else []

    def _rows(self, runs: Sequence[RunSummary]) -> list[Row]:
        if self._group:
            return run_groups.by_setting(runs, self._group, self._is_folded)
        return run_groups.by_sweep(runs, self._read.runs, self._is_folded)

    def _is_folded(self, key: str) -> bool:
        """Return whether a group is folded: at first only sweeps, unless a filter looks for runs."""
        at_first = not self._group and not self._words() and not self._matching
        return self._folds.get(key, at_first)

    def _why_none(self) -> str:
        if self._read.runs or self._matching:
            return "No run matches the filter.\n\nescape clears it."
        return f"{NO_RUNS}\n\n{OFFER}\n{ELSEWHERE}"

    def _title(self, shown: int) -> Text:
        experiment = next((run.experiment for run in self._read.runs.values()), "")
        running = sum(run.status in RUNNING for run in self.runs)
        earlier = self._read.listing
        every = max(len(self.runs), 0 if earlier is None else earlier.total)
        count = f"{shown} of {every} runs" if shown < every else counted(shown, "run")
        parts = [count, f"{running} running" if running else ""]
        if self._group:
            parts.append(f"by {plain(self._group)}")
        if self._marked:
            parts.append(f"{len(self._marked)} marked")
        about = " · ".join(part for part in parts if part)
        return Text.assemble(
            ("repdyn", "bold"),
            ("" if earlier is None else self._age(earlier), "yellow"),
            ("   experiment ", "dim"),
            plain(experiment) or "–",
            (f"   {about}", "dim"),
        )

    def _age(self, earlier: Listing) -> str:
        """Return how old a list is that has not been read from the store yet."""
        ago = duration(time.time() - earlier.read_at)
        return f"   as of {ago} ago" + (", reading …" if self._read.is_reading else "")

    def _say_empty(self, text: str) -> None:
        empty = self.query_one("#empty", Static)
        empty.update(Text(text, justify="center"))
        empty.display = bool(text)
        table, listed = self.query_one(RunsTable), self.query_one("#listed")
        back = not listed.display and not text
        if listed.display == bool(text):
            listed.display = not text
            self.refresh_bindings()
        if back and not self.query_one("#filter").has_focus:
            table.focus()

    def action_preview(self) -> None:
        """Show or hide the preview."""
        listed = self.query_one(ListedRuns)
        listed.toggle(self.app.size)
        if not listed.has_room(self.app.size):
            self.tell(NEEDS)

    # --- groups

    def action_group(self) -> None:
        """Group by architecture, by optimizer, by a param to be chosen, or not at all."""
        following = {"": ARCH, ARCH: OPT}
        if self._group in following:
            self._group_by(following[self._group])
        elif self._group == OPT:
            from tui.screens.choose import ChooseScreen

            names = run_groups.varied(self.runs)
            self.app.push_screen(ChooseScreen("Group by", names), self._group_by)
        else:
            self._group_by("")

    def _group_by(self, name: str | None) -> None:
        self._group = name or ""
        self._draw()

    def action_fold(self, folded: bool) -> None:
        """Hide or show the runs below the row under the cursor, or with it below another."""
        table = self.query_one(RunsTable)
        row = table.row
        if row is not None and not row.folds and folded:
            row = table.above
        if row is not None and row.folds:
            self._folds[row.key] = folded
            table.go_to(row.id)
            self._draw()

    # --- acting

    @property
    def runs(self) -> tuple[RunSummary, ...]:
        """The runs read so far, newest first, without the parents of sweeps, which have no views."""
        return tuple(run_groups.trained([*self._read.runs.values()]))

    def runs_changed(self) -> None:
        """Read the runs again, and previews that could not be read."""
        self._failing = True
        self._read.load()

    def action_refresh(self) -> None:
        """Read the runs again."""
        self._read.load()
        self.tell("reading the runs again")

    def signs_changed(self) -> None:
        """Show which runs are pinned and watched."""
        self._draw()

    def show_filter(self, text: str) -> None:
        """Show the runs that a filter in MLflow's language leaves; all for an empty one."""
        box = self.query_one("#filter", Input)
        box.display, box.value = bool(text), text
        self._filter_by(text)

    def step_to(self, run: str, steps: int) -> str | None:
        """Return the id of the run listed some places after another, if any; the cursor goes there."""
        ids = []
        for row in self._rows(self._shown()):
            ids += [row.id] if row.run is not None and not row.is_sweep else []
            ids += [below.run_id for below in row.members] if row.folded else []
        at = ids.index(run) + steps if run in ids else -1
        if not 0 <= at < len(ids):
            return None
        self.query_one(RunsTable).go_to(ids[at])
        return ids[at]

    def run_in_question(self) -> str | None:
        """Return the id of the run under the cursor."""
        run = self.query_one(RunsTable).run
        return run.run_id if run else None

    @on(RunsTable.Chosen)
    def action_open(self) -> None:
        """Open the run under the cursor; fold or unfold a sweep or a group."""
        row = self.query_one(RunsTable).row
        if row is not None and (row.run is None or row.is_sweep):
            self.action_fold(not row.folded)
        elif row is not None and (run := row.run) is not None:
            from tui.screens.run import RunScreen

            self.app.push_screen(RunScreen(self.source, self.desk, run.run_id))

    def action_mark(self) -> None:
        """Mark or unmark the run under the cursor."""
        row = self.query_one(RunsTable).row
        if row is None or row.run is None or row.is_sweep:
            return
        run_id = row.run.run_id
        if run_id in self._marked:
            self._marked.remove(run_id)
        else:
            self._marked.append(run_id)
        self._draw()
        self.query_one(RunsTable).action_move(1)

    def action_compare(self) -> None:
        """Compare the marked runs."""
        if not 2 <= len(self._marked) <= MOST_COMPARED:
            self.tell(f"mark 2 to {MOST_COMPARED} runs with space; {len(self._marked)} are marked")
            return
        from tui.screens.compare import CompareScreen

        self.app.push_screen(CompareScreen(self.source, self.desk, tuple(self._marked)))

    def action_experiment(self) -> None:
        """Choose another experiment."""
        self.ask_store(self.source.experiments, self._offer, self._failed)

    def _offer(self, experiments: list[str]) -> None:
        from tui.screens.choose import ChooseScreen

        self.app.push_screen(ChooseScreen("Experiment", experiments), self._go_to)

    def _go_to(self, experiment: str | None) -> None:
        """Show an experiment's runs, if one was chosen."""
        if experiment is not None:
            self.source = self.source.of(experiment)
            self._marked.clear()
            self.query_one(ListedRuns).read_from(self.source)
            self._start_again()

    def action_filter(self) -> None:
        """Type a filter."""
        box = self.query_one("#filter", Input)
        box.display = box.can_focus = True
        box.focus()

    def action_demo(self) -> None:
        """Open the recorded runs, over this list."""
        from tui.demo.source import DemoSource
        from tui.session import OfStore

        demo = RunsScreen(DemoSource(), self.desk)
        demo.apart = OfStore()
        self.app.push_screen(demo)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether an action is available: the demo while there is no run, others then not."""
        del parameters
        known = bool(self._read.runs or self._matching)
        return not known if action == "demo" else known or action not in OF_RUNS

    def action_clear(self) -> None:
        """Clear the filter, or the marks, or leave the demo for the list that offered it."""
        box = self.query_one("#filter", Input)
        if not box.display and not self._marked and len(self.app.screen_stack) > 1:
            self.dismiss()
            return
        if box.display:
            box.display, box.value = False, ""
            self._filter_by("")
        else:
            self._marked.clear()
        self._draw()
        self._leave_filter()

    @on(Input.Changed, "#filter")
    def _typed(self) -> None:
        self._draw()

    @on(Input.Submitted, "#filter")
    def _entered(self, event: Input.Submitted) -> None:
        self._leave_filter()
        self._filter_by(event.value if MLFLOW_FILTER.match(event.value) else "")

    def _leave_filter(self) -> None:
        """Give the keys to the table; the line takes none until it is asked for again.

        While the runs are loaded the table is hidden, and cannot have the keys.
        """
        self.query_one("#filter", Input).can_focus = False
        self.set_focus(None)
        self.query_one(RunsTable).focus()

    def _filter_by(self, matching: str) -> None:
        if matching != self._matching:
            self._matching = matching
            self._start_again()

    def _start_again(self) -> None:
        """Discard the runs and request others."""
        self._begin()
        self._read.load()

    def _begin(self) -> None:
        """Show the runs as they were last listed, if that is known."""
        self._read.begin(self.source, self._matching)
        if self._read.runs:
            self._draw()
        else:
            self._say_empty("Loading runs …")

    @on(RunsTable.HeadClicked)
    def _sort_by(self, event: RunsTable.HeadClicked) -> None:
        if event.column == self._sorted_by:
            self._backwards = not self._backwards
        self._sorted_by = event.column
        self._draw()

    def action_sort(self, steps: int) -> None:
        """Sort by another of the columns that are shown."""
        shown = self.query_one(RunsTable).sortable
        at = shown.index(self._sorted_by) if self._sorted_by in shown else 0
        self._sorted_by = shown[(at + steps) % len(shown)]
        self._draw()

    def action_reverse(self) -> None:
        """Reverse the order."""
        self._backwards = not self._backwards
        self._draw()
