"""Features that were computed elsewhere: arrays in place of a model."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from repdyn.errors import UserError
from repdyn.measures.cka import Grams, gram, minibatches
from repdyn.measures.inputs import LEAST_REFERENCE, as_classes
from repdyn.measures.layer_probes import ProbeLabels
from repdyn.measures.settings import CkaEstimator


def as_features(features: Mapping[str, ArrayLike | Tensor]) -> dict[str, Tensor]:
    """Return features as float32 matrices (n, p) by layer.

    Raises:
        UserError: there are none, their numbers of inputs differ, or an array is not of numbers.
    """
    if not features:
        raise UserError("features: there are none; give an array for each layer")
    found = {name: _matrix(name, values) for name, values in features.items()}
    lengths = {len(x) for x in found.values()}
    if len(lengths) > 1:
        raise UserError(
            f"features: of {', '.join(map(str, sorted(lengths)))} inputs; give the same for each layer"
        )
    n = lengths.pop()
    if n < LEAST_REFERENCE:
        raise UserError(f"features: of {n} inputs; give at least {LEAST_REFERENCE}")
    return found


def _matrix(name: str, values: ArrayLike | Tensor) -> Tensor:
    # JAX's and Keras's arrays are read through numpy
    x = (
        values.detach().cpu()
        if isinstance(values, Tensor)
        else torch.from_numpy(_numbers(name, values))
    )
    if x.dim() < 2 or not x[0].numel():
        raise UserError(f"features {name}: have shape {tuple(x.shape)}; give (inputs, features)")
    if x.is_complex():
        raise UserError(f"features {name}: are {x.dtype}; give real numbers")
    return x.flatten(1).float()


def _numbers(name: str, values: ArrayLike) -> np.ndarray:
    array = np.asarray(values)
    if array.dtype.kind == "V" or array.dtype.name == "bfloat16":  # JAX's own types
        array = array.astype(np.float32)
    if array.dtype.kind not in "biuf":
        raise UserError(f"features {name}: are {array.dtype}; give numbers")
    return np.ascontiguousarray(array, dtype=np.float32)


def feature_grams(features: Mapping[str, Tensor], estimator: CkaEstimator, batch: int) -> Grams:
    """Yield the layers' Gram matrices of each minibatch, as `minibatch_grams` does of a model.

    Args:
        features: by layer, (n, p) each.
        estimator, batch: as for `minibatch_grams`.
    """
    n = len(next(iter(features.values())))
    sizes = minibatches(n, estimator, batch)
    parts = zip(*(x[: sum(sizes)].split(sizes) for x in features.values()), strict=True)
    for size, part in zip(sizes, parts, strict=True):
        yield [gram(x) for x in part], size / sum(sizes)


def halves(
    features: Mapping[str, Tensor], labels: ArrayLike | Tensor
) -> tuple[dict[str, Tensor], list[Tensor], ProbeLabels]:
    """Return every other input's features, to fit probes on, those of the rest, and the labels.

    Raises:
        UserError: there is not one class for each input.
    """
    n = len(next(iter(features.values())))
    classes = as_classes("labels", labels, n)
    train = classes[::2]
    return (
        {name: x[::2] for name, x in features.items()},
        [x[1::2] for x in features.values()],
        ProbeLabels(
            train,
            train,
            np.zeros(len(train), dtype=bool),
            classes[1::2],
            1 + int(classes.max(initial=0)),
        ),
    )
