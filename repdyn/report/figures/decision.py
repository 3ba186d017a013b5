"""Decision regions of the output and of some layers' probes on one plane, over epochs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from repdyn.display import axis
from repdyn.display.class_colours import CLASS_COLOURS, SHARED_GREYS, ClassColours
from repdyn.display.labels import MARKS, PLANES
from repdyn.display.reading import measured
from repdyn.display.wording import plain
from repdyn.errors import UserError
from repdyn.plane_kinds import PLANE_KINDS
from repdyn.records import OUTPUT, ClassArray, LabelMaps, Phases, PlaneSet, RunRecord
from repdyn.report.figures.style import SMALL, WIDTH, new_figure, styled
from repdyn.step_words import step as written

COLUMNS = 6
"""Epochs drawn."""

LETTERS = "ABC"

DISCS = (
    "rings: where the images A, B and C lie, each filled in the colour of the label it was given"
)

DISC: dict[str, Any] = {
    "marker": "o",
    "markersize": 4.0,
    "markeredgewidth": 0.8,
    "markeredgecolor": "white",
}
BESIDE: dict[str, Any] = {
    "xytext": (3.5, 0.0),
    "textcoords": "offset points",
    "va": "center",
    "fontsize": SMALL,
    "color": "white",
    "path_effects": [withStroke(linewidth=1.3, foreground="black")],
}


@styled
def decision_regions(
    record: RunRecord,
    planes: PlaneSet,
    maps: Sequence[LabelMaps],
    classes: tuple[str, ...],
    plane: int,
    layers: Sequence[int],
) -> Figure:
    """Draw the classes on one plane: a row for each layer and the output, a column for each epoch.

    Anchors are discs in the colour of their given label; beside the maps are their images, with
    the true label where it was flipped.

    Args:
        record: of the run.
        planes: of the run.
        maps: label maps at its checkpoints; up to COLUMNS of them are drawn.
        classes: names.
        plane: index into the planes; drawn on a fine grid if it is among `planes.fine`.
        layers: indices of the layers.

    Raises:
        UserError: the run has no label maps yet.
    """
    names = measured(record).layers
    if not maps:
        raise UserError(
            f"run {record.summary.run_id}: has no label maps yet; wait for a checkpoint"
        )
    taken = epochs_drawn([at.step for at in maps], record.phases)
    chosen = [at for at in maps if at.step in taken]
    rows = [*layers, len(names)]
    drawn = [[map_on(at, planes, plane, row) for at in chosen] for row in rows]
    colours = plane_colours(planes, plane, len(classes), [m for row in drawn for m in row])
    rgb = class_rgb(colours)

    a0, a1, b0, b1 = planes.extent[plane]
    side = (WIDTH - 0.3) / (len(chosen) + 1)
    height = max(3.2, len(rows) * side * (b1 - b0) / (a1 - a0) + 1.35)
    kind = PLANES[PLANE_KINDS[planes.kinds[plane]]]
    title = f"Decision regions on the plane through three {kind}"
    figure = new_figure(record, title, height, note=DISCS)
    halves = figure.add_gridspec(1, 2, width_ratios=[len(chosen), 0.8])
    panels = halves[0].subgridspec(len(rows), len(chosen)).subplots(squeeze=False)
    for row, line, label_maps in zip(rows, panels, drawn, strict=True):
        for axes, label_map in zip(line, label_maps, strict=True):
            draw_map(axes, label_map, planes, plane, rgb)
            _letter_anchors(axes, planes, plane)
        line[0].set_ylabel((*names, OUTPUT)[row], parse_math=False)
    for axes, at in zip(panels[0], chosen, strict=True):
        marks = boundaries_at(at.step, taken, record.phases)
        axes.set_title(f"{record.unit} {written(at.step)}" + (f"\n{marks}" if marks else ""))
    column = halves[1].subgridspec(3, 1)
    for i in range(3):
        _draw_anchor(figure.add_subplot(column[i]), planes, plane, i, classes)
    class_legend(figure, colours, classes)
    return figure


def epochs_drawn(epochs: Sequence[int], phases: Phases, most: int = COLUMNS) -> list[int]:
    """Return up to `most` of the checkpoints' epochs, at least four if there are, increasing.

    These are the first, the last and those nearest to the boundaries, onset and fit before the others.
    The other columns go, one at a time, to the checkpoint farthest on the log-epoch axis from all those
    chosen.
    """
    place = axis.position(epochs, axis.grain(np.asarray(epochs)))
    near = [axis.nearest(np.asarray(epochs), at) for at in phases.markers().values()]
    taken = list(dict.fromkeys([0, len(epochs) - 1, *near]))[: max(4, most)]
    while len(taken) < min(most, len(epochs)):
        distance = np.abs(place[:, None] - place[taken]).min(axis=1)
        taken.append(int(distance.argmax()))
    return [epochs[i] for i in sorted(taken)]


def telling_plane(planes: PlaneSet) -> int:
    """Return the first plane through an example with a flipped label, on a fine grid if any."""
    candidates = [*planes.fine.tolist(), *range(len(planes.kinds))]
    noisy = PLANE_KINDS.index("noisy")
    return next((int(p) for p in candidates if planes.kinds[p] == noisy), int(candidates[0]))


def plane_colours(
    planes: PlaneSet, plane: int, classes: int, maps: Iterable[ClassArray]
) -> ClassColours:
    """Return the colours of classes on a plane: those of its images first, then frequent ones."""
    labels = [int(label) for label in (*planes.labels[plane], *planes.true_labels[plane])]
    colours = ClassColours(classes, labels)
    colours.see(maps)
    return colours


def map_on(at: LabelMaps, planes: PlaneSet, plane: int, row: int) -> ClassArray:
    """Return a layer's label map, the fine one if there is one."""
    fine = np.flatnonzero(planes.fine == plane)
    label_map: ClassArray = at.fine[row, fine[0]] if len(fine) else at.maps[row, plane]
    return label_map


