"""What is sent to terminals that draw pictures: decoded again, it is the picture."""

from __future__ import annotations

import io
import re
from base64 import b64decode

import numpy as np
import pytest
from PIL import Image

from repdyn.errors import UserError
from tui import graphics


def striped(width: int, height: int) -> Image.Image:
    """A picture of a few colours, no two lines of sixels alike."""
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    pixels[..., 0] = np.arange(width) // 5 % 2 * 255
    pixels[..., 1] = (np.arange(height) // 4 % 2 * 255)[:, None]
    return Image.fromarray(pixels)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"TERM": "xterm-256color"}, "blocks"),
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"TERM": "xterm-kitty", "TMUX": "/tmp/tmux-1/default,1,0"}, "blocks"),
        ({"TERM": "screen", "STY": "1.x", "TERM_PROGRAM": "iTerm.app"}, "blocks"),
        ({"TERM_PROGRAM": "ghostty"}, "kitty"),
        ({"TERM_PROGRAM": "iTerm.app"}, "iterm2"),
        ({"TERM_PROGRAM": "WezTerm"}, "iterm2"),
        ({"TERM": "foot"}, "sixel"),
        ({"TERM": "xterm", "REPDYN_GRAPHICS": "sixel"}, "sixel"),
        ({"TERM": "xterm-kitty", "REPDYN_GRAPHICS": "blocks"}, "blocks"),
        ({"TERM": "xterm-kitty", "REPDYN_GRAPHICS": "other"}, "kitty"),
        ({}, "blocks"),
    ],
)
def test_a_terminal_is_known_by_its_environment(environment: dict[str, str], expected: str) -> None:
    assert graphics.protocol(environment) == expected


@pytest.mark.parametrize("size", [(7, 5), (40, 24), (133, 61)])
def test_sixels_drawn_again_are_the_picture(size: tuple[int, int]) -> None:
    picture = striped(*size)
    drawn = unsixel(graphics.sixel(picture, *size))
    assert np.array_equal(drawn, np.asarray(picture))


def unsixel(sequence: str) -> np.ndarray:
    """Draw sixels as DEC's manual says, (height, width, 3)."""
    found = re.fullmatch(r'\x1bP0;1q"1;1;(\d+);(\d+)(.*)\x1b\\', sequence, re.S)
    assert found
    width, height = int(found[1]), int(found[2])
    pixels = np.zeros((height + 6, width, 3), dtype=np.uint8)
    colours: dict[int, list[int]] = {}
    x = top = colour = 0
    for token in re.findall(r"#\d+(?:;2;\d+;\d+;\d+)?|!\d+.|[-$]|.", found[3], re.S):
        if token.startswith("#"):
            number, *rest = map(int, token[1:].split(";"))
            colour = number
            if rest:
                colours[number] = [round(c * 255 / 100) for c in rest[1:]]
        elif token == "-":
            x, top = 0, top + 6
        elif token == "$":
            x = 0
        else:
            count = int(token[1:-1]) if token.startswith("!") else 1
            bits = ord(token[-1]) - 63
            for i in range(6):
                if bits >> i & 1:
                    pixels[top + i, x : x + count] = colours[colour]
            x += count
    return pixels[:height]


def test_kittys_chunks_are_the_picture() -> None:
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 255, (80, 90, 3), dtype=np.uint8))
    parts = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", graphics.kitty(picture, 7, 30, 12))
    assert len(parts) > 2
    assert "i=7" in parts[0][0]
    assert "c=30,r=12" in parts[0][0]
    assert [part[0][-1] for part in parts] == ["1"] * (len(parts) - 1) + ["0"]
    assert all(len(data) <= 4096 for _, data in parts)
    content = b64decode("".join(data for _, data in parts))
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(content))), np.asarray(picture))


def test_placeholders_are_a_column_each_and_their_lines_differ() -> None:
    from rich.cells import cell_len

    lines = [graphics.placeholders(line, 30) for line in range(graphics.MOST_LINES)]
    assert {cell_len(line) for line in lines} == {30}
    assert len(set(lines)) == graphics.MOST_LINES >= 60
    assert lines[1][1] == "\u030d", "the second of kitty's row marks"


def test_iterm2_gets_the_picture() -> None:
    picture = striped(20, 10)
    found = re.fullmatch(r"\x1b\]1337;File=([^:]*):(.*)\x07", graphics.iterm2(picture, 20, 5))
    assert found
    assert "width=20;height=5" in found[1]
    drawn = np.asarray(Image.open(io.BytesIO(b64decode(found[2]))))
    assert np.array_equal(drawn, np.asarray(picture))


@pytest.mark.parametrize(
    ("size", "room", "expected"),
    [((100, 100), (40, 10), (20, 10)), ((400, 100), (40, 30), (40, 5)), ((1, 900), (9, 9), (1, 9))],
)
def test_a_picture_keeps_its_proportions(
    size: tuple[int, int], room: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert graphics.fitted(Image.new("RGB", size), *room, 2.0) == expected


def test_a_transparent_picture_is_on_white() -> None:
    content = io.BytesIO()
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(content, "PNG")
    assert graphics.decoded("x.png", content.getvalue()).getpixel((1, 1)) == (255, 255, 255)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_pictures_of_any_kind_are_decoded(mode: str) -> None:
    content = io.BytesIO()
    Image.new(mode, (9, 5)).save(content, "PNG")
    picture = graphics.decoded("x.png", content.getvalue())
    assert (picture.mode, picture.size) == ("RGB", (9, 5))


@pytest.mark.parametrize("damage", [b"", b"GIF89a", slice(60), slice(8)])
def test_what_is_no_picture_is_a_line(damage: bytes | slice) -> None:
    content = io.BytesIO()
    striped(300, 200).save(content, "PNG")
    given = damage if isinstance(damage, bytes) else content.getvalue()[damage]
    with pytest.raises(UserError, match=r"x\.png: is no readable PNG picture") as raised:
        graphics.decoded("x.png", given)
    assert len(str(raised.value).splitlines()) == 1


def test_a_bomb_is_refused_before_it_is_decoded() -> None:
    content = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(content, "PNG")
    with pytest.raises(UserError, match="20000 × 20000 pixels are too many"):
        graphics.decoded("x.png", content.getvalue())
