"""The first findings of a run, a line each, found on the reader thread."""

from __future__ import annotations

from functools import partial

from rich.text import Text
from textual.widgets import Static

from repdyn.display.findings import Finding, findings
from repdyn.display.wording import plain
from repdyn.records import RunRecord
from tui.reader_thread import ReaderThread


class FindingLines(Static):
    """Findings, each in the longest form that fits; those of an earlier state until there are new ones."""

    DEFAULT_CSS = "FindingLines { height: 1; color: $foreground; }"

    def __init__(self, desk: ReaderThread) -> None:
        super().__init__("")
        self._desk = desk
        self._asked: tuple[RunRecord, str] | None = None
        self._found: tuple[Finding, ...] = ()
        self._lines = 1

    def show(self, record: RunRecord, measure: str, lines: int) -> None:
        """Show the findings of a run on a measure, as many as there are lines."""
        self._lines = lines
        self.styles.height = lines
        if self._asked is None or self._asked[0] is not record or self._asked[1] != measure:
            self._asked = record, measure
            question = partial(findings, record, measure)
            self._desk.ask(self, question, partial(self._got, self._asked), self._failed)
        self._draw()

    def _got(self, asked: tuple[RunRecord, str], found: tuple[Finding, ...]) -> None:
        if asked is self._asked:
            self._found = found
            self._draw()

    def _failed(self, line: str) -> None:
        """Show nothing: the views have the numbers."""
        del line
        self._found = ()
        self._draw()

    def on_resize(self) -> None:
        """Choose the forms that fit."""
        self._draw()

    def _draw(self) -> None:
        text = Text(no_wrap=True, overflow="ellipsis")
        for place, found in enumerate(self._found[: self._lines]):
            text.append("\n" if place else "")
            text.append(plain(found.within(self.size.width)), "" if place else "bold")
        self.update(text)
