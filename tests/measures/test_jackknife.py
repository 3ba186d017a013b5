"""Standard errors of CKA over reference images."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from repdyn.measures.cka import gram, minibatches
from repdyn.measures.growing import CkaEngine
from repdyn.measures.jackknife import minibatch_sizes
from repdyn.measures.settings import CkaEstimator, MeasureSettings
from tests.support.oracles import cka_biased, cka_unbiased

Features = NDArray[np.float64]

NONE_BROKEN = np.zeros(2, dtype=bool)


def checkpoints(n: int, count: int = 3, seed: int = 0) -> list[Features]:
    """Features (n, 6) that drift, with some common directions."""
    rng = np.random.default_rng(seed)
    path = [rng.standard_normal((n, 6)) * np.linspace(0.5, 2, 6)]
    for _ in range(count - 1):
        path.append(path[-1] + 0.6 * rng.standard_normal((n, 6)))
    return path


def measured(path: list[Features], estimator: CkaEstimator, batch: int = 250) -> CkaEngine:
    """Return an engine of one layer that has these checkpoints."""
    engine = CkaEngine(1, MeasureSettings(cka=estimator, cka_batch=batch))
    sizes = minibatches(len(path[0]), estimator, batch)
    for features in path:
        start = 0
        for size in sizes:
            part = torch.from_numpy(features[start : start + size])
            engine.see_grams([gram(part)], size / sum(sizes))
            start += size
        engine.append(engine.observe(None), NONE_BROKEN)
    return engine


def errors(path: list[Features], estimator: CkaEstimator, batch: int = 250) -> Features:
    found: Features = measured(path, estimator, batch).errors[0].astype(np.float64)
    return found


def brute_force(x: Features, y: Features, estimator: CkaEstimator, sizes: list[int]) -> float:
    """The delete-one jackknife, every time from the features, in float64."""
    n = sum(sizes)
    left_out = []
    for i in range(n):
        kept = [j for j in range(n) if j != i]
        if estimator == "biased":
            left_out.append(cka_biased(x[kept], y[kept]))
            continue
        fewer, start = [], 0
        for size in sizes:
            fewer.append(size - (start <= i < start + size))
            start += size
        rest = np.cumsum([0, *fewer])
        usable = [k for k, size in enumerate(fewer) if size > 3]
        within = [kept[j] for k in usable for j in range(rest[k], rest[k + 1])]
        left_out.append(cka_unbiased(x[within], y[within], [fewer[k] for k in usable]))
    mean = sum(left_out) / n
    return math.sqrt((n - 1) / n * sum((value - mean) ** 2 for value in left_out))


@pytest.mark.parametrize(
    ("estimator", "n", "batch"),
    [
        ("unbiased", 9, 250),
        ("unbiased", 14, 5),  # 5, 5 and 4: the last is dropped with one of its images
        ("unbiased", 13, 7),  # 7 and 6
        ("unbiased", 15, 6),  # 6 and 6: three images are not used
        ("biased", 9, 250),
        ("biased", 12, 5),
    ],
)
def test_it_is_that_of_a_jackknife_by_brute_force(
    estimator: CkaEstimator, n: int, batch: int
) -> None:
    path = checkpoints(n)
    found = errors(path, estimator, batch)
    sizes = minibatches(n, estimator, batch)
    for i, x in enumerate(path):
        for j, y in enumerate(path):
            expected = brute_force(x, y, estimator, sizes)
            assert found[i, j] == pytest.approx(expected, rel=1e-4, abs=1e-6)  # float32 rows


def test_a_checkpoint_has_no_error_with_itself_and_an_undefined_one_none() -> None:
    first, second, _ = checkpoints(10)
    found = errors([first, np.ones_like(first), second], "unbiased")
    assert found[0, 0] == found[2, 2] == 0
    assert found[0, 2] > 0
    assert np.isnan(found[1]).all()
    assert np.isnan(found[:, 1]).all()


def test_four_images_have_none_as_three_have_no_cka() -> None:
    assert np.isnan(errors(checkpoints(4), "unbiased")).all()


@given(seed=st.integers(0, 10**6), estimator=st.sampled_from(["unbiased", "biased"]))
@settings(max_examples=15, deadline=None)
def test_it_does_not_change_with_scale_rotation_or_the_order_of_images(
    seed: int, estimator: CkaEstimator
) -> None:
    rng = np.random.default_rng(seed)
    path = checkpoints(12, seed=seed)
    turn = np.linalg.qr(rng.standard_normal((6, 6)))[0]
    order = rng.permutation(12)
    expected = errors(path, estimator)
    changed = [(300 * x @ turn + 1)[order] for x in path]
    np.testing.assert_allclose(errors(changed, estimator), expected, rtol=0.01, atol=1e-4)
    np.testing.assert_array_equal(expected, expected.T)


def test_it_falls_with_the_root_of_the_number_of_images() -> None:
    few, many = (errors(checkpoints(n, seed=3), "unbiased")[0, 2] for n in (100, 1600))
    assert few / many == pytest.approx(4, rel=0.3)


def test_it_is_the_spread_over_draws_of_images() -> None:
    """With a fixed map from images to features: the ratio is 1 within what 60 draws tell."""
    rng = np.random.default_rng(0)
    one, other = rng.standard_normal((2, 8, 6))
    found, values = [], []
    for _ in range(60):
        images = rng.standard_normal((80, 8))
        path = [np.tanh(images @ one), np.tanh(images @ (0.5 * one + 0.5 * other))]
        engine = measured(path, "unbiased", 40)
        values.append(float(engine.matrices[0, 0, 1]))
        found.append(float(engine.errors[0, 0, 1]))
    assert np.mean(found) / np.std(values, ddof=1) == pytest.approx(1, abs=0.25)


def test_grown_in_blocks_it_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    path = checkpoints(14, count=5)
    expected = errors(path, "unbiased", 5)
    monkeypatch.setattr("repdyn.measures.jackknife._BLOCK", 20)  # two rows of a minibatch
    np.testing.assert_array_equal(errors(path, "unbiased", 5), expected)


@given(
    n=st.integers(4, 900),
    batch=st.integers(4, 300),
    estimator=st.sampled_from(["unbiased", "biased"]),
)
@settings(max_examples=50, deadline=None)
def test_the_length_of_a_row_tells_its_minibatches(
    n: int, batch: int, estimator: CkaEstimator
) -> None:
    sizes = minibatches(n, estimator, batch)
    side = 1 if estimator == "biased" else -1
    length = sum(b * (b + side) // 2 for b in sizes)
    assert minibatch_sizes(length, estimator, batch) == sizes
