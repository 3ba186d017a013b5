"""Rank correlation of dissimilarities beside SciPy's, and rsatoolbox's."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.distance import pdist
from scipy.stats import rankdata, spearmanr

from repdyn.measures.cka import gram, minibatches
from repdyn.measures.engine import engines
from repdyn.measures.rsa import ranks
from repdyn.settings.schema import MeasureConfig

Features = NDArray[np.float32]

ROUNDING = 2e-5
"""Of ranks as rows are stored."""


def similarity(a: Features, b: Features, sizes: list[int]) -> float:
    """Return the engine's similarity of two checkpoints."""
    one = engines(MeasureConfig(similarity=("rsa",)), 1)["rsa"]
    used = sum(sizes)
    for features in (a, b):
        for part in torch.from_numpy(features[:used]).split(sizes):
            one.see_grams([gram(part)], len(part) / used)
        one.append(one.observe(None), np.zeros(2, bool))
    return float(one.matrices[0, 0, 1])


def drawn(seed: int, n: int, p: int, noise: float) -> tuple[Features, Features]:
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(n, p))
    return a.astype(np.float32), (a + noise * rng.normal(size=a.shape)).astype(np.float32)


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**31),
    n=st.integers(4, 80),
    p=st.integers(2, 50),
    noise=st.floats(0.01, 3),
)
def test_it_is_the_mean_over_minibatches_of_spearmans_correlation(
    seed: int, n: int, p: int, noise: float
) -> None:
    a, b = drawn(seed, n, p, noise)
    sizes = minibatches(n, "unbiased", 30)
    split = np.cumsum(sizes)[:-1]
    halves = (np.split(f[: sum(sizes)].astype(np.float64), split) for f in (a, b))
    parts = list(zip(*halves, strict=True))
    found = [float(spearmanr(pdist(x), pdist(y)).statistic) for x, y in parts]
    swaps = [swapped(x) + swapped(y) for x, y in parts]
    rounding = ROUNDING + float(np.average(swaps, weights=sizes))
    assert similarity(a, b, sizes) == pytest.approx(np.average(found, weights=sizes), abs=rounding)


def swapped(features: Features) -> float:
    """Return how far distances that float32 may put in the other order can change the correlation.

    Of m distances, two neighbours that change places do so by at most 12 / (m (m - 1)).
    """
    distances = np.sort(pdist(features, "sqeuclidean"))
    near = np.diff(distances) < 1e-5 * distances[-1]
    return float(near.sum() * 12 / max(near.size * (near.size + 1), 1))


def test_images_that_are_equal_share_their_ranks() -> None:
    a, b = drawn(0, 24, 6, 1.0)
    a, b = (np.round(2 * x) for x in (a, b))  # integers, whose centred Gram matrices are near exact
    a, b = (np.concatenate([x, x]).astype(np.float32) for x in (a, b))
    expected = spearmanr(pdist(a, "sqeuclidean"), pdist(b, "sqeuclidean")).statistic
    # rounding orders distances that tie, which moves the correlation by less than this
    assert similarity(a, b, [48]) == pytest.approx(float(expected), abs=2e-3)


@given(st.lists(st.sampled_from([-1.5, 0.0, 2.0, 3.0, 1e9]), min_size=1, max_size=40))
def test_ranks_of_ties_are_averaged(values: list[float]) -> None:
    found = ranks(torch.tensor(values, dtype=torch.float64)).numpy()
    np.testing.assert_array_equal(found, rankdata(values))


def test_it_depends_on_the_order_of_distances_alone() -> None:
    rng = np.random.default_rng(0)
    x = np.sort(rng.normal(size=12))
    far = np.cumsum(np.linspace(1, 2, 12) ** 2)  # other distances between points on a line
    assert similarity(x[:, None].astype(np.float32), x[:, None].astype(np.float32) * 7, [12]) == (
        pytest.approx(1, abs=1e-6)
    )
    expected = spearmanr(pdist(x[:, None]), pdist(far[:, None])).statistic
    two = (x[:, None].astype(np.float32), far[:, None].astype(np.float32))
    assert similarity(*two, [12]) == pytest.approx(float(expected), abs=1e-3)


def test_it_is_that_of_rsatoolbox() -> None:
    rsatoolbox = pytest.importorskip("rsatoolbox", reason="comes with repdyn[test]")
    a, b = drawn(0, 60, 20, 1.0)
    rdms = [
        rsatoolbox.rdm.calc_rdm(rsatoolbox.data.Dataset(x.astype(np.float64)), method="euclidean")
        for x in (a, b)
    ]
    expected = rsatoolbox.rdm.compare(*rdms, method="spearman").item()
    assert similarity(a, b, [60]) == pytest.approx(expected, abs=ROUNDING)
