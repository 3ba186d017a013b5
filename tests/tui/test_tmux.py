"""The main path of the app in a real terminal: from the list to a run, its views, Compare, and out.

What the terminal shows is kept as text: in the folder that REPDYN_CAPTURES names, else in pytest's.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.tmux import Tmux

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed"),
]

COMMAND = [sys.executable, "-m", "repdyn.cli", "tui", "--demo"]

CLEAR: dict[str, str | None] = dict.fromkeys(
    ("COLORTERM", "NO_COLOR", "TERM_PROGRAM", "COLUMNS", "LINES")
)

TERMINALS: dict[str, tuple[dict[str, str | None], set[str]]] = {
    "tmux-256color": ({"TERM": "tmux-256color"}, {"16", "grey", "256"}),
    "screen": ({"TERM": "screen"}, {"16"}),
    "linux": ({"TERM": "linux"}, {"16"}),
    "no-color": ({"TERM": "tmux-256color", "NO_COLOR": "1"}, {"grey"}),
}
"""The variables of each terminal, and the kinds of colours it may be sent."""

VIEWS = {
    "1": ("overview", ("CKA", "patch_embed")),
    "2": ("layer", ("logits", "CKA of two checkpoints")),
    "3": ("layers", ("patch_embed", "blocks")),
    "4": ("regions", ("plane",)),
    "5": ("curves", ("train/acc",)),
    "6": ("phases", ("onset",)),
    "7": ("info", ("Params",)),
}
"""The key of each view of a run, its name, and what it shows."""


@pytest.fixture(params=TERMINALS)
def terminal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Tmux, set[str]]]:
    environ, colours = TERMINALS[request.param]
    captures = Path(os.environ.get("REPDYN_CAPTURES", tmp_path)) / request.param
    captures.mkdir(parents=True, exist_ok=True)
    state: dict[str, str | None] = {
        "XDG_STATE_HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path),
    }
    tmux = Tmux(tmp_path, COMMAND, CLEAR | environ | state, (100, 30), captures)
    try:
        yield tmux, colours
    finally:
        tmux.close()


def test_the_main_path(terminal: tuple[Tmux, set[str]]) -> None:
    tmux, colours = terminal

    def looks_right() -> None:
        assert tmux.colours() - {"default"} <= colours

    shown = tmux.sees("list", "4 runs", "vit_tiny-adam", "resnet18-sgd")
    assert len(shown.splitlines()) == 30
    looks_right()
    tmux.press("Enter")
    for key, (name, words) in VIEWS.items():
        if key != "1":
            tmux.press(key)
        tmux.sees(name, *words)
        looks_right()
    tmux.press("Escape")
    tmux.sees("list-again", "4 runs")
    tmux.press("Space", "Space")
    tmux.sees("marked", "2 marked", "◆")
    tmux.press("c")
    tmux.sees("compare", "A vit_tiny-adam", "B vit_tiny-sgd", "patch_embed", "logits")
    looks_right()
    tmux.press("Escape")
    tmux.sees("list-at-last", "2 marked")
    tmux.press("q")
    assert tmux.status() == 0
