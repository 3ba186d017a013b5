"""What a list of runs has read: page by page, kept up to date, and before that as last listed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from textual.dom import DOMNode

from tui.listing_cache import Listing
from tui.reader_thread import IDLE_SECONDS, ReaderThread
from tui.screens import run_groups
from tui.source import Source

if TYPE_CHECKING:
    from repdyn.records import RunSummary

RUNNING = frozenset({"RUNNING", "SCHEDULED"})

KEEP_SECONDS = 600.0
"""How often a list that changes is kept for the next start, besides at its end."""


class RunsRead:
    """Reads the runs of a source in the reader's thread.

    Attributes:
        runs: by id, newest first.
        listing: what `runs` holds as long as the store has not been read to the end; None afterwards,
            or if no earlier listing is known.
        matching: a filter of MLflow's.
        gone: ids of listed runs that the store turned out not to have any more.
        is_reading: whether all runs are being read, or about to be.

    Args:
        source: of the runs.
        desk: the reader's thread.
        asker: if it is gone when something arrives, nothing happens.
        changed: called when something has arrived, with whether it changes `runs`.
        failed: called with one line if it has not.
    """

    def __init__(
        self,
        source: Source,
        desk: ReaderThread,
        asker: DOMNode,
        changed: Callable[[bool], None],
        failed: Callable[[str], None],
    ) -> None:
        self._source, self._desk, self._asker = source, desk, asker
        self._changed, self._tell = changed, failed
        self.runs: dict[str, RunSummary] = {}
        self.listing: Listing | None = None
        self.gone: set[str] = set()
        self.matching = ""
        self.is_reading = False
        self._is_whole = False
        self._asking = False
        self._round = 0
        self._waited = 0.0
        self._read_at = 0.0
        self._kept: tuple[float, dict[str, RunSummary]] = 0.0, {}

    def begin(self, source: Source, matching: str) -> None:
        """Forget the runs, and take those of a source and a filter as they were last listed.

        `load` is to follow.
        """
        self._source, self.matching = source, matching
        self._round += 1  # what is still on its way belongs to the runs before
        self._is_whole, self.is_reading = False, True
        self.listing = source.listed(matching)
        known = () if self.listing is None else self.listing.runs
        self.runs = {run.run_id: run for run in known}

    # --- reading

    def load(self) -> None:
        """Read all runs, a page at a time; those known before are shown until then."""
        self._asking = self.is_reading = True
        self._round += 1
        source, matching = self._source, self.matching
        pages: list[Iterator[list[RunSummary]]] = []

        def first() -> list[RunSummary]:
            pages.append(source.pages(matching))
            return next(pages[0], [])

        def later() -> list[RunSummary] | None:
            return next(pages[0], None)

        self._ask(first, partial(self._got, {}, later, self._round))

    def _ask(
        self,
        question: Callable[[], list[RunSummary] | None],
        then: Callable[[list[RunSummary] | None], None],
    ) -> None:
        self._desk.ask(self._asker, question, then, partial(self._failed, self._round))

    def _got(
        self,
        before: dict[str, RunSummary],
        later: Callable[[], list[RunSummary] | None],
        number: int,
        page: list[RunSummary] | None,
    ) -> None:
        if number != self._round:
            return
        self._read_at = time.time()
        if page is None:
            self._asking = self.is_reading = False
            self._is_whole, self.listing = True, None
            self.gone, self.runs = self.runs.keys() - before.keys(), before
            self._keep()
            self._changed(True)
            return
        seen = before | {run.run_id: run for run in page}
        self.runs = seen | {key: run for key, run in self.runs.items() if key not in seen}
        self._ask(later, partial(self._got, seen, later, number))
        self._changed(True)

    def hurry(self) -> None:
        """Look for news at the next `poll`."""
        self._waited = IDLE_SECONDS

    def poll(self, seconds: float) -> None:
        """Read the newest page; often while something is training, otherwise now and then.

        Args:
            seconds: since the last call.
        """
        self._waited += seconds
        busy = any(run.status in RUNNING for run in self.runs.values())
        if self._asking or (not busy and self._waited < IDLE_SECONDS):
            return
        self._waited = 0.0
        if not self._is_whole:  # the store was away
            self.load()
            return
        self._asking = True
        self._ask(partial(_newest, self._source, self.matching), self._refreshed(self._round))

    def _refreshed(self, number: int) -> Callable[[list[RunSummary] | None], None]:
        def got(page: list[RunSummary] | None) -> None:
            if number != self._round:
                return
            self._asking, self._read_at = False, time.time()
            found = {run.run_id: run for run in page or ()}
            changed = {key: run for key, run in found.items() if self.runs.get(key) != run}
            if changed:
                self.runs = {**found, **self.runs, **changed}
                if time.monotonic() - self._kept[0] > KEEP_SECONDS:
                    self._keep()
            self._changed(bool(changed))

        return got

    def _failed(self, number: int, line: str) -> None:
        if number == self._round:
            self._asking = self.is_reading = False
            self._tell(line)

    # --- what the next start shows

    def keep(self) -> None:
        """Keep the runs for the next start, if they have changed since."""
        if self._is_whole and self.runs is not self._kept[1]:
            self._kept = time.monotonic(), self.runs
            self._source.keep(self._listing(), self.matching)

    def _keep(self) -> None:
        """Do so in the reader's thread."""
        self._kept = time.monotonic(), self.runs
        job = partial(self._source.keep, self._listing(), self.matching)
        self._desk.ask(self._asker, job, lambda _: None, lambda _: None)

    def _listing(self) -> Listing:
        runs = [*self.runs.values()]
        return Listing(runs, self._read_at, len(run_groups.trained(runs)))


def _newest(source: Source, matching: str) -> list[RunSummary]:
    return next(source.pages(matching), [])
