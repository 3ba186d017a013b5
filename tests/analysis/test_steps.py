"""Steps of paths whose points are known: what is read off the kernel, beside plain vectors."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repdyn.analysis.steps import leaps, least_ratio, stands_apart, with_steps

FLOOR = 1e-12
RATIO = 4.0


def drawn(seed: int, count: int = 20, dimensions: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Return points and log-epochs, both irregular, with a leap in the middle."""
    rng = np.random.default_rng(seed)
    at = np.cumsum(rng.uniform(0.02, 0.5, size=count))
    points = np.cumsum(rng.normal(size=(count, dimensions)), axis=0)
    points[count // 2 :] += rng.normal(size=dimensions) * rng.choice([0, 3, 10])
    return points, at


@pytest.mark.parametrize(("dimensions", "ratio"), [(1, 6.0), (2, 3.75), (5, 3.12), (100, 3.0)])
def test_the_ratio_follows_the_dimensions_of_the_steps(dimensions: int, ratio: float) -> None:
    points = np.cumsum(np.random.default_rng(0).normal(size=(300, dimensions)), axis=0)
    assert least_ratio(points @ points.T, FLOOR) == pytest.approx(ratio, abs=0.1)


def test_a_path_whose_steps_are_all_rounding_has_the_ratio_of_one_dimension() -> None:
    assert least_ratio(np.ones((9, 9)), FLOOR) == 6.0


def plain_leaps(points: np.ndarray, at: np.ndarray) -> list[int]:
    """Return the long steps by plain loops over vectors, for runs shorter than a log-epoch."""
    steps = np.diff(points, axis=0)
    spans = np.diff(at)
    length = [float(np.linalg.norm(step)) for step in steps]
    cosine = np.mean(
        [steps[i] @ steps[i + 1] / length[i] / length[i + 1] for i in range(len(steps) - 1)]
    )
    power = (cosine + 0.5 if cosine < 0 else 0.5 + cosine / 2) if cosine > -0.5 else 0.0
    found = []
    for i in range(1, len(steps) - 1):
        medians = []
        for side in (range(max(0, i - 8), i), range(i + 1, min(len(steps), i + 9))):
            longer = [spans[i] / spans[j] for j in side]
            usual = [length[j] * max(r**power, r) for j, r in zip(side, longer, strict=True)]
            medians.append(np.median(usual))
        if length[i] >= RATIO * max(medians):
            found.append(i)
    return found


@given(seed=st.integers(0, 2**32 - 1))
def test_leaps_are_those_of_a_plain_loop(seed: int) -> None:
    points, at = drawn(seed)
    at = at / (at[-1] - at[0]) / 3  # all steps are within reach of each other but for their number
    points, at = points[:10], at[:10]
    found = leaps(points @ points.T, at, RATIO, FLOOR)
    assert np.flatnonzero(found).tolist() == plain_leaps(points, at)


@given(seed=st.integers(0, 2**32 - 1))
def test_a_path_of_some_steps_only_stands_still_otherwise(seed: int) -> None:
    points, at = drawn(seed)
    kept = np.random.default_rng(seed).random(len(at) - 1) < 0.3
    steps = np.diff(points, axis=0) * kept[:, None]
    path = np.concatenate([np.zeros((1, points.shape[1])), np.cumsum(steps, axis=0)])
    np.testing.assert_allclose(
        with_steps(points @ points.T, kept), path @ path.T, rtol=1e-9, atol=1e-9
    )


@pytest.mark.parametrize(("ratio", "apart"), [(1.99, True), (2.01, False)])
def test_halves_of_a_straight_line_are_twice_as_far_apart_as_each_wanders(
    ratio: float, apart: bool
) -> None:
    line = np.arange(40.0)
    kernel = np.multiply.outer(line, line)
    assert stands_apart(kernel, np.ones(40), (0, 20, 40), ratio, FLOOR) == apart


def test_a_stretch_that_wanders_does_not_stand_apart_from_one_that_is_still() -> None:
    places = np.array([0.0] * 8 + [3, 3, 3, 3, 9, 9, 9, 9])
    kernel = np.multiply.outer(places, places)
    assert not stands_apart(kernel, np.ones(16), (0, 8, 16), 3, FLOOR)
    assert stands_apart(kernel, np.ones(16), (0, 8, 12), 3, FLOOR)


def test_distances_within_the_floor_are_no_change() -> None:
    places = np.array([0.0] * 8 + [1.0] * 8)
    kernel = np.multiply.outer(places, places)
    assert stands_apart(kernel, np.ones(16), (0, 8, 16), 3, floor=0.1)
    assert not stands_apart(kernel, np.ones(16), (0, 8, 16), 3, floor=0.2)
    assert not leaps(kernel, np.arange(16.0), 3, floor=0.2).any()
