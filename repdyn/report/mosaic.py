"""The E×E matrices of a run's layers in one picture, drawn in milliseconds while the run trains.

It is for MLflow's grid of images, where a slider goes through the steps of a picture: the colours are
those of the figures, and the axes are even in log epochs.
"""

from __future__ import annotations

import math
from functools import cache
from io import BytesIO

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from repdyn.display.scale import Scale
from repdyn.display.similarity import Similarity
from repdyn.display.viridis import viridis
from repdyn.display.wording import ending, plain
from repdyn.evenly import evenly
from repdyn.records import plural
from repdyn.report.tiles import SIDE, checkpoint_cells, picture
from repdyn.step_words import short_step

MOST_LAYERS = 24
"""Of more, as many are shown, evenly in depth."""

GAP, LINE, FONT = 10, 16, 12
"""Pixels between matrices, height of a line of text, size of the font."""

LETTERS = 15
"""Most characters of a layer's name above its matrix."""

INK = (40, 40, 40)
MOST_MARKS = 6
"""Of the colour bar."""


def mosaic(shown: Similarity) -> Image.Image:
    """Return the matrices of layers in order of depth, with a title and a colour bar."""
    scale = shown.scale()
    layers = evenly(len(shown.names), MOST_LAYERS)
    across = max(3, math.ceil(math.sqrt(len(layers))))
    down = math.ceil(len(layers) / across)
    cell = SIDE + GAP, SIDE + LINE + GAP
    width, top = across * cell[0] + GAP, LINE + GAP
    image = Image.new("RGB", (width, top + down * cell[1] + 2 * LINE + GAP), "white")
    draw = ImageDraw.Draw(image)
    _write(draw, (GAP, GAP // 2), _title(shown))
    cells = checkpoint_cells(shown.steps)
    for place, layer in enumerate(layers):
        x = GAP + place % across * cell[0]
        y = top + place // across * cell[1]
        _write(draw, (x, y), ending(plain(shown.names[layer]), LETTERS))
        image.paste(picture(shown.matrices[layer], scale, cells).convert("RGB"), (x, y + LINE))
    _bar(image, draw, scale, top + down * cell[1])
    return image


def _title(shown: Similarity) -> str:
    first, last = (short_step(int(at)) for at in shown.steps[[0, -1]])
    if len(shown.steps) == 1:
        return f"{shown.measure.label}: only {shown.unit} {first} so far"
    # the font has no dash
    return f"{shown.measure.label} between {plural(shown.unit)} {first} to {last}"


def _bar(image: Image.Image, draw: ImageDraw.ImageDraw, scale: Scale, y: int) -> None:
    """Draw the colour bar with its numbers below it."""
    width = image.width - 2 * GAP
    row = viridis(np.linspace(0, 1, width))[None]
    image.paste(Image.fromarray(np.repeat(row, LINE // 2, axis=0)), (GAP, y))
    for mark in evenly(len(scale.ticks), MOST_MARKS):
        value = scale.ticks[mark]
        place = float(scale.place(value))
        anchor = "la" if place <= 0 else "ra" if place >= 1 else "ma"
        _write(draw, (GAP + round(place * width), y + LINE // 2), f"{value:g}", anchor)


def _write(
    draw: ImageDraw.ImageDraw, at: tuple[float, float], text: str, anchor: str = "la"
) -> None:
    draw.text(at, text, INK, _font(), anchor)


@cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(FONT)


def encoded(image: Image.Image) -> tuple[bytes, bytes]:
    """Return a picture as PNG and as WebP, which takes less room."""
    files = BytesIO(), BytesIO()
    image.save(files[0], "PNG", compress_level=3)
    image.save(files[1], "WEBP", quality=85, method=0)
    return files[0].getvalue(), files[1].getvalue()
