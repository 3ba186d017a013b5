"""Curves of different sizes in plots below each other, over the same epochs and with one cursor."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from textual.app import ComposeResult
from textual.containers import Vertical

from repdyn.display.metrics import MetricGroup
from repdyn.records import Curve
from tui.widgets.curves import Curves, all_epochs
from tui.widgets.phase_bands import Band
from tui.widgets.value_axis import label_room, value_axis

MOST_PLOTS = 3

LEAST_LINES = 6
"""Lines that a plot takes at least."""


class CurveStack(Vertical):
    """Up to MOST_PLOTS plots, one for each group of curves; the lowest has the axis."""

    DEFAULT_CSS = """
    CurveStack { width: 1fr; height: 1fr; }
    """

    def compose(self) -> ComposeResult:
        """Yield the plots."""
        for _ in range(MOST_PLOTS):
            curves = Curves()
            curves.can_focus = False
            yield curves

    @property
    def room(self) -> int:
        """How many plots fit."""
        return max(1, min(MOST_PLOTS, self.size.height // LEAST_LINES))

    @property
    def plots(self) -> list[Curves]:
        """The plots, those that are not shown too."""
        return list(self.query(Curves))

    def show(
        self,
        groups: Sequence[MetricGroup],
        changed: Callable[[Curve], Curve],
        *,
        inks: Mapping[str, str],
        markers: Mapping[str, int],
        bands: Sequence[Band],
    ) -> None:
        """Show groups of curves, at most `room` of them.

        Args:
            groups: from top to bottom.
            changed: from the curve as logged to what is drawn.
            inks: colours by name.
            markers: epochs to mark, by name.
            bands: phases to tint the axis by.
        """
        stops = all_epochs(curve for group in groups for curve in group.curves.values())
        drawn = [{name: changed(curve) for name, curve in group.curves.items()} for group in groups]
        limits = [(0.0, 1.0) if group.are_shares else (None, None) for group in groups]
        width = max(
            (
                label_room(
                    value_axis(
                        (c.values for c in curves.values()), *ends, logarithmic=self.logarithmic
                    )
                )
                for curves, ends in zip(drawn, limits, strict=True)
            ),
            default=0,
        )
        last = max(0, len(groups) - 1)
        for place, plot in enumerate(self.plots):
            plot.display = place <= last
            curves = drawn[place] if place < len(drawn) else {}
            low, high = limits[place] if place < len(limits) else (None, None)
            plot.ticks, plot.label_width = place == last, width
            plot.set_data(
                curves,
                low=low,
                high=high,
                colours=inks,
                markers=markers,
                bands=bands,
                stops=stops,
                as_logged=True,
            )

    @property
    def cursor(self) -> int | None:
        """The epoch of the cursor."""
        return self.plots[0].cursor

    @cursor.setter
    def cursor(self, epoch: int | None) -> None:
        for plot in self.plots:
            with plot.prevent(Curves.CursorMoved):
                plot.cursor = epoch

    @property
    def logarithmic(self) -> bool:
        """Whether the vertical axes are logarithmic."""
        return self.plots[0].logarithmic

    @logarithmic.setter
    def logarithmic(self, on: bool) -> None:
        for plot in self.plots:
            plot.logarithmic = on

    def move(self, steps: int) -> None:
        """Move the cursor by epochs."""
        self.plots[0].action_move(steps)
