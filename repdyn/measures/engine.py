"""The engine of a similarity measure: what it keeps of each checkpoint, and how it compares them.

The measures are registered in spec.py. The layers' Gram matrices of a checkpoint are computed once and
passed to every engine; none runs the network itself.
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

from repdyn.measures.settings import MeasureSettings
from repdyn.measures.shelf import Shelf
from repdyn.measures.spec import spec
from repdyn.records import ClassArray

Summaries = Sequence[NDArray[Any]]
"""What is kept of a checkpoint to compare it with others: an array for each item compared."""


class Engine(ABC):
    """One similarity measure over the checkpoints of a run.

    It compares N items: the layers, and the output if its spec includes it.

    Args:
        layers: number of watched layers, L.
        settings: of the measurement.

    Attributes:
        shelf: keeps what is needed of earlier checkpoints; shared by the measures of a run.
    """

    wants_grams: ClassVar[bool] = False
    """Whether it needs Gram matrices."""

    wants_maps: ClassVar[bool] = False
    """Whether it needs label maps."""

    plane_kinds: Sequence[int] = ()
    """The kind of each plane, (P,): a fixed number of planes is drawn of each."""

    def __init__(self, layers: int, settings: MeasureSettings) -> None:
        self.layers = layers
        self.settings = settings
        self.shelf = Shelf()

    def forget(self) -> None:  # noqa: B027 (most engines keep nothing)
        """Forget Gram matrices that were shown but not observed: a measurement was broken off."""

    def see_grams(self, grams: Sequence[Tensor], share: float) -> None:
        """Process the layers' Gram matrices of one minibatch, as `minibatch_grams` yields them."""
        del grams, share

    @abstractmethod
    def observe(self, maps: ClassArray | None) -> Summaries:
        """Return the summaries of the checkpoint whose Gram matrices were processed last.

        Args:
            maps: its label maps, (L+1, P, g, g); None if there are none.

        Returns:
            N arrays of the same shape and dtype.
        """

    @abstractmethod
    def append(self, summaries: Summaries, broken: NDArray[np.bool_]) -> None:
        """Add a checkpoint, as observed by this engine or another one with the same settings.

        Args:
            summaries: N arrays.
            broken: for which layers, and last the output, the classes are meaningless, (L+1,).
        """

    @property
    @abstractmethod
    def matrices(self) -> NDArray[np.float32]:
        """The similarity between all pairs of checkpoints, (N, E, E); NaN where undefined."""

    @property
    def errors(self) -> NDArray[np.float32] | None:
        """The standard errors of the matrices, (N, E, E); NaN where undefined, None if it has none.

        Its spec says what they are over.
        """
        return None

    def undefined(self, summaries: Summaries) -> NDArray[np.bool_]:
        """Return for which layers the similarity to any other checkpoint is undefined, (L,)."""
        del summaries
        return np.zeros(self.layers, dtype=bool)

    def stored_bytes(self, minibatches: Sequence[int]) -> int:
        """Return the bytes that a checkpoint's summaries take on disk, besides label maps.

        Args:
            minibatches: the sizes of the minibatches of reference images.
        """
        del minibatches
        return 0


class GramEngine(Engine):
    """A measure computed from each minibatch's Gram matrices, layer by layer."""

    wants_grams = True

    def __init__(self, layers: int, settings: MeasureSettings) -> None:
        super().__init__(layers, settings)
        self._pieces: list[list[Tensor]] = []
        self.forget()

    def forget(self) -> None:
        """Forget the pieces."""
        self._pieces = [[] for _ in range(self.layers)]

    @abstractmethod
    def piece(self, k: Tensor, share: float) -> Tensor:
        """Return what a minibatch adds to a layer's summary, a vector.

        Args:
            k: a Gram matrix (b, b) float64, of which only the upper triangle is read.
            share: the minibatch's share of the reference images.
        """

    @abstractmethod
    def kept(self, pieces: Tensor) -> NDArray[Any]:
        """Return a layer's summary, from its concatenated pieces."""

    def see_grams(self, grams: Sequence[Tensor], share: float) -> None:
        """Reduce each matrix to its piece, which is smaller."""
        for pieces, k in zip(self._pieces, grams, strict=True):
            pieces.append(self.piece(k, share))

    def observe(self, maps: ClassArray | None) -> Summaries:
        """Return the layers' summaries."""
        del maps
        found = []
        for layer, pieces in enumerate(self._pieces):
            found.append(self.kept(torch.cat(pieces)))
            self._pieces[layer] = []  # in float64 they take several times what is kept
        return found


def engines(
    settings: MeasureSettings,
    layers: int,
    plane_kinds: Sequence[int] = (),
    shelf: Shelf | None = None,
) -> dict[str, Engine]:
    """Return an engine for each measure in the settings.

    Args:
        settings, layers: as for `Engine`.
        plane_kinds: the kind of each plane, (P,).
        shelf: where they keep earlier checkpoints.

    Raises:
        UserError: a measure is unknown.
    """
    found: dict[str, Engine] = {}
    shared = shelf or Shelf()
    for name in settings.similarity:
        make: type[Engine] = resolve_name(spec(name).engine)
        found[name] = make(layers, settings)
        found[name].plane_kinds = plane_kinds
        found[name].shelf = shared
    return found
