"""What each step of measuring adds to the error of CKA, end to end, family by family."""

from __future__ import annotations

import copy
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional

from benchmarks import float64
from benchmarks.result import Figure, Result, main
from repdyn.layer import Layer
from repdyn.layers import watched_layers
from repdyn.measures.cka import gram, gram_vectors, minibatches, stored, weighted
from repdyn.measures.features import with_precise_bn
from repdyn.measures.folding import foldable, folded
from repdyn.measures.growing import GrowingCka
from repdyn.measures.rows import cka_matrix, decoded

AIM = 2e-6
"""Largest error of a CKA."""

IMAGES, QUICK = 260, 32
"""Reference images: with 260 in one minibatch, the rows are long enough to be stored as int16."""

TRAIN, BATCH = 64, 260
STEPS = (0, 1, 4)
"""Steps of SGD after which there is a checkpoint."""

MOVE = 1e-3
"""By how much of its norm a step changes the weights."""


@dataclass(frozen=True)
class Family:
    """A model of a family of timm's, small, for images of `side` pixels."""

    arch: str
    side: int = 32
    options: Mapping[str, Any] = field(default_factory=dict)

    def build(self) -> nn.Module:
        """Return the model with its initial weights, in the layout in which repdyn trains it."""
        torch.manual_seed(0)
        model: nn.Module = timm.create_model(self.arch, num_classes=10, **self.options)
        return model.to(memory_format=torch.channels_last)


_SIZED = {"img_size": 64}

FAMILIES = {
    "ConvNeXt": Family("convnext_atto"),
    "Swin": Family(
        "swin_tiny_patch4_window7_224",
        56,
        {"img_size": 56, "embed_dim": 48, "depths": (2, 2, 2, 2), "num_heads": (2, 4, 8, 16)},
    ),
    "BEiT": Family(
        "beit_base_patch16_224", 64, _SIZED | {"embed_dim": 192, "num_heads": 3, "depth": 8}
    ),
    "DeiT": Family("deit_tiny_patch16_224", 64, _SIZED),
    "EfficientNet": Family("efficientnet_b0"),
    "RegNet": Family("regnety_002"),
    "ResNetV2": Family("resnetv2_18"),
    "VGG-BN": Family("vgg11_bn", 32, {"mlp_ratio": 1 / 32}),
    "DenseNet": Family("densenet121"),
    "LeViT": Family("levit_128s", 64, _SIZED),
    "CaiT": Family("cait_xxs24_224", 64, _SIZED),
}
SMALL = ("DeiT", "RegNet")
"""The families of a quick run."""

WORDS = {
    "statistics": "BatchNorm's statistics",
    "pass": "float32 pass",
    "folding": "folding",
    "gram": "Gram matrices",
    "rows": "stored rows",
    "products": "products of rows",
    "all": "end to end",
    "all but output": "end to end, without the logits",
    "float16": "rows as float16, as they were before",
}


def run(quick: bool) -> Result:
    """Measure all families; a quick run takes two of them and few images."""
    figures: list[Figure] = []
    for name in SMALL if quick else FAMILIES:
        errors, least = family_errors(FAMILIES[name], QUICK if quick else IMAGES)
        figures.append(Figure(f"{name}: least CKA", least, ""))
        for step, error in errors.items():
            most = AIM if step == "all" else None
            figures.append(Figure(f"{name}: {WORDS[step]}", error, "", most=most))
    return Result(
        "Largest error of CKA, over all watched layers and pairs of checkpoints",
        figures,
        f"{IMAGES} images of digits, minibatches of {BATCH}; random initial weights, then steps of "
        f"SGD that change the weights by {MOVE:.1%} each; checkpoints after {STEPS}. Truth: the same "
        "weights in float64 throughout, by hooks and formulas that share no code with repdyn. Each "
        "step is measured alone: what it adds to what precedes it.",
    )


def family_errors(family: Family, n: int) -> tuple[dict[str, float], float]:
    """Return the largest error that each step causes, and the least true CKA.

    Args:
        family: whose model is trained and measured.
        n: reference images.
    """
    images, labels = _images(n + TRAIN, family.side)
    reference, train, targets = images[:n], images[n:], labels[n:]
    layers: Sequence[Layer] = ()
    rows: dict[str, list[list[NDArray[np.float64]]]] = defaultdict(list)
    kept = {name: list[list[Any]]() for name in ("products", "all")}
    for model in _trained(family.build(), train, targets):
        layers = layers or watched_layers(model)
        for name, of_layers in _by_step(model, layers, reference, train).items():
            (kept if name in kept else rows)[name].append(of_layers)
    matrices = {name: _each_layer(of, float64.cka_matrix) for name, of in rows.items()}
    matrices["products"] = _each_layer(kept["products"], lambda r: cka_matrix(r, r))
    matrices["all"] = _each_layer(kept["all"], _grown)
    before = {
        "statistics": "truth",
        "pass": "truth",
        "folding": "pass",
        "gram": "pass",
        "rows": "gram",
        "products": "rows",
        "all": "truth",
        "float16": "gram",
    }
    errors = {step: _largest_error(matrices[step], matrices[of]) for step, of in before.items()}
    errors["all but output"] = _largest_error(matrices["all"][:-1], matrices["truth"][:-1])
    return {step: errors[step] for step in WORDS}, float(np.nanmin(matrices["truth"]))


