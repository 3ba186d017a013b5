"""Some of many, evenly spaced."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from repdyn.evenly import evenly


@given(st.integers(0, 500), st.integers(1, 100))
def test_the_chosen_ones_are_in_order_with_both_ends_and_as_even_as_whole_numbers_can_be(
    count: int, most: int
) -> None:
    chosen = evenly(count, most)
    assert len(chosen) == min(count, most)
    steps = np.diff(chosen)
    assert (steps >= 1).all()
    if len(chosen) > 1:
        assert (chosen[0], chosen[-1]) == (0, count - 1)
        assert steps.max() - steps.min() <= 1
    elif chosen:
        assert chosen == [0]
