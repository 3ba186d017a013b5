"""What the figures for a paper are drawn of."""

from __future__ import annotations

from dataclasses import dataclass

from repdyn.records import LabelMaps, PlaneSet, RunRecord


@dataclass(frozen=True)
class Regions:
    """Decision regions of a run at some of its checkpoints, in order; at least one."""

    planes: PlaneSet
    maps: tuple[LabelMaps, ...]


@dataclass(frozen=True)
class Shown:
    """Runs that differ only in their seed, of which one is drawn.

    Attributes:
        label: the settings in which they differ from the other groups.
        record: of the run that is drawn.
        names: of all of the runs, in order.
        regions: of the run that is drawn; None where there are none.
    """

    label: str
    record: RunRecord
    names: tuple[str, ...]
    regions: Regions | None = None
