"""The list of runs: sorted, filtered, marked, and kept up to date."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import Input, Static

from repdyn.display.wording import plain
from tui import actions
from tui.reader_thread import IDLE_SECONDS, POLL_SECONDS, ReaderThread
from tui.screens.base_screen import BaseScreen
from tui.screens.run_columns import COLUMNS, NEWEST, matches
from tui.screens.runs_table import RunsTable
from tui.source import Source

if TYPE_CHECKING:
    from repdyn.records import RunSummary

MOST_COMPARED = 4

RUNNING = frozenset({"RUNNING", "SCHEDULED"})

NO_RUNS = "There are no runs yet.\n\nStart one with   repdyn train\nand it appears here."

MLFLOW_FILTER = re.compile(r"\s*(params?|metrics?|tags?|attributes?)\s*\.")
"""How a filter in MLflow's syntax begins."""


class RunsScreen(BaseScreen):
    """A table of the runs, filled page by page as they arrive."""

    BINDINGS: ClassVar[list[BindingType]] = actions.bindings("runs")

    def __init__(self, source: Source, desk: ReaderThread) -> None:
        super().__init__(source, desk)
        self._runs: dict[str, RunSummary] = {}
        self._marked: list[str] = []
        self._sorted_by, self._backwards = NEWEST, False
        self._matching = ""
        self._asking = False
        self._waited = 0.0
        self._round = 0

    @property
    def topic(self) -> str:
        """What the help explains."""
        return "runs"

    def compose_body(self) -> ComposeResult:
        """Yield title, filter and table."""
        yield Static(Text("repdyn", "bold"), id="title")
        yield Input(placeholder="words, or params.opt = 'sgd' and enter", id="filter")
        yield RunsTable(id="runs")
        yield Static("", id="empty")

    def on_mount(self) -> None:
        """Request the runs."""
        self.query_one("#filter").display = False
        self.query_one(RunsTable).focus()
        self._say_empty("Loading runs …")
        self.call_after_refresh(self._load)  # its imports would delay the first frame
        self.set_interval(POLL_SECONDS, self._poll)

    def on_screen_resume(self) -> None:
        """Poll at once for changes made while another screen was shown."""
        self._waited = IDLE_SECONDS

    # --- asking

    def _load(self) -> None:
        """Read all runs, a page at a time; the previous list is shown until then."""
        self._asking = True
        self._round += 1
        pages: list[Iterator[list[RunSummary]]] = []

        def first() -> list[RunSummary]:
            pages.append(self.source.pages(self._matching))
            return next(pages[0], [])

        def later() -> list[RunSummary] | None:
            return next(pages[0], None)

        self.desk.ask(self, first, partial(self._got, {}, later, self._round), self._failed)

    def _got(
        self,
        before: dict[str, RunSummary],
        later: Callable[[], list[RunSummary] | None],
        number: int,
        page: list[RunSummary] | None,
    ) -> None:
        if number != self._round:
            return
        if page is None:
            self._asking = False
            self._runs = before
            self._draw()
            return
        seen = before | {run.run_id: run for run in page}
        if len(seen) > len(self._runs):
            self._runs = seen
        self.show_notice()
        self._draw()
        self.desk.ask(self, later, partial(self._got, seen, later, number), self._failed)

    def _poll(self) -> None:
        """Poll the newest page; often while something is training, otherwise now and then."""
        self._waited += POLL_SECONDS
        busy = any(run.status in RUNNING for run in self._runs.values())
        if self._asking or not self.is_current or (not busy and self._waited < IDLE_SECONDS):
            return
        self._asking, self._waited = True, 0.0
        newest = partial(self._newest, self._matching)
        self.desk.ask(self, newest, partial(self._refreshed, self._round), self._failed)

    def _newest(self, matching: str) -> list[RunSummary]:
        return next(self.source.pages(matching), [])

    def _refreshed(self, number: int, page: list[RunSummary]) -> None:
        self._asking = False
        self.show_notice()
        changed = {r.run_id: r for r in page if self._runs.get(r.run_id) != r}
        if number == self._round and changed:
            self._runs = {**{r.run_id: r for r in page}, **self._runs, **changed}
            self._draw()

    def _failed(self, line: str) -> None:
        self._asking = False
        if self._runs:
            self.show_notice(f"{line}; retrying")
        else:
            self._say_empty(line)

    # --- showing

    def _draw(self) -> None:
        runs = self._shown()
        table = self.query_one(RunsTable)
        table.show(
            runs,
            marked=frozenset(self._marked),
            sorted_by=self._sorted_by,
            backwards=self._backwards,
        )
        self._say_empty("" if runs else self._why_none())
        self.query_one("#title", Static).update(self._title(len(runs)))

    def _shown(self) -> list[RunSummary]:
        text = self.query_one("#filter", Input).value
        words = [] if MLFLOW_FILTER.match(text) else text.casefold().split()
        runs = [run for run in self._runs.values() if matches(run, words)]
        return sorted(runs, key=COLUMNS[self._sorted_by].key, reverse=self._backwards)

    def _why_none(self) -> str:
        if self._runs or self._matching:
            return "No run matches the filter.\n\nescape clears it."
        return NO_RUNS

    def _title(self, shown: int) -> Text:
        experiment = next((run.experiment for run in self._runs.values()), "")
        running = sum(run.status in RUNNING for run in self._runs.values())
        count = f"{shown} of {len(self._runs)} runs" if shown < len(self._runs) else f"{shown} runs"
        parts = [count, f"{running} running" if running else ""]
        if self._marked:
            parts.append(f"{len(self._marked)} marked")
        about = " · ".join(part for part in parts if part)
        return Text.assemble(
            ("repdyn", "bold"),
            ("   experiment ", "dim"),
            plain(experiment) or "–",
            (f"   {about}", "dim"),
        )

    def _say_empty(self, text: str) -> None:
        empty = self.query_one("#empty", Static)
        empty.update(Text(text, justify="center"))
        empty.display = bool(text)
        table = self.query_one(RunsTable)
        back = not table.display and not text
        table.display = not text
        if back and not self.query_one("#filter").has_focus:
            table.focus()

    # --- acting

    @property
    def runs(self) -> tuple[RunSummary, ...]:
        """The runs read so far, newest first."""
        return tuple(self._runs.values())

    def run_in_question(self) -> str | None:
        """Return the id of the run under the cursor."""
        run = self.query_one(RunsTable).run
        return run.run_id if run else None

    @on(RunsTable.Chosen)
    def action_open(self) -> None:
        """Open the run under the cursor."""
        run = self.query_one(RunsTable).run
        if run is not None:
            from tui.screens.run import RunScreen

            self.app.push_screen(RunScreen(self.source, self.desk, run.run_id))

    def action_mark(self) -> None:
        """Mark or unmark the run under the cursor."""
        run_id = self.run_in_question()
        if run_id is None:
            return
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
        self.desk.ask(self, self.source.experiments, self._offer, self._failed)

    def _offer(self, experiments: list[str]) -> None:
        from tui.screens.choose import ChooseScreen

        self.app.push_screen(ChooseScreen("Experiment", experiments), self._go_to)

    def _go_to(self, experiment: str | None) -> None:
        """Show an experiment's runs, if one was chosen."""
        if experiment is not None:
            self.source = self.source.of(experiment)
            self._marked.clear()
            self._start_again()

    def action_filter(self) -> None:
        """Type a filter."""
        box = self.query_one("#filter", Input)
        box.display = True
        box.focus()

    def action_clear(self) -> None:
        """Clear the filter, or if there is none, the marks."""
        box = self.query_one("#filter", Input)
        if box.display:
            box.display, box.value = False, ""
            self._filter_by("")
        else:
            self._marked.clear()
        self._draw()
        self.query_one(RunsTable).focus()

    @on(Input.Changed, "#filter")
    def _typed(self) -> None:
        self._draw()

    @on(Input.Submitted, "#filter")
    def _entered(self, event: Input.Submitted) -> None:
        self._filter_by(event.value if MLFLOW_FILTER.match(event.value) else "")
        self.query_one(RunsTable).focus()

    def _filter_by(self, matching: str) -> None:
        if matching != self._matching:
            self._matching = matching
            self._start_again()

    def _start_again(self) -> None:
        """Discard the runs and request others."""
        self._runs = {}
        self._say_empty("Loading runs …")
        self._load()

    @on(RunsTable.HeadClicked)
    def _sort_by(self, event: RunsTable.HeadClicked) -> None:
        if event.column == self._sorted_by:
            self._backwards = not self._backwards
        self._sorted_by = event.column
        self._draw()

    def action_sort(self, steps: int) -> None:
        """Sort by another column."""
        self._sorted_by = (self._sorted_by + steps) % len(COLUMNS)
        self._draw()

    def action_reverse(self) -> None:
        """Reverse the order."""
        self._backwards = not self._backwards
        self._draw()
