"""Representational similarity analysis: rank correlation of dissimilarities (Kriegeskorte et al. 2008).

The dissimilarity of two reference images is the Euclidean distance of their features. Spearman's
correlation of the dissimilarities of all pairs of images at two checkpoints depends only on their
ranks, so that the squared distance serves as well: d_ij = K_ii + K_jj - 2 K_ij of the Gram matrix K.
Kriegeskorte et al. use 1 - the correlation of two images' features; that needs the mean of an image's
features, which the Gram matrix does not have and an orthogonal map would change.

It is computed over the pairs within each minibatch, ties having their average rank, and averaged over
minibatches, each weighted by its number of images. A checkpoint is kept as the row of its centred
ranks: Spearman's correlation is the cosine of two rows, as CKA is of its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from repdyn.measures.growing import RowEngine


def dissimilarities(k: Tensor) -> Tensor:
    """Return the squared distances of all pairs of images, row by row.

    Args:
        k: (b, b), a Gram matrix of which only the upper triangle is read.

    Returns:
        (b (b - 1) / 2,)
    """
    i, j = torch.triu_indices(len(k), len(k), offset=1, device=k.device)
    squares = k.diagonal()
    return squares[i] + squares[j] - 2 * k[i, j]


def ranks(values: Tensor) -> Tensor:
    """Return the ranks of values from 1 on, float64; ties have their average rank."""
    _, which, counts = values.unique(return_inverse=True, return_counts=True)
    average: Tensor = counts.cumsum(0).double() - (counts - 1) / 2
    return average[which]


class RsaEngine(RowEngine):
    """Rank correlation of each layer's dissimilarities; its summary is a row of centred ranks."""

    def piece(self, k: Tensor, share: float) -> Tensor:
        """Return a minibatch's centred ranks with norm √share; NaN if all are equal or not finite."""
        distances = dissimilarities(k)
        centred = ranks(distances) - (len(distances) + 1) / 2
        if not bool(distances.isfinite().all()) or not bool(centred.any()):
            return torch.full_like(centred, torch.nan)
        piece: Tensor = centred * (math.sqrt(share) / centred.norm())
        return piece

    def numbers(self, minibatches: Sequence[int]) -> int:
        """Return the number of pairs."""
        return sum(b * (b - 1) // 2 for b in minibatches)
