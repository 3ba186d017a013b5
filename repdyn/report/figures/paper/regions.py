"""Decision regions of the output and of some layers' probes over the epochs of one run."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from repdyn.display.labels import MARKS
from repdyn.display.reading import measured
from repdyn.display.wording import plain
from repdyn.records import OUTPUT, RunRecord
from repdyn.report.figures.decision import (
    class_patches,
    class_rgb,
    draw_map,
    epochs_drawn,
    map_on,
    plane_colours,
    telling_plane,
)
from repdyn.report.figures.matrices import LINES, by_depth
from repdyn.report.figures.paper.sheet import (
    EDGE,
    LINE,
    draw_legend,
    fitted,
    legend_height,
    panel,
    paper_styled,
    sheet,
    write,
)
from repdyn.report.figures.paper.shown import Regions
from repdyn.step_words import short_step

LEFT, GAP = 0.2, 0.05
"""Inches for the names of rows, and between panels."""

LEAST_SIDE, MOST_SIDE = 0.72, 1.2
"""Inches of a panel's width."""

MOST_EPOCHS = 8
"""Checkpoints drawn in the widest figure."""

PROBES = 3
"""Layers whose probes are drawn."""


@paper_styled
def decision_regions(label: str, record: RunRecord, regions: Regions, width: float) -> Figure:
    """Draw the classes on one plane: a row for each layer and the output, a column for each epoch.

    Args:
        label: of the group.
        record: of the run.
        regions: of it, at the checkpoints that may be drawn.
        width: of the figure in inches.
    """
    planes, plane = regions.planes, telling_plane(regions.planes)
    layers = measured(record).layers
    room = width - LEFT - EDGE
    most = int((room + GAP) / (LEAST_SIDE + GAP))
    taken = epochs_drawn([at.step for at in regions.maps], record.phases, most)
    chosen = [at for at in regions.maps if at.step in taken]
    rows = [*by_depth(len(layers), PROBES), len(layers)]
    drawn = [[map_on(at, planes, plane, row) for at in chosen] for row in rows]
    classes = class_names(record, regions)
    colours = plane_colours(planes, plane, len(classes), [m for row in drawn for m in row])
    rgb, handles = class_rgb(colours), class_patches(colours, classes)
    side = min((room + GAP) / len(chosen) - GAP, MOST_SIDE)
    a0, a1, b0, b1 = planes.extent[plane]
    high = side * float((b1 - b0) / (a1 - a0))
    top = (2 + _has_marks(record, taken)) * LINE + EDGE
    end = top + len(rows) * (high + GAP) + EDGE
    figure = sheet(width, end + legend_height(handles, room) + EDGE)
    write(figure, LEFT, EDGE, label, room, weight="bold")
    for i, (row, line) in enumerate(zip(rows, drawn, strict=True)):
        panels = [
            panel(figure, LEFT + k * (side + GAP), top + i * (high + GAP), side, high)
            for k in range(len(chosen))
        ]
        for axes, label_map in zip(panels, line, strict=True):
            draw_map(axes, label_map, planes, plane, rgb)
            axes.set_aspect("auto")
        panels[0].set_ylabel(fitted(plain((*layers, OUTPUT)[row]), high), parse_math=False)
        if i == 0:
            _title(panels, taken, record)
    draw_legend(figure, handles, LEFT, end, room)
    return figure


def class_names(record: RunRecord, regions: Regions) -> tuple[str, ...]:
    """Return the names of the classes, their numbers in a run that has no names."""
    return regions.planes.classes or tuple(map(str, range(measured(record).areas.shape[-1])))


def _title(panels: list[Axes], steps: list[int], record: RunRecord) -> None:
    """Name the columns by their steps, the first one with the unit, and mark boundaries."""
    for axes, step in zip(panels, steps, strict=True):
        said = short_step(step) if axes is not panels[0] else f"{record.unit} {short_step(step)}"
        if _has_marks(record, steps):
            said = f"{said}\n{_mark(record, step)}"
        axes.set_title(said)


def _mark(record: RunRecord, step: int) -> str:
    at = record.phases.markers()
    return ", ".join(MARKS[name] for name in LINES if at.get(name) == step)


def _has_marks(record: RunRecord, steps: list[int]) -> bool:
    return any(_mark(record, step) for step in steps)
