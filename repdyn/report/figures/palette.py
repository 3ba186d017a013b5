"""Which class has which colour in a figure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.colors import to_rgb
from numpy.typing import NDArray

from repdyn.display.class_colours import CLASS_COLOURS, SHARED_GREYS


@dataclass(frozen=True)
class ClassColours:
    """Which class has which colour.

    Attributes:
        coloured: the classes that have a colour of their own, in the order of CLASS_COLOURS.
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
    if classes > len(CLASS_COLOURS):
        counts = sum((np.bincount(m.ravel(), minlength=classes) for m in seen), np.zeros(classes))
        often = [i for i in np.argsort(-counts, kind="stable").tolist() if counts[i]]
        coloured = list(dict.fromkeys([*first, *often]))[: len(CLASS_COLOURS)]
    greys = np.array([to_rgb(grey) for grey in SHARED_GREYS])
    rgb = greys[np.arange(classes) % len(greys)]
    for colour, index in zip(CLASS_COLOURS, coloured, strict=False):
        rgb[index] = to_rgb(colour)
    return ClassColours(tuple(coloured), rgb)
