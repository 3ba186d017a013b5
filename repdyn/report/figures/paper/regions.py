"""Decision regions of the output and of some layers' probes over the epochs of one run."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from repdyn.display.reading import measured
from repdyn.display.wording import plain
from repdyn.evenly import evenly
from repdyn.records import OUTPUT, RunRecord
from repdyn.report.figures.decision import (
    DISC,
    boundaries_at,
    class_patches,
    class_rgb,
    draw_map,
    epochs_drawn,
    map_on,
    plane_colours,
    telling_plane,
)
from repdyn.report.figures.paper.sheet import (
    EDGE,
    LINE,
    draw_legend,
    legend_height,
    panel,
    paper_styled,
    sheet,
    write,
)
from repdyn.report.figures.paper.shown import Regions
from repdyn.step_words import short_step

GAP = 0.05
"""Inches between panels."""

LEAST_SIDE, MOST_SIDE = 0.72, 1.2
"""Inches of a panel's width, and the latter of its height."""

MOST_EPOCHS = 8
"""Checkpoints drawn in the widest figure at most."""

DISCS = "an image of the plane, filled with its label's colour"

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
    room = width - 2 * EDGE
    most = min(MOST_EPOCHS, int((room + GAP) / (LEAST_SIDE + GAP)))
    taken = epochs_drawn([at.step for at in regions.maps], record.phases, most)
    chosen = [at for at in regions.maps if at.step in taken]
    rows = [*evenly(len(layers), PROBES), len(layers)]
    drawn = [[map_on(at, planes, plane, row) for at in chosen] for row in rows]
    classes = class_names(record, regions)
    colours = plane_colours(planes, plane, len(classes), [m for row in drawn for m in row])
    disc = Line2D([], [], linestyle="none", color="0.6", label=DISCS, **DISC)
    disc.set_markeredgecolor("0.2")  # white on the maps
    rgb = class_rgb(colours)
    legends: tuple[Sequence[Artist], ...] = (class_patches(colours, classes), [disc])
    a0, a1, b0, b1 = planes.extent[plane]
    ratio = float((b1 - b0) / (a1 - a0))
    side = min((room + GAP) / len(chosen) - GAP, MOST_SIDE, MOST_SIDE / ratio)
    marks = [boundaries_at(at.step, taken, record.phases).split(", ") for at in chosen]
    top = EDGE + LINE * (2 + max(len(mark) if any(mark) else 0 for mark in marks))
    pitch = LINE + side * ratio + GAP
    end = top + len(rows) * pitch + EDGE
    heights = [legend_height(handles, room) for handles in legends]
    figure = sheet(width, end + sum(heights) + EDGE)
    write(figure, EDGE, EDGE, label, room, weight="bold")
    lefts = [EDGE + k * (side + GAP) for k in range(len(chosen))]
    for left, at, mark in zip(lefts, chosen, marks, strict=True):
        unit = f"{record.unit} " if at is chosen[0] else ""
        for line, said in enumerate((f"{unit}{short_step(at.step)}", *mark)):
            write(figure, left + side / 2, EDGE + LINE * (1 + line), said, side, ha="center")
    for i, (row, line_of_maps) in enumerate(zip(rows, drawn, strict=True)):
        down = top + i * pitch
        write(figure, EDGE, down, plain((*layers, OUTPUT)[row]), room)
        for left, label_map in zip(lefts, line_of_maps, strict=True):
            axes = panel(figure, left, down + LINE, side, side * ratio)
            draw_map(axes, label_map, planes, plane, rgb)
            axes.set_aspect("auto")
    for handles, height in zip(legends, heights, strict=True):
        draw_legend(figure, handles, EDGE, end, room)
        end += height
    return figure


def class_names(record: RunRecord, regions: Regions) -> tuple[str, ...]:
    """Return the names of the classes, their numbers in a run that has no names."""
    return regions.planes.classes or tuple(map(str, range(measured(record).areas.shape[-1])))
