"""The runs' decision regions on the same plane, and where two of them agree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widget import Widget

from repdyn.display import axis
from repdyn.display.reading import has_regions
from repdyn.display.wording import plain
from repdyn.records import OUTPUT, Curve, Dynamics, PlaneSet
from repdyn.step_words import step
from tui import actions
from tui.reader_thread import ReaderThread
from tui.screens.comparing.linked import LETTERS, Linked, phase_rows
from tui.screens.comparing.view import CompareView
from tui.screens.label_map_cache import (
    LabelMapCache,
    Map,
    class_names,
    first_plane,
    label_map,
    plane_words,
)
from tui.screens.regions import AROUND, NO_PLANES
from tui.screens.view import Table, empty, without_checkpoints
from tui.screens.view_state import ViewState
from tui.source import Source
from tui.widgets.anchors import Anchors
from tui.widgets.colormap import SERIES_COLOURS, is_colourful, on_background
from tui.widgets.curve_picture import DASHES, Dash, sample
from tui.widgets.curves import Curves, all_epochs
from tui.widgets.fitted_line import FittedLine
from tui.widgets.phase_rows import PhaseRows
from tui.widgets.regions import Regions, agreement, anchor_points

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHARE = "agree on"

GUTTER = 6
"""Columns of the values left of the curves."""


@dataclass(frozen=True)
class Place:
    """What of a run is in view.

    Attributes:
        run: which of the runs.
        dynamics: of the run.
        layer: index; the output comes after the layers.
        epoch: of the checkpoint.
    """

    run: int
    dynamics: Dynamics
    layer: int
    epoch: int

    @property
    def name(self) -> str:
        """The layer's name."""
        return (*map(plain, self.dynamics.layers), OUTPUT)[self.layer]


