"""The log-epoch axis of figures and text: ln(1 + epoch / grain), which includes epoch 0.

The grain is the first checkpoint after step 0: 1 where that is epoch 1. With a grain of 1 the initial
model would take most of an axis whose next checkpoint is at a million tokens. With an infinite grain
(LINEAR) the axis is linear, its limit up to a factor.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from repdyn.records import IntArray, Interval

LINEAR = math.inf
"""The grain of a linear axis."""

LONE_HALF_WIDTH = 0.5
"""Half the width of the cell of a run's only checkpoint, on the axis."""

FOLD = -0.5
"""Where the axis changes over to its mirror image, in grains: steps may be negative, and have no
logarithm."""
EVEN_TICKS = 6
"""Number of ticks of a linear axis of unknown length."""

LONG = 5
"""Powers of ten from which on only they are marked on an axis."""


def grain(epochs: IntArray) -> int:
    """Return the first of increasing epochs after 0, 1 if there is none."""
    trained = epochs[epochs > 0]
    return int(trained[0]) if len(trained) else 1


def position(epochs: ArrayLike, grain: float = 1) -> NDArray[np.float64]:
    """Return the positions of epochs on the axis."""
    if grain == LINEAR:
        return np.asarray(epochs, dtype=np.float64)
    grains = np.asarray(epochs, dtype=np.float64) / grain
    beyond = np.log1p(np.maximum(-grains, -FOLD)) - np.log1p(-FOLD)
    return np.asarray(np.log1p(np.maximum(grains, FOLD)) - beyond)


def epoch_at(place: ArrayLike, grain: float = 1) -> NDArray[np.float64]:
    """Return the epochs at positions on the axis."""
    if grain == LINEAR:
        return np.asarray(place, dtype=np.float64)
    fold, places = np.log1p(FOLD), np.asarray(place, dtype=np.float64)
    beyond = np.expm1(np.maximum(fold - places, 0) + np.log1p(-FOLD)) + FOLD
    return np.asarray((np.expm1(np.maximum(places, fold)) - beyond) * grain)


def nearest(epochs: IntArray, epoch: float | None) -> int:
    """Return the index of the checkpoint nearest to an epoch on the axis; None gives the last."""
    if epoch is None:
        return len(epochs) - 1
    unit = grain(epochs)
    return int(np.abs(position(epochs, unit) - position(epoch, unit)).argmin())


def within(epochs: IntArray, span: Interval | None) -> slice:
    """Return which of increasing epochs lie in a span, all if it is None.

    Where there is none, it is the one nearest to the span's middle.
    """
    if span is None:
        return slice(0, len(epochs))
    first = int(np.searchsorted(epochs, span[0], side="left"))
    after = int(np.searchsorted(epochs, span[1], side="right"))
    if first == after and len(epochs):
        first = nearest(epochs, sum(span) / 2)
        after = first + 1
    return slice(first, after)


def edges(epochs: IntArray, unit: float | None = None) -> NDArray[np.float64]:
    """Return the borders of the checkpoints' cells, (E+1,) in epochs.

    They lie halfway between neighbours on the axis; the outer cells are symmetric, so that the
    first border lies between minus the grain and 0 where the first epoch is 0.

    Args:
        epochs: of the checkpoints, increasing, (E,).
        unit: grain of the axis; None for that of the epochs.
    """
    unit = grain(epochs) if unit is None else unit
    place = position(epochs, unit)
    if len(place) == 1:
        borders = place[0] + np.array([-LONE_HALF_WIDTH, LONE_HALF_WIDTH])
    else:
        between = (place[1:] + place[:-1]) / 2
        first, last = 2 * place[0] - between[0], 2 * place[-1] - between[-1]
        borders = np.concatenate([[first], between, [last]])
    return epoch_at(borders, unit)


def ticks(last: int, first: int = 0, most: int | None = None, grain: float = 1) -> tuple[int, ...]:
    """Return the epochs to label from the first to the last.

    They are 0, 1, 10, 100, ...; 2, 5, ... too where that gives few; without any, the two ends. On a
    linear axis they are multiples of 1, 2 or 5 times a power of ten.

    Args:
        last, first: of the axis.
        most: about as many fit; of more powers of ten, every second or third remains (None: all).
        grain: of the axis; what lies between it and 0 is crowded, and not labelled.
    """
    if grain == LINEAR:
        return _even_ticks(last, first, most)
    if first < 0:
        mirrored = ticks(-first, max(0, -last), most, grain)
        positive = ticks(last, 0, most, grain) if last > 0 else ()
        return tuple(sorted({*(-epoch for epoch in mirrored), *positive}))
    least = max(first, int(grain))
    labelled = [e for e in _up_to(last, (1,)) if e >= least]
    more = [e for e in _up_to(last, (1, 2, 5)) if e >= least]
    if last < 100 * least and (most is None or len(more) < most or not labelled):
        labelled = more
    elif most is not None:
        labelled = labelled[:: -(-(len(labelled) + 1) // max(1, most))]
    inside = labelled if first else [0, *labelled]
    return tuple(inside) if len(inside) > 1 or not first else tuple(dict.fromkeys((first, last)))


def _even_ticks(last: int, first: int, most: int | None) -> tuple[int, ...]:
    wanted = EVEN_TICKS if most is None else max(1, most)
    sizes = (size * 10**k for k in range(len(str(last - first)) + 1) for size in (1, 2, 5))
    size = next(size for size in sizes if (last - first) // size < wanted or size > last - first)
    inside = tuple(range(-(-first // size) * size, last + 1, size))
    return inside if len(inside) > 1 else tuple(dict.fromkeys((first, last)))


def minor_ticks(last: int, least: int, labelled: Iterable[int]) -> tuple[int, ...]:
    """Return the epochs from the least on to mark without a label; if many, only powers of ten."""
    steps = range(1, 10) if last < 10**LONG * max(1, least) else (1,)
    inside = {epoch for epoch in _up_to(last, steps) if epoch >= least}
    return tuple(sorted(inside - {*labelled}))


def _up_to(last: int, steps: Iterable[int]) -> list[int]:
    decades = [10**k for k in range(len(str(last)))]
    steps = tuple(steps)
    return [d * s for d in decades for s in steps if d * s <= last]
