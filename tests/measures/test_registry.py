"""What holds of every similarity measure that is registered."""

import numpy as np
import pytest
import torch

from repdyn.errors import UserError
from repdyn.measures.cka import gram
from repdyn.measures.engine import Engine, engines
from repdyn.measures.settings import MeasureSettings
from repdyn.measures.spec import MEASURES, PRIMARY, spec
from repdyn.settings.schema import MeasureConfig
from repdyn.storage.codec import decode_summaries, encode_summaries

LAYERS, IMAGES, FEATURES, BATCH = 2, 40, 12, 24
BROKEN = np.zeros(LAYERS + 1, dtype=bool)


def engine(name: str) -> Engine:
    return engines(MeasureConfig(similarity=(name,), cka_batch=BATCH), LAYERS)[name]


def similarities(name: str, *checkpoints: torch.Tensor) -> np.ndarray:
    """Return the matrices of checkpoints with these features (n, p), in both layers."""
    one, rng = engine(name), np.random.default_rng(0)
    for features in checkpoints:
        for part in features.split(BATCH):
            one.see_grams([gram(part)] * LAYERS, len(part) / IMAGES)
        maps = rng.integers(0, 3, (LAYERS + 1, 4, 5, 5)).astype(np.uint8)
        one.append(one.observe(maps), BROKEN)
    return one.matrices


@pytest.fixture
def features() -> torch.Tensor:
    torch.manual_seed(0)
    return torch.randn(IMAGES, FEATURES) @ torch.diag(torch.linspace(0.2, 3, FEATURES))


@pytest.mark.parametrize("name", MEASURES)
def test_it_is_symmetric_bounded_and_1_of_a_checkpoint_with_itself(
    name: str, features: torch.Tensor
) -> None:
    found = similarities(name, features, torch.randn(IMAGES, FEATURES), features.flip(0))
    n = LAYERS + MEASURES[name].includes_output
    assert found.shape == (n, 3, 3)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, found.swapaxes(1, 2))
    np.testing.assert_allclose(np.diagonal(found, axis1=1, axis2=2), 1, atol=1e-6)
    low, high = MEASURES[name].bounds
    assert (found >= low).all()
    assert (found <= high + 1e-6).all()
    assert (found[:, ~np.eye(3, dtype=bool)] < 0.9).all()


OF_GRAMS = [name for name, one in MEASURES.items() if one.folder]


@pytest.mark.parametrize("name", OF_GRAMS)
@pytest.mark.parametrize("change", ["orthogonal map", "scaling", "translation", "permutation"])
def test_it_does_not_change_with(name: str, change: str, features: torch.Tensor) -> None:
    torch.manual_seed(1)
    other = features + torch.randn(IMAGES, FEATURES)
    changed = {
        "orthogonal map": other @ torch.linalg.qr(torch.randn(FEATURES, FEATURES)).Q,
        "scaling": 300 * other,
        "translation": other + torch.randn(FEATURES),
        "permutation": other[:, torch.randperm(FEATURES)],
    }[change]
    found = similarities(name, features, other, changed)
    np.testing.assert_allclose(found[:, 1, 2], 1, atol=2e-3)
    np.testing.assert_allclose(found[:, 0, 1], found[:, 0, 2], atol=2e-3)
    assert (found[:, 0, 1] < 0.95).all()


@pytest.mark.parametrize("name", OF_GRAMS)
@pytest.mark.parametrize("value", [2.0, float("nan")])
def test_of_features_that_are_constant_or_not_finite_it_is_undefined(
    name: str, value: float, features: torch.Tensor
) -> None:
    one = engine(name)
    for x in (features, torch.full_like(features, value)):
        one.see_grams([gram(x)] * LAYERS, 1.0)
        kept = one.observe(np.zeros((LAYERS + 1, 1, 2, 2), np.uint8))
        one.append(kept, BROKEN)
    assert one.undefined(kept).all()
    assert np.isnan(one.matrices[:, :, 1]).all()
    assert np.isfinite(one.matrices[:, 0, 0]).all()


