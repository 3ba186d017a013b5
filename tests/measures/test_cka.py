"""CKA against its definitions, its invariances, and the cases on which packages fail."""

from typing import Any

import cka as pytorch_cka
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from repdyn.layer import Layer
from repdyn.measures.cka import gram_vectors, minibatches, stored
from repdyn.measures.growing import GrowingCka
from repdyn.measures.rows import cka_matrix
from tests.support import oracles
from tests.support.networks import FIRST, IDENTITY, LOGITS, Mlp, Residual, Scaled


def rows(model: nn.Module, layers: list[Layer], images: Tensor, **how: Any) -> list[np.ndarray]:
    return [vector.numpy() for vector in gram_vectors(model, layers, images, **how)]


def rows_of(features: Tensor, **how: Any) -> list[np.ndarray]:
    return rows(Scaled(), [IDENTITY], features, **how)


def cka(x: Tensor, y: Tensor, **how: Any) -> float:
    return float(cka_matrix(rows_of(x, **how), rows_of(y, **how))[0, 0])


def pair(seed: int, n: int = 12, d: int = 5) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(n, d, generator=g)
    return x, x @ torch.randn(d, d, generator=g) + 0.5 * torch.randn(n, d, generator=g)


def test_unbiased_equals_the_definition_by_loops() -> None:
    x, y = pair(0, n=20)
    expected = oracles.cka_unbiased(x.double().numpy(), y.double().numpy(), [20])
    assert cka(x, y) == pytest.approx(expected, abs=1e-6)


def test_minibatches_are_summed_before_the_ratio() -> None:
    x, y = pair(1, n=24)
    expected = oracles.cka_unbiased(x.double().numpy(), y.double().numpy(), [8, 8, 8])
    mean_of_ratios = np.mean(
        [
            oracles.cka_unbiased(x[s].double().numpy(), y[s].double().numpy(), [8])
            for s in (slice(0, 8), slice(8, 16), slice(16, 24))
        ]
    )
    assert cka(x, y, batch=8) == pytest.approx(expected, abs=1e-6)
    assert abs(expected - mean_of_ratios) > 1e-3


def test_a_short_last_minibatch_is_exact() -> None:
    x, y = pair(2, n=21)
    expected = oracles.cka_unbiased(x.double().numpy(), y.double().numpy(), [8, 8, 5])
    assert cka(x, y, batch=8) == pytest.approx(expected, abs=1e-6)


def test_a_last_minibatch_too_short_for_hsic_is_dropped() -> None:
    x, y = pair(3, n=19)
    assert minibatches(19, "unbiased", 8) == [8, 8]
    assert cka(x, y, batch=8) == pytest.approx(cka(x[:16], y[:16], batch=8), abs=1e-12)


def test_biased_equals_the_definition() -> None:
    x, y = pair(4, n=20)
    expected = oracles.cka_biased(x.double().numpy(), y.double().numpy())
    assert cka(x, y, estimator="biased") == pytest.approx(expected, abs=1e-6)


def test_equals_pytorch_cka_in_float64() -> None:
    x, y = pair(5, n=40)
    theirs = pytorch_cka.cka_from_features(x.double(), y.double())
    assert cka(x, y) == pytest.approx(float(theirs), abs=1e-6)


def test_independent_features_are_unlike_where_the_biased_estimator_says_alike() -> None:
    values = []
    for seed in range(10):
        g = torch.Generator().manual_seed(seed)
        x, y = torch.randn(20, 500, generator=g), torch.randn(20, 500, generator=g)
        values.append(cka(x, y))
        assert cka(x, y, estimator="biased") > 0.9
    assert abs(np.mean(values)) < 0.05
    assert min(values) < 0


@given(seed=st.integers(0, 10**6), scale=st.floats(1e-3, 1e3), shift=st.floats(-10, 10))
@settings(max_examples=25, deadline=None)
def test_invariances(seed: int, scale: float, shift: float) -> None:
    """Orthogonal maps, isotropic scaling, translation and order of features change nothing."""
    x, y = pair(seed)
    g = torch.Generator().manual_seed(seed + 1)
    rotation, _ = torch.linalg.qr(torch.randn(5, 5, generator=g))
    moved = (x @ rotation)[:, torch.randperm(5, generator=g)] * scale + shift
    assert cka(moved, y) == pytest.approx(cka(x, y), abs=1e-3)


@given(seed=st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_of_itself_is_one_and_symmetric(seed: int) -> None:
    x, y = pair(seed)
    both = [*rows_of(x), *rows_of(y)]
    matrix = cka_matrix(both, both)
    np.testing.assert_allclose(np.diag(matrix), 1, atol=1e-6)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-6)


def test_the_order_of_the_images_does_not_matter_in_one_minibatch() -> None:
    x, y = pair(6, n=30)
    order = torch.randperm(30, generator=torch.Generator().manual_seed(0))
    assert cka(x[order], y[order]) == pytest.approx(cka(x, y), abs=1e-6)


