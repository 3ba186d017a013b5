"""The progress of a run in words: how far it is, how fast, what is left, and what to worry about."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from repdyn.analysis.live import is_loss, is_spike, longest_silence, rate
from repdyn.display.reading import last_epoch
from repdyn.display.wording import duration, plain
from repdyn.records import EPOCH, plural
from repdyn.step_words import short_step, step

if TYPE_CHECKING:
    from repdyn.records import Curve, RunRecord

LIVE = frozenset({"RUNNING", "SCHEDULED"})

CLOCKS = 300.0
"""Seconds of silence below which it may be the clocks of two machines that differ."""

LOOKED_AT = 200
"""Values of a loss among which the last ones may be a spike."""

NOT_STEPS = "system/"
"""Prefix of the metrics that MLflow logs of the machine, by sample instead of by step."""


def progress(record: RunRecord, now: float) -> str:
    """Return how far a run is, `epoch 24/80`, and while it trains, its recent speed and what is left.

    Args:
        record: of the run.
        now: milliseconds since 1970.
    """
    total = _total(record)
    done = f"{record.unit} {step(last_epoch(record))}" + (f"/{plain(total)}" if total else "")
    return " · ".join(filter(None, (done, pace(record, now))))


def pace(record: RunRecord, now: float) -> str:
    """Return the recent speed of a run that trains and what is left; nothing if it is not known.

    Args:
        record: of the run.
        now: milliseconds since 1970.
    """
    if record.summary.status not in LIVE or _silence(record, now) is not None:
        return ""
    per_second = rate(*_news(record))
    if per_second is None:
        return ""
    parts, total = [speed(per_second, record.unit)], _total(record)
    left = int(total) - last_epoch(record) if total.isdecimal() else 0
    if left > 0:
        parts.append(f"about {duration(left / per_second)} left")
    return " · ".join(parts)


def _total(record: RunRecord) -> str:
    """Return how many epochs the run is to train; nothing if that is not known."""
    return record.summary.params.get("epochs", "") if record.unit == EPOCH else ""


def speed(per_second: float, unit: str) -> str:
    """Return a speed, `4.2 epochs/min`, or of slow ones what one takes, `12 min/epoch`."""
    for seconds, name in ((1, "s"), (60, "min")):
        number = per_second * seconds
        if number >= 1:
            amount = short_step(round(number)) if number >= 100 else f"{number:.2g}"
            return f"{amount} {unit if amount == '1' else plural(unit)}/{name}"
    return f"{duration(1 / per_second)}/{unit}"


def worries(record: RunRecord, now: float) -> list[str]:
    """Return what is wrong with a run that trains, a few words each; the most urgent first.

    Args:
        record: of the run.
        now: milliseconds since 1970.
    """
    if record.summary.status not in LIVE:
        return []
    silence = _silence(record, now)
    found = [] if silence is None else [f"no news for {duration(silence)}"]
    for name, curve in record.curves.items():
        if is_loss(name) and len(curve.steps):
            found += _wrong(plain(name), curve)
    return found


def _wrong(name: str, curve: Curve) -> list[str]:
    """Return what is wrong with a loss: it is not finite, or has just risen."""
    if not math.isfinite(curve.values[-1]):
        finite = np.flatnonzero(np.isfinite(curve.values))
        first = int(finite[-1]) + 1 if len(finite) else 0
        return [f"{name} is {curve.values[-1]:g} since {step(int(curve.steps[first]))}"]
    values, steps = curve.values[-LOOKED_AT:].tolist(), curve.steps[-LOOKED_AT:]
    ends = range(max(1, len(values) - 2), len(values) + 1)  # also if it is falling again
    spikes = [end - 1 for end in ends if is_spike(values[:end])]
    if not spikes:
        return []
    return [f"{name} rose to {values[spikes[-1]]:.3g} at {step(int(steps[spikes[-1]]))}"]


def _silence(record: RunRecord, now: float) -> float | None:
    """Return for how many seconds a run that should have logged something has not."""
    _, times = _news(record)
    most = longest_silence(times)
    silence = now / 1000 - times[-1] if times else 0.0
    return silence if most is not None and silence > max(most, CLOCKS) else None


def _news(record: RunRecord) -> tuple[list[float], list[float]]:
    """Return the steps and times in seconds of the curve that was logged last."""
    curves = [
        (curve.steps, curve.times)
        for name, curve in record.curves.items()
        if curve.times is not None and len(curve.times) and not name.startswith(NOT_STEPS)
    ]
    if not curves:
        return [], []
    steps, times = max(curves, key=lambda news: (int(news[1][-1]), len(news[0])))
    return steps[-LOOKED_AT:].tolist(), (times[-LOOKED_AT:] / 1000).tolist()
