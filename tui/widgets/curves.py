"""Curves over the log-epoch axis in braille, with a cursor that a heatmap above can share.

Not drawn by textual-plot (0.10), which has linear axes only, sets its own margins, so that its columns
cannot align with a heatmap's cells, and repaints the whole canvas whenever a line moves; here a move
of the cursor redraws two columns, the legend and the axis.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip

from repdyn.display import axis
from repdyn.display.reading import value_at
from repdyn.display.wording import plain
from repdyn.records import Curve, IntArray
from tui.widgets import braille, phase_bands
from tui.widgets.cell_spans import by_epoch
from tui.widgets.colormap import SERIES_COLOURS, is_colourful, on_background
from tui.widgets.epoch_axis import EpochAxis
from tui.widgets.phase_bands import Band
from tui.widgets.pixels import runs
from tui.widgets.timeline import Timeline
from tui.widgets.value_axis import ValueAxis, logged, number, tick_label, value_axis

PAGE = 10
"""Epochs of the axis that the page keys move by."""

DASHES = ((1, 0), (4, 3), (1, 2), (8, 2), (2, 5), (1, 6))
"""Dash patterns, dots drawn and skipped, that distinguish curves without colours."""

Dash = tuple[int, int]

VALUE_WIDTH = 8
"""Columns of a value in the legend, including the gap after it."""

SAMPLE = 3
"""Columns of a curve's piece in the legend."""

BOLD = Style(bold=True)

NOTHING, MARKER_LINE = -1, -2
"""Owners of characters that belong to no curve."""

SHARE = 3
"""Columns in which curves that coincide are drawn in turn."""

NOT_FINITE = "×"
"""Drawn at the edge where a value is NaN or infinite."""

CROWDED = 4
"""Epochs in a column from which on the cursor moves by columns."""


