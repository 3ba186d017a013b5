"""Single facts read from a record."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from repdyn.analysis.undefined import NO_FLIPPED, undefined_phases, undefined_scores
from repdyn.errors import UserError
from repdyn.records import PROBE_SPLITS, SYSTEM_METRICS, Curve, Dynamics, RunRecord, RunSummary
from repdyn.score_key import ScoreKey


def measured(record: RunRecord) -> Dynamics:
    """Return what was measured.

    Raises:
        UserError: the run has no checkpoint yet.
    """
    if record.dynamics is None:
        raise UserError(f"run {record.summary.run_id}: has no checkpoint yet; wait for its first")
    return record.dynamics


def probe_splits(dynamics: Dynamics) -> tuple[str, ...]:
    """Return the splits on which linear probes were measured; none without labels."""
    known = np.isfinite(dynamics.probe_acc)
    return tuple(split for i, split in enumerate(PROBE_SPLITS) if known[..., i].any())


def has_regions(dynamics: Dynamics) -> bool:
    """Return whether decision regions were measured, not without planes."""
    return bool(np.isfinite(dynamics.fragmentation).any())


def lacks_label_noise(record: RunRecord) -> bool:
    """Return whether the curves say that no label was flipped."""
    return "train/acc" in record.curves and "train/acc_noisy" not in record.curves


def is_live(record: RunRecord) -> bool:
    """Return whether a run is training, or about to."""
    return record.summary.status in ("RUNNING", "SCHEDULED")


def missing_phases(record: RunRecord, *, ended: bool | None = None) -> Mapping[str, str]:
    """Return why each missing boundary of a run is undefined, as `undefined` does with the scores."""
    if is_live(record) if ended is None else not ended:
        return {"onset": NO_FLIPPED} if lacks_label_noise(record) else {}
    return undefined_phases(record.curves, record.phases, record.unit)


def undefined(record: RunRecord, *, ended: bool | None = None) -> Mapping[str | ScoreKey, str]:
    """Return why each missing boundary and score of a run is undefined; see analysis/undefined.py.

    Args:
        record: of the run.
        ended: whether the run has ended; None checks its status. While it trains, only an onset that
            cannot occur is undefined.
    """
    ended = not is_live(record) if ended is None else ended
    reasons: dict[str | ScoreKey, str] = {}
    reasons.update(missing_phases(record, ended=ended))
    if ended and record.dynamics is not None:
        fit_known = "train/acc" in record.curves
        reasons.update(
            undefined_scores(record.dynamics, record.phases, record.scores, fit_known=fit_known)
        )
    return reasons


def last_epoch(record: RunRecord) -> int:
    """Return the last epoch with any data, 0 if there is none yet."""
    ends = [
        int(curve.steps[-1])
        for name, curve in record.curves.items()
        if len(curve.steps) and not name.startswith(SYSTEM_METRICS)
    ]
    if record.dynamics is not None:
        ends.append(int(record.dynamics.steps[-1]))
    return max(ends, default=0)


def is_same(one: RunSummary, other: RunSummary) -> bool:
    """Return whether nothing has changed between two summaries of a run; NaN is the same as NaN."""
    names = list(one.metrics)
    if names != list(other.metrics) or replace(one, metrics=other.metrics) != other:
        return False
    before, after = ([float(of.metrics[name]) for name in names] for of in (one, other))
    return np.array_equal(before, after, equal_nan=True)


def value_at(curve: Curve | None, epoch: int) -> float:
    """Return a curve's last value up to an epoch, NaN if there is none."""
    if curve is None:
        return math.nan
    past = curve.values[curve.steps <= epoch]
    return float(past[-1]) if len(past) else math.nan
