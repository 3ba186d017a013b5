"""Linear probes against scikit-learn's solution of the same objective."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

from repdyn.measures import probes
from repdyn.measures.probes import TOLERANCE, LinearProbe, fit_probe

Data = tuple[NDArray[np.float64], NDArray[np.int64]]


def digits(n: int = 300) -> Data:
    data = load_digits()
    return data.data[:n], data.target[:n]


def wide(n: int = 60, d: int = 200) -> Data:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, d))
    return x, (x[:, :3] @ rng.normal(size=(3, 4)) + rng.normal(size=(n, 4))).argmax(axis=1)


@pytest.mark.parametrize("data", [digits(), wide()], ids=["primal", "span of the images"])
@pytest.mark.parametrize("l2", [1e-3, 1e-1])
def test_logistic_probe_is_scikit_learns(data: Data, l2: float) -> None:
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
def test_the_gradient_of_the_objective_vanishes_at_the_solution(data: Data) -> None:
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
def test_ridge_probe_is_scikit_learns(data: Data) -> None:
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
    probe = LinearProbe(
        weight=np.array([[1.0, -1.0]]),
        bias=np.array([0.0, 0.5]),
        classes=np.array([0, 3], dtype=np.uint8),
        mean=np.zeros(1),
        scale=np.ones(1),
    )
    assert probe.predict(np.array([[1.0], [-1.0], [0.2]])).tolist() == [0, 3, 3]


def gradient(x: np.ndarray, y: np.ndarray, probe: LinearProbe, l2: float) -> float:
    """The largest component of the objective's gradient, in plain loops over the images."""
    mean, std = x.mean(axis=0), x.std(axis=0)
    std[std <= 1e-12 * np.abs(mean)] = 1
    std[std == 0] = 1
    weight, bias = probe.weight * std[:, None], probe.bias + mean @ probe.weight
    in_weight, in_bias = l2 * weight, np.zeros(len(bias))
    for features, label in zip(x, y, strict=True):
        z = (features - mean) / std
        logits = z @ weight + bias
        residual = np.exp(logits - logits.max())
        residual /= residual.sum()
        residual[probe.classes.tolist().index(label)] -= 1
        in_weight = in_weight + np.outer(z, residual) / len(x)
        in_bias += residual / len(x)
    return float(max(np.abs(in_weight).max(), np.abs(in_bias).max()))


def hard(kind: str) -> Data:
    rng = np.random.default_rng(0)
    x, y = digits(200)
    match kind:
        case "nearly collinear":
            x = np.concatenate(
                [x, x @ rng.normal(size=(64, 64)) + 1e-6 * rng.normal(size=x.shape)], 1
            )
        case "duplicated":
            x = np.tile(x, (1, 3))
        case "all one direction":
            x = np.outer(rng.normal(size=200), rng.normal(size=500)) + 1e-7
        case "all constant":
            x = np.full((200, 5), 2.5)
        case "flat":
            x = np.concatenate([x] * 60, axis=1) + rng.normal(size=(200, 64 * 60))
        case "each image twice with two labels":
            x, y = np.concatenate([x, x]), np.concatenate([y, (y + 1) % 10])
        case "scales from 1e-20 to 1e20":
            x = x * 10 ** rng.uniform(-20, 20, x.shape[1])
        case "far from zero":
            x = x + 1e6
        case "one class missing":
            y = np.where(y == 3, 7, y)
        case "one class":
            y = np.full_like(y, 3)
        case "many classes":
            y = np.arange(200) // 2
    return x, y


HARD = (
    "nearly collinear",
    "duplicated",
    "all one direction",
    "all constant",
    "flat",
    "each image twice with two labels",
    "scales from 1e-20 to 1e20",
    "far from zero",
    "one class missing",
    "one class",
    "many classes",
)


@pytest.mark.parametrize("kind", HARD)
@pytest.mark.parametrize("l2", [1e-6, 1e-3, 10.0])
def test_a_probe_meets_its_tolerance(kind: str, l2: float) -> None:
    x, y = hard(kind)
    probe = fit_probe(x, y, 200, l2=l2)
    assert probe.solved
    assert gradient(x, y, probe, l2) <= 1.01 * TOLERANCE


@pytest.mark.parametrize("kind", [kind for kind in HARD if kind != "one class"])
def test_a_hard_problem_has_scikit_learns_solution(kind: str) -> None:
    x, y = hard(kind)
    z = StandardScaler().fit_transform(x)
    theirs = LogisticRegression(C=1 / (1e-3 * len(x)), tol=1e-9, max_iter=500, solver="newton-cg")
    theirs.fit(z, y)
    probe = fit_probe(x, y, 200)
    assert probe.classes.tolist() == theirs.classes_.tolist()
    weight, bias = probe.standardised

    def loss(w: np.ndarray, c: np.ndarray) -> float:
        logits = z @ w + c
        own = logits[np.arange(len(y)), np.searchsorted(theirs.classes_, y)]
        return float(np.mean(np.logaddexp.reduce(logits, axis=1) - own) + 5e-4 * (w**2).sum())

    # strictly convex: a gradient of norm g leaves the loss within g²/(2 l2) of its minimum
    assert loss(weight, bias) <= loss(theirs.coef_.T, theirs.intercept_) + 1e-6
    same = np.mean(probe.predict(x) == theirs.predict(z))
    assert same >= (0.99 if kind != "all constant" else 0)


@pytest.mark.parametrize("factor", [1e-8, 1e-3, 1e3, 1e8])
@pytest.mark.parametrize("data", [digits(), wide()], ids=["primal", "span of the images"])
def test_a_leap_of_the_scale_between_checkpoints_changes_nothing(data: Data, factor: float) -> None:
    x, y = data
    k = int(y.max()) + 1
    start = fit_probe(x, y, k)
    moved = x * factor * np.random.default_rng(0).uniform(0.5, 2, x.shape[1])
    warm, cold = fit_probe(moved, y, k, start=start), fit_probe(moved, y, k)
    assert gradient(moved, y, warm, 1e-3) <= 1.01 * TOLERANCE
    assert np.mean(warm.predict(moved) == cold.predict(moved)) > 0.995


def test_a_start_that_leads_nowhere_is_given_up_for_a_cold_one() -> None:
    x, y = digits()
    start = fit_probe(x, y, 10)
    bad = LinearProbe(1e200 * start.weight, start.bias, start.classes, start.mean, start.scale)
    again, cold = fit_probe(x, y, 10, start=bad), fit_probe(x, y, 10)
    assert np.array_equal(again.weight, cold.weight)


def test_a_probe_of_other_classes_is_no_start() -> None:
    x, y = digits()
    start = fit_probe(x, y % 9, 10)
    assert np.array_equal(fit_probe(x, y, 10, start=start).weight, fit_probe(x, y, 10).weight)


def test_a_probe_that_is_not_solved_has_no_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "_ITERATIONS", 3)
    x, y = digits()
    probe = fit_probe(x, y, 10)
    assert not probe.solved
    assert np.isnan(probe.weight).all()
    assert np.isnan(probe.bias).all()


def test_a_class_beyond_256_is_predicted_as_itself() -> None:
    x, y = digits(100)
    probe = fit_probe(x, y + 290, 300)
    assert np.array_equal(probe.predict(x), y + 290)
