"""Standard errors of CKA over reference images: the delete-one jackknife, from stored rows. Numpy only.

The jackknife (Efron & Stein 1981) leaves out each of the n images in turn: with θ₋ᵢ the CKA of the
others, the squared standard error is (n - 1)/n Σ (θ₋ᵢ - mean θ₋)². The n recomputations have a closed form
in the centred Gram matrices that are stored anyway. Let A = Ũ(K) and B = Ũ(L) of a minibatch of b images,
S = ⟨A, B⟩ and sᵢ = Σⱼ Aᵢⱼ Bᵢⱼ.

* unbiased: what U-centring subtracts from K₋ᵢ, K without image i, is of the form uⱼ + uₖ off the diagonal,
  and so is what separates K₋ᵢ from A₋ᵢ; hence Ũ(K₋ᵢ) = Ũ(A₋ᵢ). The rows of A sum to zero, so those of A₋ᵢ
  sum to -Aᵢⱼ and all of it to zero, which makes Ũ(A₋ᵢ)ⱼₖ = Aⱼₖ + (Aᵢⱼ + Aᵢₖ)/(b - 3). As the rows of
  Ũ(B₋ᵢ) sum to zero as well,

      ⟨Ũ(K₋ᵢ), Ũ(L₋ᵢ)⟩ = ⟨A₋ᵢ, Ũ(B₋ᵢ)⟩ = S - 2 sᵢ - 2 sᵢ/(b - 3) = S - 2 sᵢ (b - 2)/(b - 3).

  HSIC₁ of b - 1 images divides it by (b - 1)(b - 4), and its weight among the minibatches is then
  (b - 1)/(n - 1). A minibatch of 4 is dropped without one of its images, as 3 have no HSIC₁.
* biased: H-centring likewise, with A = HKH and dᵢ = Aᵢᵢ Bᵢᵢ; the rows of A₋ᵢ sum to -Aᵢⱼ, all of it to Aᵢᵢ,
  and with c = n/(n - 1)

      ⟨HK₋ᵢH, HL₋ᵢH⟩ = S - 2 c sᵢ + c² dᵢ.

The division into minibatches is taken as given, and the images as drawn independently.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import NDArray

from repdyn.measures.rows import Rows, decoded
from repdyn.measures.settings import CkaEstimator
from repdyn.measures.shelf import Shelf
from repdyn.measures.symmetric import GrowingMatrices

Array = NDArray[np.float64]
Products = NDArray[np.float32]

_BLOCK = 2**22
"""Products that are held at once: 16 MiB, twice."""


class GrowingErrors:
    """The standard errors of one layer's E×E CKA, grown by one row at each checkpoint.

    Args:
        estimator: of CKA.
        batch: size of the minibatches of the unbiased estimator.
    """

    def __init__(self, estimator: CkaEstimator, batch: int) -> None:
        self._estimator: CkaEstimator = estimator
        self._batch = batch
        self._own: list[Array] = []
        self._errors = GrowingMatrices(1)

    def append(self, rows: Rows, shelf: Shelf | None = None) -> None:
        """Add a checkpoint: its errors with the earlier ones.

        Args:
            rows: the stored rows of the earlier checkpoints and, last, of the new one.
            shelf: where what later checkpoints need of this one is kept; default: in memory.
        """
        sizes = minibatch_sizes(rows[-1].size, self._estimator, self._batch)
        count = len(rows)
        whole, left_out = np.zeros(count), np.zeros((count, sum(sizes)))
        column, image = 0, 0
        for b in sizes:
            end = column + _entries(b, self._estimator)
            step = max(1, _BLOCK // (end - column))
            newest = decoded(rows[-1][column:end])
            for first in range(0, count, step):
                some = slice(first, first + step)
                products = np.stack([decoded(row[column:end]) * newest for row in rows[some]])
                total, change = changes(products, b, self._estimator)
                whole[some] += total
                left_out[some, image : image + b] = change
            column, image = end, image + b
        left_out += whole[:, None]
        with np.errstate(all="ignore"):  # undefined rows are NaN, and so is what they give
            # 1 over the norm of the row without each image, for its own images
            own = [1 / np.sqrt(left_out[-1])]
            self._own += own if shelf is None else shelf.keep(own)
            step = max(1, _BLOCK // (2 * image))
            groups = (slice(first, first + step) for first in range(0, count, step))
            new = np.concatenate(
                [
                    jackknife_error(left_out[some] * np.stack(self._own[some]) * own[0])
                    for some in groups
                ]
            )
        new[-1] *= 0  # a checkpoint's similarity with itself is 1, whichever the images
        self._errors.append(new[None])

    @property
    def matrix(self) -> NDArray[np.float32]:
        """The standard errors for all pairs of checkpoints, (E, E); NaN where CKA is undefined."""
        matrix: NDArray[np.float32] = self._errors.whole[0]
        return matrix


def jackknife_error(left_out: Array) -> Array:
    """Return the standard error from the estimates without each image, (..., n) → (...)."""
    n = left_out.shape[-1]
    error: Array = left_out.std(axis=-1) * math.sqrt(n - 1)
    return error


def changes(products: Products, b: int, estimator: CkaEstimator) -> tuple[Array, Array]:
    """Return a minibatch's part of ⟨a, b⟩ of rows, and how ⟨a, b⟩ changes without each image.

    A row's entries are those of a centred Gram matrix, scaled so that HSIC, in units that are the same
    with and without an image, is the sum of the products.

    Args:
        products: of the packed triangles of two rows, entry by entry, (e, m).
        b: images of the minibatch.
        estimator: of CKA.

    Returns:
        (e,) and (e, b).
    """
    triangle = 1 if estimator == "unbiased" else 0
    starts = np.concatenate([[0], np.cumsum(b - triangle - np.arange(b - triangle))])
    # with both triangles counted, the sum over each image's row
    sums = np.zeros((len(products), b))
    sums[:, : b - triangle] = np.add.reduceat(products, starts[:-1], axis=1)
    total = sums.sum(axis=1)
    columns = np.zeros((b, len(products)), dtype=np.float32)
    across = np.ascontiguousarray(products.T)  # sums of whole blocks of memory are the fastest
    for i, (start, end) in enumerate(itertools.pairwise(starts)):
        columns[i + triangle :] += across[start:end]
    sums += columns.T
    if estimator == "unbiased":
        # sums are 2 sᵢ/(b - 3) n, and the total S/(b - 3) n
        if b == 4:
            return total, np.broadcast_to(-total[:, None], sums.shape)
        return total, (total[:, None] - (b - 2) * sums) / (b - 4)
    # off the diagonal both triangles are in the packed one; on it an entry is in the sums twice
    c = b / (b - 1)
    return total, c**2 * products[:, starts[:-1]] - c * sums


def minibatch_sizes(length: int, estimator: CkaEstimator, batch: int) -> list[int]:
    """Return the sizes of the minibatches that a row of this length was computed from."""
    if estimator == "biased":
        return [_images(length, estimator)]
    full, rest = divmod(length, _entries(batch, estimator))
    return [batch] * full + ([_images(rest, estimator)] if rest else [])


def _entries(b: int, estimator: CkaEstimator) -> int:
    """Return the length of the packed triangle of a Gram matrix of b images."""
    return b * (b - 1) // 2 if estimator == "unbiased" else b * (b + 1) // 2


def _images(entries: int, estimator: CkaEstimator) -> int:
    """Return b, given the length of the packed triangle."""
    root = math.isqrt(8 * entries + 1)
    return (root + 1) // 2 if estimator == "unbiased" else (root - 1) // 2
