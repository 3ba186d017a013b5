"""The cost of each similarity measure per checkpoint, compared with a forward pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.material import build, images, moved
from benchmarks.result import Figure, Result, main
from benchmarks.timing import medians, seconds
from repdyn.layer import Layer
from repdyn.layers import watched_layers
from repdyn.measures.cka import minibatch_grams, minibatches
from repdyn.measures.engine import Engine, engines
from repdyn.measures.settings import MeasureSettings
from repdyn.measures.spec import ALL, MEASURES

MODELS = ("ResNet-18 with CIFAR stem", "ViT-Tiny, patch 4")

IMAGES, CHECKPOINTS = 1000, 60
"""Of a run on CIFAR-10."""

COMPARED = 3
"""Checkpoints with which a new one is compared, timed; the seconds grow in proportion."""

Grams = Sequence[tuple[list[Tensor], float]]


def run(quick: bool) -> Result:
    """Time what is kept of a checkpoint, and its comparison with earlier ones."""
    figures = [figure for name in MODELS[: 1 if quick else None] for figure in _costs(name, quick)]
    return Result(
        f"Similarity measures: seconds per checkpoint of {IMAGES} reference images of 32×32",
        figures,
        f"A comparison with one earlier checkpoint is timed on {COMPARED}, and multiplied by half of "
        f"{CHECKPOINTS} checkpoints. All measures share the pass and the Gram matrices. Measures of "
        "label maps cost passes of their own: see measuring.",
    )


def _costs(name: str, quick: bool) -> Iterator[Figure]:
    n, batch = (100, 50) if quick else (IMAGES, 250)
    settings = MeasureSettings(similarity=(ALL,), cka_batch=batch)
    model, inputs = build(name).eval(), images(n)
    layers = watched_layers(model)
    steps = [_grams(moved(model, step), layers, inputs, batch) for step in range(COMPARED + 1)]
    found = {k: one for k, one in engines(settings, len(layers)).items() if one.wants_grams}
    kept = medians({k: lambda one=one: _observe(one, steps[0]) for k, one in found.items()}, 3)
    passes = medians(
        {
            "pass": lambda: _pass(model, inputs, batch),
            "grams": lambda: _grams(model, layers, inputs, batch),
        },
        1 if quick else 3,
    )
    yield Figure(f"{name}: a forward pass", passes["pass"], "s", note=f"{len(layers)} layers")
    yield Figure(f"{name}: with Gram matrices", passes["grams"] / passes["pass"], "passes")
    for k, one in found.items():
        label = MEASURES[k].label
        compared = CHECKPOINTS / 2 * _comparison(one, steps)
        stored = one.stored_bytes(minibatches(n, settings.cka, batch))
        yield Figure(f"{name}: {label}, what is kept", kept[k] / passes["pass"], "passes")
        yield Figure(
            f"{name}: {label}, comparison", compared / passes["pass"], "passes", note="mean"
        )
        yield Figure(f"{name}: {label}, disk", stored / 1e6, "MB", note="per checkpoint")


def _pass(model: nn.Module, inputs: Tensor, batch: int) -> None:
    with torch.inference_mode():
        for part in inputs.split(batch):
            model(part)


def _grams(model: nn.Module, layers: Sequence[Layer], inputs: Tensor, batch: int) -> Grams:
    own = [Layer(one.name, one.module) for one in layers]
    return list(minibatch_grams(model, own, inputs, batch=batch))


def _observe(one: Engine, grams: Grams) -> list[np.ndarray]:
    for each, share in grams:
        one.see_grams(each, share)
    return list(one.observe(None))


def _comparison(one: Engine, steps: Sequence[Grams]) -> float:
    """Return the seconds of comparing a checkpoint with one other."""
    summaries = [_observe(one, grams) for grams in steps]
    broken = np.zeros(one.layers + 1, dtype=bool)
    for each in summaries[:-1]:
        one.append(each, broken)
    return seconds(lambda: one.append(summaries[-1], broken)) / len(summaries)


if __name__ == "__main__":
    main(["similarities"], (__doc__ or "").splitlines()[0])
