"""What the terminal is sent when a part of the screen changes: that part, and nothing beside it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from rich.console import Console
from rich.control import Control


def send_pieces_only(update: Any) -> None:
    """Make an update of pieces of lines send those alone; one of whole lines stays as it is.

    Textual (8.2; its issue 5625) sends of each line all between the left edge of the widget and the
    end of the piece. Where a cursor moves by a column of a large heatmap that is ten times as much,
    which is felt over a slow connection. What is read of the update is private to Textual: where
    another version has it no more, its own way is left in place.

    Args:
        update: what a screen is about to display.
    """
    if all(hasattr(update, name) for name in ("chops", "spans", "chop_ends", "render_segments")):
        update.render_segments = partial(_sent, update)


def _sent(update: Any, console: Console) -> str:
    return "".join(_pieces(update, console))


def _pieces(update: Any, console: Console) -> Iterator[str]:
    """Yield the pieces, each behind the move to its place.

    Of each line, `chops` has strips by the column at which they start, `chop_ends` those at which
    they end; `spans` are line, first column and end of each piece.
    """
    for line, first, end in update.spans:
        for stop, (start, strip) in zip(
            update.chop_ends[line], update.chops[line].items(), strict=False
        ):
            left, right = max(start, first), min(stop, end)
            if strip is not None and left < right:
                yield Control.move_to(left, line).segment.text
                yield strip.crop(left - start, right - start).render(console)
