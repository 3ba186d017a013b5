"""Rows as they are stored: what rounding costs, and every form that was ever stored."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from repdyn.measures.growing import GrowingCka
from repdyn.measures.rows import (
    SHORT,
    Row,
    cka_matrix,
    decoded,
    encoded,
    inner_products,
    is_defined,
    row_type,
)
from repdyn.measures.shelf import Shelf
from repdyn.storage.codec import decode_summaries, encode_summaries

LENGTHS = (50, SHORT - 1, SHORT, 62250)
TAILS = st.sampled_from([3.0, 5.0, 100.0])
"""Degrees of freedom of Student's t: the fewer, the heavier the tails."""


def heavy(seed: int, length: int, tails: float = 5.0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).standard_t(tails, length)


def cosine(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def rounding(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Return the standard deviation of the cosine with b as a is rounded, to first order.

    A step at x is 2 √(|x| max|a|) / 32767 wide, and rounding is uniform within it.
    """
    variance = 4 * np.abs(a) * np.abs(a).max() / 32767**2 / 12
    across = b / np.linalg.norm(b) - cosine(a, b) * a / np.linalg.norm(a)
    return float(np.sqrt(variance @ across**2) / np.linalg.norm(a))


def old(vector: NDArray[np.float64]) -> NDArray[np.float16]:
    """Return a row as older versions stored it."""
    return np.asarray(vector / np.sqrt(np.mean(vector**2)), dtype=np.float16)


@given(st.integers(0, 2**32), st.sampled_from(LENGTHS), TAILS, st.sampled_from([1e-30, 1.0, 1e30]))
def test_decoding_gives_the_row_back(seed: int, length: int, tails: float, scale: float) -> None:
    """Apart from its scale, within float32's rounding or half a step of the square root.

    |x ∓ x̂| = |√x - √x̂| (√x + √x̂), and the square roots differ by at most half of 1 / 32767.
    """
    row = heavy(seed, length, tails) * scale
    expected = row / np.abs(row).max()
    stored = encoded(row)
    assert stored.dtype == row_type(length)
    found = decoded(stored)
    assert found.dtype == np.float32
    bound = 2.0**-24 * np.abs(expected)
    if length >= SHORT:
        step = 0.5 / 32767
        bound = step * (2 * np.sqrt(np.abs(expected)) + step)
    assert (np.abs(found - expected) <= bound + 1e-6 * np.abs(expected)).all()


def test_a_short_row_is_exact_to_float32() -> None:
    row = heavy(0, SHORT - 1)
    np.testing.assert_allclose(decoded(encoded(row)), row / np.abs(row).max(), rtol=1e-7)


@given(st.integers(0, 2**32), st.sampled_from(LENGTHS), TAILS, st.floats(0, 2))
def test_stored_rows_change_cka_by_what_rounding_says(
    seed: int, length: int, tails: float, moved: float
) -> None:
    """By 1e-6 for sums in float32, and for long rows by six deviations of what rounding adds."""
    a = heavy(seed, length, tails)
    b = a + moved * heavy(seed + 1, length, tails)
    found = cka_matrix([encoded(a)], [encoded(b)])[0, 0]
    deviation = np.hypot(rounding(a, b), rounding(b, a)) if length >= SHORT else 0.0
    assert found == pytest.approx(cosine(a, b), abs=1e-6 + 6 * deviation)


@given(st.integers(0, 2**32), st.integers(1, 300), st.floats(0, 2))
def test_few_large_entries_in_a_long_row_cost_little_more(
    seed: int, entries: int, moved: float
) -> None:
    """The worst case: each is rounded by up to half a step, and a step of √x is 2 √x of x."""
    a, b = (heavy(seed + i, SHORT) * 1e-3 for i in range(2))
    a[:entries] += heavy(seed + 2, entries)
    b[:entries] += a[:entries] + moved * heavy(seed + 3, entries)
    found = cka_matrix([encoded(a)], [encoded(b)])[0, 0]
    assert found == pytest.approx(cosine(a, b), abs=2 / 32767)


@pytest.mark.parametrize("length", LENGTHS)
def test_rows_of_older_versions_are_compared_with_todays(length: int) -> None:
    a, b = heavy(0, length), heavy(0, length) + heavy(1, length)
    matrix = cka_matrix([old(a), encoded(a)], [old(b), encoded(b)])
    np.testing.assert_allclose(matrix, cosine(a, b), atol=2.0**-11)
    np.testing.assert_allclose(cka_matrix([old(a)], [encoded(a)]), 1, atol=2e-6)


@pytest.mark.parametrize("length", LENGTHS)
def test_a_run_with_rows_of_an_older_version_goes_on(length: int) -> None:
    vectors = [heavy(0, length) + step * heavy(1, length) for step in range(4)]
    growing, shelf = GrowingCka(), Shelf(most=0)
    for i, vector in enumerate(vectors):
        (row,) = shelf.keep([old(vector) if i < 2 else encoded(vector)])
        growing.append(row)
    expected = [[cosine(a, b) for b in vectors] for a in vectors]
    np.testing.assert_allclose(growing.matrix, expected, atol=2.0**-11)
    np.testing.assert_allclose(growing.matrix[2:, 2:], np.array(expected)[2:, 2:], atol=2e-6)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("form", [old, encoded])
def test_rows_in_any_form_are_read_back(form: Callable[..., Row], length: int) -> None:
    rows = np.stack([form(heavy(seed, length)) for seed in range(3)])
    found = decode_summaries("cka", "x", encode_summaries(rows), 3)
    assert found.dtype == rows.dtype
    np.testing.assert_array_equal(found, rows)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_an_undefined_row_has_no_cka(length: int, value: float) -> None:
    row = heavy(0, length)
    broken = encoded(np.where(row > 1, value, 0))
    assert not is_defined(broken)
    assert is_defined(encoded(row))
    assert np.isnan(decoded(broken)).all()
    matrix = cka_matrix([broken, encoded(row)], [broken, encoded(row)])
    np.testing.assert_array_equal(np.isnan(matrix), [[True, True], [True, False]])


def test_an_undefined_row_of_older_versions_has_no_cka() -> None:
    assert not is_defined(np.full(9, np.nan, np.float16))
    assert is_defined(old(heavy(0, 9)))


@pytest.mark.parametrize("length", LENGTHS)
def test_products_of_stored_rows_are_those_in_float64(length: int) -> None:
    """Rounding of the sums stays below that of the rows, however long they are."""
    rows = [encoded(heavy(seed, length) + heavy(0, length)) for seed in range(1, 4)]
    exact = np.stack([decoded(row).astype(np.float64) for row in rows])
    norms = np.linalg.norm(exact, axis=1)
    expected = exact @ exact.T / np.outer(norms, norms)
    np.testing.assert_allclose(cka_matrix(rows, rows), expected, atol=5e-7)
    np.testing.assert_allclose(inner_products(rows, rows) * length, exact @ exact.T, rtol=2e-6)
