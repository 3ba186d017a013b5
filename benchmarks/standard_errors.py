"""Standard errors compared with the spread over independent draws of reference images and of planes.

A network is trained on a part of a data set and measured on many more reference images and planes than a
run uses. Both are divided into disjoint draws; the similarities of each draw alone, and their standard
errors, come from its part of the rows and label maps.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.result import Figure, Result, main
from repdyn.measures.growing import GrowingCka
from repdyn.measures.jackknife import GrowingErrors
from repdyn.measures.regions import plane_agreement, plane_error
from repdyn.measures.rows import Row
from repdyn.records import ClassArray
from repdyn.runs.experiment import Experiment, prepare
from repdyn.settings.schema import (
    DataConfig,
    MeasureConfig,
    OptimConfig,
    TrainConfig,
    known,
)
from repdyn.training.loop import Trainer

ALIKE = 0.999
"""Mean similarity above which a cell is left out: there both are rounding."""

RATIOS = (0.8, 1.25)
"""Between which the standard error is to lie, relative to the spread."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Size:
    """How much is trained and measured; a draw has `minibatches` of `batch` images."""

    dataset: str
    train_size: int
    epochs: int
    checkpoints: int
    draws: int
    minibatches: int
    batch: int
    planes: int
    grid: int

    def experiment(self) -> Experiment:
        """Return the run, measured on all draws together."""
        measure = MeasureConfig(
            cka_batch=self.batch,
            probe_images=self.draws * self.minibatches * self.batch,
            planes=self.draws * self.planes,
            grid=self.grid,
            fine_planes=0,
            checkpoints=self.checkpoints,
        )
        return prepare(
            TrainConfig(
                data=DataConfig(dataset=self.dataset, train_size=self.train_size, label_noise=0.15),
                optim=OptimConfig(epochs=self.epochs),
                measure=measure,
            )
        )


FULL = Size("fashion-mnist", 2000, 20, 6, 20, 2, 250, 60, 6)
QUICK = Size("digits", 200, 3, 3, 5, 2, 30, 6, 4)


def run(quick: bool) -> Result:
    """Measure a run on all draws at once, then compare each draw's errors with their spread."""
    size = QUICK if quick else FULL
    experiment = size.experiment()
    rows, maps = _measured(experiment)
    figures = [
        *_figures("CKA", *_of_images(rows, size)),
        *_figures("regions", *_of_planes(maps, experiment.anchors.kinds.tolist(), size)),
        *_cost(quick),
    ]
    return Result(
        f"Standard errors relative to the spread over {size.draws} disjoint draws of "
        f"{size.minibatches * size.batch} images and {size.planes} planes",
        figures,
        f"ResNet-18 ×1/4, {size.dataset}, {size.train_size} images, {size.epochs} epochs; cells "
        f"whose mean similarity is below {ALIKE:g}; root mean square of a cell's errors over the "
        "draws, relative to the standard deviation of its similarities.",
    )


def _measured(experiment: Experiment) -> tuple[list[list[Row]], list[ClassArray]]:
    """Return the rows, by checkpoint and layer, and the label maps of each checkpoint."""
    model, recorder = experiment.new_model(), experiment.new_recorder()
    trainer = Trainer(
        model,
        experiment.data,
        experiment.config.optim,
        epochs=experiment.epochs,
        batch_size=experiment.batch_size,
        augment=known(experiment.config.data.augment),
    )
    rows, maps = [], []
    for step in trainer:
        if step.epoch in experiment.checkpoints:
            found = recorder.measure(model, step.epoch)
            rows.append(list(found.summaries["cka"]))
            assert found.label_maps is not None
            maps.append(found.label_maps.maps)
    return rows, maps


def _of_images(rows: list[list[Row]], size: Size) -> tuple[Array, Array]:
    """Return CKA and its standard errors of each draw, (draws, L, E, E)."""
    length = rows[0][0].size // size.draws
    found = []
    for draw in range(size.draws):
        part = slice(draw * length, (draw + 1) * length)
        for layer in range(len(rows[0])):
            cka, errors = GrowingCka(), GrowingErrors("unbiased", size.batch)
            for at in rows:
                cka.append(at[layer][part])
                errors.append(cka.rows)
            found.append((cka.matrix, errors.matrix))
    shape = (size.draws, len(rows[0]), len(rows), len(rows))
    values, errors_of = (np.array(each, dtype=np.float64) for each in zip(*found, strict=True))
    return values.reshape(shape), errors_of.reshape(shape)


def _of_planes(maps: list[ClassArray], kinds: list[int], size: Size) -> tuple[Array, Array]:
    """Return the agreement and its standard errors of each draw, (draws, L+1, E, E)."""
    equal = np.array([[plane_agreement(a, b) for b in maps] for a in maps]).transpose(2, 0, 1, 3)
    values, errors = [], []
    for draw in range(size.draws):
        part = slice(draw * size.planes, (draw + 1) * size.planes)
        values.append(equal[..., part].mean(axis=-1))
        errors.append(plane_error(equal[..., part], kinds[part]))
    return np.array(values), np.array(errors)


def _figures(name: str, values: Array, errors: Array) -> Iterator[Figure]:
    above = np.triu_indices(values.shape[-1], 1)
    cells, sizes = values[..., above[0], above[1]], errors[..., above[0], above[1]]
    told = cells.mean(axis=0) < ALIKE
    ratios = (np.sqrt((sizes**2).mean(axis=0)) / cells.std(axis=0, ddof=1))[told]
    low, middle, high = np.quantile(ratios, (0.05, 0.5, 0.95))
    yield Figure(
        f"{name}: median over {ratios.size} cells", middle, least=RATIOS[0], most=RATIOS[1]
    )
    yield Figure(f"{name}: 5 of 100 cells below", low)
    yield Figure(f"{name}: 5 of 100 cells above", high)
    yield Figure(f"{name}: median standard error", float(np.median(sizes.mean(axis=0)[told])), "")


def _cost(quick: bool) -> Iterator[Figure]:
    """Yield what the errors of CKA add to a default checkpoint, halfway through its run."""
    experiment = QUICK.experiment() if quick else prepare(TrainConfig())
    recorder, model = experiment.new_recorder(), experiment.new_model()
    recorder.measure(model, 0)  # everything is cold
    start = time.process_time()
    rows = recorder.measure(model, 1).summaries["cka"]
    whole = time.process_time() - start
    earlier, seconds = len(experiment.checkpoints) // 2, 0.0
    settings = experiment.config.measure
    for row in rows:
        errors = GrowingErrors(settings.cka, settings.cka_batch)
        for count in range(1, earlier + 1):
            start = time.process_time()
            errors.append([row] * count)
        seconds += time.process_time() - start  # of the last
    yield Figure("a default checkpoint's errors of CKA", seconds, "CPU s")
    yield Figure("relative to its measuring", 100 * seconds / whole, "%", most=10)


if __name__ == "__main__":
    main(["standard_errors"], (__doc__ or "").splitlines()[0])
