"""How exact stored CKA is, end to end, beside hooks in float64; and what LEAST_SCATTER needs of it."""

import copy

import numpy as np
import pytest
import timm
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from repdyn.analysis.change_points import LEAST_SCATTER
from repdyn.layer import Layer
from repdyn.layers import watched_layers
from repdyn.measures.cka import gram_vectors, stored
from repdyn.measures.rows import cka_matrix
from tests.support import oracles
from tests.support.networks import IDENTITY, Scaled

NEAR = 0.999
"""Similarity above which a layer hardly moved."""

MARGIN = 20
"""Times by which errors of such similarities are less than LEAST_SCATTER."""


def plain_row(features: Tensor) -> np.ndarray:
    """Return the U-centred Gram matrix of features in float64, of length 1."""
    x = features.double().flatten(1).numpy()
    k = (x - x.mean(axis=0)) @ (x - x.mean(axis=0)).T
    np.fill_diagonal(k, 0)
    n = len(k)
    sums = k.sum(axis=0) / (n - 2)
    u = k - sums - sums[:, None] + k.sum() / ((n - 1) * (n - 2))
    np.fill_diagonal(u, 0)
    return np.asarray(u.ravel() / np.linalg.norm(u))


@torch.no_grad()
def float64_rows(model: nn.Module, layers: list[Layer], images: Tensor) -> list[np.ndarray]:
    """Return the rows of a copy of the model that runs in float64."""
    model, kept = copy.deepcopy(model).double(), {}
    for layer in layers:

        def keep(_module: nn.Module, _inputs: object, out: Tensor, name: str = layer.name) -> None:
            kept[name] = plain_row(out)

        model.get_submodule(layer.module).register_forward_hook(keep)
    model(images.double())
    return [kept[layer.name] for layer in layers]


@torch.no_grad()
def moved(model: nn.Module, share: float) -> nn.Module:
    """Return the model with each weight moved by a share of its tensor's deviation."""
    model = copy.deepcopy(model)
    generator = torch.Generator().manual_seed(1)
    for p in model.parameters():
        p.add_(torch.randn(p.shape, generator=generator) * share * p.std(unbiased=False))
    return model


@pytest.mark.parametrize(("arch", "size"), [("levit_128s", 224), ("resnet18", 64)])
def test_stored_cka_beside_float64_hooks(arch: str, size: int) -> None:
    torch.manual_seed(0)
    model = timm.create_model(arch, num_classes=10).eval()
    layers = list(watched_layers(model))
    images = torch.randn(16, 3, size, size)
    models = [moved(model, share) for share in (0, 1e-3, 3e-2, 0.3)]
    ours = [[stored(v) for v in gram_vectors(m, layers, images, batch=16)] for m in models]
    theirs = [float64_rows(m, layers, images) for m in models]
    for layer in range(len(layers)):
        rows = [row[layer] for row in ours]
        truth = np.array([row[layer] for row in theirs])
        expected = truth @ truth.T
        error = np.abs(cka_matrix(rows, rows) - expected)
        assert error.max() < 3e-4
        assert error[expected > NEAR].max() < LEAST_SCATTER / MARGIN


@given(
    seed=st.integers(0, 2**32 - 1),
    distance=st.sampled_from([0.0, 1e-6, 1e-4, 1e-3, 1e-2]),
    degenerate=st.booleans(),
)
def test_float16_rows_hardly_change_how_far_near_features_are_apart(
    seed: int, distance: float, degenerate: bool
) -> None:
    """Degenerate features vary along one direction a thousand times as much as along others."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(24, 10)) * ([1000.0] + [1.0] * 9 if degenerate else 1.0)
    y = x + distance * rng.normal(size=x.shape) * x.std(axis=0)
    rows = [
        [stored(v) for v in gram_vectors(Scaled(), [IDENTITY], torch.tensor(z))] for z in (x, y)
    ]
    expected = oracles.cka_unbiased(x, y, [24])
    assert expected > NEAR
    assert cka_matrix(*rows)[0, 0] == pytest.approx(expected, abs=LEAST_SCATTER / MARGIN)


def test_a_short_last_minibatch_counts_by_its_share_of_the_images() -> None:
    """Σ (b / n) HSIC₁ by a plain loop; a plain sum over minibatches is something else."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(20, 4, generator=generator)
    y = x + torch.randn(20, 4, generator=generator)
    sums = {"weighted": np.zeros(3), "plain": np.zeros(3)}
    for part in (slice(0, 8), slice(8, 16), slice(16, 20)):
        a, b = (z[part].double().numpy() for z in (x, y))
        k, m = a @ a.T, b @ b.T
        each = np.array([oracles.hsic1(k, m), oracles.hsic1(k, k), oracles.hsic1(m, m)])
        sums["weighted"] += len(a) / 20 * each
        sums["plain"] += each
    weighted, plain = (float(s[0] / np.sqrt(s[1] * s[2])) for s in sums.values())
    rows = [gram_vectors(Scaled(), [IDENTITY], z, batch=8)[0].numpy() for z in (x, y)]
    assert cka_matrix(*([row] for row in rows))[0, 0] == pytest.approx(weighted, abs=1e-6)
    assert abs(weighted - plain) > 1e-3
