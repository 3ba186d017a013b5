"""Differences of curves against closed forms and a fine sum."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from repdyn.analysis.equal_fit import curve_difference, differences_at_equal_fit, has_several_rates
from repdyn.analysis.pairs import Observation
from repdyn.score_key import ScoreKey

SCORE = ScoreKey("fit_break", "cka")

Curve = tuple[np.ndarray, np.ndarray]


@st.composite
def curves(draw: st.DrawFn) -> Curve:
    places = draw(st.lists(st.integers(0, 60), min_size=1, max_size=5, unique=True))
    values = draw(arrays(np.float64, len(places), elements=st.floats(-5, 5)))
    return np.sort(np.array(places)) / 10, values


@given(curves(), curves())
def test_a_difference_is_the_mean_over_the_common_stretch(a: Curve, b: Curve) -> None:
    """Oracle: the mean of np.interp over a fine grid, whose midpoints hit no knot."""
    found = curve_difference(a, b)
    first, last = max(a[0][0], b[0][0]), min(a[0][-1], b[0][-1])
    if first > last:
        assert math.isnan(found)
    else:
        grid = first + (np.arange(4000) + 0.5) / 4000 * (last - first)
        by_sum = np.mean(np.interp(grid, *a) - np.interp(grid, *b))
        assert found == pytest.approx(by_sum, abs=0.02)


@given(curves(), curves())
def test_the_sides_change_the_sign(a: Curve, b: Curve) -> None:
    assert curve_difference(a, b) == pytest.approx(-curve_difference(b, a), nan_ok=True)


def test_lines_of_unlike_slope_differ_by_the_distance_in_the_middle() -> None:
    a = np.array([0.0, 2.0]), np.array([0.0, 4.0])
    b = np.array([1.0, 3.0]), np.array([1.0, 1.0])
    assert curve_difference(a, b) == pytest.approx(3.0 - 1.0)
    point = np.array([1.5]), np.array([0.5])
    assert curve_difference(a, point) == pytest.approx(3.0 - 0.5)


def run(opt: str, lr: str, seed: int, fit: int | None, value: float) -> Observation:
    settings = {"opt": opt, "lr": lr, "seed": str(seed)}
    return Observation("vit", opt, settings, {SCORE: value}, double_descent=False, fit=fit)


def test_runs_that_fit_at_one_epoch_are_one_point_of_their_side() -> None:
    """By hand: SGD is (1 + 3) / 2 at epoch 20 and 6 at 80, so 4 at 40; Adam is 1 there."""
    runs = [
        run("sgd", "0.1", 5, 20, 1.0),
        run("sgd", "0.2", 5, 20, 3.0),
        run("sgd", "0.3", 5, 80, 6.0),
        run("adam", "0.1", 5, 40, 1.0),
        run("adam", "0.2", 5, None, 99.0),
        run("adam", "0.1", 6, 40, 1.0),
    ]
    found = differences_at_equal_fit(runs, "optimizer", "sgd", "adam", SCORE)
    assert found == {"5": [pytest.approx(3.0)]}


def test_rates_of_several_seeds_are_not_several_rates() -> None:
    apart = [run("sgd", lr, seed, 30, 0.0) for seed, lr in enumerate(("0.1", "0.2"))]
    assert not has_several_rates(apart, "optimizer", ("sgd", "adam"))
    together = [run("sgd", lr, 0, 30, 0.0) for lr in ("0.1", "0.2")]
    assert has_several_rates(together, "optimizer", ("sgd", "adam"))
