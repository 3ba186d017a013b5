"""Curves over the log-epoch axis in braille, with a cursor that a heatmap above can share.

Not drawn by textual-plot (0.10), which has linear axes only, sets its own margins, so that its columns
cannot align with a heatmap's cells, and repaints the whole canvas whenever a line moves; here a move
of the cursor redraws two columns, the legend and the axis.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import ClassVar

import numpy as np
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
from tui.widgets import phase_bands
from tui.widgets.colormap import SERIES_COLOURS, is_colourful, on_background
from tui.widgets.curve_picture import (
    DASHES,
    MARKER_LINE,
    NOTHING,
    SAMPLE,
    VALUE_WIDTH,
    Dash,
    Picture,
    Series,
    drawn,
    entry_width,
    sample,
)
from tui.widgets.phase_bands import Band
from tui.widgets.pixels import runs
from tui.widgets.timeline import Timeline
from tui.widgets.value_axis import logged, number

PAGE = 10
"""Epochs of the axis that the page keys move by."""

BOLD = Style(bold=True)

CROWDED = 4
"""Epochs in a column from which on the cursor moves by columns."""


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
        marker_lines: bool = True,
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
            marker_lines: whether lines through the curves mark them too.
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
                marker_lines=marker_lines,
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
        names = series.names
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
            used = column + entry_width(name)
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
            characters, owners = (
                "".join(map(chr, picture.codes[line].tolist())),
                picture.owners[line],
            )
            segments = [Segment(text, self.get_component_rich_style("curves--label"))]
            segments += [
                Segment(characters[start:stop], styles[int(owners[start])])
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
        marked = 1 + bool(series.markers) if self.ticks else 0
        return drawn(
            series,
            self.size,
            self.axis_view,
            dash=self._dash,
            left=self.label_width,
            below=marked,
            logarithmic=self.logarithmic,
        )

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


def all_epochs(curves: Iterable[Curve]) -> IntArray:
    """Return the epochs at which any of the curves has a value."""
    epochs = [np.asarray(curve.steps, dtype=np.int64) for curve in curves]
    return np.unique(np.concatenate(epochs)) if epochs else np.empty(0, dtype=np.int64)