def boundaries_at(step: int, drawn: Sequence[int], phases: Phases) -> str:
    """Return the boundaries to which a checkpoint is the nearest of those drawn, `onset, fit 34`.

    They are marked with their own epoch where it is another.
    """
    found = {
        MARKS[name]: at
        for name, at in phases.markers().items()
        if drawn[axis.nearest(np.asarray(drawn), at)] == step
    }
    return ", ".join(mark if at == step else f"{mark} {written(at)}" for mark, at in found.items())


def draw_map(
    axes: Axes, label_map: ClassArray, planes: PlaneSet, plane: int, rgb: NDArray[np.float64]
) -> None:
    """Draw a label map with its anchors as discs in the colour of their given label."""
    rows, columns = label_map.shape
    a0, a1, b0, b1 = planes.extent[plane]
    a_half, b_half = (a1 - a0) / (columns - 1) / 2, (b1 - b0) / (rows - 1) / 2
    axes.imshow(
        rgb[label_map],
        origin="lower",
        extent=(a0 - a_half, a1 + a_half, b0 - b_half, b1 + b_half),
        interpolation="nearest",
    )
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    for letter, at, label in zip(LETTERS, planes.coords[plane], planes.labels[plane], strict=True):
        axes.plot(*at, color=rgb[label], gid=letter, **DISC)


def _letter_anchors(axes: Axes, planes: PlaneSet, plane: int) -> None:
    for letter, at in zip(LETTERS, planes.coords[plane], strict=True):
        axes.annotate(letter, at, **BESIDE)


def _draw_anchor(
    axes: Axes, planes: PlaneSet, plane: int, i: int, classes: tuple[str, ...]
) -> None:
    """Draw an anchor's image, titled with its letter and label, and the true label if different."""
    image = planes.anchors[plane, i].transpose(1, 2, 0)
    axes.imshow(image if image.shape[2] == 3 else image.mean(axis=2), cmap="gray")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    given, true = int(planes.labels[plane, i]), int(planes.true_labels[plane, i])
    title = f"{LETTERS[i]}: {plain(classes[given])}"
    if given != true:
        title += f"\ntrue: {plain(classes[true])}"
    axes.set_title(title, parse_math=False, fontsize=SMALL)


def class_rgb(colours: ClassColours) -> NDArray[np.float64]:
    """Return the colour of each class, (K, 3) in [0, 1]."""
    table = np.array([to_rgb(colour) for colour in (*CLASS_COLOURS, *SHARED_GREYS)])
    return table[colours.places]


def class_legend(figure: Figure, colours: ClassColours, classes: tuple[str, ...]) -> None:
    """Explain the colours of classes below the figure."""
    patches = class_patches(colours, classes)
    legend = figure.legend(
        handles=patches,
        loc="outside lower left",
        ncols=_legend_columns([str(patch.get_label()) for patch in patches]),
        handlelength=1.0,
        columnspacing=1.2,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


def class_patches(colours: ClassColours, classes: tuple[str, ...]) -> list[Patch]:
    """Return a patch for each class with a colour of its own, and one for all others."""
    rgb = class_rgb(colours)
    named = [(plain(classes[index]), rgb[index]) for index in colours.coloured]
    if len(named) < len(classes):
        named.append(("other classes", np.array(to_rgb(max(SHARED_GREYS)))))
    return [
        Patch(facecolor=colour, edgecolor="0.6", linewidth=0.4, label=name)
        for name, colour in named
    ]


def _legend_columns(names: Sequence[str]) -> int:
    """Return how many classes fit side by side in the figure's width."""
    widest = max(len(name) for name in names) * 0.06 + 0.4
    return max(1, min(len(names), int(WIDTH / widest)))
