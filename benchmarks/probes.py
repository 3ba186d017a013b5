"""Linear probes compared with scikit-learn's logistic regression of the same objective."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.result import Figure, Result, main
from benchmarks.timing import medians
from repdyn.measures.probes import TOLERANCE, fit_probe
from repdyn.records import ClassArray

CLASSES, L2 = 10, 1e-3

SIZES = ((500, 64), (1000, 512), (1000, 16384))
"""Images and features: of a narrow network, of a ResNet-18, of a feature map that is not pooled."""


def run(quick: bool) -> Result:
    """Fit both to the same features."""
    figures = [
        figure
        for n, d in (SIZES[:1] if quick else SIZES)
        for figure in _of_size(n, d, repeat=1 if quick else 7)
    ]
    return Result(
        "A layer's linear probe, from features to predictions",
        figures,
        f"Both standardise the features and minimise the same strictly convex objective, l2 {L2:g}, "
        f"to the same largest component of its gradient, {TOLERANCE:g}; between fits torch "
        "multiplies matrices, as a network's passes do. Images that neither has seen are predicted.",
    )


def _of_size(n: int, d: int, repeat: int) -> Iterator[Figure]:
    rng = np.random.default_rng(0)
    centres = 2 * rng.normal(size=(CLASSES, d)) / np.sqrt(d) ** 0.5
    labels = rng.integers(0, CLASSES, 2 * n)
    features = (centres[labels] + rng.normal(size=(2 * n, d))).astype(np.float32)
    seen, unseen, given = features[:n], features[n:], labels[:n]
    took = medians(
        {
            "passes": _passes,
            "ours": partial(_ours, seen, given, unseen),
            "passes again": _passes,
            "theirs": partial(_theirs, seen, given, unseen),
        },
        repeat,
    )
    same = np.mean(_ours(seen, given, unseen) == _theirs(seen, given, unseen))
    what = f"{n:,} images, {d:,} features"
    yield Figure(f"{what}: scikit-learn takes", took["theirs"] / took["ours"], least=1)
    yield Figure(f"{what}: ours", took["ours"] * 1e3, "ms")
    yield Figure(f"{what}: the same prediction", 100 * float(same), "%", least=99)


def _passes() -> None:
    x = torch.ones(1000, 1000)
    for _ in range(10):
        x @ x


def _ours(
    seen: NDArray[np.float32], labels: NDArray[np.int64], unseen: NDArray[np.float32]
) -> ClassArray:
    return fit_probe(seen, labels, CLASSES, l2=L2).predict(unseen)


def _theirs(
    seen: NDArray[np.float32], labels: NDArray[np.int64], unseen: NDArray[np.float32]
) -> NDArray[np.int64]:
    solver = LogisticRegression(C=1 / (L2 * len(seen)), tol=TOLERANCE, max_iter=2000)
    fitted: Pipeline = make_pipeline(StandardScaler(), solver).fit(seen.astype(np.float64), labels)
    predicted: NDArray[np.int64] = fitted.predict(unseen.astype(np.float64))
    return predicted


if __name__ == "__main__":
    main(["probes"], (__doc__ or "").splitlines()[0])
