"""The three images that span a plane, drawn in half blocks, with their labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len, set_cell_size
from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from repdyn.display.wording import plain
from repdyn.records import PlaneSet
from tui.widgets.cell_spans import spread
from tui.widgets.colormap import is_colourful
from tui.widgets.lines import Lines
from tui.widgets.regions import ANCHORS

RAMP = " ░▒▓█"

GAP = 2
"""Columns between two images."""

BOLD = Style(bold=True)

Pixels = NDArray[np.uint8]


class Anchors(Lines):
    """The anchor images of a plane side by side, each under its letter and label."""

    DEFAULT_CSS = """
    Anchors { width: 1fr; height: 1fr; max-height: 17; }
    """

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._images: tuple[Pixels, ...] = ()
        self._heads: tuple[tuple[str, ...], ...] = ()

    def set_data(self, planes: PlaneSet, plane: int, classes: Sequence[str]) -> None:
        """Show the anchors of a plane."""
        images = planes.anchors[plane].transpose(0, 2, 3, 1)
        if images.shape[-1] != 3:
            images = np.repeat(images.mean(axis=-1, keepdims=True), 3, axis=-1).astype(np.uint8)
        self._images = tuple(images)
        pairs = zip(planes.labels[plane].tolist(), planes.true_labels[plane].tolist(), strict=True)
        self._heads = tuple(
            _heads(
                f"{letter} {plain(classes[given])}", plain(classes[true]) if given != true else ""
            )
            for letter, (given, true) in zip(ANCHORS, pairs, strict=False)
        )
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Draw a line: the headings, or a line of each image."""
        width, base = self.size.width, self.base
        each = width // 3
        if not self._images or each < GAP + 2:
            return Strip.blank(width, base)
        if y == 0:
            heads = [Segment(_fitted(forms, each), base + BOLD) for forms in self._heads]
            return Strip(heads).adjust_cell_length(width, base)
        side = min(each - GAP, 2 * (self.size.height - 1))
        parts = [
            self._image_line(image, y - 1, side).adjust_cell_length(each, base)
            for image in self._images
        ]
        return Strip.join(parts).adjust_cell_length(width, base)

    def _image_line(self, image: Pixels, line: int, side: int) -> Strip:
        """Return a line of an image that is `side` pixels and columns large."""
        shown = spread(len(image), side).shown
        if 2 * line >= len(shown):
            return Strip([])
        rows = [*shown[2 * line : 2 * line + 2].tolist(), int(shown[-1])][:2]
        upper, lower = (image[row, shown] for row in rows)
        if is_colourful(self.app):
            pairs = zip(upper.tolist(), lower.tolist(), strict=True)
            return Strip([Segment("▀", _style(over, under)) for over, under in pairs])
        light = (upper.mean(axis=-1) / 256 * len(RAMP)).astype(int)
        return Strip([Segment("".join(RAMP[i] for i in light.tolist()), self.base)])


def _heads(head: str, true: str) -> tuple[str, ...]:
    """Return what stands above an image, shorter and shorter; `true` if its label is another class."""
    return (f"{head} (is {true})", f"{head}≠{true}", head) if true else (head,)


def _fitted(forms: Sequence[str], width: int) -> str:
    """Return the first form that a gap can follow, the last one cut if none can."""
    text = next((form for form in forms if cell_len(form) < width), forms[-1])
    return set_cell_size(set_cell_size(text, width - 1) if cell_len(text) >= width else text, width)


def _style(upper: Sequence[int], lower: Sequence[int]) -> Style:
    over, under = (Color.from_rgb(*rgb) for rgb in (upper, lower))
    return Style(color=over, bgcolor=under)
