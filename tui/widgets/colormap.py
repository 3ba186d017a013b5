"""From values to colours: the colour maps of heatmaps, the palettes of classes and curves.

Colour maps are tables of 256 colours; a value is drawn by its index in the table, MISSING for NaN.
If the terminal has no colours, or too few for a colour map to keep its order, glyphs replace them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.color import Color
from textual.app import App

from repdyn.display.class_colours import CLASS_COLOURS, SHARED_GREYS
from repdyn.display.scale import Scale
from repdyn.display.text_heatmap import COLOURFUL
from repdyn.display.viridis import viridis
from tui.widgets.palette_256 import few_colours

SIZE = 256
"""Colours in a colour map."""

MISSING = -1
"""The index that stands for NaN."""

BLACK, WHITE = SIZE, SIZE + 1
"""The indices of the cursor over a colour map."""

GREY = SIZE + 2
"""The index of cells that cannot be told from their neighbours."""

SEQUENTIAL = ("viridis", "cividis", "magma", "gray")
"""Colour maps for similarities, each with lightness growing from low to high."""

DIVERGING = "berlin"
"""The colour map for differences, dark at its middle (Crameri 2018, MIT)."""

DIVERGING_ON_LIGHT = "RdBu_r"
"""The same for light themes, light at its middle (ColorBrewer, Apache 2.0)."""

ANCHORS = {
    "cividis": (
        "00224e00285b002e6a0533711a386f273e6e32436d3b496c434e6c4b546c535a6d5a5f6e61656f686a71"
        "6f70737676767d7c788482798c8878938e789b9476a39a74aba072b4a76fbcae6cc4b468cdbb63d5c25e"
        "dec958e7d150f0d846f9e03afee838"
    ),
    "magma": (
        "0000040a08221d114736106b51127c6a1c818326819c2e7fb73779d0416fe75263f56b5cfc8961fea772"
        "fec488fde2a3fcfdbf"
    ),
    "gray": "000000ffffff",
    "RdBu_r": "0530612065ab4393c390c4ddd1e5f0f7f6f6fddbc7f3a481d6604db1182b67001f",
    "berlin": (
        "9eb0ff79abed519fd33685ad2868861d4b6114303e111a20190c092b0e014112015b1d087d341e9e513f"
        "be6f63df8f89ffadad"
    ),
}
"""Evenly spaced colours from matplotlib; linear interpolation is off by 5 of 255."""

AGREEING = ("#303030", "#d0d0d0")
"""Where two label maps agree, on dark and on light backgrounds."""

CLASSES = "classes"
"""The colour map of CLASS_COLOURS, then SHARED_GREYS, then AGREEING."""

FEW = " in 256 colours"
"""Suffix of the name of a sequential colour map for a terminal with 256 colours."""

SERIES_COLOURS = ("#56b4e9", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#8c8c8c")
"""Colours of curves (Okabe and Ito 2008, without those invisible on black or white)."""


ON_LIGHT = {
    "#56b4e9": "#0072b2",
    "#e69f00": "#8f5f00",
    "#009e73": "#00704f",
    "#d55e00": "#b04a00",
    "#cc79a7": "#a0437a",
    "#8c8c8c": "#606060",
}
"""The same for light backgrounds, with a contrast of at least 4.5 to white."""


def on_background(colour: str, app: App[Any]) -> str:
    """Return the colour of a curve as it is drawn in the app's theme."""
    return colour if app.current_theme.dark else ON_LIGHT.get(colour, colour)


def is_colourful(app: App[Any]) -> bool:
    """Return whether the terminal shows the colours of a colour map in their order."""
    return not app.no_color and app.console.color_system in COLOURFUL


def shown_as(name: str, app: App[Any]) -> str:
    """Return the colour map that shows a given one in order on this terminal, in this theme."""
    if name == DIVERGING and not app.current_theme.dark:
        return DIVERGING_ON_LIGHT
    few = app.console.color_system == "256" and name in SEQUENTIAL
    return name + FEW if few else name


@lru_cache
def table(name: str) -> NDArray[np.uint8]:
    """Return the colours of a colour map, (256, 3), or of CLASSES, (17, 3).

    Raises:
        KeyError: the name is unknown.
    """
    if name == "viridis":
        return viridis(np.linspace(0, 1, SIZE))
    if name.endswith(FEW):
        return few_colours(table(name.removesuffix(FEW)))
    if name == CLASSES:
        return _colours("".join(CLASS_COLOURS + SHARED_GREYS + AGREEING).replace("#", ""))
    anchors = _colours(ANCHORS[name])
    at = np.linspace(0, len(anchors) - 1, SIZE)
    channels = [np.interp(at, np.arange(len(anchors)), channel) for channel in anchors.T]
    return np.stack(channels, axis=-1).round().astype(np.uint8)


def _colours(codes: str) -> NDArray[np.uint8]:
    return np.frombuffer(bytes.fromhex(codes), dtype=np.uint8).reshape(-1, 3)


def indices(values: NDArray[np.floating[Any]], scale: Scale) -> NDArray[np.int16]:
    """Return the values' indices in a colour map, MISSING for NaN; same shape."""
    places = scale.place(values)
    found = np.rint(np.nan_to_num(places) * (SIZE - 1)).astype(np.int16)
    found[np.isnan(places)] = MISSING
    return found


@lru_cache(maxsize=2048)
def colour(name: str, index: int) -> Color:
    """Return the colour of an index other than MISSING."""
    if index == GREY:
        return Color.from_rgb(128, 128, 128)
    if index >= SIZE:
        return Color.from_rgb(*((0, 0, 0) if index == BLACK else (255, 255, 255)))
    red, green, blue = table(name)[index].tolist()
    return Color.from_rgb(red, green, blue)


@lru_cache
def contrasts(name: str, on_missing: int) -> NDArray[np.int16]:
    """Return BLACK or WHITE for each index of a colour map, whichever stands out from it.

    The colours are followed by the cursor, black and white, by GREY, and last `on_missing` for MISSING,
    whose index is -1.
    """
    light = table(name) @ np.array([0.299, 0.587, 0.114]) > 128
    over_ink = [WHITE, BLACK]
    return np.array([*np.where(light, BLACK, WHITE), *over_ink, BLACK, on_missing], dtype=np.int16)


def contrasting(over: Color) -> Color:
    """Return black or white, whichever stands out from a colour."""
    red, green, blue = over.get_truecolor()
    light = 0.299 * red + 0.587 * green + 0.114 * blue > 128
    return Color.from_rgb(0, 0, 0) if light else Color.from_rgb(255, 255, 255)
