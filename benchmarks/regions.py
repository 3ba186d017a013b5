"""What a coarser grid, or one refined at boundaries, changes about decision-region similarity (DRS).

A small ResNet and a small ViT are trained on the digits. At each checkpoint the classes are computed at
all 50×50 points of planes through training images, as in the paper-* presets, and again at 17×17
points of the same planes: all alike (`--grid 17`), and weighted so that they stand for the finer grid's
(`--grid 17 --drs-grid 50`). Every alternative is compared with all points:

- passes: the share of points at which the network is run;
- wrong points: the share whose class is another one than the network's, where points without a pass
  have the class of the nearest one with a pass, or of the four corners around them;
- DRS: its largest difference over all layers, the output and pairs of checkpoints.

The standard error of DRS over planes is compared between pairs of checkpoints, too: if that of the first
pair were the largest, it could tell how many planes a run needs.

Refinement computes the corners of cells of a coarse grid, and all points of those cells whose four
corners differ in the output or in any layer's probe: one pass serves all layers, so a cell can be left
out only if none has a boundary there.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.result import Figure, Result, main
from repdyn.measures.regions import plane_agreement, point_weights
from repdyn.records import ClassArray
from repdyn.runs.experiment import prepare
from repdyn.settings.schema import MeasureConfig, ModelConfig, OptimConfig, TrainConfig
from repdyn.training.loop import Trainer

FULL, COARSE = 50, 17
"""Points per side."""

WEIGHTED = f"grid {COARSE} as {FULL}"
"""What repdyn offers; the others are what it is compared with."""

STEPS = (3, 7)
"""Points per side of a cell that is refined."""

PLANES, EPOCHS, CHECKPOINTS = 500, 40, 4
NETWORKS = {"ResNet-18": "resnet18", "ViT-Tiny": "vit_tiny_patch16_224"}


@dataclass(frozen=True)
class Alternative:
    """Another way to find the classes at all points.

    Attributes:
        passes: share of points at which the network is run.
        wrong: share of points with another class than the network's.
        drs: largest difference of DRS, in absolute value.
        error: largest standard error of a difference over planes.
    """

    passes: float
    wrong: float
    drs: float
    error: float


def trained(
    arch: str, *, planes: int, epochs: int, checkpoints: int
) -> Iterator[tuple[ClassArray, ClassArray]]:
    """Train a network; yield the label maps of each checkpoint at FULL and at COARSE points.

    Yields:
        (L+1, P, FULL, FULL) and (L+1, P, COARSE, COARSE).
    """
    experiment = prepare(
        TrainConfig(
            model=ModelConfig(arch=arch),
            optim=OptimConfig(epochs=epochs),
            measure=MeasureConfig(
                similarity=("regions",),
                checkpoints=checkpoints,
                planes=planes,
                plane_kinds=("train",),
                grid=FULL,
                fine_planes=planes,
                fine_grid=COARSE,
            ),
        )
    )
    config = experiment.config
    recorder, model = experiment.new_recorder(), experiment.new_model()
    torch.manual_seed(config.optim.seed)
    trainer = Trainer(
        model,
        experiment.data,
        config.optim,
        epochs=experiment.epochs,
        batch_size=experiment.batch_size,
        augment=config.data.augment,
    )
    for epoch in trainer:
        if epoch.epoch in experiment.checkpoints:
            maps = recorder.measure(model, epoch.epoch).label_maps
            if maps is not None:
                yield maps.maps, maps.fine


def corners(side: int, step: int) -> NDArray[np.int64]:
    """Return the places of cells' corners along a side: every step-th point, and the last."""
    return np.unique([*range(0, side, step), side - 1])


def refined(full: ClassArray, step: int) -> tuple[ClassArray, float]:
    """Return label maps as found by refining a coarse grid, and the share of points with a pass.

    Args:
        full: classes at all points, (L+1, P, g, g).
        step: points per side of a cell.
    """
    at = corners(full.shape[-1], step)
    found, passed = full.copy(), np.zeros(full.shape[1:], dtype=bool)
    passed[:, at[:, None], at] = True
    for (top, bottom), (left, right) in itertools.product(itertools.pairwise(at), repeat=2):
        rows, columns = slice(top, bottom + 1), slice(left, right + 1)
        four = full[:, :, [top, top, bottom, bottom], [left, right, left, right]]
        same = (four == four[..., :1]).all(axis=(0, 2))
        passed[~same, rows, columns] = True
        found[:, same, rows, columns] = four[:, same, :1, None]
    found[:, passed] = full[:, passed]  # edges that a cell shares with a refined one, too
    return found, float(passed.mean())


