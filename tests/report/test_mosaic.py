"""The picture of a run's matrices in MLflow's grid of images."""

import io
import time
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from repdyn.display.similarity import measured_by, similarity
from repdyn.display.viridis import viridis
from repdyn.records import Dynamics
from repdyn.report.mosaic import MOST_LAYERS, encoded, mosaic
from repdyn.report.tiles import DIAGONAL, MISSING, SIDE
from tests.support import synthetic
from tests.support.present import present

DYNAMICS = present(synthetic.run()[0].dynamics)
MEASURE = measured_by(DYNAMICS)[0].name


def pixels(dynamics: Dynamics) -> np.ndarray:
    return np.asarray(mosaic(similarity(dynamics, MEASURE)))


def test_each_layer_has_its_matrix_with_a_muted_diagonal() -> None:
    drawn = pixels(DYNAMICS)
    muted = (drawn == DIAGONAL).all(axis=2).sum()
    assert muted >= len(DYNAMICS.layers) * SIDE
    assert (pixels(DYNAMICS) == drawn).all(), "the same matrices give the same picture"


def test_the_colours_are_those_of_the_scale_and_nan_is_grey() -> None:
    matrices = np.full_like(DYNAMICS.similarity[MEASURE], np.nan)
    missing = replace(DYNAMICS, similarity={MEASURE: matrices})
    assert (pixels(missing) == MISSING).all(axis=2).sum() > 0.8 * SIDE**2
    scale = similarity(DYNAMICS, MEASURE).scale()
    value = float(scale.unwarp((scale.warp(scale.low) + scale.warp(scale.high)) / 2))
    even = replace(DYNAMICS, similarity={MEASURE: np.full_like(matrices, value)})
    place = similarity(even, MEASURE).scale().place(value)
    near = abs(pixels(even).astype(int) - viridis(place).astype(int)).max(axis=2) <= 3
    assert near.sum() > 0.5 * len(DYNAMICS.layers) * SIDE**2


@pytest.mark.parametrize(("layers", "checkpoints"), [(1, 1), (1, 2), (3, 40), (100, 5)])
def test_any_number_of_layers_fits(layers: int, checkpoints: int) -> None:
    steps = np.arange(checkpoints) ** 3
    matrices = np.full((layers, checkpoints, checkpoints), 0.7, np.float32)
    shown = replace(
        similarity(DYNAMICS, MEASURE),
        names=tuple(f"transformer.blocks.{i}.\x1b[31m文" for i in range(layers)),
        steps=steps,
        matrices=matrices,
    )
    image = mosaic(shown)
    assert image.height * image.width < 4 * MOST_LAYERS * SIDE**2


def test_both_files_hold_the_picture() -> None:
    drawn = mosaic(similarity(DYNAMICS, MEASURE))
    png, webp = encoded(drawn)
    with Image.open(io.BytesIO(png)) as image:
        assert image.format == "PNG"
        assert (np.asarray(image) == np.asarray(drawn)).all()
    with Image.open(io.BytesIO(webp)) as image:
        assert image.format == "WEBP"
        assert image.size == drawn.size


def test_it_takes_little_time_beside_a_checkpoint() -> None:
    shown = similarity(DYNAMICS, MEASURE)
    encoded(mosaic(shown))  # the font is read once
    start = time.process_time()
    encoded(mosaic(shown))
    assert time.process_time() - start < 0.2
