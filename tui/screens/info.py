"""Info: a run's params, tags and artifacts, as a tree; enter shows a value or a file whole."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widget import Widget

from repdyn.display.wording import duration, plain, size
from repdyn.own_runs import is_own
from repdyn.records import RunRecord, RunSummary
from repdyn.redaction import redact
from repdyn.step_words import counted
from tui import actions
from tui.browser import open_artifact
from tui.reader_thread import ReaderThread
from tui.screens.artifact import ArtifactScreen, TextScreen
from tui.screens.base_screen import BaseScreen
from tui.screens.view import Table, View, empty
from tui.screens.view_state import ViewState
from tui.source import Source
from tui.widgets.path_list import PathList

RUN, PARAMS, TAGS, ARTIFACTS = "Run", "Params", "Tags", "Artifacts"

COLUMN = 0.44
"""Share of the width that names take."""

LAST_CHECKPOINT = "repdyn.last_checkpoint"

LISTED_SECONDS = 30
"""How often the artifacts of a live run are listed that does not say when it has stored some."""

MOST_OPEN = 12
"""Files in a folder that is not folded at first."""


class Info(View):
    """Everything recorded about a run."""

    BINDINGS: ClassVar[list[BindingType]] = actions.bindings("info")

    def __init__(self, source: Source, desk: ReaderThread, *, id: str) -> None:  # noqa: A002
        super().__init__(source, desk, id=id)
        self._sizes: Mapping[str, int] | str = "loading …"
        self._asked_at = ""
        self._folded = False

    def compose(self) -> ComposeResult:
        """Yield the tree."""
        yield empty()
        yield PathList(column=COLUMN, sections=True)

    @classmethod
    def missing(cls, record: RunRecord) -> str:
        """Return nothing: every run has an id."""
        del record
        return ""

    def focused_first(self) -> Widget:
        """Return the tree."""
        return self.query_one(PathList)

    def draw(self, record: RunRecord, look: ViewState) -> None:  # noqa: ARG002
        """Write the tree, and request the artifacts if there may be others."""
        run = record.summary
        state = f"{run.status} {run.tags.get(LAST_CHECKPOINT, '')}"
        if run.status == "RUNNING" and not is_own(run.tags):
            state += f"{time.monotonic() // LISTED_SECONDS}"
        if state != self._asked_at:
            self._asked_at = state
            self.desk.ask(self, partial(self.source.sizes, run.run_id), self._got, self._got)
        self._write(run)

    def _got(self, sizes: Mapping[str, int] | str) -> None:
        self._sizes = sizes
        if self.record is not None:
            self._write(self.record.summary)

    def _write(self, run: RunSummary) -> None:
        tree = self.query_one(PathList)
        values = {
            **_section(RUN, _facts(run)),
            **_section(PARAMS, run.params),
            **_section(TAGS, run.tags),
        }
        side = {name: plain(redact(value)) for name, value in values.items()}
        side |= {f"{title}/": str(len(of)) for title, of in _counted(run).items()}
        files: dict[str, int] = {}
        if isinstance(self._sizes, str):
            side[ARTIFACTS] = plain(self._sizes)
        elif not self._sizes:
            side[ARTIFACTS] = "none yet" if run.status == "RUNNING" else "none"
        else:
            files = {f"{ARTIFACTS}/{path}": count for path, count in self._sizes.items()}
            side |= {name: f"{size(count):>8}" for name, count in files.items()}
            side |= self._folder_sizes(files)
        tree.show([*values, *files, *([ARTIFACTS] if ARTIFACTS in side else [])], side)
        if files and not self._folded:
            self._folded = True
            rows = [row for row in tree.folders() if row.path.startswith(f"{ARTIFACTS}/")]
            tree.fold([row.path for row in rows if len(row.leaves) > MOST_OPEN and row.depth])

    def _folder_sizes(self, files: Mapping[str, int]) -> dict[str, str]:
        """Return how many files are in each folder, and their size."""
        totals: dict[str, tuple[int, int]] = {}
        for name, count in files.items():
            parts = name.split("/")[:-1]
            for depth in range(1, len(parts) + 1):
                folder = "/".join(parts[:depth]) + "/"
                number, total = totals.get(folder, (0, 0))
                totals[folder] = number + 1, total + count
        return {
            folder: f"{size(total):>8}  {counted(number, 'file')}"
            for folder, (number, total) in totals.items()
        }

    @on(PathList.Opened)
    def _opened(self, event: PathList.Opened) -> None:
        run = None if self.record is None else self.record.summary
        if run is None or event.path == ARTIFACTS:
            return
        section, _, name = event.path.partition("/")
        if section == ARTIFACTS:
            count = self._sizes[name] if not isinstance(self._sizes, str) else 0
            screen = ArtifactScreen(self.source, self.desk, run.run_id, name, count)
            self.app.push_screen(screen)
            return
        values = {RUN: _facts(run), PARAMS: run.params, TAGS: run.tags}[section]
        text = redact(values.get(name, ""))
        self.app.push_screen(TextScreen(self.source, self.desk, name, text))

    def action_enter(self) -> None:
        """Open what is under the cursor."""
        self.query_one(PathList).enter()

    @property
    def _path(self) -> str:
        """The artifact under the cursor; empty if there is none."""
        row = next((tree.row for tree in self.query(PathList)), None)
        name = "" if row is None or row.is_folder else row.path
        return name.removeprefix(f"{ARTIFACTS}/") if name.startswith(f"{ARTIFACTS}/") else ""

    def action_browse(self) -> None:
        """Open the artifact in MLflow's UI, or say where it is."""
        if self.record is not None and isinstance(self.screen, BaseScreen):
            open_artifact(self.screen, self.record.summary.run_id, self._path)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether an action is available; `o` elsewhere opens the run."""
        if action == "browse" and not self._path:
            return False
        return super().check_action(action, parameters)

    def table(self) -> Table | None:
        """Return params and tags."""
        if self.record is None:
            return None
        run = self.record.summary
        pairs = [*run.params.items(), *run.tags.items()]
        return Table(("name", "value"), [(name, redact(value)) for name, value in pairs])


def _section(title: str, values: Mapping[str, str]) -> dict[str, str]:
    return {f"{title}/{name}": value for name, value in values.items()}


def _counted(run: RunSummary) -> dict[str, Mapping[str, str]]:
    return {PARAMS: run.params, TAGS: run.tags}


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
