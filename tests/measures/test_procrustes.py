"""Procrustes similarity beside orthogonal maps found by SciPy."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.linalg import orthogonal_procrustes, svd

from repdyn.measures.cka import gram, minibatches
from repdyn.measures.engine import Engine, engines
from repdyn.measures.procrustes import MOST
from repdyn.settings.schema import MeasureConfig

Features = NDArray[np.float32]

ROUNDING = 5e-5
"""Of Gram matrices in float32: eigenvalues that are 0 are off by 1e-9, their roots by 3e-5."""


def engine(cka: str = "unbiased", batch: int = 12) -> Engine:
    config = MeasureConfig(similarity=("procrustes",), cka=cka, cka_batch=batch)  # type: ignore[arg-type]
    return engines(config, 1)["procrustes"]


def observed(one: Engine, features: Features, sizes: list[int]) -> None:
    used = sum(sizes)
    for part in torch.from_numpy(features[:used]).split(sizes):
        one.see_grams([gram(part)], len(part) / used)
    one.append(one.observe(None), np.zeros(2, bool))


def centred(features: Features) -> NDArray[np.float64]:
    x = features.astype(np.float64)
    return np.asarray(x - x.mean(axis=0))


def of_singular_values(a: Features, b: Features) -> float:
    x, y = centred(a), centred(b)
    values = svd(x.T @ y, compute_uv=False)
    return float(values.sum() / np.linalg.norm(x) / np.linalg.norm(y))


def drawn(seed: int, n: int, p: int, rank: int, noise: float) -> tuple[Features, Features]:
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(n, rank)) @ rng.normal(size=(rank, p))
    b = a + noise * rng.normal(size=a.shape)
    return a.astype(np.float32), b.astype(np.float32)


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**31),
    n=st.integers(4, 60),
    p=st.integers(2, 80),
    rank=st.integers(1, 10),
    noise=st.floats(1e-3, 3),
)
def test_it_is_the_mean_over_minibatches_of_normalised_nuclear_norms(
    seed: int, n: int, p: int, rank: int, noise: float
) -> None:
    a, b = drawn(seed, n, p, rank, noise)
    sizes = minibatches(n, "unbiased", 12)
    one = engine()
    for features in (a, b):
        observed(one, features, sizes)
    cuts = np.cumsum(sizes)
    parts = zip(np.split(a, cuts)[: len(sizes)], np.split(b, cuts)[: len(sizes)], strict=True)
    expected = np.average([of_singular_values(x, y) for x, y in parts], weights=sizes)
    assert one.matrices[0, 0, 1] == pytest.approx(expected, abs=ROUNDING)


def test_it_is_the_cosine_that_the_best_orthogonal_map_reaches() -> None:
    a, b = drawn(0, 40, 12, 8, 1.0)
    one = engine(batch=40)
    for features in (a, b):
        observed(one, features, [40])
    x, y = centred(a), centred(b)
    turn, _ = orthogonal_procrustes(x, y)
    reached = float(np.sum(x @ turn * y) / np.linalg.norm(x) / np.linalg.norm(y))
    assert one.matrices[0, 0, 1] == pytest.approx(reached, abs=ROUNDING)


def test_its_angle_is_a_metric() -> None:
    rng = np.random.default_rng(0)
    one = engine(batch=30)
    for _ in range(8):
        observed(one, rng.normal(size=(30, 6)).astype(np.float32), [30])
    angle = np.arccos(np.clip(one.matrices[0].astype(np.float64), -1, 1))
    detours = angle[:, :, None] + angle[None, :, :]  # from i over j to k
    assert (angle[:, None, :] <= detours + 1e-3).all()


@pytest.mark.parametrize("cka", ["unbiased", "biased"])
def test_of_larger_minibatches_the_first_images_count(cka: str) -> None:
    a, b = drawn(0, MOST + 30, 20, 10, 1.0)
    one = engine(cka, MOST + 30)
    for features in (a, b):
        observed(one, features, [MOST + 30])
    assert one.matrices[0, 0, 1] == pytest.approx(
        of_singular_values(a[:MOST], b[:MOST]), abs=ROUNDING
    )


def test_of_few_images_with_many_independent_features_it_is_near_1() -> None:
    rng = np.random.default_rng(0)
    one = engine(batch=20)
    for _ in range(2):
        observed(one, rng.normal(size=(20, 20_000)).astype(np.float32), [20])
    assert one.matrices[0, 0, 1] > 0.99  # the bias that the module tells of