def test_a_large_common_offset_and_tiny_features_change_nothing() -> None:
    x, _ = pair(7, n=30)
    plain = rows(Scaled(), [IDENTITY], x)
    offset = rows(Scaled(offset=1e3), [IDENTITY], x)
    tiny = rows(Scaled(scale=1e-3), [IDENTITY], x)
    assert cka_matrix(plain, tiny)[0, 0] == pytest.approx(1, abs=1e-6)
    rounded = (x + 1e3) - 1e3
    assert cka_matrix(offset, rows_of(rounded))[0, 0] == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_stored_rows_give_the_cka_of_the_features_whatever_their_scale(scale: float) -> None:
    x, y = pair(8, n=250)
    kept = [
        stored(gram_vectors(Scaled(scale=s), [IDENTITY], z)[0]) for s, z in ((scale, x), (1.0, y))
    ]
    matrix = cka_matrix(kept, kept)
    assert matrix[0, 1] == pytest.approx(cka(x, y), abs=1e-6)
    np.testing.assert_allclose(np.diag(matrix), 1, atol=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6, 1e-20])
def test_constant_features_have_no_similarity(value: float) -> None:
    (vector,) = gram_vectors(Scaled(scale=1.0), [IDENTITY], torch.full((30, 7), value))
    assert np.isnan(stored(vector)).all()


def test_features_on_a_large_offset_are_not_constant() -> None:
    x = torch.randn(30, 7, generator=torch.Generator().manual_seed(0)) + 1e3
    (vector,) = gram_vectors(Scaled(scale=1.0), [IDENTITY], x)
    assert cka_matrix([stored(vector)], rows_of(x - 1e3))[0, 0] == pytest.approx(1, abs=1e-4)


def test_an_in_place_relu_after_the_layer_does_not_change_what_is_measured() -> None:
    torch.manual_seed(0)
    model, x = Mlp(), torch.randn(30, 6)
    with torch.no_grad():
        before_relu = model.first(x)
    measured = rows(model, [FIRST], x)
    assert cka_matrix(measured, rows_of(before_relu))[0, 0] == pytest.approx(1, abs=1e-6)
    assert cka_matrix(measured, rows_of(before_relu.relu()))[0, 0] < 0.999


def test_a_zero_initialised_batch_norm_gives_nan_for_its_branch_and_one_for_the_block() -> None:
    torch.manual_seed(0)
    model, x = Residual(), torch.randn(30, 1, 4, 4)
    branches = gram_vectors(model, [Layer("branch", "branch"), Layer("bn1", "bn1"), LOGITS], x)
    measured = [stored(vector) for vector in branches]
    matrices = [cka_matrix([row], [row])[0, 0] for row in measured]
    assert np.isnan(matrices[0])
    np.testing.assert_allclose(matrices[1:], 1, atol=1e-6)


def test_the_chunk_of_the_forward_pass_does_not_matter() -> None:
    torch.manual_seed(0)
    model, x = Residual(), torch.randn(30, 1, 4, 4)
    whole, pieces = (rows(model, [LOGITS], x, batch=15, chunk=c) for c in (250, 4))
    assert cka_matrix(whole, pieces)[0, 0] == pytest.approx(1, abs=1e-6)


def test_channels_last_changes_nothing() -> None:
    torch.manual_seed(0)
    model, x = Residual(), torch.randn(30, 1, 4, 4)
    plain = rows(model, [Layer("bn1", "bn1")], x)
    last = rows(
        model.to(memory_format=torch.channels_last),
        [Layer("bn1", "bn1")],
        x.contiguous(memory_format=torch.channels_last),
    )
    assert cka_matrix(plain, last)[0, 0] == pytest.approx(1, abs=1e-6)


def test_an_appended_checkpoint_equals_a_full_recomputation() -> None:
    features = [pair(seed, n=30)[1] for seed in range(5)]
    growing = GrowingCka()
    for x in features:
        growing.append(rows_of(x)[0])
    full = cka_matrix(growing.rows, growing.rows)
    np.testing.assert_allclose(growing.matrix, full, atol=1e-6)
    oracle = [
        [oracles.cka_unbiased(a.double().numpy(), b.double().numpy(), [30]) for b in features]
        for a in features
    ]
    np.testing.assert_allclose(growing.matrix, oracle, atol=1e-6)


def test_modes_are_restored_module_by_module() -> None:
    model = Residual()
    model.train()
    model.bn1.eval()
    rows(model, [LOGITS], torch.randn(8, 1, 4, 4))
    assert model.training
    assert model.conv.training
    assert not model.bn1.training


@pytest.mark.parametrize(("n", "batch"), [(3, 250), (10, 3)])
def test_too_few_images_are_refused(n: int, batch: int) -> None:
    with pytest.raises(ValueError, match="at least 4"):
        rows_of(torch.randn(n, 5), batch=batch)
