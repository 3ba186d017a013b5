"""The table of runs with the preview beside or below it, which is read once the cursor rests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Container
from textual.geometry import Size
from textual.timer import Timer

from tui.reader_thread import ReaderThread
from tui.screens.preview_cache import Facts, PreviewCache
from tui.screens.runs_preview import RunPreview
from tui.screens.runs_table import RunsTable
from tui.source import Source

if TYPE_CHECKING:
    from repdyn.records import RunSummary

SETTLED_SECONDS = 0.12
"""How long the cursor rests on a row before its preview is read: a held key reads none."""

READING_SECONDS = 0.3
"""How long the preview of another run stays while one is read; later it says that it is being read."""

WIDE, HIGH = 100, 24
"""Columns of the screen from which the preview is beside the table, lines from which it is below."""

LOW = 30
"""Lines of the screen under which a preview below the table has few."""

NEEDS = f"the preview needs {WIDE} columns or {HIGH} lines"


class ListedRuns(Container):
    """Table and preview; `previews` is what has been read of the runs."""

    def __init__(self, source: Source, desk: ReaderThread, *, id: str) -> None:  # noqa: A002
        super().__init__(id=id)
        self._desk = desk
        self._listed: Mapping[str, RunSummary] = {}
        self._told: dict[str, tuple[RunSummary, Facts, RunSummary]] = {}
        self._settling: Timer | None = None
        self._wanted = True
        self.read_from(source)

    def compose(self) -> ComposeResult:
        """Yield table and preview."""
        yield RunsTable(id="runs")
        yield RunPreview(id="preview")

    def read_from(self, source: Source) -> None:
        """Forget what has been read, and read from this source."""
        self.previews = PreviewCache(source, self._desk, self, self._arrived)

    def as_told(self, runs: Mapping[str, RunSummary]) -> list[RunSummary]:
        """Return the runs, by id, with what their previews tell of them."""
        self._listed = runs
        return [self._as_told(run) for run in runs.values()]

    def _as_told(self, run: RunSummary) -> RunSummary:
        """Return the same object as long as neither the run nor what is told of it changes."""
        facts = self.previews.facts.get(run.run_id)
        if facts is None:
            return run
        known = self._told.get(run.run_id)
        if known is None or known[0] is not run or known[1] is not facts:
            known = self._told[run.run_id] = run, facts, facts.told(run)
        return known[2]

    # --- where the preview is

    @property
    def has_preview(self) -> bool:
        """Whether the preview is shown."""
        return self.query_one(RunPreview).display

    @staticmethod
    def has_room(screen: Size) -> bool:
        """Return whether a preview fits on a screen."""
        return screen.width >= WIDE or screen.height >= HIGH

    def place(self, screen: Size) -> None:
        """Place the preview beside the table of a wide screen, or below that of a high one."""
        self.query_one(RunPreview).display = self._wanted and self.has_room(screen)
        self.set_class(screen.width >= WIDE, "-beside")
        self.set_class(screen.height < LOW, "-low")
        self._pointed()
        self._show()

    def toggle(self, screen: Size) -> None:
        """Show or hide the preview."""
        self._wanted = not self._wanted
        self.place(screen)

    # --- what it shows

    @on(RunsTable.Pointed)
    def _pointed(self) -> None:
        """Wait until the cursor rests."""
        if self._settling is not None:
            self._settling.stop()
        self._settling = self.set_timer(SETTLED_SECONDS, self._settled)

    def _settled(self) -> None:
        """Read what the cursor points to, then what the table shows of others in view."""
        table = self.query_one(RunsTable)
        ids = [row.id for row in table.in_view if row.run is not None]
        in_view = [self._listed[run_id] for run_id in ids if run_id in self._listed]
        if self.screen.is_current and not self._desk.is_starting:  # the list itself comes first
            at = None if table.run is None else self._listed.get(table.run.run_id)
            self.previews.want(at if self.has_preview else None, in_view)
        if table.run is None or self.previews.answered(table.run):
            self._show()
        else:
            self._settling = self.set_timer(READING_SECONDS, self._show)

    def retry(self) -> None:
        """Read again what could not be read."""
        self.previews.retry()
        self._pointed()

    def rest(self) -> None:
        """Leave the reader's thread to others."""
        self.previews.want(None, ())

    def _show(self) -> None:
        if not self.has_preview:
            return
        table, known = self.query_one(RunsTable), self.previews
        run = table.run
        self.query_one(RunPreview).show(
            table.row,
            None if run is None else known.get(run),
            error="" if run is None else known.errors.get(run.run_id, ""),
            verdicts=None if run is None else known.verdicts.get(run.run_id),
        )

    def _arrived(self, run_id: str) -> None:
        """Draw what is newly known of a run."""
        table, facts = self.query_one(RunsTable), self.previews.facts.get(run_id)
        if run_id in self._listed and facts is not None:
            table.learn(self._as_told(self._listed[run_id]), facts.fingerprint)
        if table.run is not None and table.run.run_id == run_id:
            self._show()
