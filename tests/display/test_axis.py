"""The epoch axis: where epochs lie, which are in view, which are labelled."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repdyn.display import axis

EPOCHS = st.lists(st.integers(0, 5000), min_size=1, max_size=60, unique=True).map(
    lambda epochs: np.array(sorted(epochs))
)


@given(EPOCHS, st.sampled_from([1, 7, axis.LINEAR]))
def test_positions_increase_and_can_be_inverted(epochs: np.ndarray, grain: float) -> None:
    place = axis.position(epochs, grain)
    assert np.all(np.diff(place) > 0)
    assert axis.epoch_at(place, grain) == pytest.approx(epochs)


def test_a_linear_axis_has_the_borders_of_its_cells_halfway_between_epochs() -> None:
    assert axis.edges(np.array([0, 10, 40]), axis.LINEAR).tolist() == [-5, 5, 25, 55]


@given(EPOCHS, st.integers(0, 5000), st.integers(0, 5000))
def test_what_lies_in_a_span_is_in_view(epochs: np.ndarray, one: int, other: int) -> None:
    first, last = sorted((one, other))
    seen = epochs[axis.within(epochs, (first, last))].tolist()
    inside = [epoch for epoch in epochs.tolist() if first <= epoch <= last]
    assert seen == inside or (not inside and len(seen) == 1)


def test_without_a_span_all_is_in_view_and_of_nothing_nothing() -> None:
    assert axis.within(np.array([1, 2]), None) == slice(0, 2)
    assert axis.within(np.array([], dtype=int), (1, 2)) == slice(0, 0)


@given(st.integers(0, 10**7), st.integers(1, 10**7), st.integers(1, 30))
def test_linear_ticks_are_even_inside_and_not_too_many(first: int, width: int, most: int) -> None:
    last = first + width
    ticks = axis.ticks(last, first, most, axis.LINEAR)
    assert first <= ticks[0] < ticks[-1] <= last
    assert len(set(np.diff(ticks).tolist())) == 1
    assert len(ticks) <= max(2, most + 1)


def test_linear_ticks_are_round() -> None:
    assert axis.ticks(200, 0, 10, axis.LINEAR) == (0, 50, 100, 150, 200)
