"""CKA from stored rows: cosines of packed centred Grams (see cka.py). Numpy only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Row = NDArray[np.float16]
Rows = Sequence[NDArray[np.floating[Any]]]

_BLOCK = 2**22
"""Float32 numbers that a product of rows holds besides the stored ones: 16 MiB."""


def inner_products(a: Rows, b: Rows) -> NDArray[np.float64]:
    """Return ⟨a_i, b_j⟩ / m of rows of length m, (len(a), len(b)) float64.

    Products in float32 over blocks of columns, summed in float64.
    """
    m = a[0].size
    step = max(1, _BLOCK // (len(a) + len(b)))
    total = np.zeros((len(a), len(b)))
    for start in range(0, m, step):
        left = _columns(a, start, step)
        right = left if b is a else _columns(b, start, step)
        total += left @ right.T
    return total / m


def _columns(rows: Rows, start: int, step: int) -> NDArray[np.float32]:
    return np.stack([row[start : start + step] for row in rows], dtype=np.float32)


def cka_matrix(a: Rows, b: Rows) -> NDArray[np.float64]:
    """Return the CKA of every row of a with every row of b, (len(a), len(b)).

    The rows may be of one layer at two checkpoints, of two layers, or of two runs, as long as they
    come from the same reference images. Not clamped: independent features give small negative values.
    """
    products = inner_products(a, b)
    norms = [products.diagonal()] * 2 if b is a else [_norms(rows) for rows in (a, b)]
    matrix: NDArray[np.float64] = products / np.sqrt(np.outer(*norms))
    return matrix


def _norms(rows: Rows) -> NDArray[np.float64]:
    """Return ⟨r, r⟩ / m of each row."""
    return np.array([inner_products(one, one)[0, 0] for one in ([row] for row in rows)])
