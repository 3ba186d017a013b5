"""Pictures in terminals that can draw them: kitty's, iTerm2's and sixel's escape sequences.

Own code rather than textual-image: it asks the terminal what it can do when it is imported, which takes
round trips before the first frame and cannot be done while Textual reads the keys; its versions for
Python 3.11 have ended; and it knows no sequences of iTerm2's. Here the terminal is known by what it says
of itself in the environment, and whoever knows better sets REPDYN_GRAPHICS.

Pillow is imported on first use: the screen's first frame needs none of it.
"""

from __future__ import annotations

import io
import os
from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from repdyn.errors import UserError

if TYPE_CHECKING:
    from PIL.Image import Image

Protocol = Literal["kitty", "iterm2", "sixel", "blocks"]

VARIABLE = "REPDYN_GRAPHICS"
"""Environment variable that names a protocol, for terminals that do not say what they can do."""

MOST_PIXELS = 80_000_000
"""Of a picture that is read: it takes up to four times as many bytes; of more Pillow warns."""

MOST_SIDE = 1600
"""Pixels of the longer side of what is sent."""

CHUNK = 4096
"""Bytes of a sequence of kitty's."""

PLACEHOLDER = "\U0010eeee"

# the combining characters by which kitty numbers the lines of a picture, in order
_ROWS = (
    "305 30d-30e 310 312 33d-33f 346 34a-34c 350-352 357 35b 363-36f 483-487 592-595 597-599 59c-5a1 "
    "5a8-5a9 5ab-5ac 5af 5c4 610-617 657-65b 65d-65e 6d6-6dc 6df-6e2 6e4 6e7-6e8 6eb-6ec"
)

SIXEL_COLOURS = 128


def protocol(environment: Mapping[str, str] = os.environ) -> Protocol:
    """Return how this terminal draws pictures, `blocks` if it does not say that it can.

    Within tmux and screen it is always blocks: they draw none, or lose what they pass on.
    """
    chosen = environment.get(VARIABLE, "")
    if chosen in get_args(Protocol):
        return cast("Protocol", chosen)
    if environment.get("TMUX") or environment.get("STY"):
        return "blocks"
    term, program = environment.get("TERM", ""), environment.get("TERM_PROGRAM", "")
    if term in ("xterm-kitty", "xterm-ghostty") or program == "ghostty":
        return "kitty"
    if program in ("iTerm.app", "WezTerm") or environment.get("LC_TERMINAL") == "iTerm2":
        return "iterm2"
    if term.startswith(("foot", "mlterm", "contour")):
        return "sixel"
    return "blocks"


def decoded(path: str, content: bytes) -> Image:
    """Return a PNG picture in RGB, on white where it is transparent, no larger than is sent.

    Raises:
        UserError: it is damaged or too large.
    """
    from PIL import Image

    width, height = (int.from_bytes(content[at : at + 4]) for at in (16, 20))  # as PNG has them
    if width * height > MOST_PIXELS and content.startswith(b"\x89PNG"):
        raise UserError(f"{path}: {width} × {height} pixels are too many to be shown")
    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as picture:
            if picture.mode != "RGB":
                whole = picture.convert("RGBA")
                found = Image.new("RGBA", whole.size, "white")
                found.alpha_composite(whole)
                shown = found.convert("RGB")
            else:
                shown = picture.copy()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UserError(f"{path}: is no readable PNG picture ({error})") from None
    shown.thumbnail((MOST_SIDE, MOST_SIDE))
    return shown


def fitted(picture: Image, columns: int, lines: int, aspect: float) -> tuple[int, int]:
    """Return the columns and lines that a picture fills of those there are, in its proportions.

    Args:
        picture: any.
        columns, lines: of the room.
        aspect: height of a character divided by its width.
    """
    width, height = picture.size
    scale = min(columns / width, lines * aspect / height)
    across, down = round(width * scale), round(height * scale / aspect)
    return max(1, min(across, columns)), max(1, min(down, lines))


def pixels(picture: Image, columns: int, lines: int) -> NDArray[np.uint8]:
    """Return a picture in half blocks, two pixels in a character, (2 · lines, columns, 3)."""
    return np.asarray(picture.resize((columns, 2 * lines)), dtype=np.uint8)


def png(picture: Image) -> bytes:
    """Return a picture as PNG."""
    content = io.BytesIO()
    picture.save(content, "PNG")
    return content.getvalue()


def kitty(picture: Image, number: int, columns: int, lines: int) -> str:
    """Return what makes kitty show a picture where `placeholders` of the same size stand."""
    data = b64encode(png(picture)).decode()
    head = f"a=T,U=1,q=2,f=100,i={number},c={columns},r={lines},"
    parts = [data[start : start + CHUNK] for start in range(0, len(data), CHUNK)]
    return "".join(
        f"\x1b_G{head if not i else 'q=2,'}m={int(i < len(parts) - 1)};{part}\x1b\\"
        for i, part in enumerate(parts)
    )


def kitty_forget(number: int) -> str:
    """Return what makes kitty forget a picture."""
    return f"\x1b_Ga=d,d=I,q=2,i={number}\x1b\\"


def placeholders(line: int, columns: int) -> str:
    """Return the characters of a line of a picture; their colour is its number.

    A character without marks of its own continues the one to its left.
    """
    return PLACEHOLDER + _row_marks()[line] + _row_marks()[0] + PLACEHOLDER * (columns - 1)


def _row_marks() -> list[str]:
    ranges = [part.partition("-") for part in _ROWS.split()]
    return [
        chr(code)
        for first, _, last in ranges
        for code in range(int(first, 16), int(last or first, 16) + 1)
    ]


MOST_LINES = len(_row_marks())
"""Lines of a picture that kitty's marks number."""


def iterm2(picture: Image, columns: int, lines: int) -> str:
    """Return what draws a picture at the cursor in iTerm2 and WezTerm."""
    data = b64encode(png(picture)).decode()
    size = f"width={columns};height={lines};preserveAspectRatio=0;doNotMoveCursor=1"
    return f"\x1b]1337;File=inline=1;{size}:{data}\x07"


def sixel(picture: Image, width: int, height: int) -> str:
    """Return what draws a picture at the cursor, so many pixels large, in sixels.

    Each line of six pixels is drawn once for each of its colours; a character is a column of six.
    """
    reduced = picture.resize((width, height)).quantize(SIXEL_COLOURS)
    colours = (reduced.getpalette() or [])[: 3 * SIXEL_COLOURS]
    rows = np.asarray(reduced, dtype=np.uint8)
    registers = "".join(
        f"#{i};2;" + ";".join(str(round(c * 100 / 255)) for c in colours[3 * i : 3 * i + 3])
        for i in range(len(colours) // 3)
    )
    bands = "-".join(_band(rows[top : top + 6]) for top in range(0, height, 6))
    return f'\x1bP0;1q"1;1;{width};{height}{registers}{bands}\x1b\\'


def _band(rows: NDArray[np.uint8]) -> str:
    bits = (1 << np.arange(len(rows), dtype=np.int64))[:, None]
    lines = []
    for colour in np.unique(rows).tolist():
        columns = ((rows == colour) * bits).sum(axis=0) + 63
        lines.append(f"#{colour}{''.join(_repeated(columns.tolist()))}")
    return "$".join(lines)


def _repeated(codes: list[int]) -> Iterator[str]:
    """Yield characters, those that follow themselves as a number of times."""
    start = 0
    for at in range(1, len(codes) + 1):
        if at == len(codes) or codes[at] != codes[start]:
            count, text = at - start, chr(codes[start])
            yield f"!{count}{text}" if count > 3 else text * count
            start = at
