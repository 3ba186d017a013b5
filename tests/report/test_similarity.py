"""Scales, and the log-epoch axis."""

from itertools import product

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repdyn.display import axis
from repdyn.display.scale import SCALES, measure_scale
from repdyn.display.similarity import previous, similarity
from repdyn.display.viridis import viridis
from repdyn.measures.spec import CKA, MEASURES, REGIONS, MeasureSpec
from tests.support import synthetic
from tests.support.present import present

RECORD = synthetic.run()[0]
DYNAMICS = present(RECORD.dynamics)


@given(values=st.lists(st.floats(-0.2, 1), min_size=1, max_size=30))
def test_a_scale_is_increasing_and_its_ticks_lie_on_it(values: list[float]) -> None:
    for measure, how in product(MEASURES.values(), SCALES):
        scale = measure_scale(measure, np.array(values), how)
        places = scale.place(scale.ticks)
        assert scale.low < scale.high
        assert (np.diff(places) > 0).all()
        assert places[0] == 0
        np.testing.assert_allclose(places[-1], 1)


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
def test_a_value_has_one_colour_in_all_runs_unless_a_runs_own_scale_is_asked_for(
    measure: MeasureSpec,
) -> None:
    early, late = np.array([0.99, 0.9992]), np.array([0.2, 0.6])
    for how in ("fixed", "linear"):
        assert measure_scale(measure, early, how) == measure_scale(measure, late, how)
    assert measure_scale(measure, early) == measure_scale(measure, early, "fixed")
    own = [measure_scale(measure, values, "run") for values in (early, late)]
    assert own[0].low > own[1].low
    assert measure.unit.splitlines()[0] in own[0].label
    assert own[0].label != measure_scale(measure, early).label


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
def test_fixed_limits_lie_within_the_bounds_of_the_values(measure: MeasureSpec) -> None:
    low, high = measure.limits
    assert measure.bounds[0] <= low < high <= measure.bounds[1]
    assert high < 1 or not measure.log_distance, "1 is at infinity on a log scale"


def test_on_the_fixed_scale_of_cka_early_and_late_layers_have_colours_to_spare() -> None:
    """The first layer of a network moves within .99 to .9999, the last one within .1 to .97."""
    scale = measure_scale(CKA, np.empty(0))
    for least, most in ((0.99, 0.9999), (0.1, 0.97)):
        assert np.ptp(scale.place([least, most])) > 1 / 3


def test_a_linear_scale_is_even_in_the_value() -> None:
    scale = measure_scale(CKA, np.empty(0), "linear")
    np.testing.assert_allclose(scale.place([0, 0.25, 0.5, 1]), [0, 0.25, 0.5, 1])
    assert "log" not in scale.label


@given(values=st.lists(st.floats(0, 0.9999), min_size=1, max_size=30))
def test_warping_comes_back(values: list[float]) -> None:
    scale = measure_scale(CKA, np.array([0.3, 0.999]))
    np.testing.assert_allclose(scale.unwarp(scale.warp(values)), values, atol=1e-12)


def test_values_beyond_the_scale_take_its_ends_and_nan_stays() -> None:
    scale = measure_scale(REGIONS, np.array([0.55, 0.9]), "run")
    np.testing.assert_array_equal(scale.place([0.0, 2.0, np.nan]), [0, 1, np.nan])


def test_previous_and_last_are_entries_of_the_matrices() -> None:
    shown = similarity(DYNAMICS, "regions")
    assert shown.names[-1] == "output"
    assert np.isnan(previous(shown.matrices)[:, 0]).all()
    assert previous(shown.matrices)[2, 5] == DYNAMICS.matrices("regions")[2, 5, 4]
    assert shown.to_last()[-1, 3] == DYNAMICS.similarity["regions"][-1][3, -1]


def test_cells_meet_halfway_between_checkpoints() -> None:
    epochs = np.array([0, 1, 3, 7])
    np.testing.assert_allclose(np.log2(1 + axis.edges(epochs)), [-0.5, 0.5, 1.5, 2.5, 3.5])


@pytest.mark.parametrize(
    ("last", "ticks"),
    [(0, (0,)), (4, (0, 1, 2)), (30, (0, 1, 2, 5, 10, 20)), (4000, (0, 1, 10, 100, 1000))],
)
def test_ticks_are_round_epochs_within_the_run(last: int, ticks: tuple[int, ...]) -> None:
    assert axis.ticks(last) == ticks


def test_viridis_is_matplotlibs() -> None:
    places = np.linspace(0, 1, 256)
    expected = mpl.colormaps["viridis"](places)[:, :3] * 255
    assert np.abs(viridis(places) - expected).max() < 6
