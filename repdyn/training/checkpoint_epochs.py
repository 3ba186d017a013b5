"""Which epochs are checkpoints."""

from __future__ import annotations

import numpy as np

from repdyn.errors import SettingError


def checkpoint_epochs(epochs: int, wanted: int | tuple[int, ...]) -> tuple[int, ...]:
    """Return the checkpoints' epochs, increasing, always with 0 (the initial model) and the last.

    A number requests that many, evenly spaced in ln(1 + epoch): representations change by ratios of
    epochs, so the start is dense. Where two round to the same epoch, the next free one is taken, so
    that there are exactly as many as requested, or every epoch if there are fewer.

    Args:
        epochs: of the training.
        wanted: how many, or which.

    Raises:
        UserError: a listed epoch is beyond the last.
    """
    if isinstance(wanted, tuple):
        beyond = [e for e in wanted if e > epochs]
        if beyond:
            raise SettingError("checkpoints", beyond[0], f"the training has only {epochs} epochs")
        return tuple(sorted({0, epochs, *wanted}))
    count = min(wanted, epochs + 1)
    spaced = np.rint(np.expm1(np.linspace(0, np.log1p(epochs), count))).astype(int)
    chosen: list[int] = []
    for i, epoch in enumerate(spaced):
        free = chosen[-1] + 1 if chosen else 0
        latest = epochs - (count - 1 - i)
        chosen.append(min(max(int(epoch), free), latest))
    return tuple(chosen)
