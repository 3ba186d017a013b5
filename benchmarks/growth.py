"""How time and memory grow with checkpoints, reference images and layers; draws growth.png."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np
import timm
import torch
from torch import nn

from benchmarks.material import CLASSES, SIDE, images
from benchmarks.result import Figure, Result, main
from benchmarks.timing import medians, seconds
from repdyn.layers import watched_layers
from repdyn.measures.cka import gram_vectors, minibatches
from repdyn.measures.growing import ROWS_IN_MEMORY, GrowingCka, RowShelf

E, N, LAYERS = 50, 1000, 20
"""Held fixed while another grows."""

CHECKPOINTS = (10, 25, 50, 100, 200, 400)
IMAGES = (250, 500, 1000, 2000, 4000)
DEPTHS = (8, 16, 32, 64, 100)
BATCH = 250

PICTURE = Path(__file__).with_name("growth.png")

Points = dict[int, float]


def run(quick: bool) -> Result:
    """Time both parts of the work over each size, and fit the exponents of growth."""
    most = 2 if quick else None
    products = {
        "checkpoints": {e: _products(e, N, LAYERS) for e in CHECKPOINTS[:most]},
        "probe images": {n: _products(E, n, LAYERS) for n in IMAGES[:most]},
        "layers": {depth: _products(E, N, depth) for depth in DEPTHS[:most]},
    }
    passes = {
        "probe images": {n: _pass(n, 12) for n in IMAGES[:most]},
        "layers": {depth: _pass(BATCH, depth) for depth in DEPTHS[:most]},
    }
    memory = {
        "checkpoints": {e: _held(e, N, LAYERS) for e in CHECKPOINTS[:most]},
    }
    if not quick:
        _draw(products, passes, memory)
    figures = [
        *_exponents("products", products, {"checkpoints": 2, "probe images": 1, "layers": 1}),
        *_exponents("a checkpoint's pass and Grams", passes, {"probe images": 1, "layers": 1}),
        *(
            Figure(f"memory of rows, {e} checkpoints", megabytes, "MB")
            for e, megabytes in memory["checkpoints"].items()
        ),
        Figure("memory of rows, at most", ROWS_IN_MEMORY / 1e6, "MB", note="more are mapped"),
    ]
    return Result(
        f"Growth, from E = {E}, n = {N:,}, L = {LAYERS}",
        figures,
        "Products: the E×E matrices of L layers grown row by row, E (E + 1) / 2 products of length "
        f"m = n (batch - 1) / 2 a layer. Pass and Grams: of narrow ViTs, minibatches of {BATCH}. "
        "Exponents by least squares over the larger half of the sizes, in log-log: below the one "
        "that the complexity says, fixed costs are still to be seen. Memory: bytes of rows that "
        "are not memory-mapped.",
    )


def _row(n: int) -> np.ndarray:
    length = sum(b * (b - 1) // 2 for b in minibatches(n, "unbiased", BATCH))
    return np.random.default_rng(0).standard_normal(length, np.float32).astype(np.float16)


def _products(e: int, n: int, layers: int) -> float:
    """Return the seconds to grow the matrices of this many layers to e checkpoints."""
    row, shelf = _row(n), RowShelf()
    growing = [GrowingCka() for _ in range(layers)]
    total = 0.0
    for _ in range(e):
        rows = shelf.keep([row.copy() for _ in growing])  # in memory of their own
        total += seconds(partial(_append, growing, rows))
    return total


def _append(growing: Iterable[GrowingCka], rows: Iterable[np.ndarray]) -> None:
    for one, row in zip(growing, rows, strict=True):
        one.append(row)


def _held(e: int, n: int, layers: int) -> float:
    """Return the MB of this many checkpoints' rows that stay in memory."""
    row, shelf = _row(n), RowShelf()
    kept = [shelf.keep([row] * layers) for _ in range(e)]
    plain = sum(one.nbytes for rows in kept for one in rows if not isinstance(one, np.memmap))
    return plain / 1e6


def _pass(n: int, depth: int) -> float:
    """Return the seconds of the pass and the Grams of a checkpoint of a narrow ViT."""
    model, x = _vit(depth), images(n)
    layers = watched_layers(model)
    return medians({"pass": partial(gram_vectors, model, layers, x, batch=BATCH)}, 3)["pass"]


def _vit(depth: int) -> nn.Module:
    torch.manual_seed(0)
    model: nn.Module = timm.create_model(
        "vit_tiny_patch16_224",
        img_size=SIDE,
        patch_size=8,
        embed_dim=48,
        depth=depth,
        num_classes=CLASSES,
    )
    return model.eval()


def _exponents(what: str, timed: dict[str, Points], expected: dict[str, float]) -> Iterable[Figure]:
    for size, points in timed.items():
        larger = list(points.items())[-(len(points) // 2 + 1) :]
        x, y = np.log(np.array(larger)).T
        exponent = float(np.polyfit(x, y, 1)[0])
        note = f"expected from the complexity: {expected[size]:g}"
        yield Figure(
            f"{what}: exponent in {size}", exponent, "", most=expected[size] + 0.15, note=note
        )


def _draw(
    products: dict[str, Points], passes: dict[str, Points], memory: dict[str, Points]
) -> None:
    """Save the measured points, with the slopes expected from the complexity."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    panels: list[tuple[str, Points, str, int]] = [
        (f"products, n = {N}, L = {LAYERS}", products["checkpoints"], "checkpoints E", 2),
        (f"products, E = {E}, L = {LAYERS}", products["probe images"], "probe images n", 1),
        (f"products, E = {E}, n = {N}", products["layers"], "layers L", 1),
        ("pass and Grams, L = 14", passes["probe images"], "probe images n", 1),
        (f"pass and Grams, n = {BATCH}", passes["layers"], "blocks of a ViT", 1),
        (f"rows in memory, L = {LAYERS}", memory["checkpoints"], "checkpoints E", 1),
    ]
    figure, axes = plt.subplots(2, 3, figsize=(9, 5.4), layout="constrained")
    for ax, (title, points, label, slope) in zip(axes.flat, panels, strict=True):
        x, y = np.array(list(points.items())).T
        line = y[len(y) // 2] * (x / x[len(x) // 2]) ** slope
        ax.loglog(x, line, color="0.7", label=f"slope {slope:g}")
        ax.loglog(x, y, "o-", color="#0072b2", markersize=4, label="measured")
        ax.set(title=title, xlabel=label, ylabel="MB" if "memory" in title else "s")
        ax.set_xticks(x, [f"{value:g}" for value in x])
        ax.minorticks_off()
        ax.legend(frameon=False, fontsize=8)
    figure.savefig(PICTURE, dpi=150)


if __name__ == "__main__":
    main(["growth"], (__doc__ or "").splitlines()[0])
