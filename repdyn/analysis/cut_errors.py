"""How the standard errors of an E×E matrix carry over to where a change point lies.

What a cut explains is linear in the kernel, Σ W_ij k_ij, so draws of the kernel within its errors need
not be formed: what the possible cuts explain then varies as a normal vector, whose covariance follows
from W and the errors. Errors of different cells and layers are taken as independent, as only their sizes
are stored. Those of neighbouring cells rise and fall together, which leaves a cut where it is: what is
drawn is rather too variable from one place to the next.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def scatter_weights(weights: Array, start: int, end: int) -> Array:
    """Return W such that Σ W_ij k_ij is the scatter of the checkpoints start … end - 1, (E, E)."""
    within = np.zeros_like(weights)
    within[start:end] = weights[start:end]
    return np.asarray(np.diag(within) - np.outer(within, within) / within.sum())


def explained_weights(weights: Array, start: int, end: int, places: Sequence[int]) -> Array:
    """Return the W of what a cut at each of the places explains of a segment, (P, E, E)."""
    whole = scatter_weights(weights, start, end)
    parts = [scatter_weights(weights, start, k) + scatter_weights(weights, k, end) for k in places]
    return np.asarray(whole - np.stack(parts))


def noise(
    errors: Array, linear: Array, draws: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return draws of how far errors move linear functions of the kernels.

    Args:
        errors: standard errors of the layers' kernels, (L, E, E), symmetric; 0 where there is none.
        linear: W of each function, (P, E, E), symmetric.
        draws: how many.
        rng: the random stream.

    Returns:
        (draws, L, P).
    """
    above = np.triu_indices(errors.shape[1], 1)
    each = np.zeros((draws, len(errors), len(linear)))
    for layer, sizes in enumerate(errors):
        # a cell and its mirror image have the same error
        spread = 2 * linear[:, above[0], above[1]] * sizes[above]
        values, vectors = np.linalg.eigh(spread @ spread.T)
        root = vectors * np.sqrt(np.maximum(values, 0))
        each[:, layer] = rng.standard_normal((draws, len(linear))) @ root.T
    return each