@dataclass(frozen=True)
class Series:
    """What is drawn; see `Curves.set_data`."""

    curves: Mapping[str, Curve]
    colours: tuple[str, ...]
    epochs: IntArray
    aligned: bool
    low: float | None
    high: float | None
    markers: Mapping[str, int] = field(default_factory=dict)
    bands: tuple[Band, ...] = ()
    dashes: tuple[Dash, ...] = ()
    has_legend: bool = True
    logged: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the curves."""
        return tuple(self.curves)


@dataclass(frozen=True)
class Picture:
    """The curves as drawn for one size of the widget.

    Attributes:
        left: columns left of the curves.
        places: where the entries of the legend start, line and column; others do not fit.
        axis: of the epochs.
        labels: of the values, by line of the plot.
        codes: braille code points, (lines, columns).
        owners: the curve that each character belongs to, or NOTHING or MARKER_LINE, same shape.
    """

    left: int
    places: tuple[tuple[int, int], ...]
    axis: EpochAxis
    labels: Mapping[int, str]
    codes: NDArray[np.uint32]
    owners: NDArray[np.int16]

    @property
    def top(self) -> int:
        """The first line of the plot."""
        return max((line + 1 for line, _ in self.places), default=0)

    @property
    def bottom(self) -> int:
        """The line after the plot, that of the ticks."""
        return self.top + len(self.codes)


class Curves(Timeline, can_focus=True):
    """Curves over epochs, set by `set_data`.

    To move the cursor without a message back: `with curves.prevent(Curves.CursorMoved): ...`.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "curves--label",
        "curves--marker",
        "curves--cursor",
        "curves--line",
        *phase_bands.CLASSES,
    }

    DEFAULT_CSS = f"""
    Curves {{
        width: 1fr;
        height: 1fr;
        & > .curves--label {{ color: $text-muted; }}
        & > .curves--marker {{ color: $text-accent; text-style: bold; }}
        & > .curves--cursor {{ color: $foreground; text-style: bold reverse; }}
        & > .curves--line {{ color: $foreground 60%; }}
        {phase_bands.CSS}
    }}
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "move(-1)", "Left", show=False, id="cursor.left"),
        Binding("right,l", "move(1)", "Right", show=False, id="cursor.right"),
        Binding("pageup", f"move(-{PAGE})", "Page up", show=False, id="cursor.page_up"),
        Binding("pagedown", f"move({PAGE})", "Page down", show=False, id="cursor.page_down"),
        Binding("home", "first", "First epoch", show=False, id="cursor.first"),
        Binding("end", "last", "Last epoch", show=False, id="cursor.last"),
    ]

    ticks: reactive[bool] = reactive(True)
    """Whether the epochs are labelled below; not if a widget below has the same axis."""

    label_width: reactive[int] = reactive(0)
    """Columns left of the curves; 0 for as many as the labels need. Equal widths align widgets."""

    logarithmic: reactive[bool] = reactive(False)
    """Whether the vertical axis is logarithmic; values that are not positive are then not drawn."""

    cursor: reactive[int | None] = reactive(None, repaint=False)
    """The epoch of the cursor; the legend shows the curves' values there. None for no cursor."""

    class CursorMoved(Message):
        """The cursor has moved to another epoch.

        Attributes:
            curves: the widget.
            epoch: of the cursor.
        """

        def __init__(self, curves: Curves, epoch: int) -> None:
            super().__init__()
            self.curves = curves
            self.epoch = epoch

        @property
        def control(self) -> Curves:
            """The widget, for `@on(..., "#id")`."""
            return self.curves

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self._series: Series | None = None
        self._picture: Picture | None = None
        self._plain: dict[int, Strip] = {}

    def set_data(
        self,
        series: Mapping[str, Curve],
        *,
        columns: Sequence[int] | None = None,
        stops: IntArray | None = None,
        low: float | None = None,
        high: float | None = None,
        colours: Mapping[str, str] | None = None,
        markers: Mapping[str, int] | None = None,
        bands: Sequence[Band] = (),
        dashes: Mapping[str, Dash] | None = None,
        legend: bool = True,
        as_logged: bool = False,
    ) -> None:
        """Show curves; the cursor stays at its epoch.

        Args:
            series: curves by name; empty ones appear in the legend only.
            columns: epochs of a heatmap's columns, for an axis that has the same columns if
                `label_width` and the widgets' widths agree; None for an axis true to scale. Epochs
                beyond the columns are not drawn.
            stops: epochs of an axis true to scale, if not those of the curves.
            low, high: limits of the vertical axis; the smallest and largest value if None.
            colours: of the curves, by name; those without one take the next of SERIES_COLOURS.
            markers: epochs to mark, by name.
            bands: phases to tint the axis by.
            dashes: of the curves, by name, in colours too; without, only where there are no colours.
            legend: whether there is a legend.
            as_logged: whether NaN was logged, and is marked, as infinity is; else it is a gap.
        """
        named = {plain(name): curve for name, curve in series.items()}
        given = {plain(name): colour for name, colour in (colours or {}).items()}
        dashed = {plain(name): dash for name, dash in (dashes or {}).items()}
        if columns is not None:
            at: IntArray = np.asarray(columns, dtype=np.int64)
        else:
            given_stops = all_epochs(series.values()) if stops is None else stops
            at = np.asarray(given_stops, dtype=np.int64)
        self._series = None
        if len(at):
            self._series = Series(
                curves=named,
                colours=tuple(
                    given.get(name, SERIES_COLOURS[i % len(SERIES_COLOURS)])
                    for i, name in enumerate(named)
                ),
                epochs=at,
                aligned=columns is not None,
                low=low,
                high=high,
                markers={plain(name): epoch for name, epoch in (markers or {}).items()},
                bands=tuple(bands),
                dashes=tuple(dashed[name] for name in named) if dashed else (),
                has_legend=legend,
                logged=as_logged,
            )
        self._redraw()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the curves, as shown."""
        return () if self._series is None else self._series.names

    # --- the cursor

    def watch_cursor(self, old: int | None, new: int | None) -> None:
        """Draw what changed and post the position of the cursor."""
        if self._picture is not None:
            picture = self._picture
            width, lines = self.size.width, len(picture.codes)
            self.refresh(
                Region(0, 0, width, picture.top),
                Region(0, picture.bottom, width, 1),
                *(
                    Region(picture.left + picture.axis.column(epoch), picture.top, 1, lines)
                    for epoch in (old, new)
                    if epoch is not None
                ),
            )
        if new is not None:
            self.post_message(self.CursorMoved(self, new))

    def action_move(self, steps: int) -> None:
        """Move the cursor by epochs of the axis; the first move starts at the last epoch."""
        epochs = self.stops
        if not len(epochs):
            return
        at = len(epochs) - 1
        if self.cursor is not None:
            at = axis.nearest(epochs, self.cursor)
            if self._picture is not None and len(epochs) > CROWDED * self._picture.axis.room:
                column = self._picture.axis.column(self.cursor)
                at = self._picture.axis.stop_at(column + 0.5 + steps)
            else:
                at += steps
        self.cursor = int(epochs[max(0, min(at, len(epochs) - 1))])

    def action_first(self) -> None:
        """Move the cursor to the first epoch."""
        if len(self.stops):
            self.cursor = int(self.stops[0])

    def action_last(self) -> None:
        """Move the cursor to the last epoch."""
        if len(self.stops):
            self.cursor = int(self.stops[-1])

    @property
    def stops(self) -> IntArray:
        """The epochs in view at which the cursor can stop."""
        if self._series is None:
            return all_epochs(())
        return self._series.epochs[self.axis_view.seen(self._series.epochs)]

    def clicked(self, event: events.Click) -> None:
        """Set the cursor to the epoch nearest to the mouse."""
        self.dragged_to(event)

    def dragged_to(self, event: events.MouseEvent) -> int | None:
        """Move the cursor to the epoch nearest to the mouse, and return it."""
        offset = event.get_content_offset(self)
        if offset is None or self._picture is None or offset.x < self._picture.left:
            return None
        axis = self._picture.axis
        self.cursor = int(axis.epochs[axis.stop_at(offset.x - self._picture.left + 0.5)])
        return self.cursor

    # --- drawing

    def axis_changed(self) -> None:
        """Redraw."""
        self._redraw()

    def watch_label_width(self) -> None:
        """Redraw."""
        self._redraw()

    def watch_ticks(self) -> None:
        """Redraw."""
        self._redraw()

    def watch_logarithmic(self) -> None:
        """Redraw."""
        self._redraw()

    def on_resize(self) -> None:
        """Redraw."""
        self._redraw()

    def render_line(self, y: int) -> Strip:
        """Draw a line."""
        width, base = self.size.width, self.base
        if self._series is None or not width:
            return Strip.blank(width, base)
        if self._picture is None:
            self._picture = self._draw(self._series)
        if self._picture.top <= y < self._picture.bottom:
            return self._with_cursor(self._plot_line(self._series, self._picture, y), y)
        segments = self._line(self._series, self._picture, y, base)
        return Strip(segments).adjust_cell_length(width, base)

    def _line(self, series: Series, picture: Picture, y: int, base: Style) -> list[Segment]:
        label = self.get_component_rich_style("curves--label")
        if y < picture.top:
            return self._legend_line(series, picture, y, base)
        gap = Segment(" " * picture.left, label)
        if y == picture.bottom and self.ticks:
            lit = self.get_component_rich_style("curves--cursor")
            at = None if self._cursor_column(picture) is None else self.cursor
            ticks = picture.axis.tick_segments(at, lit, series.bands, self, label, self.range_from)
            return [gap, *ticks]
        if y == picture.bottom + 1 and series.markers and self.ticks:
            marker = self.get_component_rich_style("curves--marker")
            return [gap, Segment(picture.axis.markers(series.markers), marker)]
        return []

    def _legend_line(self, series: Series, picture: Picture, y: int, base: Style) -> list[Segment]:
        segments: list[Segment] = []
        used = 0
        names = self._ordered(series)
        shown = [(c, n) for (line, c), n in zip(picture.places, names, strict=False) if line == y]
        for column, name in shown:
            index = series.names.index(name)
            value = self._value(series, name)
            ink = base + _ink(on_background(series.colours[index], self.app))
            segments += [
                Segment(" " * (column - used), base),
                Segment(self._sample(index), ink),
                Segment(f" {name} ", base),
                Segment(value.ljust(VALUE_WIDTH), base + BOLD),
            ]
            used = column + _entry_width(name)
        left_out = len(names) - len(picture.places)
        if left_out > 0 and y == picture.top - 1:
            segments.append(
                Segment(f"+ {left_out}", self.get_component_rich_style("curves--label"))
            )
        return segments

    def _value(self, series: Series, name: str) -> str:
        """Return a curve's value at the cursor, if there is one."""
        if self.cursor is None:
            return ""
        curve = series.curves[name]
        return logged(curve, self.cursor) if series.logged else number(value_at(curve, self.cursor))

    def _ordered(self, series: Series) -> list[str]:
        """Return the names from the curve that is highest at the cursor to the lowest."""
        at = self.cursor
        if at is None:
            return list(series.names)
        values = {name: value_at(curve, at) for name, curve in series.curves.items()}
        return sorted(series.names, key=lambda name: np.nan_to_num(-values[name], nan=np.inf))

    def _sample(self, index: int) -> str:
        """Return a short piece of a curve for the legend."""
        if self._dash(index) == DASHES[0]:
            return "━" * SAMPLE
        return sample(self._dash(index))

    def _dash(self, index: int) -> Dash:
        """Return the dash pattern of a curve: they differ, or its colour does."""
        if self._series is not None and self._series.dashes:
            return self._series.dashes[index]
        turn = index // len(SERIES_COLOURS) if is_colourful(self.app) else index
        return DASHES[turn % len(DASHES)]

    def _plot_line(self, series: Series, picture: Picture, y: int) -> Strip:
        """Return a line of the plot without the cursor; cached, as only the cursor moves."""
        if y not in self._plain:
            line, base = y - picture.top, self.base
            text = picture.labels.get(line, "")[: picture.left - 1].rjust(picture.left - 1) + " "
            styles = {
                NOTHING: base,
                MARKER_LINE: self.get_component_rich_style("curves--marker"),
            }
            styles |= {
                i: base + _ink(on_background(colour, self.app))
                for i, colour in enumerate(series.colours)
            }
            drawn, owners = "".join(map(chr, picture.codes[line].tolist())), picture.owners[line]
            segments = [Segment(text, self.get_component_rich_style("curves--label"))]
            segments += [
                Segment(drawn[start:stop], styles[int(owners[start])])
                for start, stop in runs(owners)
            ]
            self._plain[y] = Strip(segments).adjust_cell_length(self.size.width, base)
        return self._plain[y]

    def _with_cursor(self, strip: Strip, y: int) -> Strip:
        """Return a line of the plot with the cursor where no curve is."""
        picture = self._picture
        column = None if picture is None else self._cursor_column(picture)
        if picture is None or column is None:
            return strip
        if picture.owners[y - picture.top, column] >= 0:
            return strip
        at = picture.left + column
        line = Strip([Segment("│", self.get_component_rich_style("curves--line"))], 1)
        return Strip.join([strip.crop(0, at), line, strip.crop(at + 1)])

    def _cursor_column(self, picture: Picture) -> int | None:
        """Return the column of the cursor; None if there is none, or it lies beyond what is in view."""
        seen = self.axis_view.span
        if self.cursor is None or (seen is not None and not seen[0] <= self.cursor <= seen[1]):
            return None
        return picture.axis.column(self.cursor)

    def _draw(self, series: Series) -> Picture:
        width, height = self.size
        most = max(1, height // 3) if series.has_legend else 0
        places = _places(series.names, width, most)
        top = max((line + 1 for line, _ in places), default=0)
        lines = max(1, height - top - (1 + bool(series.markers) if self.ticks else 0))
        values = value_axis(
            (curve.values[self.axis_view.seen(curve.steps)] for curve in series.curves.values()),
            series.low,
            series.high,
            logarithmic=self.logarithmic,
        )
        labels = _labels(values, lines)
        left = self.label_width or max(map(len, labels.values()), default=0) + 1
        room = max(1, width - left)
        grain = self.axis_view.grain(series.epochs)
        epochs = self.stops
        if series.aligned:
            axis = EpochAxis.of_cells(epochs, by_epoch(epochs, room, grain), grain)
        else:
            axis = EpochAxis.of_line(epochs, room, grain)
        codes, owners = _plotted(series, axis, values, lines, self._dash)
        return Picture(left, places, axis, labels, codes, owners)

    def notify_style_update(self) -> None:
        """Draw the lines in the new styles."""
        self._plain.clear()
        super().notify_style_update()

    def _redraw(self) -> None:
        self._picture = None
        self._plain.clear()
        self.refresh()


@lru_cache
def _ink(colour: str) -> Style:
    return Style(color=colour)


def sample(dash: Dash) -> str:
    """Return a short piece of a dashed curve."""
    ends, height = np.array([0.0, SAMPLE]), np.full(2, 0.4)
    line = braille.polyline(ends, height, SAMPLE, 1, dash)
    return "".join(chr(braille.BLANK + dots) for dots in line[0].tolist())


def all_epochs(curves: Iterable[Curve]) -> IntArray:
    """Return the epochs at which any of the curves has a value."""
    epochs = [np.asarray(curve.steps, dtype=np.int64) for curve in curves]
    return np.unique(np.concatenate(epochs)) if epochs else np.empty(0, dtype=np.int64)


def _entry_width(name: str) -> int:
    return SAMPLE + cell_len(f" {name} ") + VALUE_WIDTH


def _places(names: Sequence[str], width: int, most: int) -> tuple[tuple[int, int], ...]:
    """Return the line and the column of each entry of the legend, of at most so many lines.

    Beyond one line the entries are of one width: their order may change, and their places stay.
    """
    if sum(map(_entry_width, names)) <= width:
        starts = np.cumsum([0, *map(_entry_width, names)])[:-1].tolist()
        return tuple((0, start) for start in starts[: len(names) if most else 0])
    each = max(map(_entry_width, names))
    across = max(1, width // each)
    places = [(i // across, i % across * each) for i in range(len(names))]
    return tuple(place for place in places if place[0] < most)


def _labels(values: ValueAxis, lines: int) -> dict[int, str]:
    """Return the label of each line of the plot that has one."""
    labels: dict[int, str] = {}
    ticks = values.ticks(max(2, lines // 3))
    for tick, place in zip(ticks, values.place(np.array(ticks)).tolist(), strict=True):
        line = min(int((1 - place) * lines), lines - 1)
        labels.setdefault(line, tick_label(tick))
    return labels


def _plotted(
    series: Series,
    axis: EpochAxis,
    values: ValueAxis,
    lines: int,
    dash: Callable[[int], Dash],
) -> tuple[NDArray[np.uint32], NDArray[np.int16]]:
    """Return the code points of the plot and the curve, if any, that each belongs to."""
    drawn = np.zeros((len(series.curves), lines, axis.room), dtype=np.uint8)
    edges: list[tuple[int, int, int]] = []
    for i, curve in enumerate(series.curves.values()):
        x, y = axis.place(curve.steps), values.place(curve.values)
        drawn[i] = braille.polyline(x, y, axis.room, lines, dash(i))
        odd = _not_finite(x, curve, lines) if series.logged else ()
        edges += [(i, line, min(at, axis.room - 1)) for line, at in odd]
    dots = np.bitwise_or.reduce(drawn, axis=0, initial=0)
    owners = _in_turn(drawn > 0)
    codes = np.where(dots > 0, dots.astype(np.uint32) + braille.BLANK, ord(" "))
    for i, line, column in edges:
        codes[line, column], owners[line, column] = ord(NOT_FINITE), i
    for epoch in filter(axis.has, series.markers.values()):
        column = axis.column(epoch)
        blank = owners[:, column] == NOTHING
        codes[blank, column], owners[blank, column] = ord("┊"), MARKER_LINE
    return codes.astype(np.uint32), owners


def _in_turn(there: NDArray[np.bool_]) -> NDArray[np.int16]:
    """Return which curve each character belongs to; where several share it, in turn by columns.

    Args:
        there: whether a curve has dots in a character, (curves, lines, columns).
    """
    if not len(there):
        return np.full(there.shape[1:], NOTHING, dtype=np.int16)
    count = there.sum(axis=0)
    turn = np.arange(there.shape[2]) // SHARE % np.maximum(count, 1)
    first = np.argmax(there & (there.cumsum(axis=0) - 1 == turn), axis=0)
    return np.where(count > 0, first, NOTHING).astype(np.int16)


def _not_finite(x: NDArray[np.float64], curve: Curve, lines: int) -> set[tuple[int, int]]:
    """Return where NaN and infinite values are marked, line and column: at the bottom, or at the top."""
    odd = np.flatnonzero(~np.isfinite(curve.values) & np.isfinite(x))
    tops = np.where(curve.values[odd] == np.inf, 0, lines - 1)
    return set(zip(tops.tolist(), x[odd].astype(int).tolist(), strict=True))
