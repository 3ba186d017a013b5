"""E×E CKA of all layers from saved checkpoints, compared with packages for pairs of models."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import cka as pytorch_cka
import numpy as np
import torch
import torch_cka
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.material import MODELS, build, images, load, saved_checkpoints
from benchmarks.result import Figure, Result, main, quietly
from benchmarks.timing import Way, medians, working
from repdyn.layer import Layer
from repdyn.layers import watched_layers
from repdyn.measures.cka import gram, gram_vectors, packed, stored
from repdyn.measures.features import with_precise_bn
from repdyn.measures.folding import Pair, foldable, folded
from repdyn.measures.growing import GrowingCka
from repdyn.measures.rows import cka_matrix

CHECKPOINTS, IMAGES, BATCH = 50, 1000, 250
FEATURES, FEATURE_CHECKPOINTS = 1024, 20
SAVED = 3
"""Checkpoints on disk; reading more of them in turn takes just as long."""


def run(quick: bool) -> Result:
    """Time the matrices of three networks, and those of precomputed features."""
    figures: list[Figure] = []
    for name in [next(iter(MODELS))] if quick else MODELS:
        figures += _of_checkpoints(name, *((BATCH, 1) if quick else (IMAGES, 1)))
    figures += _of_features(repeat=1 if quick else 5)
    return Result(
        f"E×E CKA of all layers, {IMAGES} images, HSIC₁ over minibatches of {BATCH}",
        figures,
        "Ours: each of E checkpoints is read, its BatchNorm folded into the convolutions, run "
        "forward once and appended to the matrices. "
        "A checkpoint is timed in turn with a plain pass and multiplied by E; the products with "
        "the E rows before are timed in full. The packages take two models: a pair is timed and "
        "multiplied by the E (E - 1) / 2 pairs, with models in the layout that timm builds them in "
        "and in channels_last like ours; they also compare all pairs of layers.",
    )


def _of_checkpoints(name: str, count: int, repeat: int) -> Iterator[Figure]:
    model, x = build(name).eval(), images(count)
    layers = watched_layers(model)
    pairs = foldable(model, {layer.module for layer in layers})
    with saved_checkpoints(model, SAVED) as paths:
        pair = load(model, paths[0]), load(build(name).eval(), paths[1])
        a, b = (copy.deepcopy(one).to(memory_format=torch.contiguous_format) for one in pair)
        ways: dict[str, Way] = {
            "pass": partial(_forward, model, x),
            "checkpoint": partial(_measured, model, pairs, layers, x, paths[0]),
        }
        took = medians(ways, 3 * repeat)
        packages: dict[str, Way] = {}
        for package, compare in PACKAGES.items():
            packages[package] = partial(compare, a, b, layers, x)
            packages[f"{package} given channels_last"] = partial(compare, *pair, layers, x)
        packages, failed = working(packages)
        # in turn with ours, which they are compared with
        beside = medians(packages | {"checkpoint": ways["checkpoint"]}, repeat)
        rows = _measured(model, pairs, layers, x, paths[0])
        change = _change_by_folding(model, pairs, layers, x, paths[:2]) if pairs else None
    passes = {e: e * took["pass"] for e in (20, CHECKPOINTS)}
    product = {e: medians({"grow": partial(_grown, rows, e)}, 1)["grow"] for e in passes}
    ours = {e: e * took["checkpoint"] + product[e] for e in passes}
    ours_beside = {e: e * beside["checkpoint"] + product[e] for e in passes}
    yield Figure(
        f"{name}: E = {CHECKPOINTS}, relative to {CHECKPOINTS} forward passes",
        ours[CHECKPOINTS] / passes[CHECKPOINTS],
        most=1.25,
    )
    yield Figure(f"{name}: a forward pass", took["pass"], "s")
    if change is not None:
        yield Figure(f"{name}: folding changes CKA by at most", change, "", most=1e-5)
    yield Figure(f"{name}: all products with {CHECKPOINTS} rows", product[CHECKPOINTS], "s")
    for way in packages:
        for e, seconds in ours_beside.items():
            theirs = e * (e - 1) / 2 * beside[way]
            yield Figure(f"{name}: {way} takes, E = {e}", theirs / seconds)
    for way, reason in failed.items():
        yield Figure(f"{name}: {way}", float("nan"), note=f"failed: {reason}")


def _of_features(repeat: int) -> Iterator[Figure]:
    generator = torch.Generator().manual_seed(0)
    base = torch.randn(IMAGES, FEATURES, generator=generator)
    steps = [torch.randn(IMAGES, FEATURES, generator=generator) for _ in range(FEATURE_CHECKPOINTS)]
    stack = torch.stack([(base + 0.1 * (e + 1) * step).relu() for e, step in enumerate(steps)])

    def ours() -> np.ndarray:
        rows = [packed(gram(x), "unbiased").float().numpy() for x in stack]
        return cka_matrix(rows, rows)

    def theirs() -> np.ndarray:
        matrix: np.ndarray = pytorch_cka.cka_from_features(stack, stack).numpy()
        return matrix

    took = medians({"ours": ours, "theirs": theirs}, repeat)
    truth = pytorch_cka.cka_from_features(stack.double(), stack.double()).numpy()
    what = f"stored features ({FEATURES}), E = {FEATURE_CHECKPOINTS}"
    yield Figure(f"{what}: cka_from_features takes", took["theirs"] / took["ours"], least=3)
    yield Figure(f"{what}: our largest error", float(np.abs(ours() - truth).max()), "", most=2e-6)
    yield Figure(f"{what}: its largest error", float(np.abs(theirs() - truth).max()), "")


@torch.no_grad()
def _forward(model: nn.Module, x: Tensor) -> None:
    for part in x.split(BATCH):
        model(part)


def _measured(
    model: nn.Module, pairs: Sequence[Pair], layers: Sequence[Layer], x: Tensor, path: Path
) -> list[np.ndarray]:
    quick = folded(load(model, path), pairs)
    return [stored(v) for v in gram_vectors(quick, layers, x, batch=BATCH)]


def _change_by_folding(
    model: nn.Module,
    pairs: Sequence[Pair],
    layers: Sequence[Layer],
    x: Tensor,
    paths: Sequence[Path],
) -> float:
    """Return the largest difference over the layers between CKA with and without folding.

    With precise BatchNorm, as in a run: statistics that were never fed fold without rounding.
    """
    precise = [with_precise_bn(load(model, path), x) for path in paths]

    def compared(pairs: Sequence[Pair]) -> np.ndarray:
        vectors = [gram_vectors(folded(m, pairs), layers, x, batch=BATCH) for m in precise]
        rows = [[stored(vector) for vector in each] for each in vectors]
        return np.array([cka_matrix([a], [b])[0, 0] for a, b in zip(*rows, strict=True)])

    return float(np.abs(compared(pairs) - compared(())).max())


def _grown(rows: Sequence[np.ndarray], e: int) -> None:
    """Append this many checkpoints to the matrices, with rows in separate memory."""
    for row in rows:
        growing = GrowingCka()
        for _ in range(e):
            growing.append(row.copy())


def _loader(x: Tensor) -> DataLoader[tuple[Tensor, ...]]:
    return DataLoader(TensorDataset(x), batch_size=BATCH)


def _modules(model: nn.Module, layers: Sequence[Layer]) -> list[str]:
    """Return the layers that the packages can watch: the model itself has no name for them."""
    last = list(model.named_modules())[-1][0]
    return [layer.module or last for layer in layers]


def _pytorch_cka(a: nn.Module, b: nn.Module, layers: Sequence[Layer], x: Tensor) -> Tensor:
    names = _modules(a, layers)
    matrices = pytorch_cka.compute_cka(a, b, _loader(x), layers=names, progress=False)
    first: Tensor = matrices[0]
    return first


def _torch_cka(a: nn.Module, b: nn.Module, layers: Sequence[Layer], x: Tensor) -> Tensor:
    names = _modules(a, layers)
    with quietly(), torch.no_grad():
        compared = torch_cka.CKA(a, b, "a", "b", names, names)
        compared.compare(_loader(x))
    for module in (*a.modules(), *b.modules()):  # it leaves its hooks behind
        module._forward_hooks.clear()
    matrix: Tensor = compared.export()["CKA"]
    return matrix


PACKAGES = {"pytorch-cka": _pytorch_cka, "torch-cka": _torch_cka}


if __name__ == "__main__":
    main(["cka_matrix"], (__doc__ or "").splitlines()[0])
