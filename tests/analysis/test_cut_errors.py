"""Change points of matrices that are known within errors."""

import numpy as np
import pytest

from repdyn.analysis import change_points as module
from repdyn.analysis.change_points import _Scatter, change_points, joint_change_points
from repdyn.analysis.cut_errors import (
    covariance,
    covariance_of_path,
    explained_weights,
    noise,
)
from repdyn.analysis.steps import before_steps, path_of, with_steps
from tests.support.synthetic_runs import EPOCHS

E = 9


def kernel(seed: int) -> np.ndarray:
    points = np.random.default_rng(seed).standard_normal((E, 4))
    return np.asarray(points @ points.T)


def symmetric(rng: np.random.Generator, e: int = E) -> np.ndarray:
    """Return symmetric normal noise without a diagonal."""
    above = np.triu(rng.standard_normal((e, e)), 1)
    return np.asarray(above + above.T)


@pytest.mark.parametrize("seed", range(3))
def test_what_a_cut_explains_is_linear_in_the_kernel(seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights, given = rng.uniform(0.5, 2, E), kernel(seed)
    places = [3, 4, 5, 6]
    scatter = _Scatter(weights).fit(given)
    found = (explained_weights(weights, 1, 8, places) * given).sum(axis=(1, 2))
    assert found == pytest.approx([scatter.explained(1, k, 8) for k in places])


def test_functions_of_a_path_with_fewer_steps_are_functions_of_the_path() -> None:
    kept = np.array([True, False, True, True, False, False, True, False])
    linear = np.stack([kernel(1), kernel(2)])
    expected = (linear * with_steps(kernel(0), kept)).sum(axis=(1, 2))
    assert (before_steps(linear, kept) * kernel(0)).sum(axis=(1, 2)) == pytest.approx(expected)


def test_its_noise_has_the_covariance_of_kernels_drawn_within_their_errors() -> None:
    rng = np.random.default_rng(0)
    weights, errors = rng.uniform(0.5, 2, E), np.abs(symmetric(rng))
    places = [3, 4, 5, 6]
    drawn = []
    for _ in range(4000):
        scatter = _Scatter(weights).fit(errors * symmetric(rng))
        drawn.append([scatter.explained(1, k, 8) for k in places])
    linear = explained_weights(weights, 1, 8, places)
    found = noise(np.stack([errors, np.zeros_like(errors)]), linear, 4000, rng)
    assert not found[:, 1].any()
    expected = np.cov(np.array(drawn).T)
    np.testing.assert_allclose(
        np.cov(found[:, 0].T), expected, rtol=0.15, atol=0.05 * expected.max()
    )


def turning(middle: float, width: float) -> np.ndarray:
    """Return the matrix of a layer that turns from one state to another around an epoch."""
    share = 1 / (1 + np.exp(-(np.log(np.maximum(EPOCHS, 0.5)) - np.log(middle)) / width))
    angle = share * np.pi / 2
    return np.asarray(np.cos(angle[:, None] - angle[None]))


def test_errors_lengthen_the_interval_and_small_ones_do_not_change_it() -> None:
    given = turning(20, 0.05)
    alone = change_points(given, EPOCHS)
    assert len(alone.epochs) == 1
    off = 1 - np.eye(len(EPOCHS))
    assert change_points(given, EPOCHS, 0 * off) == alone
    assert change_points(given, EPOCHS, 1e-6 * off) == alone
    blurred = change_points(given, EPOCHS, 0.5 * off)
    assert blurred.epochs == alone.epochs
    (before, after), (first, last) = alone.intervals[0], blurred.intervals[0]
    assert first <= before
    assert after <= last
    assert last - first > after - before
    assert change_points(given, EPOCHS, 0.5 * off) == blurred


def test_unknown_errors_count_as_none() -> None:
    given = np.stack([turning(20, 0.05)] * 2)
    unknown = np.full_like(given, np.nan)
    assert joint_change_points(given, EPOCHS, unknown) == joint_change_points(given, EPOCHS)


def test_the_interval_covers_the_change_in_matrices_drawn_within_their_errors() -> None:
    rng, size = np.random.default_rng(1), 0.15
    truth = change_points(turning(20, 0.05), EPOCHS).epochs[0]
    errors = size * (1 - np.eye(len(EPOCHS)))
    covered = {True: 0, False: 0}
    for _ in range(40):
        given = turning(20, 0.05) + size * symmetric(rng, len(EPOCHS))
        for known in covered:
            found = change_points(given, EPOCHS, errors if known else None).intervals
            covered[known] += any(first <= truth <= last for first, last in found)
    assert covered[True] >= 0.9 * 40
    assert covered[True] > covered[False]


@pytest.mark.parametrize("stepped", [None, [1, 0, 0, 1, 0, 0, 1, 0]])
def test_covariances_of_cuts_need_no_matrix_for_each_place(stepped: list[int] | None) -> None:
    rng = np.random.default_rng(0)
    weights, errors, places = rng.uniform(0.5, 2, E), np.abs(symmetric(rng)), [3, 4, 5, 6]
    linear = explained_weights(weights, 1, 8, places)
    if stepped is None:
        found = covariance(errors, weights, (1, 8), places)
    else:
        kept = np.array(stepped, dtype=bool)
        linear = before_steps(linear, kept)
        found = covariance_of_path(errors, weights, (1, 8), places, path_of(kept))
    above = np.triu_indices(E, 1)
    spread = 2 * linear[:, above[0], above[1]] * errors[above]
    np.testing.assert_allclose(found, spread @ spread.T, rtol=1e-9)


def test_intervals_of_many_checkpoints_are_found_in_little_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Both ways to draw give intervals of the same size, within what a thousand draws leave open."""
    rng = np.random.default_rng(0)
    count = 60
    epochs = np.arange(1, count + 1)
    points = np.eye(20)[(np.arange(count) >= 25).astype(int)]
    points += 0.1 * rng.standard_normal(points.shape)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    similar = np.stack([points @ points.T] * 3)
    errors = np.full_like(similar, 0.3)
    formed = joint_change_points(similar, epochs, errors)
    monkeypatch.setattr(module, "HELD", 0)
    without = joint_change_points(similar, epochs, errors)
    assert formed.epochs == without.epochs != ()
    for (low, high), (other_low, other_high) in zip(
        formed.intervals, without.intervals, strict=True
    ):
        assert abs(low - other_low) <= 2
        assert abs(high - other_high) <= 2
        assert high > low + 1
