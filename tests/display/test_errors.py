"""Standard errors beside values, and cells that cannot be told from their neighbours."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from repdyn.display.errors import with_error, within_error


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        (0.9216, 0.0042, "0.922 ± .004"),
        (0.9216, 0.42, "0.92 ± .42"),
        (-0.0123, 0.031, "-0.01 ± .03"),
        (0.5, 1.25, "0.50 ± 1.25"),
        (0.99987, 0.000031, "0.99987 ± .00003"),
        (0.999999, 2e-9, "1.00000 ± .00001"),
        (1.0, 0.0, "1.0000"),
        (0.75, math.nan, "0.7500"),
        (math.nan, math.nan, "–"),
    ],
)
def test_a_value_has_as_many_decimals_as_its_error(value: float, error: float, words: str) -> None:
    assert with_error(value, error) == words


@given(
    values=st.lists(st.floats(0, 1, width=32), min_size=9, max_size=9),
    error=st.floats(0, 0.5, width=32),
    square=st.booleans(),
)
def test_a_cell_is_within_error_as_a_plain_loop_says(
    values: list[float], error: float, square: bool
) -> None:
    cells = np.array(values, dtype=np.float32).reshape(3, 3)
    found = within_error(cells, np.full((3, 3), error, dtype=np.float32), square=square)
    for i in range(3):
        for j in range(3):
            near = [(i, j - 1), (i - 1, j)] if square else [(i, j - 1)]
            whole = all(min(cell) >= 0 for cell in near)
            assert found[i, j] == (
                whole and all(abs(cells[i, j] - cells[cell]) <= error for cell in near)
            )


def test_unknown_values_and_errors_are_never_within_error() -> None:
    values = np.array([[0.5, math.nan, 0.5, 0.5]])
    assert not within_error(values, np.array([[1, 1, 1, math.nan]]), square=False).any()
