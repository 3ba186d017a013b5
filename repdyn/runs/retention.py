"""Which checkpoints' weights a run keeps (keep_checkpoints)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from repdyn.display import axis
from repdyn.records import Phases

Keep = Literal["all", "phases", "last"] | int


def most_kept(checkpoints: int, keep: Keep) -> int:
    """Return the maximum number of checkpoints' weights on disk at once."""
    last = 1 if keep == "last" else keep
    # an old one is removed after the new one is written
    return min(checkpoints, last + 1) if isinstance(last, int) else checkpoints


def outdated(saved: Sequence[int], keep: Keep) -> list[int]:
    """Return the epochs, of those saved so far, whose weights may be removed."""
    last = 1 if keep == "last" else keep
    return list(saved[:-last]) if isinstance(last, int) else []


def between_boundaries(saved: Sequence[int], phases: Phases) -> list[int]:
    """Return the epochs that are neither first nor last nor nearest to a phase boundary."""
    boundaries = [*phases.markers().values(), *phases.joint]
    kept = {saved[axis.nearest(np.asarray(saved), at)] for at in boundaries}
    return [epoch for epoch in saved[1:-1] if epoch not in kept]
