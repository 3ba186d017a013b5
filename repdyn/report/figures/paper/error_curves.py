"""Errors and noisy-fit accuracy of each group of runs, above the phases on the same axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from repdyn.display.labels import ACCURACIES, ERRORS, PHASES
from repdyn.display.metrics import main_groups
from repdyn.display.phase_bands import PERIODS, Band, Period, phase_bands
from repdyn.display.reading import last_epoch
from repdyn.records import RunRecord
from repdyn.report.figures.curves import plot_metrics, span
from repdyn.report.figures.paper.sheet import (
    EDGE,
    LINE,
    PAGE,
    draw_legend,
    legend_height,
    panel,
    paper_styled,
    sheet,
    thin_ticks,
    write,
)
from repdyn.report.figures.paper.shown import Shown
from repdyn.report.figures.style import CURVE_COLOURS, epoch_axis, phase_lines

LEFT, BELOW, GAP = 0.5, 0.36, 0.12
"""Inches for the vertical axis, for the horizontal one, and between panels."""

LEGEND = 0.12
"""Inches to the left of the legend."""

BAND, ABOVE = 0.11, 0.04
"""Inches of a row of bands, and of the space above them."""

CURVES, LEAST_CURVES = 1.15, 0.5
"""Inches of the curves' height, and the least of it for many rows."""

NOISY = "train/acc_noisy"
BAND_CURVES = {"onset": NOISY, "fit": "train/acc", "test_min": "test/acc"}
"""The curve in whose colour the band after a boundary is drawn."""

TINT = 0.45
"""Share of a curve's colour in that of a band."""

UNCERTAIN = "interval of a boundary"
HATCH: dict[str, Any] = {"edgecolor": "0.25", "linewidth": 0.4, "hatch": "//////////"}


@paper_styled
def error_curves(shown: Sequence[Shown], width: float) -> Figure:
    """Draw a panel for each group, side by side in a wide figure.

    A run that logs other metrics, or accuracies in percent, has these instead of errors.

    Args:
        shown: groups whose drawn run has metrics.
        width: of the figure in inches.
    """
    wide = 2 if width > 5 and len(shown) > 1 else 1
    room = (width - EDGE) / wide - LEFT - GAP
    handles, rows = _handles(shown), -(-len(shown) // wide)
    found = [band.period.row for group in shown for band in _bands(group.record)]
    bands = BAND * (1 + max(found, default=-1))
    around = EDGE + LINE + (ABOVE + bands if bands else 0) + BELOW + GAP
    high = min(CURVES, max(LEAST_CURVES, PAGE / rows - around))
    end = rows * (around + high)
    figure = sheet(width, end + legend_height(handles, width - LEGEND - EDGE) + EDGE)
    for i, group in enumerate(shown):
        left, top = LEFT + i % wide * (LEFT + room + GAP), i // wide * (around + high) + EDGE
        write(figure, left, top, group.label, room, weight="bold")
        axes = panel(figure, left, top + LINE, room, high)
        _draw_curves(axes, group.record)
        lowest = axes
        if bands:
            lowest = panel(figure, left, top + LINE + high + ABOVE, room, bands)
            axes.tick_params(labelbottom=False)
            _draw_bands(lowest, group.record, 1 + max(found))
        for one in dict.fromkeys((axes, lowest)):
            epoch_axis(one, "x", *span(group.record))
            phase_lines(one, group.record.phases, PHASES)
        thin_ticks(lowest, "x", GAP)
        lowest.set_xlabel(group.record.unit)
    draw_legend(figure, handles, LEGEND, end, width - LEGEND - EDGE)
    return figure


def _draw_curves(axes: Axes, record: RunRecord) -> None:
    """Draw errors from 0 to 1, or the first metrics of a run that has none."""
    group = main_groups(record.curves)[0]
    if not (group.are_shares and ERRORS.keys() & record.curves.keys()):
        plot_metrics(axes, group)
        for line in axes.lines:
            line.set_label(group.full(str(line.get_label())))
        return
    for name, label in ERRORS.items():
        if name in record.curves:
            curve = record.curves[name]
            colour = CURVE_COLOURS[ACCURACIES[name]]
            axes.plot(curve.steps, 1 - curve.values, color=colour, label=label)
    if NOISY in record.curves:
        curve = record.curves[NOISY]
        label = f"{ACCURACIES[NOISY]} accuracy"
        axes.plot(curve.steps, curve.values, color=CURVE_COLOURS[ACCURACIES[NOISY]], label=label)
    axes.set_ylim(-0.02, 1.02)
    axes.set_ylabel("share")


def _bands(record: RunRecord) -> tuple[Band, ...]:
    return phase_bands(record.phases, last_epoch(record))


def _draw_bands(axes: Axes, record: RunRecord, rows: int) -> None:
    """Draw a band for each period, hatched where its boundary is uncertain."""
    axes.set(ylim=(rows, 0), yticks=[])
    axes.spines["left"].set_visible(False)
    for band in _bands(record):
        row, length = band.period.row + 0.06, band.last - band.first
        axes.add_patch(
            Rectangle(
                (band.first, row),
                length,
                0.88,
                color=_colour(band.period),
                linewidth=0,
                gid=band.period.start,
            )
        )
        for name, (low, high) in band.uncertain.items():
            axes.add_patch(
                Rectangle(
                    (low, row),
                    high - low,
                    0.88,
                    facecolor="none",
                    gid=f"{name} interval",
                    **HATCH,
                )
            )


def _colour(period: Period) -> tuple[float, float, float]:
    colour = CURVE_COLOURS[ACCURACIES[BAND_CURVES[period.start]]]
    red, green, blue = (1 - TINT + TINT * channel for channel in to_rgb(colour))
    return red, green, blue


def _handles(shown: Sequence[Shown]) -> list[Artist]:
    """Return what the legend explains: each curve and each period once."""
    probe = Figure().subplots()
    for group in shown:
        _draw_curves(probe, group.record)
    lines = {str(line.get_label()): line for line in probe.lines}
    handles: list[Artist] = [
        Line2D([], [], color=line.get_color(), label=label) for label, line in lines.items()
    ]
    bands = [b for g in shown for b in _bands(g.record)]
    handles += [
        Patch(color=_colour(period), label=period.label)
        for period in PERIODS
        if any(band.period is period for band in bands)
    ]
    if any(band.uncertain for band in bands):
        handles.append(Patch(facecolor="white", label=UNCERTAIN, **HATCH))
    return handles
