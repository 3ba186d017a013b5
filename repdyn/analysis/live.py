"""How a run that trains is doing: its recent pace, whether it has stalled, whether its loss spikes.

Plain numbers in and out, without numpy: the screen asks before it has loaded any.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import median

RECENT = 10
"""Intervals between news that count as recent."""

PAUSE = 20.0
"""An interval this many times the median is a pause, as between a stop and a resume."""

STALLED, OF_LONGEST = 10.0, 3.0
"""Silence counts as a stall from this many times the median recent interval on, and of the longest
one: the epochs with a checkpoint take longer than the others."""

LEAST_SILENCE = 60.0
"""Seconds of silence that are never a stall."""

LEAST_BEFORE = 5
"""Values needed to tell a spike from noise."""

DEVIATIONS, SHARE = 6.0, 0.05
"""A spike is above the recent median by this many standard deviations (of a normal distribution with
the same median absolute deviation), and by this share of the highest value so far."""

_MAD = 1.4826
"""Standard deviation of a normal distribution relative to its median absolute deviation."""


def rate(steps: Sequence[float], times: Sequence[float]) -> float | None:
    """Return the recent steps per second; None if there are no two times, or nothing moved.

    Args:
        steps: that were logged, increasing.
        times: when each was, in seconds.
    """
    steps, times = steps[-RECENT - 1 :], times[-RECENT - 1 :]
    moves = [
        (b - a, end - start)
        for (a, b), (start, end) in zip(pairwise(steps), pairwise(times), strict=True)
    ]
    if not moves:
        return None
    longest = PAUSE * median(seconds for _, seconds in moves)
    kept = [move for move in moves if move[1] <= longest] if longest > 0 else moves
    done, seconds = sum(move[0] for move in kept), sum(move[1] for move in kept)
    return done / seconds if done > 0 and seconds > 0 else None


def longest_silence(times: Sequence[float]) -> float | None:
    """Return the seconds of silence after which a run counts as stalled; None if that is unknown.

    Args:
        times: of its news so far, in seconds, increasing.
    """
    intervals = [b - a for a, b in pairwise(times[-RECENT - 1 :])]
    if len(intervals) < 2:
        return None
    return max(STALLED * median(intervals), OF_LONGEST * max(intervals), LEAST_SILENCE)


def is_spike(values: Sequence[float]) -> bool:
    """Return whether the last value of a loss is far above the recent ones."""
    *before, last = values
    before = [value for value in before if math.isfinite(value)]
    if len(before) < LEAST_BEFORE or not math.isfinite(last):
        return False
    recent = before[-2 * RECENT :]
    middle = median(recent)
    deviation = _MAD * median(abs(value - middle) for value in recent)
    # above what it recently was anyway: the median of a loss that falls is above its last values
    above = last - max(middle, recent[-1])
    return above > max(DEVIATIONS * deviation, SHARE * max(map(abs, before)))


def is_loss(metric: str) -> bool:
    """Return whether a metric is a loss, by its name."""
    return "loss" in metric.rpartition("/")[2].lower()
