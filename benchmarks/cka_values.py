"""CKA in cases that packages get wrong: their numbers and ours compared with float64."""

from __future__ import annotations

from collections.abc import Iterator

import cka as pytorch_cka
import numpy as np
import torch
import torch_cka
from ckatorch.core import cka_base
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.result import Figure, Result, main, quietly
from repdyn import models
from repdyn.layer import Layer
from repdyn.measures.cka import gram, gram_vectors, packed, stored
from repdyn.measures.rows import cka_matrix
from repdyn.settings.schema import ModelConfig

IMAGES = 200
"""Images in one minibatch, so that all compute the same estimator, HSIC₁."""

CLOSE = 1e-5


def run(quick: bool) -> Result:
    """Compare values; a quick run is the same."""
    del quick
    figures = [*_relu_in_place(), *_shuffled(), *_first_checkpoint(), *_offset()]
    return Result(
        f"CKA of two networks on {IMAGES} digits, one layer: truth, ours, packages",
        figures,
        "Truth: HSIC₁ of Song et al. (2012), eq. 5, in float64 by numpy from activations copied in "
        "the forward pass. nan: not defined, as a layer's features do not vary.",
    )


def _relu_in_place() -> Iterator[Figure]:
    """Watch a layer whose output an in-place ReLU overwrites after the hook has seen it."""
    a, b = (_network("resnet18", seed) for seed in (0, 1))
    yield from _compared("a layer before an in-place ReLU (bn1)", a, b, "bn1", _loader(False))


def _shuffled() -> Iterator[Figure]:
    """Use a loader that shuffles, like a training loader."""
    a, b = (_network("resnet18", seed) for seed in (0, 1))
    yield from _compared("a loader that shuffles (layer2)", a, b, "layer2", _loader(True))


def _first_checkpoint() -> Iterator[Figure]:
    """Compare the logits of a ViT before training, all 0, with those of a later epoch."""
    a, b = (_network("vit_tiny_patch16_224", seed) for seed in (0, 1))
    with torch.no_grad():
        b.get_parameter("head.weight").normal_(generator=torch.Generator().manual_seed(0))
    yield from _compared("epoch 0 of a ViT (head)", a, b, "head", _loader(False))


def _offset() -> Iterator[Figure]:
    """Compare features with a large common offset, on which CKA does not depend."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(IMAGES, 512, generator=generator) + 30
    y = x + torch.randn(IMAGES, 512, generator=generator)
    truth = _truth(x, y)
    rows = [[stored(packed(gram(z), "unbiased"))] for z in (x, y)]
    told = {
        "ours": float(cka_matrix(*rows)[0, 0]),
        "pytorch-cka": float(pytorch_cka.cka_from_features(x, y)),
        "ckatorch": float(cka_base(x, y, unbiased=True)),
    }
    yield from _figures("features with an offset of 30 standard deviations", truth, told)


def _compared(
    what: str, a: nn.Module, b: nn.Module, layer: str, loader: DataLoader[tuple[Tensor, ...]]
) -> Iterator[Figure]:
    x = _digits()
    truth = _truth(_activation(a, layer, x), _activation(b, layer, x))
    rows = [[stored(gram_vectors(m, [Layer(layer, layer)], x, batch=IMAGES)[0])] for m in (a, b)]
    told = {"ours": float(cka_matrix(*rows)[0, 0])}
    torch.manual_seed(0)
    theirs = pytorch_cka.compute_cka(a, b, loader, layers=[layer], progress=False)[0]
    told["pytorch-cka"] = float(theirs)
    with quietly(), torch.no_grad():
        compared = torch_cka.CKA(a, b, "a", "b", [layer], [layer])
        try:
            compared.compare(loader)
            told["torch-cka"] = float(compared.export()["CKA"])
        except AssertionError:  # it refuses nan
            told["torch-cka"] = float("nan")
    yield from _figures(what, truth, told)


def _figures(what: str, truth: float, told: dict[str, float]) -> Iterator[Figure]:
    yield Figure(f"{what}: truth", truth, "")
    for name, value in told.items():
        yield Figure(f"{what}: {name}", value, "")
    if np.isfinite(truth):
        yield Figure(f"{what}: our error", abs(told["ours"] - truth), "", most=CLOSE)


def _network(arch: str, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    config = ModelConfig(arch=arch, width=0.25)
    return models.build(config, image_size=8, channels=1, classes=10).eval()


def _digits() -> Tensor:
    images = torch.as_tensor(load_digits().images[:IMAGES, None], dtype=torch.float32)
    return (images - images.mean()) / images.std()


def _loader(shuffle: bool) -> DataLoader[tuple[Tensor, ...]]:
    """Return a loader of one batch; with `shuffle` it is reshuffled for each network."""
    return DataLoader(TensorDataset(_digits()), batch_size=IMAGES, shuffle=shuffle)


@torch.no_grad()
def _activation(model: nn.Module, layer: str, x: Tensor) -> Tensor:
    kept: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        kept.append(output.detach().clone())

    handle = model.get_submodule(layer).register_forward_hook(keep)
    model(x)
    handle.remove()
    return kept[0].flatten(1)


def _truth(x: Tensor, y: Tensor) -> float:
    """Return CKA by HSIC₁ in float64."""
    k, m = (_gram(z.double().numpy()) for z in (x, y))
    own = _hsic1(k, k) * _hsic1(m, m)
    return _hsic1(k, m) / float(np.sqrt(own)) if own > 0 else float("nan")


def _gram(x: NDArray[np.float64]) -> NDArray[np.float64]:
    x = x - x.mean(axis=0)
    k = x @ x.T
    np.fill_diagonal(k, 0)
    return k


def _hsic1(k: NDArray[np.float64], m: NDArray[np.float64]) -> float:
    n, ones = len(k), np.ones(len(k))
    total = np.trace(k @ m) + k.sum() * m.sum() / ((n - 1) * (n - 2))
    return float((total - 2 * (ones @ k @ m @ ones) / (n - 2)) / (n * (n - 3)))


if __name__ == "__main__":
    main(["cka_values"], (__doc__ or "").splitlines()[0])
