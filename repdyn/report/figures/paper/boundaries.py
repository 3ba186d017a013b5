"""What a legend says of the phase boundaries in the panels of a figure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from matplotlib.artist import Artist

from repdyn.records import Phases
from repdyn.report.figures.phase_marks import interval_handle
from repdyn.report.figures.style import phase_handles


def boundary_handles(
    drawn: Sequence[Phases], names: Iterable[str], *, on_cells: bool = False
) -> list[Artist]:
    """Return what a legend says of the boundaries that any of the panels has.

    Args:
        drawn: phases of each panel.
        names: which boundaries are drawn, if they exist.
        on_cells: whether the panels are heatmaps.
    """
    found = [name for name in names if any(name in one.markers() for one in drawn)]
    handles: list[Artist] = list(phase_handles(found))
    ends = (one.intervals.get(name, (0, 0)) for one in drawn for name in found)
    if any(low < high for low, high in ends):
        handles.append(interval_handle(on_colour=on_cells))
    return handles