def nearest(coarse: ClassArray, side: int) -> ClassArray:
    """Return a grid's classes at side×side points of the same extent, each from the nearest point."""
    at = np.rint(np.linspace(0, coarse.shape[-1] - 1, side)).astype(int)
    return coarse[..., at[:, None], at]


def compared(
    full: Sequence[ClassArray],
    others: Sequence[ClassArray],
    drawn: Sequence[ClassArray],
    passes: float,
    weights: NDArray[np.float64] | None = None,
) -> Alternative:
    """Compare an alternative with all points.

    Args:
        full: label maps of each checkpoint, (L+1, P, g, g).
        others: those that DRS is computed on, (L+1, P, h, h).
        drawn: those as they would be shown, (L+1, P, g, g).
        passes: share of points with a pass.
        weights: of the points that DRS is computed on, (h, h).
    """
    worst = error = 0.0
    for i, j in itertools.combinations(range(len(full)), 2):
        theirs = plane_agreement(others[i], others[j], weights)
        by_plane = theirs - plane_agreement(full[i], full[j])
        worst = max(worst, float(np.abs(by_plane.mean(axis=1)).max()))
        spread = by_plane.std(axis=1, ddof=1) / np.sqrt(by_plane.shape[1])
        error = max(error, float(spread.max()))
    wrong = float(np.mean([(a != b).mean() for a, b in zip(full, drawn, strict=True)]))
    return Alternative(passes, wrong, worst, error)


def error_ratio(full: Sequence[ClassArray]) -> float:
    """Return the largest standard error of DRS over planes, relative to the first two checkpoints'."""

    def largest(i: int, j: int) -> float:
        return float(plane_agreement(full[i], full[j]).std(axis=1).max())

    return max(itertools.starmap(largest, itertools.combinations(range(len(full)), 2))) / largest(
        0, 1
    )


def alternatives(
    full: Sequence[ClassArray], coarse: Sequence[ClassArray]
) -> dict[str, Alternative]:
    """Return all of them, by name."""
    drawn, passes = [nearest(x, FULL) for x in coarse], (COARSE / FULL) ** 2
    found = {
        f"grid {COARSE}": compared(full, coarse, drawn, passes),
        WEIGHTED: compared(full, coarse, drawn, passes, point_weights(COARSE, FULL)),
    }
    for step in STEPS:
        maps, shares = zip(*(refined(x, step) for x in full), strict=True)
        found[f"cells of {step} points refined"] = compared(
            full, maps, maps, float(np.mean(shares))
        )
    return found


def run(quick: bool) -> Result:
    """Train both networks and compare."""
    planes, epochs, checkpoints = (3, 1, 2) if quick else (PLANES, EPOCHS, CHECKPOINTS)
    names = list(NETWORKS)[:1] if quick else list(NETWORKS)
    figures = []
    for name in names:
        maps = trained(NETWORKS[name], planes=planes, epochs=epochs, checkpoints=checkpoints)
        full, coarse = zip(*maps, strict=True)
        for what, one in alternatives(full, coarse).items():
            title, ours = f"{name}, {what}", what == WEIGHTED
            figures += [
                Figure(f"{title}: passes", 100 * one.passes, "%", most=15 if ours else None),
                Figure(f"{title}: wrong points", 100 * one.wrong, "%"),
                Figure(
                    f"{title}: DRS, largest difference",
                    one.drs,
                    "",
                    most=0.002 if ours else None,
                    note=f"(standard errors up to {one.error:.1g})",
                ),
            ]
        figures.append(
            Figure(f"{name}, standard error of DRS: largest / first pair's", error_ratio(full))
        )
    return Result(
        f"Decision-region similarity, relative to {FULL}×{FULL} points",
        figures,
        f"{planes} planes through training images of the digits, {checkpoints} checkpoints.",
    )


if __name__ == "__main__":
    main(["regions"], (__doc__ or "").splitlines()[0])
