"""The E×E matrices of a measure while they grow: half of them is held."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class GrowingMatrices:
    """Symmetric matrices of N items, (N, E, E) float32, grown by a row and a column at a time.

    Only the lower triangles are held, 2 N E (E + 1) bytes.

    Args:
        count: of the items, N.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._rows: list[NDArray[np.float32]] = []

    def append(self, new: NDArray[np.float64]) -> None:
        """Add a checkpoint's values with the earlier ones and, last, itself, (N, E + 1)."""
        self._rows.append(new.astype(np.float32))

    @property
    def whole(self) -> NDArray[np.float32]:
        """The matrices, (N, E, E), each time anew."""
        e = len(self._rows)
        found = np.empty((self._count, e, e), dtype=np.float32)
        for i, row in enumerate(self._rows):
            found[:, i, : i + 1] = row
        above = np.triu(np.ones((e, e), dtype=bool), 1)
        for matrix in found:
            np.copyto(matrix, matrix.T, where=above)
        return found
