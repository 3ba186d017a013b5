"""How the standard errors of an E×E matrix carry over to where a change point lies.

What a cut explains is linear in the kernel, Σ W_ij k_ij, so draws of the kernel within its errors need
not be formed: what the possible cuts explain then varies as a normal vector, whose covariance follows
from W and the errors. Errors of different cells and layers are taken as independent, as only their sizes
are stored. Those of neighbouring cells rise and fall together, which leaves a cut where it is: what is
drawn is rather too variable from one place to the next.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

HELD = 2**27
"""Bytes of the W of all places up to which they are formed; of larger ones the covariances have a form
without them: see `covariance`."""


def moves(
    errors: Array,
    weights: Array,
    ends: tuple[int, int],
    places: Sequence[int],
    draws: tuple[int, np.random.Generator],
    path: Array | None = None,
) -> Iterator[Array]:
    """Yield, layer by layer, draws of how far errors move what the cuts at some places explain.

    The same as `noise` of `explained_weights`, with other draws, in memory of E² for any number of places.

    Args:
        errors: standard errors of the layers' kernels, (L, E, E).
        weights: of the checkpoints, (E,).
        ends: of the segment that is cut.
        places: of the cuts.
        draws: how many, and the random stream.
        path: if the errors are of kernels of which the cuts are those of P K Pᵀ, P, (E, E).

    Yields:
        (draws, P).
    """
    count, rng = draws
    for sizes in errors:
        if path is None:
            found = covariance(sizes, weights, ends, places)
        else:
            found = covariance_of_path(sizes, weights, ends, places, path)
        values, vectors = np.linalg.eigh(found)
        root = vectors * np.sqrt(np.maximum(values, 0))
        yield rng.standard_normal((count, len(places))) @ root.T


def covariance(
    errors: Array, weights: Array, ends: tuple[int, int], places: Sequence[int]
) -> Array:
    """Return the covariance of what cuts at some places explain, (P, P), by running sums.

    A cut explains M₁M₂/M ‖m₁ - m₂‖², with the masses and means of its two parts, so that
    W_ij = M₁M₂/M d_i d_j with d_i = w_i/M₁ before the cut and -w_i/M₂ after it. Two cuts divide the
    segment into three parts, on which the product of their d is w_i² times a constant.

    Args:
        errors: standard errors of a layer's kernel, (E, E).
        weights, ends, places: as for `moves`.
    """
    start, end = ends
    w, at = weights[start:end], np.asarray(places) - start
    squares = np.square(errors[start:end, start:end] * w * w[:, None])
    np.fill_diagonal(squares, 0)
    sums = np.pad(squares.cumsum(axis=0).cumsum(axis=1), (1, 0))
    before = np.cumsum(w)[at - 1]
    after = w.sum() - before
    gain = before * after / w.sum()
    low, high = np.minimum(at[:, None], at), np.maximum(at[:, None], at)
    first = at[:, None] <= at
    early = [np.where(first, one[:, None], one) for one in (before, after)]
    late = [np.where(first, one, one[:, None]) for one in (before, after)]
    borders = (np.zeros_like(low), low, high, np.full_like(low, len(w)))
    factors = (1 / (early[0] * late[0]), -1 / (early[1] * late[0]), 1 / (early[1] * late[1]))
    total = np.zeros(low.shape)
    for i, one in enumerate(factors):
        for j, other in enumerate(factors):
            a, b, c, d = borders[i], borders[i + 1], borders[j], borders[j + 1]
            total += one * other * (sums[b, d] - sums[a, d] - sums[b, c] + sums[a, c])
    return np.asarray(2 * gain[:, None] * gain * total)


def covariance_of_path(
    errors: Array, weights: Array, ends: tuple[int, int], places: Sequence[int], path: Array
) -> Array:
    """Return the same for the kernels P K Pᵀ: few columns of P are not 0, so few errors count."""
    (start, end), at = ends, np.asarray(places)
    w = np.zeros_like(weights)
    w[start:end] = weights[start:end]
    first = np.arange(len(w)) < at[:, None]
    before = np.where(first, w, 0).sum(axis=1)
    after = w.sum() - before
    apart = np.where(first, w / before[:, None], -w / after[:, None]) @ path
    used = np.flatnonzero(path.any(axis=0))
    apart, squares = apart[:, used], np.square(errors[np.ix_(used, used)])
    np.fill_diagonal(squares, 0)
    products = [
        np.einsum("pi,ij,pj->p", d * apart, squares, d * apart, optimize=True) for d in apart
    ]
    gain = before * after / w.sum()
    return np.asarray(2 * gain[:, None] * gain * np.array(products))


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
