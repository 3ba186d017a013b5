"""Linear probes against scikit-learn's solution of the same objective."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

from repdyn.measure.probes import LinearProbe, fit_probe


def digits(n: int = 300) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    data = load_digits()
    return data.data[:n], data.target[:n]


def wide(n: int = 60, d: int = 200) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, d))
    return x, (x[:, :3] @ rng.normal(size=(3, 4)) + rng.normal(size=(n, 4))).argmax(axis=1)


@pytest.mark.parametrize("data", [digits(), wide()], ids=["primal", "span of the images"])
@pytest.mark.parametrize("l2", [1e-3, 1e-1])
def test_logistic_probe_is_scikit_learns(data: tuple, l2: float) -> None:
    x, y = data
    k = int(y.max()) + 1
    probe = fit_probe(x, y, k, l2=l2)
    scaler = StandardScaler().fit(x)
    theirs = LogisticRegression(C=1 / (l2 * len(x)), tol=1e-8, max_iter=10_000)
    theirs.fit(scaler.transform(x), y)
    ours = x @ probe.weight + probe.bias
    expected = theirs.decision_function(scaler.transform(x))
    centred = [z - z.mean(axis=1, keepdims=True) for z in (ours, expected)]
    np.testing.assert_allclose(centred[0], centred[1], atol=0.02 * np.abs(centred[1]).max())
    assert np.mean(probe.predict(x) == theirs.predict(scaler.transform(x))) > 0.995


@pytest.mark.parametrize("data", [digits(), wide()], ids=["primal", "span of the images"])
def test_the_gradient_of_the_objective_vanishes_at_the_solution(data: tuple) -> None:
    x, y = data
    k, l2 = int(y.max()) + 1, 1e-3
    probe = fit_probe(x, y, k, l2=l2)
    mean, std = x.mean(axis=0), x.std(axis=0)
    std[std == 0] = 1
    z = (x - mean) / std
    w, c = probe.weight * std[:, None], probe.bias + mean @ probe.weight
    p = np.exp(z @ w + c)
    p /= p.sum(axis=1, keepdims=True)
    residual = (p - np.eye(k)[y]) / len(x)
    assert np.abs(z.T @ residual + l2 * w).max() < 1e-4
    assert np.abs(residual.sum(axis=0)).max() < 1e-4


@pytest.mark.parametrize("data", [digits(), wide()], ids=["primal", "span of the images"])
def test_ridge_probe_is_scikit_learns(data: tuple) -> None:
    x, y = data
    k = int(y.max()) + 1
    probe = fit_probe(x, y, k, kind="ridge", l2=1e-2)
    scaler = StandardScaler().fit(x)
    theirs = Ridge(alpha=1e-2 * len(x)).fit(scaler.transform(x), np.eye(k)[y])
    expected = theirs.predict(scaler.transform(x))
    np.testing.assert_allclose(x @ probe.weight + probe.bias, expected, atol=1e-6)


def test_a_warm_start_reaches_the_same_solution() -> None:
    x, y = digits()
    cold = fit_probe(x, y, 10)
    start = fit_probe(x + np.random.default_rng(0).normal(size=x.shape), y, 10)
    warm = fit_probe(x, y, 10, start=start)
    logits = [x @ probe.weight + probe.bias for probe in (cold, warm)]
    assert np.mean(logits[0].argmax(axis=1) == logits[1].argmax(axis=1)) > 0.995
    np.testing.assert_allclose(logits[0], logits[1], atol=0.02 * np.abs(logits[0]).max())


def test_the_same_problem_gives_the_same_numbers() -> None:
    x, y = digits(100)
    first, second = fit_probe(x, y, 10), fit_probe(x, y, 10)
    assert np.array_equal(first.weight, second.weight)


def test_scale_and_offset_of_a_feature_do_not_matter() -> None:
    x, y = digits(200)
    factors = np.random.default_rng(0).uniform(0.1, 10, x.shape[1])
    moved = x * factors + 5
    a, b = fit_probe(x, y, 10), fit_probe(moved, y, 10)
    assert np.mean(a.predict(x) == b.predict(moved)) > 0.995


def test_a_constant_feature_gets_no_weight_and_no_nan() -> None:
    x, y = digits(100)
    x = np.concatenate([x, np.full((100, 1), 3.3)], axis=1)
    probe = fit_probe(x, y, 10)
    assert np.isfinite(probe.weight).all()
    assert np.abs(probe.weight[-1]).max() < 1e-6


def test_a_class_without_examples_is_not_predicted() -> None:
    x, y = digits(100)
    probe = fit_probe(x, np.where(y == 9, 0, y), 10)
    assert 9 not in probe.predict(x)


def test_non_finite_features_give_nan_not_a_crash() -> None:
    x, y = digits(50)
    x[3, 4] = np.inf
    assert np.isnan(fit_probe(x, y, 10).weight).all()


def test_predict_is_the_largest_logit() -> None:
    probe = LinearProbe(np.array([[1.0, -1.0]]), np.array([0.0, 0.5]))
    assert probe.predict(np.array([[1.0], [-1.0], [0.2]])).tolist() == [0, 1, 1]
