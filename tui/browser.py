"""Opens a run or an artifact in MLflow's UI: in the browser, or shows its address where there is none."""

from __future__ import annotations

import os
import sys
import webbrowser
from dataclasses import dataclass
from functools import partial
from urllib.parse import quote

from tui.screens.base_screen import BaseScreen
from tui.source import Source


@dataclass(frozen=True)
class Page:
    """Where a run can be looked at.

    Attributes:
        address: of its page; None if its store is on no server.
        opened: whether a browser shows it.
        command: that serves MLflow's UI if there is no address.
        place: of the artifact that is looked at, if there is no address.
    """

    address: str | None
    opened: bool = False
    command: str = ""
    place: str = ""


def open_run(screen: BaseScreen, run: str) -> None:
    """Open a run, by id, in the browser; without one, show and copy its address.

    For a store that is on no server, show and copy the command that serves MLflow's UI.
    """
    question = partial(_open, screen.source, run)
    screen.ask_store(question, partial(_tell, screen))


def open_artifact(screen: BaseScreen, run: str, path: str) -> None:
    """Open an artifact in MLflow's UI; of a store that is on no server, show and copy its place."""
    question = partial(_open_artifact, screen.source, run, path)
    screen.ask_store(question, partial(_tell, screen))


def _open_artifact(source: Source, run: str, path: str) -> Page:
    address = source.address(run)
    if address is None:
        return Page(None, place=source.artifact_place(run, path))
    page, mark, query = address.partition("?")
    whole = f"{page}/artifacts/{quote(path)}{mark}{query}"
    return Page(whole, opened=has_display() and webbrowser.open(whole))


def _open(source: Source, run: str) -> Page:
    address = source.address(run)
    if address is None:
        return Page(None, command=source.ui_command())
    return Page(address, opened=has_display() and webbrowser.open(address))


def _tell(screen: BaseScreen, page: Page) -> None:
    if page.opened:
        screen.tell(f"opened {page.address}")
        return
    text = page.address or page.place or page.command
    screen.app.copy_to_clipboard(text)
    words = "open" if page.address else "this store is on no server; look at it with"
    words = "the file is" if page.place else words
    screen.tell(f"{words} {text} (copied)")


def has_display() -> bool:
    """Return whether a browser would open in a window, not in this terminal or on another machine."""
    if sys.platform in ("win32", "darwin"):
        return "SSH_CONNECTION" not in os.environ
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False
    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        return False
    # browsers of the terminal are generic ones, which wait until they are left
    return type(browser) is not webbrowser.GenericBrowser
