"""Regions: the class that the network predicts on a plane, layer by layer, over epochs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.widget import Widget
from textual.widgets import Static

from repdyn.display import axis
from repdyn.display.reading import has_regions
from repdyn.display.wording import boundary_marks
from repdyn.records import OUTPUT, Curve, Dynamics, PlaneSet, RunRecord
from repdyn.step_words import step
from tui import actions
from tui.reader_thread import ReaderThread
from tui.screens.label_map_cache import (
    LabelMapCache,
    Map,
    class_names,
    first_plane,
    label_map,
    layer_name,
    plane_words,
)
from tui.screens.view import Table, View, empty, read_out, readout
from tui.screens.view_state import ViewState
from tui.source import Source
from tui.widgets.anchors import Anchors
from tui.widgets.curves import Curves
from tui.widgets.fitted_line import FittedLine
from tui.widgets.phase_bands import phase_bands
from tui.widgets.regions import Regions, agreement, anchor_points

if TYPE_CHECKING:
    from matplotlib.figure import Figure


ROOM_FOR_TWO = 80
"""Columns from which two maps are shown at first."""

AROUND = 2
"""Lines above and below the pictures: what is shown, and the readout."""

NO_PLANES = "No decision regions: this run was measured without planes."


class RegionsView(View, can_focus=True):
    """A plane's regions at an epoch, alone or beside those of another epoch."""

    BINDINGS: ClassVar[list[BindingType]] = actions.bindings("regions")
    follows = frozenset({"epoch", "layer"})

    def __init__(self, source: Source, desk: ReaderThread, *, id: str) -> None:  # noqa: A002
        super().__init__(source, desk, id=id)
        self._shelf = LabelMapCache(source, desk)
        self._plane = -1
        self._pinned: int | None = None
        self._opened = False

    def compose(self) -> ComposeResult:
        """Yield the maps, and beside or below them the anchors and fragmentation."""
        yield empty()
        yield Static("", classes="what")
        with Container(classes="body"):
            yield Regions()
            with Container(classes="side"):
                yield Anchors()
                curves = Curves()
                curves.can_focus = False
                yield curves
        yield readout()

    @classmethod
    def missing(cls, record: RunRecord) -> str:
        """Return why there are no regions."""
        if record.dynamics is None:
            return super().missing(record)
        return "" if has_regions(record.dynamics) else NO_PLANES

    def focused_first(self) -> Widget:
        """Return the view itself: it has keys of its own."""
        return self

    def draw(self, record: RunRecord, look: ViewState) -> None:
        """Draw the plane at the current epoch, once its maps are loaded."""
        assert record.dynamics is not None  # noqa: S101 - as View.show has seen
        if not self._opened:
            self._opened = True
            self._pin_at_first(record, record.dynamics)
        self.query_one(Regions).display = self._shelf.planes is not None
        self.set_class(self._pinned is not None, "-pinned")
        dynamics = record.dynamics
        layer = self.layer_index
        mean = {
            "regions per plane": Curve(dynamics.steps, dynamics.fragmentation[layer]),
        }
        curves = self.query_one(Curves)
        phases = record.phases
        curves.set_data(mean, low=0.0, markers=boundary_marks(phases), bands=phase_bands(phases))
        self._place(record, dynamics, look)

    def point(self, look: ViewState) -> None:
        """Go to another epoch or layer."""
        before = self.look
        super().point(look)
        if self.record is None or self.dynamics is None:
            return
        if (before.layer, before.layer_chosen) != (look.layer, look.layer_chosen):
            self.draw(self.record, look)
        else:
            self._place(self.record, self.dynamics, look)

    def _pin_at_first(self, record: RunRecord, dynamics: Dynamics) -> None:
        """Pin the checkpoint of perfect fit, if two maps have room: beside it is what came after."""
        fit = record.phases.fit
        if fit is not None and self.app.size.width >= ROOM_FOR_TWO:
            self._pinned = int(dynamics.steps[axis.nearest(dynamics.steps, fit)])

    def _place(self, record: RunRecord, dynamics: Dynamics, look: ViewState) -> None:
        epoch = int(dynamics.steps[axis.nearest(dynamics.steps, look.epoch)])
        curves = self.query_one(Curves)
        with curves.prevent(Curves.CursorMoved):
            curves.cursor = epoch
        wanted = [e for e in (epoch, self._pinned) if e is not None]
        planes = self._shelf.planes
        if planes is not None and self._shelf.has(wanted):
            self._draw_maps(dynamics, planes, epoch)
        else:
            self._shelf.fetch(self, record.summary.run_id, wanted, self._got, self._failed)

    def _got(self) -> None:
        if self.record is not None and self.dynamics is not None:
            self.query_one(Regions).display = True
            self.refresh_bindings()
            self._place(self.record, self.dynamics, self.look)

    def _failed(self, line: str) -> None:
        self.query_one(".what", Static).update(Text(line))

    def _map(self, epoch: int, layer: int) -> Map | None:
        """Return the label map of the plane in view, if it has been read."""
        at, planes = self._shelf.get(epoch), self._shelf.planes
        return None if at is None or planes is None else label_map(at, planes, self._plane, layer)

    def _draw_maps(self, dynamics: Dynamics, planes: PlaneSet, epoch: int) -> None:
        if self._plane < 0:
            self._plane = first_plane(planes)
        layer, plane, pinned = self.layer_index, self._plane, self._pinned
        shown = self._map(epoch, layer)
        assert shown is not None  # noqa: S101 - as _place has seen
        names = class_names(planes, dynamics.areas.shape[-1])
        kept = None if pinned is None else self._map(pinned, layer)
        first, title, second = shown, f"{self.unit} {step(epoch)}", None
        if kept is not None and pinned is not None:
            first, title, second = kept, f"{self.unit} {step(pinned)} (pinned)", shown
        regions = self.query_one(Regions)
        regions.set_data(
            first,
            classes=names,
            title=title,
            anchors=anchor_points(planes, plane, len(first)),
            first=planes.labels[plane].tolist(),
            other=second,
            other_title=f"{self.unit} {step(epoch)}",
        )
        width, height = self.size
        if kept is None:
            regions.styles.width, regions.styles.height = min(2 * height, width * 3 // 5), "1fr"
        else:
            regions.styles.width = "1fr"
            regions.fit(width, height - AROUND)
        self.query_one(Anchors).set_data(planes, plane, names)
        self._describe(dynamics, planes, layer)
        self._read(dynamics, epoch, layer, shown, kept)

    def _describe(self, dynamics: Dynamics, planes: PlaneSet, layer: int) -> None:
        text = Text.assemble(
            (layer_name(dynamics.layers, layer), "bold"),
            f"  {plane_words(planes, self._plane)}",
            no_wrap=True,
            overflow="ellipsis",
        )
        self.query_one(".what", Static).update(text)

    def _read(
        self, dynamics: Dynamics, epoch: int, layer: int, shown: Map, kept: Map | None
    ) -> None:
        column = axis.nearest(dynamics.steps, epoch)
        classes, counts = np.unique(shown, return_counts=True)
        largest = int(classes[counts.argmax()])
        names = self._shelf.planes.classes if self._shelf.planes is not None else ()
        parts = {
            "": layer_name(dynamics.layers, layer),
            self.unit: step(epoch),
            "regions per plane, mean": f"{dynamics.fragmentation[layer, column]:.1f}",
            "classes here": str(len(classes)),
            "largest": f"{names[largest] if names else largest}, "
            f"{100 * counts.max() / shown.size:.0f} %",
        }
        if kept is not None and self._pinned is not None:
            share = f"{100 * agreement(kept, shown):.0f} %"
            parts[f"agrees with {self.unit} {step(self._pinned)} on"] = share
        self.query_one(".readout", FittedLine).show(*read_out(parts))

    @property
    def layer_names(self) -> tuple[str, ...]:
        """The layers, whose regions are those of their probes, and the output."""
        return () if self.dynamics is None else (*self.dynamics.layers, OUTPUT)

    @property
    def layer_index(self) -> int:
        """The index of the layer in view: the output until one is chosen."""
        return super().layer_index if self.look.layer_chosen else len(self.layer_names) - 1

    # --- acting

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether an action is available: there may be one plane only."""
        planes = self._shelf.planes
        if action in ("plane", "plane_end") and planes is not None and len(planes.kinds) == 1:
            return False
        return super().check_action(action, parameters)

    def action_plane(self, steps: int) -> None:
        """Go to another plane; those with a fine grid come first in the set."""
        if self._shelf.planes is not None and self.record is not None:
            self._plane = (self._plane + steps) % len(self._shelf.planes.kinds)
            self.show(self.record, self.look)

    def action_plane_end(self, index: int) -> None:
        """Go to the first or the last plane."""
        if self._shelf.planes is not None and self.record is not None:
            self._plane = index % len(self._shelf.planes.kinds)
            self.show(self.record, self.look)

    def action_pin(self) -> None:
        """Pin the epoch at the left, or unpin it."""
        if self.dynamics is None or self.record is None:
            return
        at = axis.nearest(self.dynamics.steps, self.look.epoch)
        self._pinned = None if self._pinned is not None else int(self.dynamics.steps[at])
        self.show(self.record, self.look)

    def action_epoch(self, steps: int) -> None:
        """Go to another checkpoint."""
        stops = self.stops
        if len(stops):
            at = max(0, min(axis.nearest(stops, self.look.epoch) + steps, len(stops) - 1))
            self._go(epoch=int(stops[at]))

    def action_end_epoch(self, index: int) -> None:
        """Go to the first or the last checkpoint in view."""
        if len(self.stops):
            self._go(epoch=int(self.stops[index]))

    def action_layer(self, steps: int) -> None:
        """Go to another layer, or the output."""
        if self.layer_names:
            self._go(layer=(self.layer_index + steps) % len(self.layer_names), layer_chosen=True)

    def _go(self, **changes: int) -> None:
        look = replace(self.look, **changes)  # type: ignore[arg-type]
        self.point(look)
        self.pointed(look, **changes)

    def table(self) -> Table | None:
        """Return the label maps in view, a line for each row of a map, from the top down."""
        dynamics = self.dynamics
        if dynamics is None:
            return None
        layer = self.layer_index
        epoch = int(dynamics.steps[axis.nearest(dynamics.steps, self.look.epoch)])
        maps = {e: self._map(e, layer) for e in (self._pinned, epoch) if e is not None}
        lines = [
            (layer_name(dynamics.layers, layer), epoch, self._plane + 1, row, *classes)
            for epoch, shown in maps.items()
            if shown is not None
            for row, classes in reversed(list(enumerate(shown.tolist())))
        ]
        columns = map(str, range(len(lines[0]) - 4)) if lines else ()
        return Table(("layer", self.unit, "plane", "row", *columns), lines) if lines else None

    def tables(self) -> dict[str, Table]:
        """Return the label maps, and the regions per plane of each layer at all checkpoints."""
        dynamics = self.dynamics
        if dynamics is None:
            return {}
        names = [layer_name(dynamics.layers, i) for i in range(len(dynamics.layers) + 1)]
        means = dynamics.fragmentation.T.tolist()
        rows = [(e, *line) for e, line in zip(dynamics.steps.tolist(), means, strict=True)]
        return super().tables() | {"-fragmentation": Table((self.unit, *names), rows)}

    def figure(self) -> Callable[[], Figure] | None:
        """Return what draws the plane over the epochs; it reads the maps that it needs."""
        record, planes, plane = self.record, self._shelf.planes, self._plane
        if record is None or record.dynamics is None or planes is None:
            return None
        layer = min(self.layer_index, len(record.dynamics.layers) - 1)
        epochs, phases, run = record.dynamics.steps.tolist(), record.phases, record.summary.run_id
        names = class_names(planes, record.dynamics.areas.shape[-1])

        def drawn() -> Figure:
            from repdyn.report.figures import decision

            maps = [self.source.label_maps(run, e) for e in decision.epochs_drawn(epochs, phases)]
            return decision.decision_regions(record, planes, maps, names, plane, [layer])

        return drawn
