"""A run's phase boundaries in its figures: lines where they were found, shades where they may lie."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from repdyn.display.labels import PHASES
from repdyn.display.wording import spanned
from repdyn.records import Interval, Phases, RunRecord
from repdyn.report.figures.style import phase_handles, phase_lines

SHADE: dict[str, Any] = {"facecolor": "0.35", "alpha": 0.1, "linewidth": 0, "zorder": 0}
"""Overlapping intervals are darker."""

ON_COLOUR: dict[str, Any] = {
    "facecolor": "none",
    "edgecolor": "white",
    "hatch": "//////",
    "linewidth": 0,
    "alpha": 0.55,
    "zorder": 2,
}
"""Hatched, so that the colours below stay what they are."""

MAY_LIE = "where a boundary may lie"


def mark_phases(
    axes: Axes,
    phases: Phases,
    names: Container[str],
    *,
    both: bool = False,
    on_colour: bool = False,
) -> None:
    """Draw lines at phase boundaries, and shade their intervals, whose gid is `fit interval`.

    Args:
        axes: with an epoch axis.
        phases: of the run.
        names: which boundaries, if they exist.
        both: on the vertical axis too.
        on_colour: on a heatmap.
    """
    phase_lines(axes, phases, names, both=both, on_colour=on_colour)
    for name, ends in _intervals(phases, names).items():
        for draw in (axes.axvspan, axes.axhspan)[: 1 + both]:
            draw(*ends, gid=f"{name} interval", **(ON_COLOUR if on_colour else SHADE))


def phase_legend(
    figure: Figure,
    record: RunRecord,
    names: Container[str],
    *extra: Artist,
    on_colour: bool = False,
) -> None:
    """Explain the lines and shades, and extra marks by their labels, below the figure.

    Args:
        figure: of the run.
        record: of the run.
        names: which boundaries are drawn.
        extra: further marks.
        on_colour: whether there are heatmaps alone.
    """
    found = {name: at for name, at in record.phases.markers().items() if name in names}
    handles: list[Artist] = []
    for line, (name, at) in zip(phase_handles(found), found.items(), strict=True):
        epochs = spanned(at, record.phases.intervals.get(name))
        line.set_label(f"{PHASES[name]}, {record.unit} {epochs}")
        handles.append(line)
    if _intervals(record.phases, names):
        handles.append(interval_handle(on_colour=on_colour))
    legend_below(figure, [*handles, *extra])


def legend_below(figure: Figure, handles: Sequence[Artist]) -> None:
    """Explain marks by their labels below the figure."""
    if handles:
        columns = {4: 2}.get(len(handles), min(len(handles), 3))
        figure.legend(handles=handles, loc="outside lower center", ncols=columns, handlelength=2.5)


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


def interval_handle(*, on_colour: bool = False) -> Patch:
    """Return what a legend shows of the intervals."""
    look = SHADE | {"alpha": 0.2}
    if on_colour:
        look = ON_COLOUR | {"facecolor": "0.45", "alpha": 1}
    return Patch(label=MAY_LIE, **look)


def _intervals(phases: Phases, names: Container[str]) -> dict[str, Interval]:
    """Return the intervals of the boundaries that are drawn, unless they are a single step."""
    return {
        name: phases.intervals[name]
        for name in phases.markers()
        if name in names and name in phases.intervals and len({*phases.intervals[name]}) > 1
    }
