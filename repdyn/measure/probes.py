"""Linear probes: what a linear classifier reads off a layer (Alain & Bengio 2017).

The logistic probe minimises, on features z standardised by their training mean and deviation,

    (1/n) Σᵢ −log softmax(W zᵢ + c)[yᵢ] + (l2/2) ‖W‖²

with the intercept c free: scikit-learn's LogisticRegression with C = 1 / (l2 · n). The problem is
strictly convex in W, so its solution does not depend on where the solver starts. Where the features
outnumber the images it is solved in the span of the images, which holds the solution
(representer theorem), through their Gram matrix.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, solve, solve_triangular
from scipy.optimize import minimize

from repdyn.config import Probe
from repdyn.measure.threads import few_blas_threads

Matrix = NDArray[np.float64]

TOLERANCE = 1e-5
"""Largest component of the objective's gradient at which the logistic probe counts as solved."""

_ITERATIONS = 2000
_JITTER = 1e-12
"""Share of the Gram matrix's trace added to its diagonal: centred features leave it singular."""


@dataclass(frozen=True)
class LinearProbe:
    """A linear classifier of raw features.

    Attributes:
        weight: (d, K) float64; the standardisation is folded in.
        bias: (K,) float64.
    """

    weight: Matrix
    bias: Matrix

    def predict(self, features: NDArray[np.floating]) -> NDArray[np.uint8]:
        """Return the class of each row of (n, d) features, (n,) uint8."""
        classes: NDArray[np.uint8] = np.argmax(features @ self.weight + self.bias, axis=1).astype(
            np.uint8
        )
        return classes


def fit_probe(
    features: NDArray[np.floating],
    labels: NDArray[np.integer],
    classes: int,
    *,
    kind: Probe = "logistic",
    l2: float = 1e-3,
    start: LinearProbe | None = None,
) -> LinearProbe:
    """Fit a probe to features (n, d) and labels (n,) in [0, classes).

    Args:
        features: of the training images; a constant feature gets no weight.
        labels: what the probe should say.
        classes: K, also those that no label has.
        kind: `logistic`, or `ridge`: least squares to one-hot labels,
            (1/2n) ‖Y − ZW − c‖² + (l2/2) ‖W‖², in closed form.
        l2: strength of the regularisation.
        start: a probe of the same layer to start the solver from; it saves iterations only.

    Returns:
        The probe; of non-finite features one with NaN weights.
    """
    x = np.asarray(features, dtype=np.float64)
    if not np.isfinite(x).all():
        return LinearProbe(np.full((x.shape[1], classes), np.nan), np.full(classes, np.nan))
    mean = x.mean(axis=0)
    z = x - mean
    scale = np.sqrt(np.einsum("ij,ij->j", z, z) / len(z))
    scale[scale <= 1e-12 * np.abs(mean)] = 1.0
    scale[scale == 0] = 1.0
    z /= scale
    with few_blas_threads(z.size):
        z_start = None
        if start is not None and np.isfinite(start.weight).all():
            z_start = start.weight * scale[:, None], start.bias + mean @ start.weight
        if kind == "ridge":
            weight, bias = _ridge(z, labels, classes, l2)
        elif z.shape[1] > z.shape[0]:
            weight, bias = _logistic_in_span(z, labels, classes, l2, z_start)
        else:
            weight, bias = _logistic(z, labels, classes, l2, z_start)
        weight = weight / scale[:, None]
        return LinearProbe(weight, bias - mean @ weight)


def _logistic(
    z: Matrix,
    labels: NDArray[np.integer],
    classes: int,
    l2: float,
    start: tuple[Matrix, Matrix] | None,
) -> tuple[Matrix, Matrix]:
    n, d = z.shape
    images = np.arange(n)

    def loss_and_gradient(theta: Matrix) -> tuple[float, Matrix]:
        """Of weights (K, d) and intercepts (K,); with classes first, sums over them are fast."""
        w, c = theta[: classes * d].reshape(classes, d), theta[classes * d :]
        logits = w @ z.T + c[:, None]
        logits -= logits.max(axis=0)
        residual = np.exp(logits)
        total = residual.sum(axis=0)
        loss = float(np.log(total).mean() - logits[labels, images].mean() + l2 / 2 * np.vdot(w, w))
        residual /= total  # the softmax, from the exponentials that the loss needed
        residual[labels, images] -= 1
        residual /= n
        return loss, np.concatenate([(residual @ z + l2 * w).ravel(), residual.sum(axis=1)])

    first = np.zeros(classes * (d + 1))
    if start is not None:
        first = np.concatenate([start[0].T.ravel(), start[1]])
    with few_blas_threads(z.size):
        solved = minimize(
            loss_and_gradient,
            first,
            jac=True,
            method="L-BFGS-B",
            options={
                "gtol": TOLERANCE,
                "ftol": 0.0,
                "maxiter": _ITERATIONS,
                "maxfun": 2 * _ITERATIONS,
            },
        )
    return solved.x[: classes * d].reshape(classes, d).T, solved.x[classes * d :]


def _logistic_in_span(
    z: Matrix,
    labels: NDArray[np.integer],
    classes: int,
    l2: float,
    start: tuple[Matrix, Matrix] | None,
) -> tuple[Matrix, Matrix]:
    """Solve with W = Zᵀ A: of K = Z Zᵀ = L Lᵀ, features L stand for Z, Lᵀ A for W with its norm."""
    k = z @ z.T
    k[np.diag_indices_from(k)] += _JITTER * np.trace(k) or 1.0
    lower = cholesky(k, lower=True)
    v_start = None
    if start is not None:
        v_start = solve_triangular(lower, z @ start[0], lower=True), start[1]
    v, bias = _logistic(lower, labels, classes, l2, v_start)
    return z.T @ solve_triangular(lower, v, lower=True, trans="T"), bias


def _ridge(
    z: Matrix, labels: NDArray[np.integer], classes: int, l2: float
) -> tuple[Matrix, Matrix]:
    """Solve in closed form, through whichever Gram matrix is smaller; z has mean 0."""
    n, d = z.shape
    targets = np.eye(classes)[labels]
    mean = targets.mean(axis=0)
    centred = targets - mean
    if d > n:
        weight = z.T @ solve(z @ z.T + n * l2 * np.eye(n), centred, assume_a="pos")
    else:
        weight = solve(z.T @ z + n * l2 * np.eye(d), z.T @ centred, assume_a="pos")
    return weight, mean
