"""Linear probes: what a linear classifier can read from a layer (Alain & Bengio 2017).

The logistic probe minimises, on features z standardised by their training mean and deviation,

    (1/n) Σᵢ −log softmax(W zᵢ + c)[yᵢ] + (l2/2) ‖W‖²

with the intercept c free: scikit-learn's LogisticRegression with C = 1 / (l2 · n). The problem is
strictly convex in W, so its solution does not depend on where the solver starts. A class without
examples is left out: its intercept would decrease without bound.

Features of a network are nearly collinear, which makes the problem ill-conditioned: L-BFGS takes
hundreds of iterations, or fails to converge. It is therefore solved in whitened coordinates (see
`_Whitened`), and a returned probe meets TOLERANCE whatever the solver reports.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve
from scipy.optimize import minimize

from repdyn.measures.settings import Probe
from repdyn.measures.threads import few_blas_threads
from repdyn.records import ClassArray, class_dtype

Matrix = NDArray[np.float64]

TOLERANCE = 1e-5
"""Largest component of the objective's gradient, in W and c, at which the logistic probe counts as
solved."""

_ITERATIONS = 2000


@dataclass(frozen=True)
class LinearProbe:
    """A linear classifier of raw features.

    Attributes:
        weight: (d, C) float64; the standardisation is folded in. NaN if the solver did not converge.
        bias: (C,) float64.
        classes: the classes they stand for, those of the K that have examples, (C,).
        mean: of the training features, (d,) float64.
        scale: their standard deviations, (d,) float64; 1 where a feature is constant.
    """

    weight: Matrix
    bias: Matrix
    classes: ClassArray
    mean: Matrix
    scale: Matrix

    @property
    def solved(self) -> bool:
        """Whether there are weights."""
        return bool(np.isfinite(self.weight).all())

    @property
    def standardised(self) -> tuple[Matrix, Matrix]:
        """Weights (d, C) and intercepts (C,) for features standardised by mean and scale."""
        return self.weight * self.scale[:, None], self.bias + self.mean @ self.weight

    def predict(self, features: NDArray[np.floating]) -> ClassArray:
        """Return the class of each row of (n, d) features, (n,)."""
        predicted: ClassArray = self.classes[np.argmax(features @ self.weight + self.bias, axis=1)]
        return predicted


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
        labels: what the probe should predict.
        classes: K, including classes without labels, which the probe never predicts.
        kind: `logistic`, or `ridge`: least squares to one-hot labels,
            (1/2n) ‖Y − ZW − c‖² + (l2/2) ‖W‖², in closed form.
        l2: strength of the regularisation.
        start: a probe of the same layer and labels whose standardised weights initialise the
            solver; it only saves iterations.

    Returns:
        The probe; one with NaN weights if features are not finite or TOLERANCE cannot be met.
    """
    x = np.asarray(features, dtype=np.float64)
    present, targets = np.unique(labels, return_inverse=True)
    named = present.astype(class_dtype(classes))
    if not np.isfinite(x).all():
        return _unsolved(x.shape[1], named)
    mean = x.mean(axis=0)
    z = x - mean
    scale = np.sqrt(np.einsum("ij,ij->j", z, z) / len(z))
    scale[scale <= 1e-12 * np.abs(mean)] = 1.0
    scale[scale == 0] = 1.0
    z /= scale
    if start is None or not start.solved or not np.array_equal(start.classes, named):
        warm = None
    else:
        warm = start.standardised
    solution: tuple[Matrix, Matrix] | None
    with few_blas_threads(z.size):
        if kind == "ridge":
            solution = _ridge(z, targets, len(present), l2)
        else:
            solution = _logistic(z, targets, len(present), l2, warm)
    if solution is None:
        return _unsolved(x.shape[1], named)
    weight = solution[0] / scale[:, None]
    return LinearProbe(weight, solution[1] - mean @ weight, named, mean, scale)


def _unsolved(d: int, classes: ClassArray) -> LinearProbe:
    nan = np.full((d, len(classes)), np.nan)
    return LinearProbe(nan, np.full(len(classes), np.nan), classes, np.zeros(d), np.ones(d))


def _logistic(
    z: Matrix,
    labels: NDArray[np.integer],
    classes: int,
    l2: float,
    warm: tuple[Matrix, Matrix] | None,
) -> tuple[Matrix, Matrix] | None:
    """Return weights and intercepts that meet TOLERANCE, solved from `warm` or else from zero."""
    problem = _Whitened(z, labels, classes, l2)
    cold = np.zeros((z.shape[1], classes)), np.zeros(classes)
    for first in (cold,) if warm is None else (warm, cold):
        weight, bias = problem.solved_from(*first)
        if largest_gradient(z, labels, l2, weight, bias) <= TOLERANCE:
            return weight, bias
    return None


