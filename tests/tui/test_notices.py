"""What a terminal is sent for a notice."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.fakes import Stage, play
from tui import notices
from tui.notices import sequences

BELL = "\a"
NINE = "\x1b]9;run: it ended\a"
SEVEN = "\x1b]777;notify;run;it ended\a"


def sent(**environ: str) -> str:
    return sequences("run", "it ended", {"TERM": "xterm-256color", **environ})


def test_a_terminal_of_which_nothing_is_known_is_sent_both() -> None:
    assert sent() == BELL + NINE + SEVEN


@pytest.mark.parametrize(
    "environ",
    [
        {"TERM_PROGRAM": "iTerm.app"},
        {"TERM_PROGRAM": "WezTerm"},
        {"TERM": "xterm-kitty"},
        {"TERM": "xterm-ghostty"},
        {"WT_SESSION": "1"},
    ],
)
def test_a_terminal_that_knows_9_is_sent_no_second_one(environ: dict[str, str]) -> None:
    assert sent(**environ) == BELL + NINE


@pytest.mark.parametrize(
    "environ", [{"TERM": "rxvt-unicode"}, {"TERM": "foot"}, {"VTE_VERSION": "7"}]
)
def test_a_terminal_that_knows_777_only_is_sent_that(environ: dict[str, str]) -> None:
    assert sent(**environ) == BELL + SEVEN


@pytest.mark.parametrize("term", ["linux", "dumb", ""])
def test_a_terminal_that_would_print_it_gets_a_bell(term: str) -> None:
    assert sent(TERM=term) == BELL


def test_tmux_is_asked_to_pass_it_on() -> None:
    found = sent(TMUX="/tmp/tmux-1/default,1,0", TERM_PROGRAM="tmux", TERM="tmux-256color")
    wrapped = f"\x1bPtmux;\x1b{NINE}\x1b\\\x1bPtmux;\x1b{SEVEN}\x1b\\"
    assert found == BELL + wrapped


def test_screen_is_asked_to_pass_it_on() -> None:
    assert f"\x1bP{NINE}\x1b\\" in sent(STY="1.pts", TERM="screen")


def test_foreign_text_cannot_end_the_sequence() -> None:
    found = sequences("a;b\x1b\\\a", "c\x1b]52;c;x\a" + "y" * 999, {"TERM": "xterm"})
    assert found.count("\x1b") == 2
    assert found.count("\a") == 3
    assert "notify;a,b" in found
    assert len(found) < 1000


def sent_by_the_app(monkeypatch: pytest.MonkeyPatch, terminal: bool, headless: bool) -> str:
    written: list[str] = []

    async def scenario(stage: Stage) -> None:
        app: Any = stage.app
        with monkeypatch.context() as patch:
            patch.setattr(notices, "is_terminal", lambda: terminal)
            patch.setattr(type(app), "is_headless", headless)
            patch.setattr(app._driver, "write", written.append)
            notices.tell(app, "run", "it ended")

    play(scenario)
    return "".join(written)


def test_a_file_is_no_terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with (tmp_path / "err").open("w") as file, monkeypatch.context() as patch:
        patch.setattr(sys, "__stderr__", file)
        assert not notices.is_terminal()


def test_the_driver_is_given_it_where_there_is_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "it ended" in sent_by_the_app(monkeypatch, terminal=True, headless=False)


@pytest.mark.parametrize(("terminal", "headless"), [(False, False), (True, True)])
def test_without_a_terminal_nothing_is_sent(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, headless: bool
) -> None:
    assert sent_by_the_app(monkeypatch, terminal, headless) == ""
