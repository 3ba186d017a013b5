"""Pictures of the screen: cells where they belong, in their colours; the recording plays."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageSequence
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from docs.pictures import recording, stage
from docs.pictures.terminal import BACK, CELL, MARGIN, draw_screen

RED, BLUE = (200, 0, 0), (0, 0, 200)
STYLE = Style.parse("rgb(200,0,0) on rgb(0,0,200)")


def cell(image: Image.Image, column: int, row: int = 0) -> Image.Image:
    x, y = MARGIN + column * CELL[0], MARGIN + row * CELL[1]
    return image.crop((x, y, x + CELL[0], y + CELL[1]))


def drawn(text: str, style: Style = STYLE) -> Image.Image:
    return draw_screen([Strip([Segment(text, style)])])


def colours(image: Image.Image) -> dict[Any, int]:
    return {colour: count for count, colour in image.getcolors(10_000) or ()}


@pytest.mark.parametrize(
    ("character", "box"),
    [
        ("█", (0, 0, 12, 23)),
        ("▌", (0, 0, 6, 23)),
        ("▐", (6, 0, 12, 23)),
        ("▀", (0, 0, 12, 12)),
        ("▄", (0, 12, 12, 23)),
        ("▘", (0, 0, 6, 12)),
        ("▗", (6, 12, 12, 23)),
    ],
)
def test_blocks_fill_their_part_of_the_cell(character: str, box: tuple[int, int, int, int]) -> None:
    expected = Image.new("RGB", CELL, BLUE)
    expected.paste(RED, box)
    assert cell(drawn(character), 0).tobytes() == expected.tobytes()


def test_each_braille_dot_is_drawn_once_and_apart_from_the_others() -> None:
    parts = [colours(cell(drawn(chr(0x2800 | 1 << bit)), 0))[RED] for bit in range(8)]
    assert len(set(parts)) == 1
    assert colours(cell(drawn("⣿"), 0))[RED] == sum(parts)


def test_text_stays_in_its_cells_and_wide_characters_take_two() -> None:
    image = drawn("W界W")
    assert image.width == 4 * CELL[0] + 2 * MARGIN
    assert cell(image, 0).tobytes() == cell(image, 3).tobytes()


def test_reverse_swaps_the_colours_and_the_margin_is_the_screens() -> None:
    image = drawn("█", STYLE + Style(reverse=True))
    assert colours(cell(image, 0)) == {BLUE: CELL[0] * CELL[1]}
    assert image.getpixel((0, 0)) == BACK


@pytest.mark.slow
def test_the_recording_is_short_small_and_shows_what_its_captions_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "QUIET_SECONDS", 0.1)
    path = tmp_path / "recording.webp"
    asyncio.run(recording.record(path))  # raises if a step does not show its text
    with Image.open(path) as image:
        assert sum(1 for _ in ImageSequence.Iterator(image)) > len(recording.STEPS)
    assert 15 <= recording.seconds() <= 25
    assert path.stat().st_size < 1_500_000
