"""Regions: which class the network gives to the points of a plane, layer by layer, over epochs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.widget import Widget
from textual.widgets import Static

from repdyn.records import PLANE_KINDS, Curve, Dynamics, LabelMaps, PlaneSet, RunRecord
from repdyn.report.similarity import OUTPUT
from repdyn.report.wording import plain
from tui import actions
from tui.live import Desk
from tui.screens.look import Look, nearest
from tui.screens.view import Table, View, empty, markers, read_out, readout
from tui.source import Source
from tui.widgets.anchors import Anchors
from tui.widgets.curves import Curves
from tui.widgets.regions import Regions, agreement, anchor_points

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KEPT = 200
"""Checkpoints whose label maps are kept."""

FROM = {"test": "test images", "train": "training images", "noisy": "a flipped label among them"}

Map = NDArray[np.uint8]


class RegionsView(View, can_focus=True):
    """A plane's regions at an epoch, alone or beside those of another epoch."""

    BINDINGS: ClassVar[list[BindingType]] = actions.bindings("regions")

    def __init__(self, source: Source, desk: Desk, *, id: str) -> None:  # noqa: A002
        super().__init__(source, desk, id=id)
        self._planes: PlaneSet | None = None
        self._maps: OrderedDict[int, LabelMaps] = OrderedDict()
        self._asking = False
        self._plane = -1
        self._pinned: int | None = None

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

    def focused_first(self) -> Widget:
        """Return the view itself: it has keys of its own."""
        return self

    def draw(self, record: RunRecord, look: Look) -> None:
        """Draw the plane at the epoch that is looked at, once its maps are there."""
        assert record.dynamics is not None  # noqa: S101 - as View.show has seen
        self.query_one(Regions).display = bool(self._maps)
        self.set_class(self._pinned is not None, "-pinned")
        self.query_one(Regions).styles.width = (
            "1fr"
            if self._pinned is not None
            else min(2 * self.size.height, self.size.width * 3 // 5)
        )
        dynamics = record.dynamics
        layer = self._layer(dynamics)
        mean = {
            "regions per plane": Curve(dynamics.epochs, dynamics.fragmentation[layer]),
        }
        curves = self.query_one(Curves)
        curves.set_data(mean, low=0.0, markers=markers(record.phases))
        self._place(record, dynamics, look)

    def point(self, look: Look) -> None:
        """Go to another epoch or layer."""
        before = self.look
        super().point(look)
        if self.record is None or self.dynamics is None:
            return
        if before.layer != look.layer:
            self.draw(self.record, look)
        else:
            self._place(self.record, self.dynamics, look)

    def _place(self, record: RunRecord, dynamics: Dynamics, look: Look) -> None:
        epoch = int(dynamics.epochs[nearest(dynamics.epochs, look.epoch)])
        curves = self.query_one(Curves)
        with curves.prevent(Curves.CursorMoved):
            curves.cursor = epoch
        wanted = [e for e in (epoch, self._pinned) if e is not None and e not in self._maps]
        if self._planes is not None and not wanted:
            self._draw_maps(dynamics, self._planes, epoch)
        elif not self._asking:
            self._asking = True
            question = partial(_fetch, self.source, record.summary.run_id, self._planes, wanted)
            self.desk.ask(self, question, self._got, self._failed)

    def _got(self, answer: tuple[PlaneSet, list[LabelMaps]]) -> None:
        self._asking = False
        self._planes, maps = answer
        if self._plane < 0:
            self._plane = _first_plane(self._planes)
        for at in maps:
            self._maps[at.epoch] = at
        while len(self._maps) > KEPT:
            self._maps.popitem(last=False)
        if self.record is not None and self.dynamics is not None:
            self.query_one(Regions).display = True
            self._place(self.record, self.dynamics, self.look)

    def _failed(self, line: str) -> None:
        self._asking = False
        self.query_one(".what", Static).update(Text(line))

    def _draw_maps(self, dynamics: Dynamics, planes: PlaneSet, epoch: int) -> None:
        layer, plane = self._layer(dynamics), self._plane
        shown = _map(self._maps[epoch], planes, plane, layer)
        names = planes.classes or tuple(map(str, range(dynamics.areas.shape[-1])))
        pinned = self._pinned
        kept = None if pinned is None else _map(self._maps[pinned], planes, plane, layer)
        first, title, second = shown, f"epoch {epoch}", None
        if kept is not None:
            first, title, second = kept, f"epoch {pinned} (kept)", shown
        self.query_one(Regions).set_data(
            first,
            classes=names,
            title=title,
            anchors=anchor_points(planes, plane, len(first)),
            first=planes.labels[plane].tolist(),
            other=second,
            other_title=f"epoch {epoch}",
        )
        self.query_one(Anchors).set_data(planes, plane, names)
        self._describe(dynamics, planes, layer)
        self._read(dynamics, epoch, layer, shown, kept)

    def _describe(self, dynamics: Dynamics, planes: PlaneSet, layer: int) -> None:
        where = FROM[PLANE_KINDS[int(planes.kinds[self._plane])]]
        text = Text.assemble(
            (f"{_name(dynamics, layer)}", "bold"),
            f"  plane {self._plane + 1} of {len(planes.kinds)}, {where}",
            no_wrap=True,
            overflow="ellipsis",
        )
        self.query_one(".what", Static).update(text)

    def _read(
        self, dynamics: Dynamics, epoch: int, layer: int, shown: Map, kept: Map | None
    ) -> None:
        column = nearest(dynamics.epochs, epoch)
        classes, counts = np.unique(shown, return_counts=True)
        largest = int(classes[counts.argmax()])
        names = self._planes.classes if self._planes is not None else ()
        parts = {
            "": _name(dynamics, layer),
            "epoch": str(epoch),
            "regions per plane, mean": f"{dynamics.fragmentation[layer, column]:.1f}",
            "classes here": str(len(classes)),
            "largest": f"{names[largest] if names else largest}, "
            f"{100 * counts.max() / shown.size:.0f} %",
        }
        if kept is not None:
            share = f"{100 * agreement(kept, shown):.0f} %"
            parts[f"agrees with epoch {self._pinned} on"] = share
        self.query_one(".readout", Static).update(read_out(parts))

    def _layer(self, dynamics: Dynamics) -> int:
        return min(self.look.layer, len(dynamics.layers))

    # --- acting

    def action_plane(self, steps: int) -> None:
        """Go to another plane; those drawn finely come first in the set."""
        if self._planes is not None and self.record is not None:
            self._plane = (self._plane + steps) % len(self._planes.kinds)
            self.show(self.record, self.look)

    def action_pin(self) -> None:
        """Keep the epoch at the left, or let it go."""
        if self.dynamics is None or self.record is None:
            return
        at = nearest(self.dynamics.epochs, self.look.epoch)
        self._pinned = None if self._pinned is not None else int(self.dynamics.epochs[at])
        self.show(self.record, self.look)

    def action_epoch(self, steps: int) -> None:
        """Go to another checkpoint."""
        if self.dynamics is not None:
            epochs = self.dynamics.epochs
            at = max(0, min(nearest(epochs, self.look.epoch) + steps, len(epochs) - 1))
            self._go(epoch=int(epochs[at]))

    def action_end_epoch(self, index: int) -> None:
        """Go to the first or the last checkpoint."""
        if self.dynamics is not None:
            self._go(epoch=int(self.dynamics.epochs[index]))

    def action_layer(self, steps: int) -> None:
        """Go to another layer, or the output."""
        if self.dynamics is not None:
            self._go(layer=(self._layer(self.dynamics) + steps) % (len(self.dynamics.layers) + 1))

    def _go(self, **changes: int) -> None:
        look = replace(self.look, **changes)  # type: ignore[arg-type]
        self.point(look)
        self.pointed(look, **changes)

    def table(self) -> Table | None:
        """Return the label map in view, the highest row of the plane first."""
        if self.dynamics is None or self._planes is None:
            return None
        epochs = self.dynamics.epochs
        at = self._maps.get(int(epochs[nearest(epochs, self.look.epoch)]))
        if at is None:
            return None
        shown = _map(at, self._planes, self._plane, self._layer(self.dynamics))
        return Table([str(i) for i in range(shown.shape[1])], shown[::-1].tolist())

    def figure(self) -> Callable[[], Figure] | None:
        """Return what draws the plane over the epochs."""
        record, planes, plane = self.record, self._planes, self._plane
        if record is None or record.dynamics is None or planes is None or not self._maps:
            return None
        layer = min(self._layer(record.dynamics), len(record.dynamics.layers) - 1)
        maps = [self._maps[epoch] for epoch in sorted(self._maps)]
        names = planes.classes or tuple(map(str, range(record.dynamics.areas.shape[-1])))

        def drawn() -> Figure:
            from repdyn.report import figures

            return figures.decision_regions(record, planes, maps, names, plane, [layer])

        return drawn


def _fetch(
    source: Source, run: str, planes: PlaneSet | None, epochs: list[int]
) -> tuple[PlaneSet, list[LabelMaps]]:
    planes = planes if planes is not None else source.planes(run)
    return planes, [source.label_maps(run, epoch) for epoch in epochs]


def _first_plane(planes: PlaneSet) -> int:
    """Return a finely drawn plane, through an example with a flipped label if there is one."""
    fine = planes.fine.tolist() or [0]
    noisy = PLANE_KINDS.index("noisy")
    return int(next((p for p in fine if planes.kinds[p] == noisy), fine[0]))


def _map(at: LabelMaps, planes: PlaneSet, plane: int, layer: int) -> Map:
    """Return a layer's label map on a plane, the fine one if there is one."""
    fine = np.flatnonzero(planes.fine == plane)
    shown: Map = at.fine[layer, fine[0]] if len(fine) else at.maps[layer, plane]
    return shown


def _name(dynamics: Dynamics, layer: int) -> str:
    return OUTPUT if layer == len(dynamics.layers) else f"probe of {plain(dynamics.layers[layer])}"