def largest_gradient(
    z: Matrix, labels: NDArray[np.integer], l2: float, weight: Matrix, bias: Matrix
) -> float:
    """Return the largest component of the gradient of the logistic probe's objective.

    Args:
        z: standardised features, (n, d).
        labels: in [0, C), (n,).
        l2: strength of the regularisation.
        weight: (d, C).
        bias: (C,).
    """
    residual = _residual((z @ weight + bias).T, labels)[1]
    in_weight = np.abs(residual @ z + l2 * weight.T).max(initial=0)
    return float(max(in_weight, np.abs(residual.sum(axis=1)).max()))


def _residual(logits: Matrix, labels: NDArray[np.integer]) -> tuple[float, Matrix]:
    """Return the mean cross-entropy of logits (C, n), which are overwritten, and its gradient.

    With classes first, sums over them are fast.
    """
    images = np.arange(len(labels))
    logits -= logits.max(axis=0)
    residual = np.exp(logits)
    total = residual.sum(axis=0)
    loss = float(np.log(total).mean() - logits[labels, images].mean())
    residual /= total  # the softmax, from the exponentials that the loss needed
    residual[labels, images] -= 1
    residual /= len(labels)
    return loss, residual


class _Whitened:
    """The logistic probe's problem in coordinates in which its curvature is about equal everywhere.

    With Z = Q √S Bᵀ, the singular vectors B and the squared singular values S, the Hessian at W = 0
    has the eigenvalues Sⱼ/(nC) + l2 along the columns of B, and does not depart far from that. With
    gⱼ their roots and W = B diag(1/g) Tᵀ, all eigenvalues for T are 1. The solution lies in the span
    of the images (representer theorem), so directions without features are left out; S and B come
    from the smaller Gram matrix. The intercept is a last feature, constantly 1, without decay.

    Args:
        z: standardised features, (n, d).
        labels: in [0, C), (n,).
        classes: C.
        l2: strength of the regularisation.
    """

    def __init__(self, z: Matrix, labels: NDArray[np.integer], classes: int, l2: float) -> None:
        n, d = z.shape
        self._z, self._labels, self._classes = z, labels, classes
        squares, vectors = np.linalg.eigh(z.T @ z if d <= n else z @ z.T)
        kept = squares > min(n, d) * np.finfo(np.float64).eps * squares[-1]
        squares, self._vectors = squares[kept], vectors[:, kept]
        self._roots = np.sqrt(squares) if d > n else None
        features = z @ self._vectors if self._roots is None else self._vectors * self._roots
        curvature = np.append(squares / (n * classes) + l2, 1 / classes)
        self._scales = np.sqrt(curvature)
        self._decay = np.append(np.full(len(squares), l2), 0.0) / curvature
        self._features = np.column_stack([features, np.ones(n)]) / self._scales

    def solved_from(self, weight: Matrix, bias: Matrix) -> tuple[Matrix, Matrix]:
        """Return weights (d, C) and intercepts (C,) found by L-BFGS from initial ones."""
        first = np.column_stack([self._along(weight).T, bias]) * self._scales
        slope = np.zeros_like(first)

        def loss_and_gradient(theta: Matrix) -> tuple[float, Matrix]:
            nonlocal slope
            t = theta.reshape(self._classes, -1)
            loss, residual = _residual(t @ self._features.T, self._labels)
            slope = residual @ self._features + self._decay * t
            return loss + float(np.vdot(self._decay * t, t)) / 2, slope.ravel()

        def stop_when_solved(xk: Matrix) -> None:  # noqa: ARG001 - scipy's own name for it
            # in W no component exceeds the norm along B
            if np.linalg.norm(slope * self._scales, axis=1).max() <= TOLERANCE:
                raise StopIteration

        found = minimize(
            loss_and_gradient,
            first.ravel(),
            jac=True,
            method="L-BFGS-B",
            callback=stop_when_solved,
            options={
                "gtol": 0.0,
                "ftol": 0.0,
                "maxiter": _ITERATIONS,
                "maxfun": 2 * _ITERATIONS,
            },
        )
        t = found.x.reshape(self._classes, -1) / self._scales
        return self._across(t[:, :-1].T), t[:, -1]

    def _along(self, weight: Matrix) -> Matrix:
        """Return Bᵀ W, (r, C)."""
        along: Matrix = self._vectors.T @ (weight if self._roots is None else self._z @ weight)
        return along if self._roots is None else along / self._roots[:, None]

    def _across(self, along: Matrix) -> Matrix:
        """Return B V of V (r, C)."""
        if self._roots is not None:
            along = along / self._roots[:, None]
        across: Matrix = self._vectors @ along
        return across if self._roots is None else self._z.T @ across


def _ridge(
    z: Matrix, labels: NDArray[np.integer], classes: int, l2: float
) -> tuple[Matrix, Matrix]:
    """Solve in closed form, using the smaller Gram matrix; z has mean 0."""
    n, d = z.shape
    targets = np.eye(classes)[labels]
    mean = targets.mean(axis=0)
    centred = targets - mean
    if d > n:
        weight = z.T @ solve(z @ z.T + n * l2 * np.eye(n), centred, assume_a="pos")
    else:
        weight = solve(z.T @ z + n * l2 * np.eye(d), z.T @ centred, assume_a="pos")
    return weight, mean
