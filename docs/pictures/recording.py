"""The animated recording on README.md's first screen: four runs, one of them, and two compared."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw
from rich.style import Style

from docs.pictures.stage import Stage, staged
from docs.pictures.terminal import CELL, MARGIN, draw_text

SIZE = (100, 30)
CAPTION = Style.parse("bold #ffffff")
KEY = Style.parse("bold #121212 on #ffa62b")
BAR = (45, 45, 48)


@dataclass(frozen=True)
class Step:
    """Something that is pressed and seen.

    Attributes:
        keys: pressed one by one, each shown for `seconds`.
        shown: the keys as the caption names them.
        caption: what is seen.
        until: text that the screen shows then, so that the caption is true.
        seconds: for which each of the keys is shown.
        last: for which the last of them is.
    """

    keys: tuple[str, ...]
    shown: str
    caption: str
    until: str
    seconds: float = 0.25
    last: float = 2.0


STEPS = (
    Step((), "", "repdyn tui --demo: four recorded runs, and what each shows", "4 runs", last=1.4),
    Step(
        ("down",),
        "↓",
        "A ViT trained with SGD on digits, 15 % of the labels flipped",
        "sgd 0.015",
        last=1.6,
    ),
    Step(
        ("enter",),
        "enter",
        "Each layer's CKA with the end: all slow down at perfect fit",
        "layers after the first slow down at perfect fit (epoch 53)",
        last=2.4,
    ),
    Step(
        ("[",) * 4,
        "[",
        "From phase to phase, back to the onset of memorisation",
        "epoch 13",
        0.5,
        1.0,
    ),
    Step((",",), ",", "And one checkpoint before it", "epoch 12", last=0.8),
    Step(("6",), "6", "What stands out, in words, each against chance", "In words", last=2.2),
    Step(
        ("4",),
        "4",
        "Decision regions: A, a 6 labelled 3, is still taken for a 6",
        "A 3 (is 6)",
        last=1.5,
    ),
    Step(
        (".",) * 17,
        ".",
        "Memorisation: the label 3 comes and goes around A, and stays",
        "epoch 51",
        0.16,
        1.6,
    ),
    Step(("2",), "2", "One layer, every checkpoint with every other", "8 of 8", last=1.0),
    Step(
        ("<",) * 4,
        "<",
        "Layer by layer: a block of similar checkpoints after the fit",
        "4 of 8",
        0.4,
        1.4,
    ),
    Step(
        ("q", "space", "up", "up", "space"),
        "space",
        "In the list: mark two runs",
        "2 marked",
        0.35,
        0.8,
    ),
    Step(("c",), "c", "ViT, SGD and Adam, side by side", "vit_tiny-adam-digits-s0", last=2.4),
)


def seconds() -> float:
    """Return how long the recording is."""
    return sum(step.seconds * max(len(step.keys) - 1, 0) + step.last for step in STEPS)


async def record(out: Path) -> None:
    """Play the steps and save them as one animated picture that loops."""
    frames: list[Image.Image] = []
    durations: list[int] = []
    async with staged(size=SIZE) as stage:
        for step in STEPS:
            async for picture, seconds in _shown(stage, step):
                frames.append(_captioned(picture, step))
                durations.append(round(1000 * seconds))
    frames[0].save(
        out,
        save_all=True,
        append_images=frames[1:],
        duration=durations,
        loop=0,
        lossless=True,
        quality=60,  # of the effort: the pictures are lossless
        method=4,
    )


async def _shown(stage: Stage, step: Step) -> AsyncIterator[tuple[Image.Image, float]]:
    for number, key in enumerate(step.keys or ("",), start=1):
        is_last = number >= len(step.keys)
        await stage.press(key, until=step.until if is_last else "")
        yield stage.picture(), step.last if is_last else step.seconds


def _captioned(picture: Image.Image, step: Step) -> Image.Image:
    """Return the screen above a bar that says what was pressed and is seen."""
    bar = 2 * CELL[1]
    image = Image.new("RGB", (picture.width, picture.height + bar), BAR)
    image.paste(picture, (0, 0))
    canvas = ImageDraw.Draw(image)
    x, y = MARGIN + CELL[0], picture.height + (bar - CELL[1]) // 2
    if step.shown:
        text = f" {step.shown} "
        canvas.rectangle((x, y, x + len(text) * CELL[0] - 1, y + CELL[1] - 1), fill=(255, 166, 43))
        draw_text(canvas, text, KEY, (x, y))
        x += (len(text) + 1) * CELL[0]
    draw_text(canvas, step.caption, CAPTION, (x, y))
    return image
