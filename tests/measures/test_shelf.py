"""What is kept of earlier checkpoints: the same wherever it lies, and in bounded memory."""

import errno
import os
import tempfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch

from repdyn.errors import UserError
from repdyn.measures.cka import gram
from repdyn.measures.engine import engines
from repdyn.measures.growing import GrowingCka
from repdyn.measures.jackknife import GrowingErrors
from repdyn.measures.rows import encoded, inner_products
from repdyn.measures.shelf import Shelf
from repdyn.measures.spec import MEASURES
from repdyn.measures.symmetric import GrowingMatrices
from repdyn.settings.schema import MeasureConfig

L, N, BATCH = 2, 40, 20


def is_mapped(array: np.ndarray) -> bool:
    """Return whether an array lies in a memory-mapped file: its memory is nobody's to write."""
    return not array.flags.writeable


def measured(shelf: Shelf, checkpoints: int = 5) -> dict[str, np.ndarray]:
    """Return the matrices and standard errors of all measures, with a shelf."""
    settings = MeasureConfig(similarity=("all",), cka_batch=BATCH)
    by_measure = engines(settings, L, (0, 0, 1, 1), shelf)
    rng = np.random.default_rng(0)
    features = torch.from_numpy(rng.standard_normal((L, N, 6)))
    for _ in range(checkpoints):
        features = features + 0.3 * torch.from_numpy(rng.standard_normal(features.shape))
        maps = rng.integers(0, 3, (L + 1, 4, 5, 5)).astype(np.uint8)
        for one in by_measure.values():
            for part in features.split(BATCH, dim=1):
                one.see_grams([gram(x) for x in part], BATCH / N)
            one.append(one.observe(maps), np.zeros(L + 1, bool))
    found = {name: one.matrices for name, one in by_measure.items()}
    errors = {MEASURES[k].error_name: one.errors for k, one in by_measure.items()}
    return found | {name: one for name, one in errors.items() if one is not None}


@pytest.mark.parametrize("most", [0, 10_000])
def test_every_measure_is_the_same_bit_for_bit_from_a_file(most: int) -> None:
    shelf = Shelf(most)
    found, expected = measured(shelf), measured(Shelf())
    assert shelf.in_file > 0
    assert shelf.in_memory <= most
    for name, matrices in expected.items():
        assert np.isfinite(matrices).any()
        np.testing.assert_array_equal(found[name], matrices)


def test_memory_is_bounded_for_all_measures_together() -> None:
    most = 200_000
    shelf = Shelf(most)
    arrays = [np.full((3, 5000), i, np.int16) for i in range(60)]
    kept = [shelf.keep(list(each)) for each in arrays]
    in_memory = [each for rows in kept for each in rows if not is_mapped(each)]
    assert sum(each.nbytes for each in in_memory) == shelf.in_memory <= most
    assert shelf.in_memory + shelf.in_file == sum(each.nbytes for each in arrays)
    for rows, each in zip(kept, arrays, strict=True):
        np.testing.assert_array_equal(rows, each)


def test_rows_in_a_file_take_no_memory() -> None:
    row, shelf = np.zeros(2**18, np.int16), Shelf(2**20)
    tracemalloc.start()
    try:
        kept = [shelf.keep([row.copy()]) for _ in range(40)]
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(kept) == 40
    assert 2**20 <= held < 2**20 + 2**16  # of 20 MiB
    assert peak < held + 2 * row.nbytes


def test_a_thousand_checkpoints_take_few_file_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python duplicates the descriptor of each file that it maps, and a process has 1,024 by default."""
    monkeypatch.setattr("repdyn.measures.shelf._SEGMENT", 2**16)
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        pytest.skip("needs /proc")
    before, shelf = len(list(folder.iterdir())), Shelf(0)
    kept = [shelf.keep([np.full(5000, i, np.float32)]) for i in range(1000)]
    assert shelf.in_file == 1000 * 20_000
    assert len(list(folder.iterdir())) - before < 40
    assert [row[0][-1] for row in kept] == list(range(1000))


def test_the_file_is_gone_with_its_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    shelf = Shelf(0)
    (row,) = shelf.keep([np.arange(9)])
    del shelf
    np.testing.assert_array_equal(row, np.arange(9))
    assert not list(tmp_path.iterdir())


def test_no_room_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(UserError, match=r"does not fit there.*TMPDIR"):
        Shelf(0).keep([np.zeros(4, np.float16)])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a full device")
def test_a_full_disk_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by a signal that ends the process, as it is for who writes into a mapping."""
    shelf = Shelf(0)
    shelf.keep([np.zeros(4)])
    with Path("/dev/full").open("wb", buffering=0) as full:
        monkeypatch.setattr(shelf, "_file", full)
        monkeypatch.setattr(shelf, "_start", 0)
        full_of = os.strerror(errno.ENOSPC)
        with pytest.raises(UserError, match=rf"does not fit there \({full_of}\)"):
            shelf.keep([np.zeros(4)])


def test_arrays_of_no_planes_are_kept() -> None:
    (empty,) = Shelf(0).keep([np.zeros((3, 0, 5, 5), np.uint8)])
    assert empty.shape == (3, 0, 5, 5)


def test_many_rows_are_multiplied_in_groups_with_equal_products() -> None:
    rng = np.random.default_rng(0)
    rows = [encoded(rng.standard_normal(400)) for _ in range(600)]
    exact = np.stack(rows).astype(np.float64)
    expected = exact @ exact[-1] / 400
    np.testing.assert_allclose(inner_products(rows, rows[-1:])[:, 0], expected, atol=1e-7)
    few = inner_products(rows[:3], rows[-1:])
    np.testing.assert_allclose(few[:, 0], expected[:3], atol=1e-7)


def test_half_of_the_matrices_is_held() -> None:
    n, e = 4, 300
    values = np.random.default_rng(0).random((n, e, e)).astype(np.float32)
    values = np.tril(values) + np.tril(values, -1).swapaxes(1, 2)
    tracemalloc.start()
    try:
        growing = GrowingMatrices(n)
        for i in range(e):
            growing.append(values[:, i, : i + 1].astype(np.float64))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 2 * n * e * (e + 1) + 300 * e  # an array object for each checkpoint
    np.testing.assert_array_equal(growing.whole, values)


def test_standard_errors_of_many_images_lie_in_the_file_too() -> None:
    shelf, batch = Shelf(0), 20
    errors, growing, held = (
        GrowingErrors("unbiased", batch),
        GrowingCka(),
        GrowingErrors("unbiased", batch),
    )
    rng = np.random.default_rng(0)
    for _ in range(6):
        growing.append(encoded(rng.standard_normal(5 * batch * (batch - 1) // 2)))
        errors.append(growing.rows, shelf)
        held.append(growing.rows)
    assert shelf.in_file == 6 * 5 * batch * 8
    np.testing.assert_array_equal(errors.matrix, held.matrix)
