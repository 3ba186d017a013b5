"""How time, memory and what is written grow with checkpoints, images, layers; draws growth.png."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import timm
import torch
from torch import nn

from benchmarks.material import CLASSES, SIDE, images
from benchmarks.result import Figure, Result, main
from benchmarks.timing import medians
from repdyn.analysis.change_points import change_points, joint_change_points
from repdyn.layers import watched_layers
from repdyn.measures.cka import gram_vectors, minibatches
from repdyn.measures.growing import CkaEngine
from repdyn.measures.rows import encoded
from repdyn.measures.settings import MeasureSettings
from repdyn.measures.shelf import KEPT_IN_MEMORY, Shelf
from repdyn.runs.storing import OFTEN, are_due
from repdyn.storage.schema import matrices_bytes

E, N, LAYERS, BATCH = 50, 250, 2, 250
"""Held fixed while another grows."""

CHECKPOINTS = (10, 30, 100, 300, 1000)
IMAGES = (250, 1000, 2500, 5000, 10_000)
DEPTHS = (10, 25, 50, 100, 200)
PASS_IMAGES = (250, 500, 1000, 2000, 4000)
PASS_DEPTHS = (8, 16, 32, 64, 100)
CUT_CHECKPOINTS = (25, 50, 100, 200, 400)
CUT_LAYERS = (2, 4, 8, 16)

LEAST_MEMORY = 2**22
"""Bytes of rows in memory where it is measured what else is held."""

PICTURE = Path(__file__).with_name("growth.png")

Points = dict[int, float]


def run(quick: bool) -> Result:
    """Measure the parts of the work over each size, and fit the exponents of growth."""
    most = 2 if quick else None
    rows = {
        "checkpoints": {e: _grown(e, N, LAYERS) for e in CHECKPOINTS[:most]},
        "reference images": {n: _grown(E, n, LAYERS) for n in IMAGES[:most]},
        "layers": {depth: _grown(E, N, depth) for depth in DEPTHS[:most]},
    }
    passes = {
        "reference images": {n: _pass(n, 12) for n in PASS_IMAGES[:most]},
        "layers": {depth: _pass(BATCH, depth) for depth in PASS_DEPTHS[:most]},
    }
    cuts = {
        "checkpoints": {e: _processor(_found(e, LAYERS)) for e in CUT_CHECKPOINTS[:most]},
        "layers": {depth: _processor(_found(E, depth)) for depth in CUT_LAYERS[:most]},
    }
    peaks = {e: _peak(_found(e, LAYERS)) for e in CUT_CHECKPOINTS[:most]}
    held = {e: _peak(partial(_grow, e, N, LAYERS)) for e in CHECKPOINTS[: most or 4]}
    if not quick:
        _draw(rows, passes, cuts, held)
    figures = [
        *_exponents("rows compared", rows, {"checkpoints": 2, "reference images": 1, "layers": 1}),
        *_exponents("a checkpoint's pass and Grams", passes, {"reference images": 1, "layers": 1}),
        *_exponents("change points", cuts, {"checkpoints": 3, "layers": 1}),
        *_exponents("memory of change points", {"checkpoints": peaks}, {"checkpoints": 2}),
        *(
            Figure(f"memory of rows and matrices, {e} checkpoints", megabytes, "MB")
            for e, megabytes in held.items()
        ),
        Figure("of rows and label maps in memory, at most", KEPT_IN_MEMORY / 1e6, "MB"),
        *_written(200, (100, 1000)),
    ]
    return Result(
        f"Growth, from E = {E}, n = {N:,}, L = {LAYERS}",
        figures,
        f"Rows compared: a checkpoint's rows with all earlier ones of E, and their standard errors, "
        f"E (E + 1) / 2 products of length n (batch - 1) / 2 a layer; the rows beyond {LEAST_MEMORY >> 20} "
        f"MiB lie in a file. Pass and Grams: of narrow ViTs, minibatches of {BATCH}. Processor seconds. "
        "Exponents by least squares over the larger half of the sizes, in log-log: below the one that "
        "the complexity says, fixed costs are still to be seen. Memory: the peak that Python allocates. "
        "Written: what is stored of the matrices of cka and regions in a run, relative to their size.",
    )


def _processor(work: Callable[[], object]) -> float:
    """Return the processor seconds of some work: other work on the machine does not count."""
    start = time.process_time()
    work()
    return time.process_time() - start


def _peak(work: Callable[[], object]) -> float:
    """Return the peak memory, in MB, that some work allocates."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


