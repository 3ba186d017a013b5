"""Scales, and the log-epoch axis."""

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repdyn.display import axis
from repdyn.display.scale import measure_scale
from repdyn.display.similarity import previous, similarity
from repdyn.display.viridis import viridis
from repdyn.measures.spec import CKA, MEASURES, REGIONS
from tests.support import synthetic
from tests.support.present import present

RECORD = synthetic.run()[0]
DYNAMICS = present(RECORD.dynamics)


@given(values=st.lists(st.floats(-0.2, 1), min_size=1, max_size=30))
def test_a_scale_is_increasing_and_its_ticks_lie_on_it(values: list[float]) -> None:
    for measure in MEASURES.values():
        scale = measure_scale(measure, np.array(values))
        places = scale.place(scale.ticks)
        assert scale.low < scale.high
        assert (np.diff(places) > 0).all()
        assert places[0] == 0
        np.testing.assert_allclose(places[-1], 1)


@given(values=st.lists(st.floats(0, 0.9999), min_size=1, max_size=30))
def test_warping_comes_back(values: list[float]) -> None:
    scale = measure_scale(CKA, np.array([0.3, 0.999]))
    np.testing.assert_allclose(scale.unwarp(scale.warp(values)), values, atol=1e-12)


def test_values_beyond_the_scale_take_its_ends_and_nan_stays() -> None:
    scale = measure_scale(REGIONS, np.array([0.55, 0.9]))
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