@pytest.mark.parametrize("name", MEASURES)
def test_what_is_kept_is_of_the_type_and_size_that_is_told(
    name: str, features: torch.Tensor
) -> None:
    one, maps = engine(name), np.zeros((LAYERS + 1, 1, 2, 2), np.uint8)
    one.see_grams([gram(features)] * LAYERS, 1.0)
    kept = np.stack(one.observe(maps))
    if MEASURES[name].folder:
        assert kept.dtype.name in MEASURES[name].dtypes
        assert kept.ndim == 2
        assert kept.nbytes == one.stored_bytes([IMAGES])
    else:
        assert one.stored_bytes([IMAGES]) == 0
        np.testing.assert_array_equal(np.stack(one.observe(maps)), maps)  # stored anyway


def test_a_measure_that_there_is_none_of_is_an_error() -> None:
    with pytest.raises(UserError, match=r"ckaa: unknown similarity measure; choose from .*, all$"):
        spec("ckaa")
    with pytest.raises(UserError, match=r"^similarity ckaa: unknown similarity measure"):
        MeasureConfig(similarity=("cka", "ckaa"))
    with pytest.raises(UserError, match=r"^similarity: give at least one of .*, all$"):
        MeasureConfig(similarity=())


def test_all_stands_for_every_measure_and_is_not_mixed_with_others() -> None:
    assert MeasureSettings(similarity=("all",)).similarity == tuple(MEASURES)
    for mixed in (("all", "cka"), ("knn", "all"), ("all", "nonsense")):
        with pytest.raises(
            UserError, match=r"^similarity .*: all includes the others; give all or"
        ):
            MeasureSettings(similarity=mixed)


@pytest.mark.parametrize("name", OF_GRAMS)
def test_from_what_is_stored_it_goes_on_to_the_same_bits(name: str) -> None:
    torch.manual_seed(0)
    whole, resumed = engine(name), engine(name)
    for step in range(4):
        x = torch.randn(IMAGES, FEATURES)
        for one in (whole,) if step < 2 else (whole, resumed):
            for part in x.split(BATCH):
                one.see_grams([gram(part)] * LAYERS, len(part) / IMAGES)
        kept = whole.observe(None)
        whole.append(kept, BROKEN)
        if step < 2:
            content = encode_summaries(np.stack(kept))
            stored = list(decode_summaries(name, "stored.npy", content, LAYERS))
            resumed.append(stored, BROKEN)
        else:
            resumed.append(resumed.observe(None), BROKEN)
    np.testing.assert_array_equal(resumed.matrices, whole.matrices)


def test_names_are_their_keys_and_folders_are_their_own() -> None:
    assert all(one.name == name for name, one in MEASURES.items())
    folders = [one.folder for one in MEASURES.values() if one.folder]
    assert len(set(folders)) == len(folders)
    assert MEASURES[PRIMARY.name] is PRIMARY


@pytest.mark.parametrize("name", MEASURES)
def test_it_has_standard_errors_if_its_spec_says_what_they_are_over(
    name: str, features: torch.Tensor
) -> None:
    one, rng = engine(name), np.random.default_rng(0)
    for x in (features, features + torch.randn(IMAGES, FEATURES)):
        one.see_grams([gram(x)] * LAYERS, 1.0)
        maps = rng.integers(0, 3, (LAYERS + 1, 4, 5, 5)).astype(np.uint8)
        one.append(one.observe(maps), BROKEN)
    if not MEASURES[name].error_over:
        assert one.errors is None
        return
    assert one.errors is not None
    assert one.errors.shape == one.matrices.shape
    assert one.errors.dtype == np.float32
    np.testing.assert_array_equal(np.diagonal(one.errors, axis1=1, axis2=2), 0)
    assert (one.errors[:, 0, 1] > 0).all()
