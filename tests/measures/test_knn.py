"""Mutual k-nearest-neighbour overlap beside a plain loop over images."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from repdyn.measures.cka import gram
from repdyn.measures.engine import engines
from repdyn.settings.schema import MeasureConfig


def plain_overlap(a: np.ndarray, b: np.ndarray, k: int, sizes: list[int]) -> float:
    """Compute Huh et al.'s overlap of features (n, p) image by image, within minibatches."""
    shares, start = [], 0
    for size in sizes:
        nearest: list[list[set[int]]] = []
        for features in (a, b):
            x = features[start : start + size].astype(np.float64)
            x = x - x.mean(axis=0)
            found = []
            for i in range(size):
                others = [j for j in range(size) if j != i]
                cosines = {j: x[i] @ x[j] / np.sqrt((x[i] @ x[i]) * (x[j] @ x[j])) for j in others}
                found.append(set(sorted(others, key=cosines.__getitem__, reverse=True)[:k]))
            nearest.append(found)
        shares += [len(p & q) / min(k, size - 1) for p, q in zip(*nearest, strict=True)]
        start += size
    return float(np.mean(shares))


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 2**31),
    k=st.integers(1, 12),
    sizes=st.lists(st.integers(4, 20), min_size=1, max_size=3),
    p=st.integers(1, 40),
)
def test_it_is_that_of_a_plain_loop(seed: int, k: int, sizes: list[int], p: int) -> None:
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(sum(sizes), max(p, 2))).astype(np.float32)
    b = (a + rng.normal(size=a.shape)).astype(np.float32)
    one = engines(MeasureConfig(similarity=("knn",), neighbours=k), 1)["knn"]
    for features in (a, b):
        for part in torch.from_numpy(features).split(sizes):
            one.see_grams([gram(part)], len(part) / len(features))
        one.append(one.observe(np.zeros((2, 0, 1, 1), np.uint8)), np.zeros(2, bool))
    assert one.matrices[0, 0, 1] == pytest.approx(plain_overlap(a, b, k, sizes), abs=1e-6)


def test_of_independent_features_it_is_chance() -> None:
    torch.manual_seed(0)
    n, k = 250, 10
    one = engines(MeasureConfig(similarity=("knn",), neighbours=k), 1)["knn"]
    for _ in range(6):
        one.see_grams([gram(torch.randn(n, 50))], 1.0)
        one.append(one.observe(np.zeros((2, 0, 1, 1), np.uint8)), np.zeros(2, bool))
    others = one.matrices[0][~np.eye(6, dtype=bool)]
    # 15 pairs of 250 images: a standard error of about .0015
    assert np.mean(others) == pytest.approx(k / (n - 1), abs=0.006)
