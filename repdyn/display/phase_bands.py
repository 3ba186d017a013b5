"""The phases of a run as bands along its epoch axis, between the boundaries that were found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from repdyn.records import Interval, Phases


@dataclass(frozen=True)
class Period:
    """What lies between two boundaries.

    Attributes:
        label: its name.
        start, end: names of the boundaries.
        lasts: whether it lasts to the end of the run where its end is not found.
        row: place below the curves; bands of one row do not overlap.
    """

    label: str
    start: str
    end: str
    lasts: bool
    row: int


PERIODS = (
    Period("memorisation", "onset", "fit", lasts=True, row=0),
    Period("after perfect fit", "fit", "", lasts=True, row=0),
    Period("test error rises", "test_min", "test_peak", lasts=False, row=1),
)


@dataclass(frozen=True)
class Band:
    """A period of one run.

    Attributes:
        period: which.
        first, last: its steps.
        uncertain: the intervals of its boundaries, those of which one is known.
    """

    period: Period
    first: int
    last: int
    uncertain: Mapping[str, Interval]


def phase_bands(phases: Phases, last: int) -> tuple[Band, ...]:
    """Return the periods of a run up to its last step, without those whose start is not found."""
    found = phases.markers()
    bands = []
    for period in PERIODS:
        end = found.get(period.end, last if period.lasts else None)
        first = found.get(period.start)
        if first is not None and end is not None and first < end:
            known = {
                name: phases.intervals[name]
                for name in (period.start, period.end)
                if name in found and name in phases.intervals
            }
            bands.append(Band(period, first, end, known))
    return tuple(bands)
