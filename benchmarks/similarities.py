"""The cost of each similarity measure per checkpoint, compared with a forward pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.material import build, images, moved
from benchmarks.result import Figure, Result, main
from benchmarks.timing import medians, seconds
from repdyn.layer import Layer
from repdyn.layers import watched_layers
from repdyn.measures.cka import minibatch_grams
from repdyn.measures.engine import Engine, Summaries, engines
from repdyn.measures.settings import MeasureSettings
from repdyn.measures.spec import ALL, MEASURES

MODELS = ("ResNet-18 with CIFAR stem", "ViT-Tiny, patch 4")

IMAGES, CHECKPOINTS = 250, 60
"""One minibatch of reference images: all costs grow in proportion to their number. Checkpoints of a
run on CIFAR-10."""

COMPARED = 3
"""Checkpoints with which a new one is compared, timed; the seconds grow in proportion."""

Grams = Sequence[tuple[list[Tensor], float]]


def run(quick: bool) -> Result:
    """Time what is kept of a checkpoint, and its comparison with earlier ones."""
    figures = [figure for name in MODELS[: 1 if quick else None] for figure in _costs(name, quick)]
    return Result(
        f"Similarity measures: cost per checkpoint and minibatch of {IMAGES} images of 32×32",
        figures,
        f"All costs grow in proportion to the minibatches. A comparison with one earlier checkpoint is timed on {COMPARED}, and multiplied by half of "
        f"{CHECKPOINTS} checkpoints. All measures share the pass and the Gram matrices. Measures of "
        "label maps cost passes of their own: see measuring.",
    )


def _costs(name: str, quick: bool) -> Iterator[Figure]:
    n = IMAGES // 5 if quick else IMAGES
    settings = MeasureSettings(similarity=(ALL,), cka_batch=n)
    model, inputs = build(name).eval(), images(n)
    layers = watched_layers(model)
    steps = [_grams(moved(model, step), layers, inputs) for step in range(COMPARED + 1)]
    found = {k: one for k, one in engines(settings, len(layers)).items() if one.wants_grams}
    kept = medians({k: partial(_observe, one, steps[0]) for k, one in found.items()}, 3)
    passes = medians(
        {
            "pass": lambda: _pass(model, inputs),
            "grams": lambda: _grams(model, layers, inputs),
        },
        1 if quick else 3,
    )
    yield Figure(f"{name}: a forward pass", passes["pass"], "s", note=f"{len(layers)} layers")
    yield Figure(f"{name}: with Gram matrices", passes["grams"] / passes["pass"], "passes")
    for k, one in found.items():
        label = MEASURES[k].label
        compared = CHECKPOINTS / 2 * _comparison(one, steps)
        stored = one.stored_bytes([n])
        yield Figure(f"{name}: {label}, what is kept", kept[k] / passes["pass"], "passes")
        yield Figure(
            f"{name}: {label}, comparison", compared / passes["pass"], "passes", note="mean"
        )
        yield Figure(f"{name}: {label}, disk", stored / 1e6, "MB", note="per checkpoint")


def _pass(model: nn.Module, inputs: Tensor) -> None:
    with torch.inference_mode():
        model(inputs)


def _grams(model: nn.Module, layers: Sequence[Layer], inputs: Tensor) -> Grams:
    return list(minibatch_grams(model, layers, inputs, batch=len(inputs)))


def _observe(one: Engine, grams: Grams) -> Summaries:
    for each, share in grams:
        one.see_grams(each, share)
    return one.observe(None)


def _comparison(one: Engine, steps: Sequence[Grams]) -> float:
    """Return the seconds of comparing a checkpoint with one other."""
    summaries = [_observe(one, grams) for grams in steps]
    broken = np.zeros(one.layers + 1, dtype=bool)
    for each in summaries[:-1]:
        one.append(each, broken)
    return seconds(lambda: one.append(summaries[-1], broken)) / len(summaries)


if __name__ == "__main__":
    main(["similarities"], (__doc__ or "").splitlines()[0])
