"""The colours of classes, in figures and on the screen, distinguishable for colour-blind readers."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from repdyn.records import ClassArray

CLASS_COLOURS = (
    "#3f90da",
    "#ffa90e",
    "#bd1f01",
    "#94a4a2",
    "#832db6",
    "#a96b59",
    "#e76300",
    "#b9ac70",
    "#717581",
    "#84ccfc",
)
"""Ten colours distinguishable with colour-vision deficiencies (Petroff 2021, arXiv:2107.02270). The last
is bluer than his, which looks like SHARED_GREYS without red cones."""

SHARED_GREYS = ("#d6d6d6", "#f5f5f5", "#e6e6e6", "#dedede", "#ededed")
"""Pale greys that all classes beyond ten share, so that at least their borders are visible."""


class ClassColours:
    """Which class has which colour: its place in CLASS_COLOURS, then SHARED_GREYS.

    Up to ten classes have a colour each; more than ten cannot be told apart. Beyond that, colours go
    to the classes of `first`, then to the most frequent; the others share greys. A class keeps its
    colour.

    Args:
        classes: K.
        first: classes that must be distinguishable, such as the anchors'.
    """

    def __init__(self, classes: int, first: Iterable[int] = ()) -> None:
        self._classes = classes
        self._first = tuple(dict.fromkeys(first))
        few = classes <= len(CLASS_COLOURS)
        self._coloured = list(range(classes)) if few else list(self._first[: len(CLASS_COLOURS)])

    def are_for(self, classes: int, first: Iterable[int]) -> bool:
        """Return whether they were made for this many classes and these first ones."""
        return (self._classes, self._first) == (classes, tuple(dict.fromkeys(first)))

    def see(self, maps: Iterable[ClassArray]) -> None:
        """Assign the remaining colours to the classes of label maps, most frequent first."""
        counts = sum(
            (np.bincount(labels.ravel(), minlength=self._classes) for labels in maps),
            np.zeros(self._classes, dtype=np.int64),
        )
        for index in np.argsort(-counts, kind="stable").tolist():
            if counts[index] and index not in self._coloured:
                self._coloured.append(index)
        del self._coloured[len(CLASS_COLOURS) :]

    @property
    def coloured(self) -> tuple[int, ...]:
        """The classes with a colour of their own, in the order of CLASS_COLOURS."""
        return tuple(self._coloured)

    @property
    def places(self) -> NDArray[np.int16]:
        """The index of each class's colour, (K,)."""
        greys = np.arange(self._classes) % len(SHARED_GREYS) + len(CLASS_COLOURS)
        greys[self._coloured] = np.arange(len(self._coloured))
        return greys.astype(np.int16)
