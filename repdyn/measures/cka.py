"""Centred Gram matrices and the E×E CKA of a layer.

With K̃ the centred Gram matrix of a layer's features on b reference images, HSIC of two layers or two
checkpoints is ⟨K̃, L̃⟩ up to a constant, and CKA = HSIC(K, L) / √(HSIC(K, K) HSIC(L, L)). So one
(layer, checkpoint) is one row vector, the packed upper triangles of its centred Grams, and CKA is
the cosine of two rows.

* unbiased: HSIC₁ (Song et al. 2012, *Feature Selection via Dependence Maximization*), with
  U-centring (Székely & Rizzo 2014): HSIC₁(K, L) = ⟨Ũ(K), Ũ(L)⟩ / (b (b - 3)), diagonals zero.
  Averaged over minibatches before the ratio is taken (Nguyen, Raghu & Kornblith 2021), each weighted
  by its share of the images: Σ_k (b_k / n) HSIC₁_k. For minibatches of equal size that is the plain
  mean; a short last one, whose estimate is the noisiest, counts for less.
* biased: HSIC₀(K, L) = ⟨HKH, HLH⟩ / (n - 1)² of the full batch (Kornblith et al. 2019).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cache

import torch
from torch import Tensor, nn

from repdyn import batches
from repdyn.batches import Batch, Forward
from repdyn.layer import Layer
from repdyn.measures.features import CHUNK, all_features, as_matrix, flat
from repdyn.measures.rows import Row, encoded
from repdyn.measures.settings import CkaEstimator

Grams = Iterator[tuple[list[Tensor], float]]
"""Minibatch by minibatch, the layers' Gram matrices (b, b) and its share of the inputs."""

_BLOCK = 4096
"""Features per product, so that their centred copy stays in the processor's cache."""

_PANELS = 8
"""Panels of rows; more of them save little work, and make narrower products."""

_ROUNDING = 4 * torch.finfo(torch.float32).eps


def gram(features: Tensor) -> Tensor:
    """Return the upper triangle of the Gram matrix of features (b, p) centred over the images.

    Centring first, in the features' float32, keeps a large common offset from swamping the
    differences; centring the Gram matrix then removes what rounding left of it. Products in float32
    over blocks of features are summed in float64. Features that differ by no more than the rounding
    error of their mean count as constant: their Gram matrix is 0.

    Returns:
        (b, b) float64; values below the diagonal are meaningless.
    """
    b, p = features.shape
    k = torch.zeros(b, b, dtype=torch.float64, device=features.device)
    offset = torch.zeros((), dtype=torch.float64, device=features.device)
    for block in features.split(p if features.is_cuda else _BLOCK, dim=1):
        block = block.float()
        mean = block.mean(dim=0)
        _add_upper_product(k, block - mean)
        offset += b * mean.double().square().sum()
    varies = k.trace() > _ROUNDING**2 * (k.trace() + offset)
    return k.mul_(varies)


