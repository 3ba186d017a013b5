"""Checkpoints: log-spaced, first and last always in."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repdyn.errors import UserError
from repdyn.training.checkpoint_epochs import checkpoint_epochs


@given(epochs=st.integers(1, 5000), wanted=st.integers(2, 300))
def test_a_number_gives_that_many_or_every_epoch(epochs: int, wanted: int) -> None:
    chosen = checkpoint_epochs(epochs, wanted)
    assert len(chosen) == min(wanted, epochs + 1)
    assert chosen[0] == 0
    assert chosen[-1] == epochs
    assert all(a < b for a, b in pairwise(chosen))


def test_the_start_is_dense_and_gaps_grow() -> None:
    chosen = checkpoint_epochs(1000, 40)
    gaps = [b - a for a, b in pairwise(chosen)]
    assert chosen[:4] == (0, 1, 2, 3)
    assert gaps[-1] > 100
    assert all(later >= sooner - 1 for sooner, later in pairwise(gaps))


def test_listed_epochs_are_sorted_with_first_and_last() -> None:
    assert checkpoint_epochs(20, (7, 3, 7)) == (0, 3, 7, 20)


def test_a_listed_epoch_beyond_the_last_is_refused() -> None:
    with pytest.raises(UserError, match="30"):
        checkpoint_epochs(20, (3, 30))
