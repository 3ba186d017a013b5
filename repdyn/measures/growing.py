"""Measures that are the cosine of two rows, over the checkpoints of a run.

The matrix grows by a row and a column at each checkpoint, and the rows are kept.
"""

from __future__ import annotations

import tempfile
import weakref
from abc import abstractmethod
from collections.abc import Sequence
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from repdyn.errors import UserError
from repdyn.measures.cka import stored, weighted
from repdyn.measures.engine import GramEngine, Summaries
from repdyn.measures.jackknife import GrowingErrors
from repdyn.measures.rows import Row, inner_products, is_defined, row_type
from repdyn.measures.settings import MeasureSettings

ROWS_IN_MEMORY = 2**30
"""Bytes of rows that stay in memory; rows of later checkpoints go to a temporary file."""


class RowEngine(GramEngine):
    """A measure that is the cosine of two rows, a layer's summaries (m,); see rows.py."""

    def __init__(self, layers: int, settings: MeasureSettings) -> None:
        super().__init__(layers, settings)
        self._growing = [GrowingCka() for _ in range(layers)]
        self._shelf = RowShelf()

    def kept(self, pieces: Tensor) -> Row:
        """Return the row."""
        return stored(pieces)

    def append(self, summaries: Summaries, broken: NDArray[np.bool_]) -> None:
        """Add a checkpoint's rows; they do not depend on probes."""
        del broken
        for growing, row in zip(self._growing, self._shelf.keep(summaries), strict=True):
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
            errors.append(growing.rows)

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
        self._products = np.zeros((0, 0))

    def append(self, row: Row) -> None:
        """Add a checkpoint: its products with the earlier rows, and with itself."""
        self.rows.append(row)
        e = len(self.rows)
        grown = np.empty((e, e))
        grown[:-1, :-1] = self._products
        grown[-1, :] = grown[:, -1] = inner_products(self.rows, [row])[:, 0]
        self._products = grown

    @property
    def matrix(self) -> NDArray[np.float32]:
        """The CKA between all pairs of checkpoints, (E, E); NaN where a row is undefined."""
        norms = np.sqrt(np.diag(self._products))
        matrix: NDArray[np.float32] = (self._products / np.outer(norms, norms)).astype(np.float32)
        return matrix


class RowShelf:
    """Keeps the rows of all checkpoints: the first in memory, later ones in a memory-mapped file.

    The file has no name and is removed with this object.

    Args:
        most: bytes in memory.
    """

    def __init__(self, most: int = ROWS_IN_MEMORY) -> None:
        self._free = most
        self._file: IO[bytes] | None = None

    def keep(self, rows: Sequence[Row]) -> list[Row]:
        """Return rows of equal length with the same content, as they are kept.

        Raises:
            UserError: neither memory nor the folder of temporary files has enough space.
        """
        size = sum(row.nbytes for row in rows)
        if size <= self._free:
            self._free -= size
            return list(rows)
        self._free = 0
        try:
            return list(self._written(rows))
        except OSError as error:
            raise UserError(
                f"{tempfile.gettempdir()}: the rows of the checkpoints, more than "
                f"{ROWS_IN_MEMORY >> 30} GiB, do not fit there ({error.strerror}); free some space, "
                "or set TMPDIR to a folder with enough"
            ) from error

    def _written(self, rows: Sequence[Row]) -> NDArray[np.number[Any]]:
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="repdyn-rows-")  # noqa: SIM115 (open as long as this object)
            weakref.finalize(self, self._file.close)
        start = self._file.seek(0, 2)
        for row in rows:
            self._file.write(row.tobytes())
        self._file.flush()
        return np.memmap(
            self._file, rows[0].dtype, mode="c", offset=start, shape=(len(rows), rows[0].size)
        )
