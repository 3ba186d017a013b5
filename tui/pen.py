"""Escape codes that write styled text anywhere on the screen, in as few bytes as it takes."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import NamedTuple

from rich.cells import cell_len
from rich.color import Color, ColorSystem
from rich.color_triplet import ColorTriplet
from rich.console import Console
from rich.style import Style

OFF = {"1": "22", "2": "22", "3": "23", "4": "24", "7": "27", "9": "29"}
"""The code that ends an attribute, by that which starts it."""


INDEX, REVERSE_INDEX = "\x1bD", "\x1bM"
"""What moves the cursor down and up a line, where there is one."""


class Codes(NamedTuple):
    """The codes that select a style."""

    attributes: str
    colour: str
    background: str


FIXED = range(16, 256)
"""The numbered colours that are the same in all terminals: a cube and greys."""

PLAIN = Codes("", "39", "49")
"""The codes of no style: the terminal's own colours."""


class Pen:
    """Writes text with styles; of style and place only what changes is sent.

    Args:
        console: whose colours are written.
        width: columns of the terminal; 0 if it is not known.
    """

    def __init__(self, console: Console, width: int = 0) -> None:
        self._system = console._color_system
        self._width = width
        self._sent: list[str] = []
        self._codes = PLAIN
        self._line: int | None = None
        self._column = 0

    def move(self, column: int, line: int) -> None:
        """Go to a cell, the shortest way."""
        self._sent.append(self._way(column, line))
        self._line, self._column = line, column

    def _way(self, column: int, line: int) -> str:
        if (line, column) == (self._line, self._column):
            return ""
        ways = [f"\x1b[{line + 1};{column + 1}H"]
        if line == self._line:
            ways.append(f"\x1b[{column + 1}G")
        if self._line is not None and self._column < self._width:  # beyond, terminals differ
            ways.append(_relative(line - self._line, column - self._column))
        return min(ways, key=len)

    def distance(self, column: int, line: int, text: str, style: Style | None) -> int:
        """Return how many characters come before a text is written in a cell."""
        codes = self._codes_of(text, style)
        change = "" if codes == self._codes else f"\x1b[{_change(self._codes, codes)}m"
        return len(self._way(column, line)) + len(change)

    def write(self, text: str, style: Style | None) -> None:
        """Write a text."""
        width = cell_len(text)
        self._column += width
        if width != len(text):
            self._line = None  # terminals may differ on its width
        if style is not None and style.link:
            self._select(PLAIN)
            self._sent.append(style.render(text, color_system=self._system))
            return
        self._select(self._codes_of(text, style))
        self._sent.append(text)

    def _codes_of(self, text: str, style: Style | None) -> Codes:
        codes = PLAIN
        if style is not None and self._system is not None:
            codes = _codes(style, self._system)
        if text.isspace() and not shows_on_blanks(style):
            codes = codes._replace(colour=self._codes.colour)
        return codes

    def _select(self, codes: Codes) -> None:
        if codes != self._codes:
            self._sent.append(f"\x1b[{_change(self._codes, codes)}m")
            self._codes = codes

    def finish(self) -> str:
        """Return all that was written, with no style left on."""
        self._select(PLAIN)
        return "".join(self._sent)


@lru_cache(maxsize=4096)
def _relative(down: int, right: int) -> str:
    """Return the codes that move the cursor by lines and columns."""
    if abs(down) == 1:
        vertical = INDEX if down > 0 else REVERSE_INDEX
    else:
        vertical = _repeated(down, "B") if down > 0 else _repeated(-down, "A")
    back = min("\b" * -right, _repeated(-right, "D"), key=len)
    return vertical + (_repeated(right, "C") if right > 0 else back)


def _repeated(count: int, code: str) -> str:
    return f"\x1b[{count if count > 1 else ''}{code}" if count > 0 else ""


@lru_cache(maxsize=4096)
def _change(before: Codes, now: Codes) -> str:
    """Return the codes that make one style of another: those that differ, or all after a reset."""
    anew = ["0", now.attributes, now.colour, now.background]
    whole = ";".join(code for code in anew if code not in ("", *PLAIN))
    old, new = (set(filter(None, codes.attributes.split(";"))) for codes in (before, now))
    if not old - new <= OFF.keys():
        return whole
    off = {OFF[code] for code in old - new}
    on = {code for code in new if code not in old or OFF.get(code) in off}
    colours = [code for code, was in zip(now[1:], before[1:], strict=True) if code != was]
    return min(whole, ";".join([*sorted(off), *sorted(on), *colours]), key=len)


@lru_cache(maxsize=4096)
def _codes(style: Style, system: ColorSystem) -> Codes:
    colour, background = style.color, style.bgcolor
    return Codes(
        style.without_color._make_ansi_codes(system),
        ";".join(_shortest(colour, system).get_ansi_codes()) if colour else PLAIN.colour,
        ";".join(_shortest(background, system).get_ansi_codes(foreground=False))
        if background
        else PLAIN.background,
    )


def _shortest(colour: Color, system: ColorSystem) -> Color:
    """Return a colour as a terminal gets it: by its number if it is one of the fixed 256."""
    sent = colour.downgrade(system)
    number = _numbers().get(sent.triplet) if sent.triplet is not None else None
    return sent if number is None else Color.from_ansi(number)


@cache
def _numbers() -> dict[ColorTriplet, int]:
    """Return the numbers of the colours that are the same in all terminals."""
    return {Color.from_ansi(n).get_truecolor(): n for n in FIXED}


def shows_on_blanks(style: Style | None) -> bool:
    """Return whether a style's colour shows where the text is blank."""
    return style is not None and bool(
        style.reverse or style.underline or style.underline2 or style.strike or style.overline
    )