def _largest_error(found: NDArray[Any], expected: NDArray[Any]) -> float:
    """Return the largest difference; infinite if only one of both is defined somewhere."""
    if (np.isnan(found) != np.isnan(expected)).any():
        return math.inf
    return float(np.nanmax(np.abs(found - expected)))


def _by_step(
    model: nn.Module, layers: Sequence[Layer], reference: Tensor, train: Tensor
) -> dict[str, list[Any]]:
    """Return the rows of each layer after each step, in float64 but for those that are stored."""
    names = [layer.module for layer in layers]
    exact = float64.with_statistics(model, train, BATCH)
    single = copy.deepcopy(exact).float()
    ours = with_precise_bn(model, train, batch=BATCH)
    pairs = foldable(single, set(names))
    features = float64.features(single, names, reference)
    vectors = [_vector(x) for x in features]
    stored_rows = [stored(torch.from_numpy(v)) for v in vectors]
    return {
        "truth": _rows(float64.features(exact, names, reference.double())),
        "statistics": _rows(float64.features(_double(ours), names, reference.double())),
        "pass": _rows(features),
        "folding": _rows(float64.features(folded(single, pairs), names, reference)),
        "gram": vectors,
        "rows": [decoded(row).astype(np.float64) for row in stored_rows],
        "float16": [_half(v) for v in vectors],
        "products": stored_rows,
        "all": [
            stored(v)
            for v in gram_vectors(
                folded(ours, foldable(ours, set(names))), layers, reference, batch=BATCH
            )
        ],
    }


def _double(model: nn.Module) -> nn.Module:
    return copy.deepcopy(model).double()


def _rows(features: Sequence[Tensor]) -> list[NDArray[np.float64]]:
    return [float64.row(x, minibatches(len(x), "unbiased", BATCH)) for x in features]


def _vector(x: Tensor) -> NDArray[np.float64]:
    """Return a layer's row by repdyn's Gram matrices, not yet stored."""
    sizes = minibatches(len(x), "unbiased", BATCH)
    parts = (weighted(gram(b), "unbiased", len(b) / sum(sizes)) for b in x.split(sizes))
    vector: NDArray[np.float64] = torch.cat([*parts]).numpy()
    return vector


def _half(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a row rounded to float16 as older versions stored it, scaled to an rms of 1."""
    with np.errstate(invalid="ignore"):
        scaled: NDArray[np.float64] = vector / np.sqrt(np.mean(vector**2))
    return scaled.astype(np.float16).astype(np.float64)


def _each_layer(checkpoints: Sequence[Sequence[Any]], compare: Any) -> NDArray[np.float64]:
    """Return the CKA between all pairs of checkpoints, (L, E, E)."""
    with np.errstate(invalid="ignore"):  # logits that do not vary, as initial ones are 0
        return np.stack([compare(list(rows)) for rows in zip(*checkpoints, strict=True)])


def _grown(rows: Sequence[Any]) -> NDArray[np.float32]:
    growing = GrowingCka()
    for row in rows:
        growing.append(row)
    return growing.matrix


def _trained(model: nn.Module, images: Tensor, labels: Tensor) -> Iterator[nn.Module]:
    """Yield a copy of the model at each checkpoint, in eval mode."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    model.train()
    for step in range(max(STEPS) + 1):
        if step in STEPS:
            yield copy.deepcopy(model).eval()
        part = slice(step * 32 % len(images), step * 32 % len(images) + 32)
        loss = functional.cross_entropy(model(images[part]), labels[part])
        gradients = torch.autograd.grad(loss, parameters)
        with torch.no_grad():
            rate = MOVE * _length(parameters) / _length(gradients)
            for p, g in zip(parameters, gradients, strict=True):
                p.sub_(rate * g)


def _length(tensors: Sequence[Tensor]) -> float:
    """Return the norm of all tensors together."""
    return math.sqrt(sum(float(x.square().sum()) for x in tensors))


def _images(n: int, side: int) -> tuple[Tensor, Tensor]:
    """Return digits as colour images, (n, 3, side, side) float32, and their classes."""
    found = load_digits()
    small = torch.as_tensor(found.images[:n, None], dtype=torch.float32)
    small = (small - small.mean()) / small.std()
    large = functional.interpolate(small, size=side, mode="bilinear").expand(-1, 3, -1, -1)
    return large.contiguous(memory_format=torch.channels_last), torch.as_tensor(found.target[:n])


if __name__ == "__main__":
    main(["accuracy"], (__doc__ or "").splitlines()[0])
