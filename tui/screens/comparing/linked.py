"""Runs side by side, and which epoch of one corresponds to which epoch of another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from repdyn.display import axis
from repdyn.display.reading import last_epoch
from repdyn.display.similarity import Similarity, similarity
from repdyn.display.wording import plain
from repdyn.records import Curve, RunRecord
from tui.screens.view_state import ViewState

LETTERS = "ABCD"
"""The letters of the runs."""


@dataclass(frozen=True)
class Linked:
    """Two to four runs.

    Attributes:
        records: of the runs; a ViewState's epochs are those of the first.
        by_phase: whether epochs are linked by phase, as `phase_aligned`, or are the same.
    """

    records: tuple[RunRecord, ...]
    by_phase: bool = False

    @property
    def heads(self) -> list[str]:
        """The runs' letters and names."""
        named = zip(LETTERS, self.records, strict=False)
        return [f"{letter} {plain(record.summary.name)}" for letter, record in named]

    def translated(self, epoch: int, origin: int, target: int) -> int:
        """Return the epoch of a run that corresponds to another's."""
        if not self.by_phase or origin == target:
            return epoch
        return phase_aligned(epoch, self.records[origin], self.records[target])

    def epoch_in(self, epoch: int | None, run: int) -> int | None:
        """Return the epoch of a run that corresponds to the first run's; None stays None, the last."""
        return None if epoch is None else self.translated(epoch, 0, run)

    def similar(self, measure: str) -> list[Similarity | None]:
        """Return one similarity measure of each run; None for runs that lack it so far."""
        found = [record.dynamics for record in self.records]
        return [
            None
            if dynamics is None or measure not in dynamics.similarity
            else similarity(dynamics, measure)
            for dynamics in found
        ]

    def on_first(self, curve: Curve, run: int) -> Curve:
        """Return a run's curve over the corresponding epochs of the first run."""
        epochs = np.array([self.translated(int(e), run, 0) for e in curve.steps], dtype=np.int64)
        last = np.append(epochs[1:] != epochs[:-1], True)[: len(epochs)]
        return Curve(epochs[last], curve.values[last])


def row_of(shown: Similarity, look: ViewState) -> int:
    """Return the current layer, or the last one of a run with fewer layers."""
    return min(look.layer, len(shown.names) - 1)


def phase_aligned(epoch: int, origin: RunRecord, target: RunRecord) -> int:
    """Return the epoch at the same relative position between phase boundaries as another run's.

    Linear on the log-epoch axis between those of start, onset, fit and end that both runs have.
    """
    names = [n for n in ("onset", "fit") if _both(origin, target, n)]
    ends = [(0, 0), *((_at(origin, n), _at(target, n)) for n in names)]
    ends.append((last_epoch(origin), last_epoch(target)))
    knots = [ends[0]]
    for pair in ends[1:]:
        if pair[0] > knots[-1][0] and pair[1] > knots[-1][1]:
            knots.append(pair)
    here, there = (axis.position([pair[i] for pair in knots]) for i in (0, 1))
    return round(float(np.expm1(np.interp(axis.position(epoch), here, there))))


def _both(origin: RunRecord, target: RunRecord, name: str) -> bool:
    return name in origin.phases.markers() and name in target.phases.markers()


def _at(record: RunRecord, name: str) -> int:
    return record.phases.markers()[name]
