"""A similarity measure at work: what it keeps of each checkpoint, and how checkpoints compare.

Which measures there are is in spec.py. The layers' Gram matrices of a checkpoint are formed once and
handed to every engine; none runs the network itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pkgutil import resolve_name
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from repdyn.measures.spec import spec
from repdyn.records import ClassArray
from repdyn.settings.schema import MeasureConfig

Summaries = Sequence[NDArray[Any]]
"""What is kept of a checkpoint to compare it with others: an array for each of what is compared."""


class Engine(ABC):
    """One similarity measure over the checkpoints of a run.

    It compares N things: the layers, and the output if its spec says so.

    Args:
        layers: how many are watched, L.
        settings: of what is measured.
    """

    wants_grams: ClassVar[bool] = False
    """Whether Gram matrices are to be formed for it."""

    def __init__(self, layers: int, settings: MeasureConfig) -> None:
        self.layers = layers
        self.settings = settings

    def see_grams(self, grams: Sequence[Tensor], share: float) -> None:
        """Take in the layers' Gram matrices of one minibatch, as `minibatch_grams` yields them."""
        del grams, share

    @abstractmethod
    def observe(self, maps: ClassArray) -> Summaries:
        """Return what is kept of the checkpoint whose Gram matrices were seen last.

        Args:
            maps: its label maps, (L+1, P, g, g).

        Returns:
            N arrays of one shape and type.
        """

    @abstractmethod
    def append(self, summaries: Summaries, broken: NDArray[np.bool_]) -> None:
        """Add a checkpoint, as observed by this engine or another one of the same settings.

        Args:
            summaries: N arrays.
            broken: of which layers, and last the output, the classes mean nothing, (L+1,).
        """

    @property
    @abstractmethod
    def matrices(self) -> NDArray[np.float32]:
        """The similarity of each checkpoint with each, (N, E, E); NaN where it is undefined."""

    def undefined(self, summaries: Summaries) -> NDArray[np.bool_]:
        """Return of which layers the similarity is undefined whatever it is compared with, (L,)."""
        del summaries
        return np.zeros(self.layers, dtype=bool)

    def stored_bytes(self, minibatches: Sequence[int]) -> int:
        """Return what a checkpoint's summaries take on disk, beside label maps.

        Args:
            minibatches: the sizes of those that the reference images are divided into.
        """
        del minibatches
        return 0


class GramEngine(Engine):
    """A measure of what is made of each minibatch's Gram matrices, layer by layer."""

    wants_grams = True

    def __init__(self, layers: int, settings: MeasureConfig) -> None:
        super().__init__(layers, settings)
        self._pieces: list[list[Tensor]] = [[] for _ in range(layers)]

    @abstractmethod
    def piece(self, k: Tensor, share: float) -> Tensor:
        """Return what a minibatch adds to a layer's summary, a vector.

        Args:
            k: a Gram matrix (b, b) float64, of which the upper triangle is read.
            share: of the reference images that the minibatch is.
        """

    @abstractmethod
    def kept(self, pieces: Tensor) -> NDArray[Any]:
        """Return a layer's summary, of the pieces one after the other."""

    def see_grams(self, grams: Sequence[Tensor], share: float) -> None:
        """Make a piece of each: it is smaller than the matrix."""
        for pieces, k in zip(self._pieces, grams, strict=True):
            pieces.append(self.piece(k, share))

    def observe(self, maps: ClassArray) -> Summaries:
        """Return the layers' summaries."""
        del maps
        found = [self.kept(torch.cat(pieces)) for pieces in self._pieces]
        self._pieces = [[] for _ in self._pieces]
        return found


def engines(settings: MeasureConfig, layers: int) -> dict[str, Engine]:
    """Return an engine for each measure that the settings name.

    Raises:
        UserError: there is no such measure.
    """
    found: dict[str, Engine] = {}
    for name in settings.similarity:
        make: type[Engine] = resolve_name(spec(name).engine)
        found[name] = make(layers, settings)
    return found


def grown(matrices: NDArray[np.float64], new: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return matrices (N, E, E) with one more row and column, new (N, E + 1)."""
    n, e = new.shape
    larger = np.empty((n, e, e))
    larger[:, :-1, :-1] = matrices
    larger[:, -1, :] = larger[:, :, -1] = new
    return larger
