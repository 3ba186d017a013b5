"""Editing a run's note and tags."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static, TextArea

from repdyn.display.wording import plain
from repdyn.errors import UserError
from repdyn.run_tags import NOTE, as_lines, changes, editable, parse_lines
from tui.reader_thread import ReaderThread
from tui.source import Source

if TYPE_CHECKING:
    from repdyn.records import RunSummary

KEYS = "ctrl+s saves · tab the other field · esc back"
UNSAVED = "not saved yet: ctrl+s saves, esc once more discards what you wrote"


class EditScreen(ModalScreen[bool]):
    """Two fields, the note and the tags; the result is whether they were saved.

    Args:
        source: to write to.
        desk: the thread that writes.
        run: as it was just read; only what is changed here is written.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "save", "Save", id="edit.save"),
        Binding("escape", "back", "Back", id="edit.back"),
    ]

    def __init__(self, source: Source, desk: ReaderThread, run: RunSummary) -> None:
        super().__init__()
        self._source, self._desk, self._run = source, desk, run
        self._tags = editable(run.tags)
        self._note = "\n".join(plain(line) for line in run.tags.get(NOTE, "").splitlines())
        self._saving = False
        self._warned = False

    def compose(self) -> ComposeResult:
        """Yield the fields, each below its title, and a line for what is wrong."""
        with Vertical(id="edit"):
            title = Text.assemble((plain(self._run.name), "bold"), f"  {self._run.run_id[:8]}")
            yield Static(title, classes="line")
            yield Static(Text("Note, which MLflow shows as the description", "dim"), classes="line")
            yield TextArea(self._note, id="note", soft_wrap=True, compact=True)
            yield Static(Text("Tags, a line each: name=value", "dim"), classes="line")
            yield TextArea(as_lines(self._tags), id="tags", soft_wrap=False, compact=True)
            yield Static("", id="wrong")
            yield Static(Text(KEYS, "dim"), classes="line")

    def _written(self) -> tuple[str, str]:
        note, tags = (self.query_one(f"#{name}", TextArea).text for name in ("note", "tags"))
        return note, tags

    def _say(self, line: str) -> None:
        self.query_one("#wrong", Static).update(Text(line))

    def action_save(self) -> None:
        """Write what was changed; if a line is wrong, say so and stay."""
        if self._saving:
            return
        note, tags = self._written()
        try:
            changed = changes(self._tags, parse_lines(tags), (self._note, note.rstrip()))
        except UserError as error:
            self._say(str(error))
            return
        if not changed:
            self.dismiss(False)
            return
        self._saving = True
        self._say("Saving …")
        job = partial(self._source.change_tags, self._run.run_id, changed)
        self._desk.ask(self, job, self._saved, self._failed)

    def _saved(self, done: None) -> None:
        del done
        self.dismiss(True)

    def _failed(self, line: str) -> None:
        self._saving = False
        self._say(line)

    def action_back(self) -> None:
        """Leave; with unsaved changes only the second time."""
        if self._written() == (self._note, as_lines(self._tags)) or self._warned:
            self.dismiss(False)
            return
        self._warned = True
        self._say(UNSAVED)

    def on_text_area_changed(self) -> None:
        """Clear what was wrong: it may be right now."""
        if self._warned or not self._saving:
            self._say("")
        self._warned = False
