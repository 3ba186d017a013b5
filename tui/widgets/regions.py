"""Decision regions on one plane: a label map in class colours, or two and where they differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.strip import Strip

from repdyn.display.class_colours import CLASS_COLOURS, SHARED_GREYS, ClassColours
from repdyn.display.wording import plain
from repdyn.records import ClassArray, PlaneSet
from tui.widgets.cell_spans import Bands, spread
from tui.widgets.colormap import (
    CLASSES,
    colour,
    contrasting,
    is_colourful,
)
from tui.widgets.fitted_line import fitted
from tui.widgets.lines import Lines
from tui.widgets.pixels import OUTSIDE, Indices, half_blocks, runs

ANCHORS = "ABC"

OTHERS = "other classes"
"""The legend's label for the classes that share greys."""

GAP = 2
"""Columns between two maps."""

BELOW, BELOW_IF_LOW = 11, 7
"""Lines that are left to what is below maps side by side, at least."""

LETTERS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""Characters for classes without colours; they repeat from the 63rd class on."""

AGREE = len(CLASS_COLOURS) + len(SHARED_GREYS)
"""The place in CLASSES of points on which two maps agree, on a dark background; then on a light."""

LABEL_AGREE = -1
"""The character for such a point in a map of differences."""

Labels = NDArray[np.int32]


@dataclass(frozen=True)
class Panel:
    """A map to draw: titles, of which the first that fits is shown, and the class of each point.

    The class is LABEL_AGREE for none, (g, g).
    """

    titles: tuple[str, ...]
    labels: Labels


@dataclass(frozen=True)
class Picture:
    """The maps as drawn for one size of the widget.

    Attributes:
        lines: of a map.
        side: columns of a map.
        columns: bands of columns of the grid's columns.
        rows: bands of pixels of the grid's rows.
        per_line: pixels to a line, 2 with half blocks, 1 with letters.
        letters: places of the anchors on a map, column and letter by line.
    """

    lines: int
    side: int
    columns: Bands
    rows: Bands
    per_line: int
    letters: dict[int, list[tuple[int, str]]] = field(default_factory=dict)


def agreement(first: ClassArray, second: ClassArray) -> float:
    """Return the share of points to which two label maps assign the same class."""
    return float((first == second).mean())


def anchor_points(planes: PlaneSet, plane: int, side: int) -> list[tuple[float, float]]:
    """Return row and column of a plane's three anchors on its side×side grid, fractional."""
    a0, a1, b0, b1 = planes.extent[plane].tolist()
    return [
        ((b - b0) / (b1 - b0) * (side - 1), (a - a0) / (a1 - a0) * (side - 1))
        for a, b in planes.coords[plane].tolist()
    ]


