"""CKA from stored rows: cosines of packed centred Grams (see cka.py). Numpy only.

A row is stored in one of three forms; `decoded` reads them all:

* float32, if it is short: such rows take little space.
* int16, if it is long: signed square roots, so that of a number x what is stored is
  sign(x) √(|x| / max|x|) · 32767, rounded. Near x the step is proportional to √|x|, which suits
  entries of very different size: the largest keep 15 bits, and the many small ones are not lost.
  Rounding changes CKA by at most 6e-5 (a row of few large entries), and in networks by 3e-6 or less
  (docs/accuracy.md): 2.5 to 10 times less than float16, which takes as much space.
* float16, as older versions stored every row.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Row = NDArray[np.number[Any]]
Rows = Sequence[Row]

SHORT = 2**15
"""Numbers in a row below which it is stored as float32: in minibatches of 250 images, at most one."""

_LARGEST = np.iinfo(np.int16).max
_UNDEFINED = np.iinfo(np.int16).min
"""Stands for NaN in an int16 row; no number is stored as this."""

_HELD = 2**20
"""Float32 numbers that a product of rows holds besides the stored ones: 4 MiB, as larger blocks
leave the processor's cache."""

_TOGETHER = 255
"""Rows that are multiplied at once: of more, the blocks of columns would be so narrow that reading
them takes longer than the products."""

_BLOCK = 2**14
"""Longest sum in float32: over more columns, rounding would exceed that of the stored rows."""


def row_type(length: int) -> type[np.float32 | np.int16]:
    """Return the type in which rows of this length are stored."""
    return np.float32 if length < SHORT else np.int16


def encoded(vector: NDArray[np.float64]) -> Row:
    """Return a row (m,) as it is stored, apart from its scale: CKA does not depend on it.

    A row without variance or with a non-finite value is stored as undefined: its CKA is NaN.
    """
    kind = row_type(vector.size)
    largest = float(np.abs(vector).max())
    if not largest or not math.isfinite(largest):
        return np.full(vector.shape, _UNDEFINED if kind is np.int16 else np.nan, dtype=kind)
    scaled = vector / largest
    if kind is np.int16:
        scaled = np.rint(np.copysign(np.sqrt(np.abs(scaled)), scaled) * _LARGEST)
    return scaled.astype(kind)


def decoded(row: Row) -> NDArray[np.float32]:
    """Return a stored row, or a part of one, as float32 numbers; NaN if the row is undefined.

    Every part of a row has the same scale, which differs between rows.
    """
    if row.dtype != np.int16:
        return row.astype(np.float32)
    if row[0] == _UNDEFINED:
        return np.full(row.shape, np.nan, dtype=np.float32)
    root: NDArray[np.float32] = np.multiply(row, np.float32(1 / _LARGEST), dtype=np.float32)
    return root * np.abs(root)


def is_defined(row: Row) -> bool:
    """Return whether a stored row has a CKA with others."""
    return not np.isnan(decoded(row[:1])[0])


def inner_products(a: Rows, b: Rows) -> NDArray[np.float64]:
    """Return ⟨a_i, b_j⟩ / m of rows of length m, (len(a), len(b)) float64.

    Products in float32 over blocks of columns, summed in float64. A row's scale is arbitrary.
    """
    if len(a) > _TOGETHER:
        groups = (a[i : i + _TOGETHER] for i in range(0, len(a), _TOGETHER))
        return np.concatenate([inner_products(some, b) for some in groups])
    m = a[0].size
    step = min(_BLOCK, max(1, _HELD // (len(a) + len(b))))
    total = np.zeros((len(a), len(b)))
    for start in range(0, m, step):
        left = _columns(a, start, step)
        right = left if b is a else _columns(b, start, step)
        total += left @ right.T
    return total / m


def _columns(rows: Rows, start: int, step: int) -> NDArray[np.float32]:
    block = np.empty((len(rows), len(rows[0][start : start + step])), dtype=np.float32)
    for row, into in zip(rows, block, strict=True):
        into[:] = decoded(row[start : start + step])
    return block


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
