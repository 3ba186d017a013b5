"""A run's planes and label maps: read when needed, and cached."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from textual.widget import Widget

from repdyn.display.labels import PLANES
from repdyn.display.wording import plain
from repdyn.errors import UserError
from repdyn.plane_kinds import PLANE_KINDS
from repdyn.records import OUTPUT, ClassArray, LabelMaps, PlaneSet
from tui.reader_thread import ReaderThread
from tui.source import Source

KEPT = 200
"""Number of checkpoints whose label maps are cached."""

Map = ClassArray


class LabelMapCache:
    """The planes of one run, and its label maps that have been read."""

    def __init__(self, source: Source, desk: ReaderThread) -> None:
        self.planes: PlaneSet | None = None
        self._source = source
        self._desk = desk
        self._maps: OrderedDict[int, LabelMaps] = OrderedDict()
        self._asking = False

    def get(self, epoch: int) -> LabelMaps | None:
        """Return a checkpoint's label maps, if they have been read."""
        return self._maps.get(epoch)

    def has(self, epochs: Sequence[int]) -> bool:
        """Return whether the planes and the label maps of checkpoints have been read."""
        return self.planes is not None and all(epoch in self._maps for epoch in epochs)

    def fetch(
        self,
        asker: Widget,
        run: str,
        epochs: Sequence[int],
        then: Callable[[], None],
        failed: Callable[[str], None],
    ) -> None:
        """Read what is missing, unless something is being read; then call one of the two."""
        if self._asking:
            return
        self._asking = True
        missing = [epoch for epoch in epochs if epoch not in self._maps]
        question = partial(_read, self._source, run, self.planes, missing)
        self._desk.ask(asker, question, partial(self._got, then), partial(self._failed, failed))

    def _got(self, then: Callable[[], None], answer: tuple[PlaneSet, list[LabelMaps]]) -> None:
        self._asking = False
        self.planes, maps = answer
        for at in maps:
            self._maps[at.step] = at
        while len(self._maps) > KEPT:
            self._maps.popitem(last=False)
        then()

    def _failed(self, failed: Callable[[str], None], line: str) -> None:
        self._asking = False
        failed(line)


def _read(
    source: Source, run: str, planes: PlaneSet | None, epochs: Sequence[int]
) -> tuple[PlaneSet, list[LabelMaps]]:
    planes = planes if planes is not None else source.planes(run)
    maps = [source.label_maps(run, epoch) for epoch in epochs]
    strange = next((at.step for at in maps if not at.fit(planes)), None)
    if strange is not None:
        raise UserError(
            f"run {run[:8]}: the label maps of epoch {strange} do not match its planes; "
            f"recompute them with repdyn analyze {run[:8]} --in-place"
        )
    return planes, maps


def first_plane(planes: PlaneSet) -> int:
    """Return a plane with a fine grid, through an example with a flipped label if any."""
    fine = planes.fine.tolist() or [0]
    noisy = PLANE_KINDS.index("noisy")
    return int(next((p for p in fine if planes.kinds[p] == noisy), fine[0]))


def label_map(at: LabelMaps, planes: PlaneSet, plane: int, layer: int) -> Map:
    """Return a layer's label map on a plane, (g, g), on the fine grid if any."""
    fine = np.flatnonzero(planes.fine == plane)
    shown: Map = at.fine[layer, fine[0]] if len(fine) else at.maps[layer, plane]
    return shown


def class_names(planes: PlaneSet, count: int) -> tuple[str, ...]:
    """Return the names of the classes, or numbers if they have none."""
    return planes.classes or tuple(map(str, range(count)))


def plane_words(planes: PlaneSet, plane: int) -> str:
    """Return the label of a plane, `plane 3 of 6, test images`."""
    where = PLANES[PLANE_KINDS[int(planes.kinds[plane])]]
    return f"plane {plane + 1} of {len(planes.kinds)}, {where}"


def layer_name(layers: Sequence[str], layer: int) -> str:
    """Return whose regions they are: a layer's probe, or, after the last layer, the output."""
    return OUTPUT if layer == len(layers) else f"probe of {plain(layers[layer])}"
