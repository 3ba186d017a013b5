"""A picture: by the terminal's own graphics if it has them, else in half blocks."""

from __future__ import annotations

import array
import os
import sys
from itertools import count
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from tui import graphics
from tui.paced_app import AGAIN_SECONDS, PacedApp
from tui.widgets.lines import Lines

if TYPE_CHECKING:
    from PIL.Image import Image

RAMP = " ░▒▓█"
"""From dark to light, for terminals without colours."""

CELL = (10, 20)
"""Pixels of a character, unless the terminal says how many."""

OVER = ("iterm2", "sixel")
"""The protocols that draw over the cells; kitty's pictures are cells themselves."""

_numbers = count(os.getpid() % 0xFFFF * 0x100 + 1)


class Picture(Lines):
    """A picture in the middle of the widget, in its proportions."""

    DEFAULT_CSS = """
    Picture { width: 1fr; height: 1fr; }
    """

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._picture: Image | None = None
        self._blocks: NDArray[np.uint8] | None = None
        self._room = (0, 0)
        self._number = 0
        self._protocol = graphics.protocol()

    def on_mount(self) -> None:
        """Fall back to blocks: kitty's pictures are told apart by exact colours."""
        exact = self.app.console.color_system == "truecolor" and not self.app.no_color
        if self._protocol == "kitty" and not exact:
            self._protocol = "blocks"

    def show(self, picture: Image) -> None:
        """Show a picture."""
        self._picture = picture
        self._arrange()

    def on_resize(self) -> None:
        """Fit the picture to the new size."""
        self._arrange()

    def on_unmount(self) -> None:
        """Let the terminal forget the picture; what is drawn over blanks, only cells sent anew hide."""
        if self._number:
            self._send(graphics.kitty_forget(self._number))
        if self._protocol in OVER:
            self.app.call_later(self.app.run_action, "app.redraw")

    def _arrange(self) -> None:
        width, height = self.size
        if self._picture is None or not width or not height:
            return
        cell = _cell_pixels()
        lines = min(height, graphics.MOST_LINES)
        self._room = graphics.fitted(self._picture, width, lines, cell[1] / cell[0])
        if self._protocol == "kitty":
            self._send(graphics.kitty_forget(self._number) if self._number else "")
            self._number = next(_numbers)
            self._send(graphics.kitty(self._picture, self._number, *self._room))
        elif self._protocol == "blocks":
            self._blocks = graphics.pixels(self._picture, *self._room)
        else:
            self.call_after_refresh(self._draw_over)
        self.refresh()

    def _draw_over(self) -> None:
        """Draw the picture over the blanks that stand for it."""
        if self._picture is None or not self.is_attached:
            return
        if isinstance(self.app, PacedApp) and self.app.is_behind:  # the blanks would cover it
            self.set_timer(AGAIN_SECONDS, self._draw_over)
            return
        columns, lines = self._room
        if self._protocol == "iterm2":
            drawn = graphics.iterm2(self._picture, columns, lines)
        else:
            width, height = _cell_pixels()
            drawn = graphics.sixel(self._picture, columns * width, lines * height)
        left, top = self._corner()
        x, y = self.region.x + left, self.region.y + top
        self._send(f"\x1b7\x1b[{y + 1};{x + 1}H{drawn}\x1b8")

    def _send(self, sequence: str) -> None:
        """Send an escape sequence that Textual does not know."""
        driver = self.app._driver
        if sequence and driver is not None and not driver.is_headless:
            driver.write(sequence)

    def _corner(self) -> tuple[int, int]:
        """Return the column and the line of the picture's upper left corner."""
        columns, lines = self._room
        return (self.size.width - columns) // 2, (self.size.height - lines) // 2

    def render_line(self, y: int) -> Strip:
        """Draw a line."""
        width, base = self.size.width, self.base
        left, top = self._corner()
        line = y - top
        if self._picture is None or not 0 <= line < self._room[1]:
            return Strip.blank(width, base)
        gap = Segment(" " * left, base)
        return Strip([gap, *self._segments(line, base)]).adjust_cell_length(width, base)

    def _segments(self, line: int, base: Style) -> list[Segment]:
        columns = self._room[0]
        if self._protocol == "kitty":
            number = Color.from_rgb(*self._number.to_bytes(3))
            return [Segment(graphics.placeholders(line, columns), base + Style(color=number))]
        if self._blocks is None:
            return [Segment(" " * columns, base)]
        upper, lower = self._blocks[2 * line], self._blocks[2 * line + 1]
        if self.app.no_color or self.app.console.color_system is None:
            light = (upper.astype(int) + lower).mean(axis=-1) / 512 * len(RAMP)
            return [Segment("".join(RAMP[i] for i in light.astype(int).tolist()), base)]
        return [
            Segment("▀", Style(color=Color.from_rgb(*over), bgcolor=Color.from_rgb(*under)))
            for over, under in zip(upper.tolist(), lower.tolist(), strict=True)
        ]


def _cell_pixels() -> tuple[int, int]:
    """Return the width and height of a character in pixels, as far as the terminal says them."""
    if sys.platform == "win32" or sys.__stdout__ is None:
        return CELL
    import fcntl
    import termios

    size = array.array("H", [0] * 4)
    try:
        fcntl.ioctl(sys.__stdout__.fileno(), termios.TIOCGWINSZ, size)
    except (OSError, ValueError):
        return CELL
    lines, columns, width, height = size
    if not (lines and columns and width and height):
        return CELL
    return max(1, width // columns), max(1, height // lines)
