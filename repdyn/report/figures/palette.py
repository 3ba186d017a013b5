"""Colours of classes, told apart by colour-blind readers too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.colors import to_rgb
from numpy.typing import NDArray

PETROFF = (
    "#3f90da",
    "#ffa90e",
    "#bd1f01",
    "#94a4a2",
    "#832db6",
    "#a96b59",
    "#e76300",
    "#b9ac70",
    "#717581",
    "#92dadd",
)
"""Ten colours that stay apart under colour-vision deficiencies (Petroff 2021, arXiv:2107.02270)."""

GREYS = (0.84, 0.96, 0.90, 0.87, 0.93)
"""Pale greys that all classes beyond ten share, so that at least their borders are seen."""


@dataclass(frozen=True)
class ClassColours:
    """Which class has which colour.

    Attributes:
        coloured: the classes that have a colour of their own, in the order of PETROFF.
        rgb: colour of each class, (K, 3) in [0, 1].
    """

    coloured: tuple[int, ...]
    rgb: NDArray[np.float64]


def class_colours(
    classes: int, seen: Iterable[NDArray[np.integer]], first: Sequence[int]
) -> ClassColours:
    """Return colours for K classes.

    Up to ten classes have a colour each, whatever is seen. Of more, no ten colours are told apart:
    ten go to the classes of `first` and then to those seen most, the others are grey.

    Args:
        classes: K.
        seen: label maps that are drawn.
        first: classes that must be told apart, such as the anchors'.
    """
    coloured: Sequence[int] = range(classes)
    if classes > len(PETROFF):
        counts = sum((np.bincount(m.ravel(), minlength=classes) for m in seen), np.zeros(classes))
        often = [i for i in np.argsort(-counts, kind="stable").tolist() if counts[i]]
        coloured = list(dict.fromkeys([*first, *often]))[: len(PETROFF)]
    rgb = np.repeat(np.resize(GREYS, classes)[:, None], 3, axis=1)
    for colour, index in zip(PETROFF, coloured, strict=False):
        rgb[index] = to_rgb(colour)
    return ClassColours(tuple(coloured), rgb)
