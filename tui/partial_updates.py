"""Partial updates: when a part of the screen changes, the terminal is sent only that part."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from rich.console import Console
from rich.control import Control


def send_pieces_only(update: Any) -> None:
    """Make an update of pieces of lines send only those; an update of whole lines is unchanged.

    For each line, Textual (8.2; its issue 5625) sends everything from the left edge of the widget to
    the end of the piece. When a cursor moves by a column of a large heatmap, that is ten times as
    much, which is noticeable over a slow connection. This uses private attributes of the update; if
    another version of Textual lacks them, its own behaviour is kept.

    Args:
        update: what a screen is about to display.
    """
    if all(hasattr(update, name) for name in ("chops", "spans", "chop_ends", "render_segments")):
        update.render_segments = partial(_sent, update)


def _sent(update: Any, console: Console) -> str:
    return "".join(_pieces(update, console))


def _pieces(update: Any, console: Console) -> Iterator[str]:
    """Yield the pieces, each after the cursor movement to its position.

    For each line, `chops` has strips by their start column, and `chop_ends` the end columns; `spans`
    are line, first column and end of each piece.
    """
    for line, first, end in update.spans:
        for stop, (start, strip) in zip(
            update.chop_ends[line], update.chops[line].items(), strict=False
        ):
            left, right = max(start, first), min(stop, end)
            if strip is not None and left < right:
                yield Control.move_to(left, line).segment.text
                yield strip.crop(left - start, right - start).render(console)
