"""Notices of the terminal's desktop: OSC 9 and OSC 777, through tmux and screen, and a bell."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from textual.app import App

from repdyn.display.wording import plain

ESC, BEL = "\x1b", "\a"
ST = ESC + "\\"

LONGEST = 200
"""Characters of a notice: terminals show no more, and some forget the rest of a long sequence."""

OSC_9_ONLY = ("iterm", "vscode", "wezterm", "ghostty", "kitty", "windows")
OSC_777_ONLY = ("rxvt", "foot", "vte")
"""Terminals that would show both, or print what they do not know, by a part of their name."""

NEITHER = ("linux", "dumb", "")
"""Terminals that might print the sequences: a bell must do."""


def tell(app: App[None], title: str, text: str) -> None:
    """Ring the terminal's bell and show a notice on its desktop; nothing if it is no terminal.

    Args:
        app: whose driver writes it, between two frames.
        title: of the notice.
        text: of it.
    """
    driver = app._driver
    if driver is None or app.is_headless or not is_terminal():
        return
    driver.write(sequences(title, text, os.environ))


def is_terminal() -> bool:
    """Return whether Textual writes to a terminal."""
    return sys.__stderr__ is not None and sys.__stderr__.isatty()


def sequences(title: str, text: str, environ: Mapping[str, str]) -> str:
    """Return what a terminal is sent for a notice.

    Args:
        title: of the notice.
        text: of it.
        environ: tells which terminal it is, and whether tmux or screen is between.
    """
    title, text = (plain(part)[:LONGEST] for part in (title.replace(";", ","), text))
    known = {
        "9": f"{ESC}]9;{title}: {text}{BEL}",
        "777": f"{ESC}]777;notify;{title};{text.replace(';', ',')}{BEL}",
    }
    return BEL + "".join(_through(known[kind], environ) for kind in _kinds(environ))


def _kinds(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the kinds of notices that a terminal shows, without showing one twice."""
    if environ.get("TERM", "") in NEITHER:
        return ()
    names = [environ.get(name, "") for name in ("TERM_PROGRAM", "LC_TERMINAL", "TERM")]
    names += [name for name in ("WINDOWS_TERMINAL", "VTE") if environ.get(_MARKS[name])]
    name = " ".join(names).lower()
    if any(part in name for part in OSC_9_ONLY):
        return ("9",)
    if any(part in name for part in OSC_777_ONLY):
        return ("777",)
    return ("9", "777")


_MARKS = {"WINDOWS_TERMINAL": "WT_SESSION", "VTE": "VTE_VERSION"}
"""Variables that terminals set which do not give their name."""


def _through(sequence: str, environ: Mapping[str, str]) -> str:
    """Return a sequence so wrapped that tmux or screen passes it on to the terminal around it."""
    if environ.get("TMUX"):
        return f"{ESC}Ptmux;{sequence.replace(ESC, ESC * 2)}{ST}"
    if environ.get("STY"):
        return f"{ESC}P{sequence}{ST}"
    return sequence
