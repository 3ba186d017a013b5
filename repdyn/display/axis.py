"""The log-epoch axis of figures and text: ln(1 + epoch), which includes epoch 0."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from repdyn.records import IntArray

LONE_HALF_WIDTH = 0.5
"""Half the width of the cell of a run's only checkpoint, in ln(1 + epoch)."""


def position(epochs: ArrayLike) -> NDArray[np.float64]:
    """Return the positions of epochs on the axis."""
    place: NDArray[np.float64] = np.log1p(np.asarray(epochs, dtype=np.float64))
    return place


def nearest(epochs: IntArray, epoch: float | None) -> int:
    """Return the index of the checkpoint nearest to an epoch on the axis; None gives the last."""
    if epoch is None:
        return len(epochs) - 1
    return int(np.abs(position(epochs) - position(epoch)).argmin())


def edges(epochs: IntArray) -> NDArray[np.float64]:
    """Return the borders of the checkpoints' cells, (E+1,) in epochs.

    They lie halfway between neighbours on the axis; the outer cells are symmetric, so that the
    first border lies between -1 and 0 where the first epoch is 0.
    """
    place = position(epochs)
    if len(place) == 1:
        borders = place[0] + np.array([-LONE_HALF_WIDTH, LONE_HALF_WIDTH])
    else:
        between = (place[1:] + place[:-1]) / 2
        first, last = 2 * place[0] - between[0], 2 * place[-1] - between[-1]
        borders = np.concatenate([[first], between, [last]])
    return np.asarray(np.expm1(borders))


def ticks(last: int) -> tuple[int, ...]:
    """Return the epochs to label up to the last: 0, 1, 10, 100, ...; in short runs 2, 5, ... too."""
    steps = (1,) if last >= 100 else (1, 2, 5)
    return (0, *_up_to(last, steps))


def minor_ticks(last: int) -> tuple[int, ...]:
    """Return the epochs to mark without a label."""
    return tuple(e for e in _up_to(last, range(1, 10)) if e not in ticks(last))


def _up_to(last: int, steps: Iterable[int]) -> list[int]:
    decades = [10**k for k in range(len(str(last)))]
    steps = tuple(steps)
    return [d * s for d in decades for s in steps if d * s <= last]
