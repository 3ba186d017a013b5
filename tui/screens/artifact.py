"""A value or an artifact in a screen of its own: text with a search, or a picture."""

from __future__ import annotations

import json
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.events import ScreenResume
from textual.widgets import Input, Static

from repdyn.display.wording import plain, size
from repdyn.errors import UserError
from tui import actions, graphics
from tui.browser import open_artifact
from tui.reader_thread import ReaderThread
from tui.screens.base_screen import BaseScreen
from tui.source import Source
from tui.widgets.pager import Pager, wrapped
from tui.widgets.picture import Picture

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_TEXT = 1_000_000
"""Bytes of a text that are shown."""

MOST_PICTURE = 50_000_000

OPAQUE = frozenset(
    [
        ".npy",
        ".npz",
        ".safetensors",
        ".pt",
        ".pth",
        ".ckpt",
        ".bin",
        ".pkl",
        ".pickle",
        ".h5",
        ".hdf5",
        ".onnx",
        ".parquet",
        ".zip",
        ".gz",
        ".tar",
        ".jpg",
        ".jpeg",
        ".gif",
        ".webp",
        ".pdf",
        ".svgz",
        ".mp4",
    ]
)
"""Suffixes of files that are neither text nor a picture that is shown; they are not read."""


class TextScreen(BaseScreen):
    """Text with a search.

    Args:
        source, desk: of the app.
        title: of the text.
        text: to show.
    """

    BINDINGS: ClassVar[list[BindingType]] = actions.bindings("artifact")

    def __init__(self, source: Source, desk: ReaderThread, title: str, text: str = "") -> None:
        super().__init__(source, desk)
        self.title_text = title
        self.note = ""
        self._text = text

    def compose_body(self) -> ComposeResult:
        """Yield the title, the text, and the search."""
        yield Static("", id="header")
        yield Pager()
        search = Input(placeholder="search", id="search", compact=True)
        search.display = False
        yield search

    def on_mount(self) -> None:
        """Show the text."""
        self.query_one(Pager).focus()
        self.call_after_refresh(self._wrap)

    def on_resize(self) -> None:
        """Wrap the text for the new width."""
        self._wrap()
        self.write_header()

    def show_text(self, text: str) -> None:
        """Show a text."""
        self._text = text
        self._wrap()

    def _wrap(self) -> None:
        width = self.query_one(Pager).size.width
        if width:
            job = partial(wrapped, self._text, width)
            self.desk.ask(self, job, self._show, self.show_notice)

    def _show(self, lines: list[str]) -> None:
        self.query_one(Pager).show(lines)
        self.write_header()

    def write_header(self) -> None:
        """Write the title, and how much the search has found."""
        line = Text(no_wrap=True, overflow="ellipsis")
        line.append(plain(self.title_text), "bold")
        line.append(f"  {plain(self.note)}" if self.note else "", "dim")
        search = self.query_one(Input)
        if search.value:
            at, count = self.query_one(Pager).matches
            found = f"{at} of {count} lines" if count else "not found"
            line.append(f"  {plain(search.value)}: {found}", "bold")
        self.query_one("#header", Static).update(line)

    def action_search(self) -> None:
        """Type a text to search for."""
        search = self.query_one(Input)
        search.display = True
        search.focus()

    @on(Input.Changed, "#search")
    def _typed(self, event: Input.Changed) -> None:
        self.query_one(Pager).search(event.value)
        self.write_header()

    @on(Input.Submitted, "#search")
    def _submitted(self, event: Input.Submitted) -> None:
        event.input.display = False
        self.query_one(Pager).focus()

    def action_match(self, steps: int) -> None:
        """Go to the next line that was found, or the one before."""
        self.query_one(Pager).next_match(steps)
        self.write_header()

    def action_back(self) -> None:
        """End the search, or go back."""
        search = self.query_one(Input)
        if search.value or search.display:
            search.value, search.display = "", False
            self.query_one(Pager).focus()
        else:
            self.dismiss()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether an action is available."""
        del parameters
        if action == "match":
            return bool(self.query(Input) and self.query_one(Input).value)
        return action != "search" or bool(self.query(Pager) and self.query_one(Pager).display)


class ArtifactScreen(TextScreen):
    """An artifact of a run.

    Args:
        source, desk: of the app.
        run: its id.
        path: of the artifact.
        count: its size in bytes.
    """

    BINDINGS: ClassVar[list[BindingType]] = actions.bindings("file")

    def __init__(self, source: Source, desk: ReaderThread, run: str, path: str, count: int) -> None:
        super().__init__(source, desk, path)
        self._run = run
        self._path = path
        self._count = count
        self.note = size(count)

    def compose_body(self) -> ComposeResult:
        """Yield what text has, and the picture."""
        yield from super().compose_body()
        picture = Picture()
        picture.display = False
        yield picture

    def on_mount(self) -> None:
        """Request the artifact."""
        self.query_one(Pager).focus()
        self.write_header()
        suffix = PurePosixPath(self._path).suffix.casefold()
        if suffix in OPAQUE:
            self._say(f"{suffix} files are not shown; text and PNG pictures are.")
        elif suffix == ".png":
            self._say("Reading …")
            self.desk.ask(self, self._read_picture, self._show_picture, self._say)
        else:
            self._say("Reading …")
            self.desk.ask(self, self._read_text, self._got_text, self._say)

    def action_browse(self) -> None:
        """Open the artifact in MLflow's UI, or say where it is."""
        open_artifact(self, self._run, self._path)

    def _say(self, line: str) -> None:
        self.show_text(f"\n  {line}")

    def _read_picture(self) -> Image:
        if self._count > MOST_PICTURE:
            raise UserError(f"{self._path}: more than {size(MOST_PICTURE)} are not shown")
        content = self.source.artifact(self._run, self._path, MOST_PICTURE)
        return graphics.decoded(self._path, content)

    def _show_picture(self, picture: Image) -> None:
        self.query_one(Pager).display = False
        shown = self.query_one(Picture)
        shown.display = True
        shown.show(picture)
        self.refresh_bindings()

    def _read_text(self) -> str:
        content = self.source.artifact(self._run, self._path, MOST_TEXT)
        if b"\0" in content:
            raise UserError("This file is neither text nor a PNG picture.")
        text = content.decode("utf-8", "replace")
        if self._path.casefold().endswith(".json") and len(content) < MOST_TEXT:
            text = _indented(text)
        return text

    def _got_text(self, text: str) -> None:
        if self._count > MOST_TEXT:
            self.note = f"the first {size(MOST_TEXT)} of {size(self._count)}; the rest is cut"
        self.show_text(text or "\n  This file is empty.")

    @on(ScreenResume)
    def _shown_again(self) -> None:
        picture = self.query_one(Picture)
        if picture.display:
            picture.on_resize()


def _indented(text: str) -> str:
    """Return JSON with a line for each value; other text as it is."""
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text
