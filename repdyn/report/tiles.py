"""E×E matrices as small pictures, with the axes and colours that the templates draw around them."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from statistics import median

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from repdyn.display import axis
from repdyn.display.labels import PHASES
from repdyn.display.scale import Scale
from repdyn.display.similarity import Similarity
from repdyn.display.viridis import viridis
from repdyn.display.wording import plain
from repdyn.records import FloatArray, IntArray, RunRecord
from repdyn.report.forest import Tick
from repdyn.step_words import short_step

SIDE = 96
"""Pixels of a picture; the page scales it."""

COLOURS = 254
"""Of the palette, followed by that of the diagonal and of cells without a value."""

DIAGONAL, MISSING = (205, 209, 214), (160, 160, 160)

LINES = {"onset": f"{PHASES['onset']} (dashed)", "fit": PHASES["fit"]}
"""Boundaries that are drawn, and what they are called."""

MOST_TICKS = 4


@dataclass(frozen=True)
class Tile:
    """A layer's matrix: its name, and the address of its picture."""

    name: str
    source: str


@dataclass(frozen=True)
class Tiles:
    """Matrices of one similarity measure on the same axes.

    Attributes:
        title: what they are of.
        tiles: in order of depth.
        ticks: epochs on both axes, in percent from the left and from below.
        lines: the places of phase boundaries, by name.
        unit: of the axes.
    """

    title: str
    tiles: tuple[Tile, ...]
    ticks: tuple[Tick, ...]
    lines: tuple[tuple[str, float], ...]
    unit: str

    @property
    def legend(self) -> str:
        """What the lines and the grey are."""
        words = [LINES[name] for name, _ in self.lines]
        lines = f"Lines: {' and '.join(words)}. " if words else ""
        return f"{lines}Grey: a checkpoint with itself, or no value."


@dataclass(frozen=True)
class ColourBar:
    """The colours of a scale as a CSS gradient, and its numbers."""

    label: str
    gradient: str
    ticks: tuple[Tick, ...]


def mean_over(runs: Sequence[Similarity]) -> tuple[Similarity, int]:
    """Return the mean matrices of the runs whose layers and checkpoints are the first one's.

    Returns:
        The mean, and of how many runs it is.
    """
    first = runs[0]
    alike = [
        one.matrices
        for one in runs
        if one.names == first.names and np.array_equal(one.steps, first.steps)
    ]
    stacked = np.stack(alike)
    known = np.isfinite(stacked)
    total = np.where(known, stacked, 0).sum(axis=0)
    mean = np.where(known.any(axis=0), total / np.maximum(known.sum(axis=0), 1), np.nan)
    return Similarity(first.measure, first.names, first.steps, mean, first.unit), len(alike)


def tiles(
    title: str,
    shown: Similarity,
    scale: Scale,
    layers: Sequence[int],
    runs: Sequence[RunRecord],
) -> Tiles:
    """Return the pictures of some layers' matrices.

    Args:
        title: what they are of.
        shown: the matrices.
        scale: of the colours.
        layers: which of them, as indices.
        runs: of the matrices, whose median phase boundaries are drawn.
    """
    borders = axis.edges(shown.steps)
    grain = axis.grain(shown.steps)
    first, last = axis.position(borders[[0, -1]], grain)

    def place(epoch: float) -> float:
        return round(float(100 * (axis.position(epoch, grain) - first) / (last - first)), 2)

    labelled = axis.ticks(int(shown.steps[-1]), max(0, int(shown.steps[0])), MOST_TICKS, grain)
    ticks = tuple(Tick(place(at), short_step(at)) for at in labelled if 0 <= place(at) <= 100)
    at = {
        name: [run.phases.markers()[name] for run in runs if name in run.phases.markers()]
        for name in LINES
    }
    cells = checkpoint_cells(shown.steps)
    return Tiles(
        title,
        tuple(
            Tile(plain(shown.names[i]), _address(picture(shown.matrices[i], scale, cells)))
            for i in layers
        ),
        ticks,
        tuple((name, place(median(found))) for name, found in at.items() if found),
        shown.unit,
    )


def checkpoint_cells(steps: IntArray) -> IntArray:
    """Return which checkpoint each pixel of an axis of checkpoints (E,) shows, (SIDE,)."""
    borders = axis.edges(steps)
    places = axis.position(borders, axis.grain(steps))
    middles = np.linspace(places[0], places[-1], 2 * SIDE + 1)[1::2]
    return np.clip(np.searchsorted(places, middles, side="right") - 1, 0, len(borders) - 2)


def picture(matrix: FloatArray, scale: Scale, cells: IntArray) -> Image.Image:
    """Return a picture of a matrix (E, E); the first checkpoint is lower left."""
    places = scale.place(matrix)
    known = np.isfinite(places)
    indices = np.where(known, np.where(known, places, 0) * (COLOURS - 1), COLOURS + 1)
    np.fill_diagonal(indices, COLOURS)
    pixels = indices.round().astype(np.uint8)[np.ix_(cells, cells)][::-1]
    image = Image.fromarray(pixels, mode="P")
    image.putpalette(_palette())
    return image


def _address(image: Image.Image) -> str:
    """Return the address of a PNG that holds its content."""
    out = BytesIO()
    image.save(out, "PNG", optimize=True)
    return f"data:image/png;base64,{b64encode(out.getvalue()).decode()}"


@cache
def _palette() -> list[int]:
    colours: NDArray[np.uint8] = viridis(np.linspace(0, 1, COLOURS))
    return [*map(int, colours.ravel()), *DIAGONAL, *MISSING]


def colour_bar(scale: Scale) -> ColourBar:
    """Return the colour bar of a scale."""
    stops = (f"rgb({r} {g} {b})" for r, g, b in viridis(np.linspace(0, 1, 17)))
    every = -(-len(scale.ticks) // 8)
    places = 100 * scale.place(scale.ticks)
    ticks = [
        Tick(round(float(at), 2), f"{value:g}")
        for at, value in zip(places, scale.ticks, strict=True)
    ]
    return ColourBar(
        " ".join(scale.label.split()),
        f"linear-gradient(to right, {', '.join(stops)})",
        tuple(ticks[::every]),
    )
