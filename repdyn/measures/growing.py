"""Measures that are the cosine of two rows, over the checkpoints of a run.

The matrix grows by a row and a column at each checkpoint, and the rows are kept.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from repdyn.measures.cka import stored, weighted
from repdyn.measures.engine import GramEngine, Summaries
from repdyn.measures.jackknife import GrowingErrors
from repdyn.measures.rows import Row, inner_products, is_defined, row_type
from repdyn.measures.settings import MeasureSettings
from repdyn.measures.symmetric import GrowingMatrices


class RowEngine(GramEngine):
    """A measure that is the cosine of two rows, a layer's summaries (m,); see rows.py."""

    def __init__(self, layers: int, settings: MeasureSettings) -> None:
        super().__init__(layers, settings)
        self._growing = [GrowingCka() for _ in range(layers)]

    def kept(self, pieces: Tensor) -> Row:
        """Return the row."""
        return stored(pieces)

    def append(self, summaries: Summaries, broken: NDArray[np.bool_]) -> None:
        """Add a checkpoint's rows; they do not depend on probes."""
        del broken
        for growing, row in zip(self._growing, self.shelf.keep(summaries), strict=True):
            growing.append(row)

    @property
    def matrices(self) -> NDArray[np.float32]:
        """The cosine between all pairs of checkpoints, (L, E, E)."""
        return np.stack([growing.matrix for growing in self._growing])

    def undefined(self, summaries: Summaries) -> NDArray[np.bool_]:
        """Return which rows have no variance or are not finite."""
        return np.array([not is_defined(row) for row in summaries])

    def stored_bytes(self, minibatches: Sequence[int]) -> int:
        """Return the bytes of the rows."""
        row = self.numbers(minibatches)
        return self.layers * row * np.dtype(row_type(row)).itemsize

    @abstractmethod
    def numbers(self, minibatches: Sequence[int]) -> int:
        """Return the length of a row, m."""


class CkaEngine(RowEngine):
    """CKA of each layer; its summary is a row of packed centred Gram matrices."""

    def __init__(self, layers: int, settings: MeasureSettings) -> None:
        super().__init__(layers, settings)
        self._errors = [GrowingErrors(settings.cka, settings.cka_batch) for _ in range(layers)]

    def append(self, summaries: Summaries, broken: NDArray[np.bool_]) -> None:
        """Add a checkpoint's rows, and their standard errors."""
        super().append(summaries, broken)
        for errors, growing in zip(self._errors, self._growing, strict=True):
            errors.append(growing.rows, self.shelf)

    @property
    def errors(self) -> NDArray[np.float32]:
        """The standard errors over reference images, (L, E, E)."""
        return np.stack([errors.matrix for errors in self._errors])

    def piece(self, k: Tensor, share: float) -> Tensor:
        """Return the centred matrix, packed and weighted."""
        return weighted(k, self.settings.cka, share)

    def numbers(self, minibatches: Sequence[int]) -> int:
        """Return the size of the packed triangles; the biased estimator needs the diagonals."""
        diagonal = 1 if self.settings.cka == "biased" else -1
        return sum(b * (b + diagonal) // 2 for b in minibatches)


class GrowingCka:
    """The E×E CKA of one layer, grown by one row at each checkpoint; of any rows, their cosines."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self._norms = np.zeros(0)
        self._cosines = GrowingMatrices(1)

    def append(self, row: Row) -> None:
        """Add a checkpoint: its products with the earlier rows, and with itself."""
        self.rows.append(row)
        products = inner_products(self.rows, [row])[:, 0]
        norm = np.sqrt(products[-1])
        self._norms = np.append(self._norms, norm)
        self._cosines.append((products / (self._norms * norm))[None])

    @property
    def matrix(self) -> NDArray[np.float32]:
        """The CKA between all pairs of checkpoints, (E, E); NaN where a row is undefined."""
        matrix: NDArray[np.float32] = self._cosines.whole[0]
        return matrix
