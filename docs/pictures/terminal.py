"""Draws a screen of Textual as an image: each cell by itself, in fonts that come with matplotlib.

So it looks the same everywhere, and blocks and braille, which are drawn as shapes, join without gaps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

import matplotlib as mpl
from matplotlib.ft2font import FT2Font
from PIL import Image, ImageDraw, ImageFont
from rich.cells import cell_len
from rich.style import Style
from rich.terminal_theme import DIMMED_MONOKAI
from textual.strip import Strip

Colour = tuple[int, int, int]

SIZE = 20
CELL = (12, 23)
"""Width and height of a cell in pixels, those of the font at that size."""

MARGIN = 14
BACK: Colour = (18, 18, 18)
FORE: Colour = (224, 224, 224)
FONTS = Path(mpl.get_data_path()) / "fonts" / "ttf"

FULL = (0.0, 0.0, 1.0, 1.0)
_QUARTERS = ((0, 0.5, 0.5, 1), (0.5, 0.5, 1, 1), (0, 0, 0.5, 0.5), (0.5, 0, 1, 0.5))
"""Lower left, lower right, upper left, upper right: x0, y0, x1, y1 as shares of the cell."""

BLOCKS: dict[str, Sequence[tuple[float, float, float, float]]] = {
    "▀": [(0, 0, 1, 0.5)],
    "█": [FULL],
    "▐": [(0.5, 0, 1, 1)],
    "▔": [(0, 0, 1, 1 / 8)],
    "▕": [(7 / 8, 0, 1, 1)],
    **{chr(0x2580 + n): [(0, 1 - n / 8, 1, 1)] for n in range(1, 8)},
    **{chr(0x2590 - n): [(0, 0, n / 8, 1)] for n in range(1, 8)},
    **{
        character: [_QUARTERS[quarter] for quarter in quarters]
        for character, quarters in zip(
            "▖▗▘▙▚▛▜▝▞▟",
            [(0,), (1,), (2,), (0, 1, 2), (1, 2), (0, 2, 3), (1, 2, 3), (3,), (0, 3), (0, 1, 3)],
            strict=True,
        )
    },
}
SHADES = {"░": 0.25, "▒": 0.5, "▓": 0.75}
DOTS = ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3))
"""Column and row of each bit of a braille character."""


def draw_screen(strips: Sequence[Strip]) -> Image.Image:
    """Return the lines of a screen as an image with a margin."""
    columns = max(strip.cell_length for strip in strips)
    size = (columns * CELL[0] + 2 * MARGIN, len(strips) * CELL[1] + 2 * MARGIN)
    image = Image.new("RGB", size, BACK)
    canvas = ImageDraw.Draw(image)
    placed = list(_placed(strips))
    for text, style, x, y in placed:  # first, as letters reach into the line below
        right, bottom = x + cell_len(text) * CELL[0], y + CELL[1]
        canvas.rectangle((x, y, right - 1, bottom - 1), fill=_colours(style)[1])
    for text, style, x, y in placed:
        draw_text(canvas, text, style, (x, y))
    return image


def _placed(strips: Sequence[Strip]) -> Iterator[tuple[str, Style, int, int]]:
    """Yield pieces of one style, and their upper left corners."""
    for row, strip in enumerate(strips):
        left = 0
        for text, style, _ in strip:
            if text:
                yield text, style or Style.null(), MARGIN + left * CELL[0], MARGIN + row * CELL[1]
            left += cell_len(text)


def draw_text(canvas: ImageDraw.ImageDraw, text: str, style: Style, at: tuple[int, int]) -> None:
    """Draw text, cell by cell, from its upper left corner on."""
    fore, back = _colours(style)
    font = _font("Bold" if style.bold else "Oblique" if style.italic else "")
    x, y = at
    for character in text:
        if not character.isspace():
            _draw_character(canvas, character, (x, y), fore, back, font)
        x += cell_len(character) * CELL[0]
    if style.underline:
        canvas.line((at[0], y + CELL[1] - 2, x - 1, y + CELL[1] - 2), fill=fore)


def _draw_character(
    canvas: ImageDraw.ImageDraw,
    character: str,
    at: tuple[int, int],
    fore: Colour,
    back: Colour,
    font: ImageFont.FreeTypeFont,
) -> None:
    (x, y), (width, height) = at, CELL
    if character in BLOCKS:
        for x0, y0, x1, y1 in BLOCKS[character]:
            box = (round(x0 * width), round(y0 * height), round(x1 * width), round(y1 * height))
            canvas.rectangle((x + box[0], y + box[1], x + box[2] - 1, y + box[3] - 1), fill=fore)
    elif character in SHADES:
        blend = _blend(back, fore, SHADES[character])
        canvas.rectangle((x, y, x + width - 1, y + height - 1), fill=blend)
    elif 0x2800 <= ord(character) < 0x2900:
        for bit, (column, row) in enumerate(DOTS):
            if ord(character) >> bit & 1:
                left, top = x + 2 + 6 * column, y + 1 + round(row * height / 4)
                canvas.rectangle((left, top, left + 2, top + 2), fill=fore)
    else:
        font = font if _has(character) else _font("", "DejaVuSans")
        canvas.text((x, y + _ascent()), character, fill=fore, font=font, anchor="ls")


def _colours(style: Style) -> tuple[Colour, Colour]:
    fore, back = (
        default if colour is None or colour.is_default else colour.get_truecolor(DIMMED_MONOKAI)
        for colour, default in ((style.color, FORE), (style.bgcolor, BACK))
    )
    if style.reverse:
        fore, back = back, fore
    if style.dim:
        fore = _blend(back, fore, 0.6)
    return (fore[0], fore[1], fore[2]), (back[0], back[1], back[2])


def _blend(start: Iterable[int], end: Iterable[int], share: float) -> Colour:
    red, green, blue = (round(a + share * (b - a)) for a, b in zip(start, end, strict=True))
    return red, green, blue


@cache
def _font(style: str, family: str = "DejaVuSansMono") -> ImageFont.FreeTypeFont:
    name = f"{family}-{style}.ttf" if style else f"{family}.ttf"
    return ImageFont.truetype(str(FONTS / name), SIZE)


@cache
def _ascent() -> int:
    return round(_font("").getmetrics()[0])


@cache
def _has(character: str) -> bool:
    return FT2Font(str(FONTS / "DejaVuSansMono.ttf")).get_char_index(ord(character)) != 0
