"""Independent implementations, as plain as can be, in float64."""

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


def hsic1(k: Matrix, m: Matrix) -> float:
    """HSIC₁ as Song et al. (2012, eq. 5) write it, by loops over the images."""
    n = len(k)
    trace = total_k = total_m = cross = 0.0
    for i in range(n):
        for j in range(n):
            if i == j:
                continue
            trace += k[i, j] * m[i, j]
            total_k += k[i, j]
            total_m += m[i, j]
            for q in range(n):
                if q != j:
                    cross += k[i, j] * m[j, q]
    bracket = trace + total_k * total_m / ((n - 1) * (n - 2)) - 2 * cross / (n - 2)
    return bracket / (n * (n - 3))


def hsic0(k: Matrix, m: Matrix) -> float:
    """HSIC₀ = tr(K H L H) / (n - 1)², Gretton et al. (2005)."""
    n = len(k)
    h = np.eye(n) - np.ones((n, n)) / n
    return float(np.trace(k @ h @ m @ h)) / (n - 1) ** 2


def cka_unbiased(x: Matrix, y: Matrix, sizes: list[int]) -> float:
    """Minibatch CKA of features: each HSIC₁ averaged over minibatches, weighted by their sizes."""
    sums = np.zeros(3)
    start = 0
    for size in sizes:
        a, b = x[start : start + size], y[start : start + size]
        k, m = a @ a.T, b @ b.T
        sums += size * np.array([hsic1(k, m), hsic1(k, k), hsic1(m, m)])
        start += size
    return float(sums[0] / np.sqrt(sums[1] * sums[2]))


def cka_biased(x: Matrix, y: Matrix) -> float:
    k, m = x @ x.T, y @ y.T
    return hsic0(k, m) / float(np.sqrt(hsic0(k, k) * hsic0(m, m)))
