"""Mutual k-nearest-neighbour overlap (Huh et al. 2024, *The Platonic Representation Hypothesis*).

With N_i the k reference images whose features are nearest to those of image i, at two checkpoints,
the similarity is the mean over images of |N_i ∩ N'_i| / k. It depends on which images are similar, not
on how much, so a few directions of large variance do not dominate it as they do CKA. As in the paper,
nearness is measured by the cosine; here for features centred over the minibatch, from the same Gram
matrices as CKA, and among the images of the minibatch. For independent features the expected overlap
is k / (b - 1) for b images.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from repdyn.measures.engine import GramEngine, Summaries
from repdyn.measures.settings import MeasureSettings
from repdyn.measures.symmetric import GrowingMatrices

_NONE = np.iinfo(np.uint32).max
"""Stands for a missing neighbour: features without variance, or k ≥ b."""


def neighbours(k: Tensor, count: int) -> Tensor:
    """Return each image's nearest neighbours by the cosine of their centred features.

    Args:
        k: (b, b), a Gram matrix of which only the upper triangle is read.
        count: how many; at most b - 1 are found.

    Returns:
        (b, count) int64, nearest first; _NONE where one is missing, and everywhere if the features
        do not vary or are not finite.
    """
    b = len(k)
    found = torch.full((b, count), int(_NONE), dtype=torch.int64, device=k.device)
    whole = k.triu() + k.triu(1).T
    lengths = whole.diagonal().clamp(min=0).sqrt()
    if not bool(whole.isfinite().all()) or not bool((lengths > 0).any()):
        return found
    lengths = lengths.where(lengths > 0, torch.inf)
    cosines = (whole / lengths / lengths[:, None]).fill_diagonal_(-torch.inf)
    most = min(count, b - 1)
    found[:, :most] = cosines.topk(most, dim=1).indices
    return found


def overlap(a: NDArray[np.uint32], b: NDArray[np.uint32]) -> float:
    """Return the share of neighbours (n, k) in common, mean over images; NaN if there are none."""
    there = a != _NONE
    count = there.sum(axis=1)
    if not (count.all() and (b != _NONE).any(axis=1).all()):
        return float("nan")
    common = ((a[:, :, None] == b[:, None, :]) & there[:, :, None]).sum(axis=(1, 2))
    return float(np.mean(common / count))


class KnnEngine(GramEngine):
    """Overlap of each layer's neighbours; the summary is their indices, (n · k,) uint32."""

    def __init__(self, layers: int, settings: MeasureSettings) -> None:
        super().__init__(layers, settings)
        self._kept: list[Summaries] = []
        self._matrices = GrowingMatrices(layers)

    def piece(self, k: Tensor, share: float) -> Tensor:
        """Return the neighbours within the minibatch; every image counts the same."""
        del share
        return neighbours(k, self.settings.neighbours).flatten()

    def kept(self, pieces: Tensor) -> NDArray[np.uint32]:
        """Return the neighbours' indices within their minibatches."""
        return pieces.cpu().numpy().astype(np.uint32)

    def append(self, summaries: Summaries, broken: NDArray[np.bool_]) -> None:
        """Add a checkpoint's neighbours; they do not depend on probes."""
        del broken
        self._kept.append(self.shelf.keep(summaries))
        shape = (-1, self.settings.neighbours)
        new = np.array(
            [
                [overlap(here.reshape(shape), before[i].reshape(shape)) for before in self._kept]
                for i, here in enumerate(summaries)
            ]
        )
        self._matrices.append(new)

    @property
    def matrices(self) -> NDArray[np.float32]:
        """The overlap between all pairs of checkpoints, (L, E, E)."""
        return self._matrices.whole

    def undefined(self, summaries: Summaries) -> NDArray[np.bool_]:
        """Return in which layers an image has no neighbour."""
        shape = (-1, self.settings.neighbours)
        return np.array([bool((s.reshape(shape)[:, 0] == _NONE).any()) for s in summaries])

    def stored_bytes(self, minibatches: Sequence[int]) -> int:
        """Return the bytes of the neighbours."""
        each = self.settings.neighbours * np.dtype(np.uint32).itemsize
        return self.layers * sum(minibatches) * each
