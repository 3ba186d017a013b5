"""The colour map viridis (Smith and van der Walt 2015, CC0) without matplotlib, for terminals."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

ANCHORS = np.array(
    [
        [68, 1, 84],
        [72, 24, 106],
        [71, 45, 123],
        [66, 64, 134],
        [59, 82, 139],
        [51, 99, 141],
        [44, 114, 142],
        [38, 130, 142],
        [33, 145, 140],
        [31, 160, 136],
        [40, 174, 128],
        [63, 188, 115],
        [94, 201, 98],
        [132, 212, 75],
        [173, 220, 48],
        [216, 226, 25],
        [253, 231, 37],
    ]
)
"""Seventeen of its colours, evenly spaced; linear interpolation is off by 5 of 255 at most."""


def viridis(places: ArrayLike) -> NDArray[np.uint8]:
    """Return colours (..., 3) at positions (...) in [0, 1]."""
    along = np.asarray(places, dtype=np.float64) * (len(ANCHORS) - 1)
    channels = [np.interp(along, np.arange(len(ANCHORS)), channel) for channel in ANCHORS.T]
    return np.stack(channels, axis=-1).round().astype(np.uint8)