class Regions(Lines):
    """Label maps with a legend, set by `set_data`. The first row of a grid is at the bottom."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"regions--title"}

    DEFAULT_CSS = """
    Regions {
        width: 1fr;
        height: 1fr;
        & > .regions--title { color: $text-muted; }
    }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self._panels: tuple[Panel, ...] = ()
        self._anchors: tuple[tuple[float, float], ...] = ()
        self._names: tuple[str, ...] = ()
        self._colours = ClassColours(0, ())
        self._picture: Picture | None = None

    def set_data(
        self,
        label_map: ClassArray,
        *,
        classes: Sequence[str],
        title: str = "",
        anchors: Sequence[tuple[float, float]] = (),
        first: Sequence[int] = (),
        other: ClassArray | None = None,
        other_title: str = "",
    ) -> None:
        """Show a label map, or two side by side and where they differ.

        Args:
            label_map: class of each point, (g, g).
            classes: names, (K,).
            title: above the map.
            anchors: row and column of the anchors on the grid, as `anchor_points` gives them.
            first: classes to distinguish before others if there are more than ten, such as the
                anchors'. While they and the names stay the same, classes keep their colours.
            other: a second label map on the same grid; where it differs from the first, the third
                picture shows its class.
            other_title: above it.
        """
        maps = [(title, label_map)] + ([] if other is None else [(other_title, other)])
        self.set_maps(
            maps, classes=classes, anchors=anchors, first=first, difference=other is not None
        )

    def set_maps(
        self,
        maps: Sequence[tuple[str | Sequence[str], ClassArray]],
        *,
        classes: Sequence[str],
        anchors: Sequence[tuple[float, float]] = (),
        first: Sequence[int] = (),
        difference: bool = False,
    ) -> None:
        """Show label maps on the same grid side by side.

        Args:
            maps: titles and label maps, (g, g) each; of several titles the first that fits is shown.
            classes: names, (K,).
            anchors, first: as in `set_data`.
            difference: whether to show where two maps differ too.
        """
        self._names = tuple(map(plain, classes))
        if not self._colours.are_for(len(classes), first):
            self._colours = ClassColours(len(classes), first)
        self._colours.see([labels for _, labels in maps])
        self._anchors = tuple(anchors)
        self._panels = tuple(
            Panel(tuple(map(plain, [t] if isinstance(t, str) else t)), labels.astype(np.int32))
            for t, labels in maps
        )
        if difference:
            (_, one), (_, other) = maps
            differing = np.where(one == other, LABEL_AGREE, other.astype(np.int32))
            share = f"{100 * agreement(one, other):.0f} %"
            self._panels += (Panel((f"agree on {share}", share), differing.astype(np.int32)),)
        self._redraw()

    def fit(self, width: int, height: int) -> None:
        """Take the lines that the maps fill, side by side, and leave the others to what is below."""
        if width <= 0 or height <= 0:
            return  # not laid out yet
        lines = -(-self._cells(width, height).room // self._per_line)
        below = BELOW_IF_LOW if self.screen.has_class("-low") else BELOW
        self.styles.height = max(1, min(1 + lines + len(self._legend(width)), height - below))

    def _cells(self, width: int, lines: int) -> Bands:
        """Return the bands of a side of a map, in pixels."""
        count = len(self._panels)
        room = max(1, (width - GAP * (count - 1)) // count * self._per_line // 2)
        return spread(len(self._panels[0].labels), min(room, lines * self._per_line))

    @property
    def _per_line(self) -> int:
        return 2 if is_colourful(self.app) else 1

    def on_resize(self) -> None:
        """Arrange the maps again."""
        self._redraw()

    def render_line(self, y: int) -> Strip:
        """Draw a line."""
        base, width = self.base, self.size.width
        if not self._panels or not width:
            return Strip.blank(width, base)
        if self._picture is None:
            self._picture = self._arranged()
        return self._line(self._picture, y).adjust_cell_length(width, base).crop(0, width)

    def _line(self, picture: Picture, y: int) -> Strip:
        if y == 0:
            return Strip(self._titles(picture))
        if y <= picture.lines:
            gap = Strip([Segment(" " * GAP, self.base)])
            maps = [self._map_line(picture, panel, y - 1) for panel in self._panels]
            return Strip.join([part for strip in maps for part in (strip, gap)])
        legend = self._legend(self.size.width)
        below = y - picture.lines - 1
        return Strip(legend[below] if below < len(legend) else [])

    def _arranged(self) -> Picture:
        width, height = self.size
        per_line = self._per_line
        cells = self._cells(width, max(1, height - 1 - len(self._legend(width))))
        columns, rows = cells.magnified(2 // per_line), cells.flipped()
        grid = len(self._panels[0].labels)
        picture = Picture(-(-rows.room // per_line), columns.room, columns, rows, per_line)
        for letter, (row, column) in zip(ANCHORS, self._anchors, strict=False):
            line = rows.middle(_inside(row, grid)) // per_line
            place = (columns.middle(_inside(column, grid)), letter)
            picture.letters.setdefault(line, []).append(place)
        return picture

    def _titles(self, picture: Picture) -> list[Segment]:
        style = self.get_component_rich_style("regions--title")
        return [
            Segment(set_cell_size(title.plain, picture.side) + " " * GAP, style)
            for panel in self._panels
            for title in [fitted([Text(title) for title in panel.titles], picture.side)]
        ]

    def _map_line(self, picture: Picture, panel: Panel, line: int) -> Strip:
        first = line * picture.per_line
        rows = picture.rows.shown[first : first + picture.per_line]
        labels = panel.labels[np.ix_(rows, picture.columns.shown)]
        strip = Strip(
            self._coloured(labels) if picture.per_line == 2 else self._lettered(labels[0])
        )
        for column, letter in picture.letters.get(line, ()):
            mark = Strip([Segment(letter, self._mark_style(int(labels[0, column])))])
            strip = Strip.join([strip.crop(0, column), mark, strip.crop(column + 1)])
        return strip

    def _coloured(self, labels: Labels) -> list[Segment]:
        slots = self._slots(labels)
        lower = slots[1] if len(slots) > 1 else np.full_like(slots[0], OUTSIDE)
        return half_blocks(CLASSES, slots[0], lower, self.base)

    def _lettered(self, labels: Labels) -> list[Segment]:
        return [
            Segment(_letter(int(labels[start])) * (stop - start), self.base)
            for start, stop in runs(labels)
        ]

    def _slots(self, labels: Labels) -> Indices:
        agree = AGREE if self.app.current_theme.dark else AGREE + 1
        return np.append(self._colours.places, np.int16(agree))[labels]

    def _mark_style(self, label: int) -> Style:
        if not is_colourful(self.app):
            return self.base + Style(bold=True, reverse=True)
        under = colour(CLASSES, int(self._slots(np.array([label], dtype=np.int32))[0]))
        return self.base + Style(color=contrasting(under), bgcolor=under, bold=True)

    def _legend(self, width: int) -> list[list[Segment]]:
        """Return the lines of the legend: the classes that are seen, those in grey as one."""
        lines: list[list[Segment]] = [[]]
        used = 0
        for key, name in self._entries():
            text = f" {name}  "
            size = len(key.text) + cell_len(text)
            if used and used + size > width:
                lines.append([])
                used = 0
            lines[-1] += [key, Segment(text, self.base)]
            used += size
        return lines

    def _entries(self) -> list[tuple[Segment, str]]:
        seen = sorted({int(k) for panel in self._panels for k in np.unique(panel.labels) if k >= 0})
        own = [label for label in seen if label in self._colours.coloured]
        entries = [(self._key(label), self._names[label]) for label in own]
        shared = [label for label in seen if label not in own]
        return [*entries, (self._key(shared[0]), OTHERS)] if shared else entries

    def _key(self, label: int) -> Segment:
        if not is_colourful(self.app):
            return Segment(_letter(label) * 2, self.base + Style(bold=True))
        slot = int(self._colours.places[label])
        return Segment("  ", self.base + Style(bgcolor=colour(CLASSES, slot)))

    def _redraw(self) -> None:
        self._picture = None
        self.refresh()


def _inside(place: float, side: int) -> int:
    return max(0, min(round(place), side - 1))


def _letter(label: int) -> str:
    return "·" if label == LABEL_AGREE else LETTERS[label % len(LETTERS)]
