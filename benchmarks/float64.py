"""CKA of a network in float64: its own hooks and formulas, none of them repdyn's."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.hooks import RemovableHandle

_CHUNK = 50

_ROUNDING = 1e-13
"""Relative variation of features that is rounding in float64."""


@torch.no_grad()
def with_statistics(model: nn.Module, images: Tensor, batch: int) -> nn.Module:
    """Return a copy in float64 whose BatchNorm statistics are those of the images.

    The average over the batches, each normalised by its own statistics; everything else in eval mode.
    """
    model = copy.deepcopy(model).double().eval()
    for norm in (m for m in model.modules() if isinstance(m, _BatchNorm)):
        norm.reset_running_stats()
        norm.momentum, norm.training = None, True
    for part in images.double().split(batch):
        model(part)
    return model.eval()


@torch.no_grad()
def features(model: nn.Module, names: Sequence[str], images: Tensor) -> list[Tensor]:
    """Return the output of each named module, (n, p) in the precision of the model."""
    kept: dict[str, list[Tensor]] = {name: [] for name in names}

    def keep(name: str) -> RemovableHandle:
        def hook(_module: nn.Module, _inputs: object, out: Tensor) -> None:
            kept[name].append(out.clone().reshape(len(out), -1))

        return model.get_submodule(name).register_forward_hook(hook)

    handles = [keep(name) for name in names]
    for part in images.split(_CHUNK):
        model(part)
    for handle in handles:
        handle.remove()
    return [torch.cat(parts) for parts in kept.values()]


def row(x: Tensor, sizes: Sequence[int]) -> NDArray[np.float64]:
    """Return the vector whose dot products are HSIC₁, averaged over minibatches by their share.

    Σ_k (b_k / n) ⟨Ũ(K_k), Ũ(L_k)⟩ / (b_k (b_k - 3)), with the U-centred Gram matrices of
    Székely & Rizzo (2014), eq. 2.3.
    """
    parts = zip(x.split(list(sizes)), sizes, strict=True)
    return np.concatenate(
        [_centred(p.double().numpy()) * np.sqrt(b / sum(sizes) / (b * (b - 3))) for p, b in parts]
    )


def _centred(x: NDArray[np.float64]) -> NDArray[np.float64]:
    centred = x - x.mean(axis=0)
    if np.square(centred).sum() < _ROUNDING**2 * np.square(x).sum():
        centred *= 0  # constant but for rounding
    k = centred @ centred.T
    np.fill_diagonal(k, 0)
    n, sums = len(k), k.sum(axis=0)
    u = k - (sums + sums[:, None]) / (n - 2) + sums.sum() / ((n - 1) * (n - 2))
    np.fill_diagonal(u, 0)
    return np.asarray(u.ravel())


def cka_matrix(rows: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return the cosines of rows, (E, E)."""
    stacked = np.stack(rows)
    lengths = np.linalg.norm(stacked, axis=1)
    return np.asarray(stacked @ stacked.T / np.outer(lengths, lengths))