def _add_upper_product(k: Tensor, x: Tensor) -> None:
    """Add x xᵀ to the upper triangle of k, on the CPU with nine sixteenths of the work of a product.

    Computed in panels of rows from the diagonal on. BLAS has a routine for half a product, but only
    scipy exposes it, and its threads and torch's wait for each other: slower from two cores on.
    """
    b = len(x)
    rows = b if x.is_cuda else -(-b // _PANELS)
    for start in range(0, b, rows):
        end = start + rows
        k[start:end, start:] += x[start:end] @ x[start:].T


def u_centred(k: Tensor) -> Tensor:
    """Return the U-centred Gram matrix, zero diagonal (Székely & Rizzo 2014, eq. 2.3).

    Args:
        k: (b, b), of which only the upper triangle is read.

    Returns:
        (b, b), valid only above the diagonal.

    Raises:
        ValueError: b ≤ 3, where HSIC₁ is undefined.
    """
    b = len(k)
    if b <= 3:
        raise ValueError(f"HSIC₁ needs at least 4 images, not {b}")
    k = k.triu(1)
    rows = (k.sum(dim=0) + k.sum(dim=1)) / (b - 2)
    rows -= rows.sum() / (b - 1) / 2  # the term that is added, half with each subtraction
    k -= rows
    k -= rows[:, None]
    return k


def h_centred(k: Tensor) -> Tensor:
    """Return the doubly centred Gram matrix H K H, H = I - 11ᵀ/n.

    Args:
        k: (n, n), of which only the upper triangle is read.

    Returns:
        (n, n), valid only in the upper triangle.
    """
    k = k.triu()
    rows = (k.sum(dim=0) + k.sum(dim=1) - k.diagonal()) / len(k)
    return k - rows - rows[:, None] + rows.mean()


def packed(k: Tensor, estimator: CkaEstimator) -> Tensor:
    """Return the upper triangle as a float64 vector whose dot products are the estimator's HSIC."""
    b = len(k)
    if estimator == "unbiased":
        return _upper(u_centred(k), 1).mul_(math.sqrt(2 / (b * (b - 3))))
    k = h_centred(k) * math.sqrt(2)
    k.diagonal().div_(math.sqrt(2))
    return _upper(k, 0) / (b - 1)


def _upper(k: Tensor, offset: int) -> Tensor:
    """Return the triangle above a diagonal, row by row."""
    return k.flatten().index_select(0, _upper_index(len(k), offset, k.device))


@cache
def _upper_index(b: int, offset: int, device: torch.device) -> Tensor:
    """Return the indices of the triangle, cached as computing them takes longer than gathering."""
    i, j = torch.triu_indices(b, b, offset=offset, device=device)
    index: Tensor = i * b + j
    return index


def stored(vector: Tensor) -> Row:
    """Return a row as it is stored; see rows.py."""
    return encoded(vector.cpu().numpy())


def minibatches(n: int, estimator: CkaEstimator, batch: int) -> list[int]:
    """Return the sizes of the minibatches: a last one of 3 images or fewer is dropped."""
    if estimator == "biased":
        return [n]
    sizes = [batch] * (n // batch) + ([n % batch] if n % batch else [])
    return [size for size in sizes if size > 3]


def gram_vectors(
    model: nn.Module,
    layers: Sequence[Layer],
    images: Batch,
    *,
    estimator: CkaEstimator = "unbiased",
    batch: int = 250,
    chunk: int = CHUNK,
    forward: Forward | None = None,
) -> list[Tensor]:
    """Return one vector per layer, from one forward pass over the reference images.

    The cosine of two vectors is the CKA of the layers they come from, and their dot product the HSIC.

    A short last minibatch is exact: each HSIC₁ is an unbiased estimate whatever its size, and the
    rows weight it by its share of the images.

    Args:
        model: run in eval mode; its mode is restored.
        layers: to measure.
        images: (n, ...) reference images as the model takes them, n ≥ 4.
        estimator: see the module.
        batch: minibatch size of the unbiased estimator; at least 4.
        chunk: images per forward pass; the result does not depend on it.
        forward: calls the model instead.

    Returns:
        L float64 tensors of length m = Σ b (b - 1) / 2 over the minibatches (unbiased).

    Raises:
        ValueError: fewer than 4 images, or minibatches of fewer.
    """
    pieces: list[list[Tensor]] = [[] for _ in layers]
    for grams, share in minibatch_grams(
        model, layers, images, estimator=estimator, batch=batch, chunk=chunk, forward=forward
    ):
        for piece, k in zip(pieces, grams, strict=True):
            piece.append(weighted(k, estimator, share))
    return [torch.cat(piece) for piece in pieces]


def weighted(k: Tensor, estimator: CkaEstimator, share: float) -> Tensor:
    """Return a minibatch's part of a row: packed, and weighted by its share of the images."""
    return packed(k, estimator) * math.sqrt(share)


def minibatch_grams(
    model: nn.Module,
    layers: Sequence[Layer],
    images: Batch,
    *,
    estimator: CkaEstimator = "unbiased",
    batch: int = 250,
    chunk: int = CHUNK,
    forward: Forward | None = None,
) -> Grams:
    """Yield the layers' Gram matrices of each minibatch, from one forward pass over the images.

    Args:
        model, layers, images, estimator, batch, chunk, forward: as for `gram_vectors`.

    Yields:
        L matrices (b, b) float64 as `gram` returns them, and the minibatch's share of the images.

    Raises:
        ValueError: fewer than 4 images, or minibatches of fewer.
    """
    n = batches.length(images)
    sizes = minibatches(n, estimator, batch)
    if not sizes or n < 4:
        raise ValueError(f"CKA needs minibatches of at least 4 images, not {min(batch, n)}")
    start, used = 0, sum(sizes)
    for size in sizes:
        minibatch = batches.part(images, slice(start, start + size))
        yield _grams(model, layers, minibatch, chunk, forward), size / used
        start += size


def _grams(
    model: nn.Module,
    layers: Sequence[Layer],
    minibatch: Batch,
    chunk: int,
    forward: Forward | None,
) -> list[Tensor]:
    """Return each layer's Gram matrix; if one pass suffices, computed before the next layer runs."""
    at_once = batches.length(minibatch) <= chunk
    reduce = _gram_of if at_once else flat
    found, _ = all_features(model, layers, minibatch, reduce=reduce, chunk=chunk, forward=forward)
    return found if at_once else [gram(x) for x in found]


def _gram_of(layer: Layer, activation: Tensor, mask: Tensor | None) -> Tensor:
    del layer
    return gram(as_matrix(activation, mask))
