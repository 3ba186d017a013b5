"""Which class has which colour, kept while the label maps of one plane are shown in turn."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from repdyn.display.class_colours import CLASS_COLOURS, SHARED_GREYS
from repdyn.records import ClassArray

LETTERS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""What stands for a class where there are no colours; from the 63rd class on in turn again."""


class ClassColours:
    """Slots in the colour map CLASSES for each of K classes.

    Up to ten classes have a colour each. Of more, no ten colours are told apart: ten go to the
    classes of `first`, then to those seen most; the others share greys. A class keeps its colour.
    """

    def __init__(self, classes: int, first: Iterable[int]) -> None:
        self._classes = classes
        self._first = tuple(dict.fromkeys(first))
        few = classes <= len(CLASS_COLOURS)
        self._coloured = list(range(classes)) if few else list(self._first[: len(CLASS_COLOURS)])

    def are_for(self, classes: int, first: Iterable[int]) -> bool:
        """Tell whether they were made for so many classes and these first ones."""
        return (self._classes, self._first) == (classes, tuple(dict.fromkeys(first)))

    def see(self, maps: Sequence[ClassArray]) -> None:
        """Give colours that are left to the classes of label maps, the most frequent first."""
        if not maps:
            return
        counts = np.bincount(np.concatenate([m.ravel() for m in maps]), minlength=self._classes)
        for index in np.argsort(-counts, kind="stable").tolist():
            if counts[index] and index not in self._coloured:
                self._coloured.append(index)
        del self._coloured[len(CLASS_COLOURS) :]

    def has_own(self, index: int) -> bool:
        """Tell whether a class has a colour to itself."""
        return index in self._coloured

    @property
    def slots(self) -> NDArray[np.int16]:
        """The slot of each class, (K,)."""
        greys = np.arange(self._classes) % len(SHARED_GREYS) + len(CLASS_COLOURS)
        greys[self._coloured] = np.arange(len(self._coloured))
        return greys.astype(np.int16)
