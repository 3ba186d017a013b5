"""Procrustes similarity (Williams et al. 2021, *Generalized Shape Metrics on Neural Representations*).

For features X and Y (b×p, b×q) of b reference images, centred, the similarity is

    cos θ = ‖XᵀY‖_* / (‖X‖ ‖Y‖),

with the nuclear norm, the sum of singular values: the largest cosine that an orthogonal map of one
representation onto the other can reach (Schönemann 1966). θ, the angular shape distance, is a
metric; it lies in [0, π/2], and the similarity in [0, 1]. With the centred Gram matrices K = XXᵀ and
L = YYᵀ, ‖XᵀY‖_* = ‖K^½ L^½‖_*, ‖X‖ = ‖K^½‖: so K^½, the symmetric square root, is kept. Unlike
eigenvectors it is unique, and so are the bytes that are stored.

It is computed within each minibatch, on its first `MOST` images at most, and averaged, each
minibatch weighted by its number of images. CKA squares the singular values of K and L where this
takes them as they are: directions of small variance count for more. With few images relative to the
effective dimension of the features it is biased upwards: of b images with independent isotropic
features of dimension p ≫ b it tends to 1, not to 0. Compare only what has the same images.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from repdyn.measures.cka import h_centred, stored
from repdyn.measures.engine import GramEngine, Summaries
from repdyn.measures.rows import Row, decoded, is_defined, row_type
from repdyn.measures.settings import MeasureSettings
from repdyn.measures.symmetric import GrowingMatrices

MOST = 250
"""Images per minibatch at most: a comparison takes the singular values of a matrix of this size."""


def square_root(k: Tensor) -> Tensor:
    """Return the symmetric square root of a Gram matrix, with a Frobenius norm of 1.

    Args:
        k: (b, b) float64, of which only the upper triangle is read; centred again here.

    Returns:
        (b, b) float64; NaN if the features do not vary or are not finite.
    """
    centred = h_centred(k)
    trace = centred.trace()
    if not bool(centred.triu().isfinite().all()) or not bool(trace > 0):
        return torch.full_like(k, torch.nan)
    values, vectors = torch.linalg.eigh(centred / trace, UPLO="U")
    # of features that lack a direction, products in float32 leave an eigenvalue of about 1e-8, whose
    # root would count
    values = values.where(values > torch.finfo(torch.float32).eps * values[-1], 0)
    root: Tensor = (vectors * values.sqrt()) @ vectors.T
    root /= root.norm()
    return root


def nuclear_norm(a: Sequence[Tensor], b: Sequence[Tensor]) -> float:
    """Return ‖A B‖_* of two block-diagonal matrices, from their blocks."""
    return sum(float(torch.linalg.svdvals(x @ y).sum()) for x, y in zip(a, b, strict=True))


class ProcrustesEngine(GramEngine):
    """Procrustes similarity of each layer.

    The summary is a row of the upper triangles of the minibatches' square roots, Σ b (b + 1) / 2
    numbers; see rows.py for how rows are stored.
    """

    def __init__(self, layers: int, settings: MeasureSettings) -> None:
        super().__init__(layers, settings)
        self._most = MOST if settings.cka == "biased" else min(MOST, settings.cka_batch)
        self._kept: list[list[Row]] = []
        self._matrices = GrowingMatrices(layers)

    def piece(self, k: Tensor, share: float) -> Tensor:
        """Return the square root's upper triangle, weighted so that products have the share's weight."""
        b = min(len(k), self._most)
        root = square_root(k[:b, :b]) * math.sqrt(share)
        i, j = torch.triu_indices(b, b, device=k.device)
        return root[i, j]

    def kept(self, pieces: Tensor) -> Row:
        """Return the triangles, as rows are stored; their scale is lost, and cancels."""
        return stored(pieces)

    def append(self, summaries: Summaries, broken: NDArray[np.bool_]) -> None:
        """Compare a checkpoint with all earlier ones; probes do not matter."""
        del broken
        self._kept.append(self.shelf.keep(summaries))
        columns = zip(*self._kept, strict=True)
        new = np.array([self._similarities(list(rows)) for rows in columns])
        self._matrices.append(new)

    def _similarities(self, rows: Sequence[Row]) -> list[float]:
        """Return the similarity of the last of a layer's rows with each of them."""
        last = self._roots(rows[-1])
        length = _length(last)
        return [
            nuclear_norm(roots, last) / (_length(roots) * length) if defined else math.nan
            for roots, defined in ((self._roots(row), _defined(row, rows[-1])) for row in rows)
        ]

    def _roots(self, row: Row) -> list[Tensor]:
        """Return the square roots of the minibatches, all but the last of the largest size."""
        values = torch.from_numpy(decoded(row)).double()
        whole, rest = divmod(len(values), _triangle(self._most))
        sizes = [self._most] * whole + ([(math.isqrt(8 * rest + 1) - 1) // 2] if rest else [])
        return [
            _unpacked(part, size)
            for part, size in zip(values.split(list(map(_triangle, sizes))), sizes, strict=True)
        ]

    @property
    def matrices(self) -> NDArray[np.float32]:
        """The similarity between all pairs of checkpoints, (L, E, E)."""
        return self._matrices.whole

    def undefined(self, summaries: Summaries) -> NDArray[np.bool_]:
        """Return in which layers the features of a minibatch do not vary or are not finite."""
        return np.array([not _defined(row) for row in summaries])

    def stored_bytes(self, minibatches: Sequence[int]) -> int:
        """Return the bytes of the triangles."""
        row = sum(_triangle(min(b, self._most)) for b in minibatches)
        return self.layers * row * np.dtype(row_type(row)).itemsize


def _triangle(b: int) -> int:
    return b * (b + 1) // 2


def _unpacked(triangle: Tensor, b: int) -> Tensor:
    """Return the symmetric matrix (b, b) of an upper triangle."""
    i, j = torch.triu_indices(b, b)
    matrix = triangle.new_empty(b, b)
    matrix[i, j] = matrix[j, i] = triangle
    return matrix


def _length(roots: Sequence[Tensor]) -> float:
    return math.sqrt(sum(float(root.square().sum()) for root in roots))


def _defined(*rows: Row) -> bool:
    return all(is_defined(row) for row in rows)