class RegionsOfRuns(CompareView, can_focus=True):
    """A plane, a layer and an epoch of each run; the keys are those of a run's regions."""

    BINDINGS: ClassVar[list[BindingType]] = actions.bindings("regions")

    def __init__(self, source: Source, desk: ReaderThread, runs: Linked, *, id: str) -> None:  # noqa: A002
        super().__init__(source, desk, runs, id=id)
        self._shelves: dict[str, LabelMapCache] = {}
        self._plane = -1

    def compose(self) -> ComposeResult:
        """Yield the maps, and below them the anchors and fragmentation."""
        yield empty()
        yield FittedLine(classes="what")
        yield Regions()
        with Horizontal(classes="side"):
            yield Anchors()
            with Vertical():
                curves = Curves()
                curves.can_focus = False
                yield curves
                yield PhaseRows()
        yield FittedLine(classes="readout")

    @classmethod
    def missing(cls, runs: Linked) -> str:
        """Return why no run has regions."""
        found = [record.dynamics for record in runs.records]
        if any(dynamics is not None and has_regions(dynamics) for dynamics in found):
            return ""
        return without_checkpoints(runs.records) if None in found else NO_PLANES

    def focused_first(self) -> Widget:
        """Return the view itself: it has keys of its own."""
        return self

    # --- what there is

    def _places(self, runs: Linked) -> list[Place]:
        """Return what is in view, for the runs that have regions."""
        return [
            Place(run, known, self._layer(known), int(known.steps[at]))
            for run, record in enumerate(runs.records)
            if (known := record.dynamics) is not None and has_regions(known)
            for at in [axis.nearest(known.steps, runs.epoch_in(self.look.epoch, run))]
        ]

    def _layer(self, dynamics: Dynamics) -> int:
        """Return the index of a run's layer in view: the output until one is chosen."""
        last = len(dynamics.layers)
        return min(self.look.layer, last) if self.look.layer_chosen else last

    def _shelf(self, runs: Linked, run: int) -> LabelMapCache:
        run_id = runs.records[run].summary.run_id
        return self._shelves.setdefault(run_id, LabelMapCache(self.source, self.desk))

    def _planes(self, runs: Linked, places: list[Place]) -> list[PlaneSet]:
        found = [self._shelf(runs, place.run).planes for place in places]
        return [planes for planes in found if planes is not None]

    def _maps(self, runs: Linked, places: list[Place]) -> list[Map]:
        """Return the label maps in view, once all of them are loaded."""
        maps = []
        for place in places:
            shelf = self._shelf(runs, place.run)
            at = shelf.get(place.epoch)
            if at is not None and shelf.planes is not None:
                maps.append(label_map(at, shelf.planes, self._plane, place.layer))
        return maps

    # --- drawing

    def draw(self, runs: Linked, look: ViewState) -> None:  # noqa: ARG002
        """Draw the plane of each run once the maps of all are loaded."""
        places = self._places(runs)
        self._draw_fragmentation(runs, places)
        missing = [p for p in places if not self._shelf(runs, p.run).has([p.epoch])]
        for place in missing:
            run_id = runs.records[place.run].summary.run_id
            self._shelf(runs, place.run).fetch(self, run_id, [place.epoch], self._got, self._say)
        if not missing:
            self._draw_maps(runs, places)

    def _got(self) -> None:
        self.draw(self.runs, self.look)

    def _say(self, line: str) -> None:
        self.query_one(".what", FittedLine).show(Text(plain(line)))

    def _draw_fragmentation(self, runs: Linked, places: list[Place]) -> None:
        curves, rows = self.query_one(Curves), self.query_one(PhaseRows)
        series = {
            runs.heads[place.run]: runs.on_first(_fragmentation(place), place.run)
            for place in places
        }
        stops = all_epochs(series.values())
        with curves.prevent(Curves.CursorMoved):
            curves.label_width = GUTTER
            curves.set_data(
                series,
                stops=stops,
                low=0.0,
                colours={runs.heads[place.run]: SERIES_COLOURS[place.run] for place in places},
                dashes={runs.heads[place.run]: self._dash(place.run) for place in places},
                legend=False,
            )
            if places:
                curves.cursor = runs.translated(places[0].epoch, places[0].run, 0)
        view = self.look.axis_view
        rows.set_data(phase_rows(runs), stops=stops, label_width=GUTTER, view=view)

    def _dash(self, run: int) -> Dash:
        return DASHES[0 if is_colourful(self.app) else run]

    def _draw_maps(self, runs: Linked, places: list[Place]) -> None:
        sets = self._planes(runs, places)
        planes, count = sets[0], min(len(found.kinds) for found in sets)
        self._plane = (first_plane(planes) if self._plane < 0 else self._plane) % count
        same = all(same_plane(planes, other, self._plane) for other in sets[1:])
        maps = self._maps(runs, places)
        side = max(len(shown) for shown in maps)
        maps = [_enlarged(shown, side) for shown in maps]
        names = max(
            (class_names(s, p.dynamics.areas.shape[-1]) for s, p in zip(sets, places, strict=True)),
            key=len,
        )
        heads = [_titles(place) for place in places]
        regions = self.query_one(Regions)
        regions.set_maps(
            list(zip(heads, maps, strict=True)),
            classes=names,
            anchors=anchor_points(planes, self._plane, side) if same else (),
            first=planes.labels[self._plane].tolist(),
            difference=same and len(maps) == 2,
        )
        regions.fit(self.size.width, self.size.height - AROUND)
        anchors = self.query_one(Anchors)
        anchors.display = same
        anchors.set_data(planes, self._plane, names)
        layers = " or ".join(dict.fromkeys(place.name for place in places))
        self._describe(layers, planes, self._without(runs, places), same=same)
        self._read(places, maps, same=same)

    def _without(self, runs: Linked, places: list[Place]) -> str:
        """Return which of the runs have no regions."""
        having = {place.run for place in places}
        lacking = [LETTERS[run] for run in range(len(runs.records)) if run not in having]
        return f"; {' and '.join(lacking)} without planes" if lacking else ""

    def _describe(self, layers: str, planes: PlaneSet, without: str, *, same: bool) -> None:
        notes = [] if same else ["; the runs have different planes (other data or data seed)"]
        notes += [without] if without else []
        words = plane_words(planes, self._plane)
        title, whole = Text.assemble((layers, "bold"), "  "), "".join(notes)
        brief = ("" if same else "; different planes") + without
        self.query_one(".what", FittedLine).show(
            Text.assemble(title, words, (whole, "dim")),
            Text.assemble(title, words, (brief, "dim")),
            Text.assemble(title, words.partition(", ")[0], (brief, "dim")),
        )

    def _read(self, places: list[Place], maps: list[Map], *, same: bool) -> None:
        agree = f"{100 * agreement(*maps):.0f} %" if same and len(maps) == 2 else ""
        counts = Text()
        for place in places:
            column = axis.nearest(place.dynamics.steps, place.epoch)
            key = f"{sample(self._dash(place.run))} {LETTERS[place.run]} "
            counts.append("  " if counts else "").append(
                key, on_background(SERIES_COLOURS[place.run], self.app)
            )
            counts.append(f"{place.dynamics.fragmentation[place.layer, column]:.1f}", "bold")
        words = ("regions per plane  ", "dim")
        self.query_one(".readout", FittedLine).show(
            Text.assemble(
                *([(f"{SHARE} ", "dim"), (f"{agree} of the plane  ", "bold")] if agree else []),
                words,
                counts,
            ),
            Text.assemble(words, counts),
            counts,
        )

    # --- acting

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether an action is available: epochs cannot be pinned beside other runs."""
        return action != "pin" and super().check_action(action, parameters)

    def action_plane(self, steps: int) -> None:
        """Go to another plane."""
        if self._plane >= 0:
            self._plane += steps
            self._got()

    def action_plane_end(self, index: int) -> None:
        """Go to the first plane, or the last."""
        sets = self._planes(self.runs, self._places(self.runs))
        if self._plane >= 0 and sets:
            self._plane = index % min(len(found.kinds) for found in sets)
            self._got()

    def action_epoch(self, steps: int) -> None:
        """Go to another checkpoint of the first run that has any."""
        places = self._places(self.runs)
        if places:
            epochs = places[0].dynamics.steps
            at = max(0, min(axis.nearest(epochs, places[0].epoch) + steps, len(epochs) - 1))
            self._go_to(places[0], int(epochs[at]))

    def action_end_epoch(self, index: int) -> None:
        """Go to the first or the last checkpoint."""
        places = self._places(self.runs)
        if places:
            self._go_to(places[0], int(places[0].dynamics.steps[index]))

    def _go_to(self, place: Place, epoch: int) -> None:
        self._go(epoch=self.runs.translated(epoch, place.run, 0))

    def action_layer(self, steps: int) -> None:
        """Go to another layer, or the output."""
        places = self._places(self.runs)
        if places:
            count = max(len(place.dynamics.layers) for place in places) + 1
            at = min(self.look.layer, count - 1) if self.look.layer_chosen else count - 1
            self._go(layer=(at + steps) % count, layer_chosen=True)

    def _go(self, **changes: int) -> None:
        self.pointed(replace(self.look, **changes), **changes)  # type: ignore[arg-type]
        self._got()

    # --- for a file

    def table(self) -> Table | None:
        """Return the label maps in view, one line per row of a map, from the top down."""
        places = self._places(self.runs)
        maps = self._maps(self.runs, places)
        if not maps or len(maps) < len(places):
            return None
        lines = [
            (self.runs.heads[place.run], place.name, place.epoch, self._plane + 1, row, *classes)
            for place, shown in zip(places, maps, strict=True)
            for row, classes in reversed(list(enumerate(shown.tolist())))
        ]
        columns = map(str, range(max(len(shown) for shown in maps)))
        return Table(("run", "layer", self.unit, "plane", "row", *columns), lines)

    def fragmentation(self) -> Table | None:
        """Return the regions per plane of each run at all of its checkpoints."""
        lines = [
            (self.runs.heads[place.run], place.name, epoch, value)
            for place in self._places(self.runs)
            for epoch, value in _pairs(_fragmentation(place))
        ]
        return Table(("run", "layer", self.unit, "regions per plane"), lines)

    def tables(self) -> dict[str, Table]:
        """Return the maps, and the fragmentation over the epochs."""
        found = {"": self.table(), "-fragmentation": self.fragmentation()}
        return {name: table for name, table in found.items() if table is not None}

    def figure(self) -> Callable[[], Figure] | None:
        """Return what draws the maps in view."""
        places = self._places(self.runs)
        maps, sets = self._maps(self.runs, places), self._planes(self.runs, places)
        if not maps or len(maps) < len(places):
            return None
        heads = [f"{self.runs.heads[p.run]}\n{p.name}, {self.unit} {p.epoch}" for p in places]
        names = class_names(sets[0], places[0].dynamics.areas.shape[-1])
        title = f"Decision regions, {plane_words(sets[0], self._plane)}"

        def drawn() -> Figure:
            from repdyn.report.figures.side_by_side import label_maps

            return label_maps(title, dict(zip(heads, maps, strict=True)), names)

        return drawn


def same_plane(first: PlaneSet, second: PlaneSet, plane: int) -> bool:
    """Return whether a plane of two runs goes through the same images."""
    return np.array_equal(first.anchors[plane], second.anchors[plane]) and np.allclose(
        first.extent[plane], second.extent[plane]
    )


def _titles(place: Place) -> list[str]:
    """Return what stands above a map, shorter and shorter."""
    letter, at = LETTERS[place.run], step(place.epoch)
    dated = f"{place.dynamics.unit} {at}"
    return [
        f"{letter} {dated}, {place.name}",
        f"{letter} {at}, {place.name}",
        f"{letter} {dated}",
        f"{letter} {at}",
        letter,
    ]


def _fragmentation(place: Place) -> Curve:
    return Curve(place.dynamics.steps, place.dynamics.fragmentation[place.layer])


def _pairs(curve: Curve) -> list[tuple[int, float]]:
    return list(zip(curve.steps.tolist(), curve.values.tolist(), strict=True))


def _enlarged(shown: Map, side: int) -> Map:
    """Return a map on a finer grid, so that maps of runs with different settings match."""
    nearest_point = np.rint(np.linspace(0, len(shown) - 1, side)).astype(int)
    enlarged: Map = shown[np.ix_(nearest_point, nearest_point)]
    return enlarged