def _grow(e: int, n: int, layers: int) -> CkaEngine:
    """Compare the rows of this many checkpoints, and their standard errors."""
    length = sum(b * (b - 1) // 2 for b in minibatches(n, "unbiased", BATCH))
    engine = CkaEngine(layers, MeasureSettings(cka_batch=BATCH))
    engine.shelf = Shelf(LEAST_MEMORY)
    row = encoded(np.random.default_rng(0).standard_normal(length))
    for i in range(e):
        engine.append([np.roll(row, i * k) for k in range(layers)], np.zeros(layers + 1, bool))
    return engine


def _grown(e: int, n: int, layers: int) -> float:
    return _processor(partial(_grow, e, n, layers))


def _found(e: int, layers: int) -> Callable[[], object]:
    """Return what finds the change points of a run of three blocks, within errors."""
    rng = np.random.default_rng(0)
    block = np.searchsorted([e // 3, 2 * e // 3], np.arange(e), side="right")
    points = np.eye(20)[block] + 0.1 * rng.standard_normal((layers, e, 20))
    points /= np.linalg.norm(points, axis=-1, keepdims=True)
    similar = (points @ points.swapaxes(1, 2)).astype(np.float32)
    errors = np.full_like(similar, 0.01)
    epochs = np.rint(np.geomspace(1, 50 * e, e)).astype(np.int64) + np.arange(e)

    def work() -> None:
        for matrix, error in zip(similar, errors, strict=True):
            change_points(matrix, epochs, error)
        joint_change_points(similar, epochs, errors)

    return work


def _written(layers: int, checkpoints: Iterable[int]) -> Iterable[Figure]:
    """Yield how often the matrices are written in a run, and would be if they were at each checkpoint.

    Small ones are written at each, so that what is stored is never behind: only large ones have an aim.
    """
    for most in checkpoints:
        sizes = [matrices_bytes(layers, e, ("cka", "regions")) for e in range(most + 1)]
        stored, written = 0, 0
        for e in range(1, most + 1):
            if e == most or are_due(e, stored, sizes[e]):
                stored, written = e, written + sizes[e]
        yield Figure(
            f"written of matrices, E = {most:,}, L = {layers}",
            written / sizes[-1],
            most=12 if sizes[-1] > OFTEN else None,
            note=f"at each checkpoint: {sum(sizes) / sizes[-1]:.0f} ×",
        )


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


def _exponents(
    what: str, measured: Mapping[str, Points], expected: dict[str, float]
) -> Iterable[Figure]:
    for size, points in measured.items():
        larger = list(points.items())[-(len(points) // 2 + 1) :]
        x, y = np.log(np.array(larger)).T
        exponent = float(np.polyfit(x, y, 1)[0])
        note = f"expected from the complexity: {expected[size]:g}"
        yield Figure(
            f"{what}: exponent in {size}", exponent, "", most=expected[size] + 0.15, note=note
        )


def _draw(
    rows: dict[str, Points], passes: dict[str, Points], cuts: dict[str, Points], held: Points
) -> None:
    """Save the measured points, with the slopes expected from the complexity."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    panels: list[tuple[str, Points, str, int]] = [
        (f"rows compared, n = {N}, L = {LAYERS}", rows["checkpoints"], "checkpoints E", 2),
        (
            f"rows compared, E = {E}, L = {LAYERS}",
            rows["reference images"],
            "reference images n",
            1,
        ),
        (f"rows compared, E = {E}, n = {N}", rows["layers"], "layers L", 1),
        ("pass and Grams, L = 14", passes["reference images"], "reference images n", 1),
        (f"change points, L = {LAYERS}", cuts["checkpoints"], "checkpoints E", 3),
        (f"memory, of rows {LEAST_MEMORY >> 20} MiB", held, "checkpoints E", 1),
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
