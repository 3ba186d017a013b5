"""Info: a run's params and tags, its checkpoints and other artifacts with their sizes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial

from rich.console import Group, RenderableType
from rich.table import Table as RichTable
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widget import Widget
from textual.widgets import Static

from repdyn.display.wording import duration, plain, size
from repdyn.records import RunRecord, RunSummary
from repdyn.redaction import redact
from tui.reader_thread import ReaderThread
from tui.screens.view import Table, View, empty
from tui.screens.view_state import ViewState
from tui.source import Source


class Info(View):
    """Everything recorded about a run, as text."""

    def __init__(self, source: Source, desk: ReaderThread, *, id: str) -> None:  # noqa: A002
        super().__init__(source, desk, id=id)
        self._sizes: Mapping[str, int] | str = "Loading artifacts …"
        self._asked_at = ""

    def compose(self) -> ComposeResult:
        """Yield the page."""
        yield empty()
        with VerticalScroll(classes="page"):
            yield Static("", classes="text")

    @classmethod
    def missing(cls, record: RunRecord) -> str:
        """Return nothing: every run has an id."""
        del record
        return ""

    def focused_first(self) -> Widget:
        """Return the page, which scrolls."""
        return self.query_one(".page")

    def draw(self, record: RunRecord, look: ViewState) -> None:  # noqa: ARG002
        """Write the page, and request the artifacts of a new checkpoint."""
        run = record.summary
        checkpoint = run.tags.get("repdyn.last_checkpoint", "-")
        if checkpoint != self._asked_at:
            self._asked_at = checkpoint
            self.desk.ask(self, partial(self.source.sizes, run.run_id), self._got, self._got)
        self._write(run)

    def _got(self, sizes: Mapping[str, int] | str) -> None:
        self._sizes = sizes
        if self.record is not None:
            self._write(self.record.summary)

    def _write(self, run: RunSummary) -> None:
        parts: list[RenderableType] = [
            _pairs("Run", _facts(run)),
            *(
                _pairs(title, pairs)
                for title, pairs in (("Params", run.params), ("Tags", run.tags))
                if pairs
            ),
            self._artifacts(),
        ]
        self.query_one(".text", Static).update(Group(*parts))

    def _artifacts(self) -> RenderableType:
        if not self._sizes:
            return Text("No artifacts yet", "bold")
        if isinstance(self._sizes, str):
            return Text(f"Artifacts\n  {self._sizes}", "bold")
        total = size(sum(self._sizes.values()))
        pairs = {path: size(count) for path, count in self._sizes.items()}
        title = f"Artifacts, {len(pairs)} files, {total}"
        return _pairs(title, pairs, right=True)

    def table(self) -> Table | None:
        """Return params and tags."""
        if self.record is None:
            return None
        run = self.record.summary
        pairs = [*run.params.items(), *run.tags.items()]
        return Table(("name", "value"), [(name, redact(value)) for name, value in pairs])


def _facts(run: RunSummary) -> dict[str, str]:
    now = time.time() * 1000
    started = time.strftime("%Y-%m-%d %H:%M", time.localtime(run.started / 1000))
    return {
        "id": run.run_id,
        "name": run.name,
        "experiment": run.experiment,
        "state": run.status.lower(),
        "started": f"{started}, {duration((now - run.started) / 1000)} ago",
        **({"took": duration((run.ended - run.started) / 1000)} if run.ended else {}),
    }


def _pairs(title: str, pairs: Mapping[str, str], *, right: bool = False) -> RenderableType:
    table = RichTable.grid(padding=(0, 2, 0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(justify="right" if right else "left", overflow="fold")
    for name, value in pairs.items():
        table.add_row(Text(plain(name)), Text(plain(redact(value))))
    return Group(Text(title, "bold"), table, Text())
