"""What the figures for a paper are drawn of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from repdyn.records import LabelMaps, PlaneSet, RunRecord


@dataclass(frozen=True)
class Regions:
    """Decision regions of a run at some of its checkpoints, in order; at least one."""

    planes: PlaneSet
    maps: tuple[LabelMaps, ...]


@dataclass(frozen=True)
class Shown:
    """Runs that differ only in their seed, at least one, ordered by name.

    Attributes:
        label: the settings in which they differ from the other groups.
        runs: curves and profiles are of all of them, matrices and regions of the first.
        regions: of the first; None where there are none.
    """

    label: str
    runs: tuple[RunRecord, ...]
    regions: Regions | None = None

    @property
    def record(self) -> RunRecord:
        """The run that stands for the others where only one can be drawn."""
        return self.runs[0]

    def having(self, measure: str) -> tuple[RunRecord, ...]:
        """Return the runs that were measured with a similarity."""
        return tuple(
            run for run in self.runs if run.dynamics and measure in run.dynamics.similarity
        )


def with_measure(shown: Sequence[Shown], measure: str) -> list[Shown]:
    """Return the groups with their runs that were measured with a similarity, if there are any."""
    found = ((group, group.having(measure)) for group in shown)
    return [
        Shown(group.label, runs, group.regions if runs[0] is group.record else None)
        for group, runs in found
        if runs
    ]
