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
from repdyn.display.metrics import MetricGroup, main_groups
from repdyn.display.phase_bands import PERIODS, Band, Period, phase_bands
from repdyn.display.reading import last_epoch
from repdyn.records import Curve
from repdyn.report.figures.curves import plot_metrics, span
from repdyn.report.figures.paper.panels import GAP, panels
from repdyn.report.figures.paper.seeds import Spread, curve_over_seeds, phases_over_seeds
from repdyn.report.figures.paper.sheet import (
    EDGE,
    LINE,
    draw_legend,
    legend_height,
    panel,
    paper_styled,
    sheet,
    thin_ticks,
    write,
)
from repdyn.report.figures.paper.shown import Shown
from repdyn.report.figures.phase_marks import MAY_LIE
from repdyn.report.figures.style import CURVE_COLOURS, CURVE_DASHES, epoch_axis, phase_lines

LEFT = 0.5
"""Inches for the vertical axis."""

LEGEND = 0.12
"""Inches to the left of the legend."""

BAND, ABOVE = 0.11, 0.04
"""Inches of a row of bands, and of the space above them."""

HEIGHTS = 0.5, 1.15
"""Inches of the curves' height, the least and the most."""

NOISY = "train/acc_noisy"
RANGE: dict[str, Any] = {"alpha": 0.22, "linewidth": 0}

BAND_CURVES = {"onset": NOISY, "fit": "train/acc", "test_min": "test/acc"}
"""The curve in whose colour the band after a boundary is drawn."""

TINT = 0.45
"""Share of a curve's colour in that of a band."""

HATCH: dict[str, Any] = {"edgecolor": "0.25", "linewidth": 0.4, "hatch": "//////////"}


@paper_styled
def error_curves(shown: Sequence[Shown], width: float) -> Figure:
    """Draw a panel for each group, side by side in a wide figure.

    A group that logs other metrics, or accuracies in percent, has these instead of errors.

    Args:
        shown: groups whose first run has metrics.
        width: of the figure in inches.
    """
    handles = _handles(shown)
    rows = max((1 + band.period.row for group in shown for band in _bands(group)), default=0)
    bands = BAND * rows
    foot = legend_height(handles, width - LEGEND - EDGE) + EDGE
    at = panels(len(shown), width, LEFT, HEIGHTS, foot, ABOVE + bands if bands else 0.0)
    figure = sheet(width, at.end + foot)
    for group, (left, top) in zip(shown, at.places, strict=True):
        write(figure, left, top - LINE, group.label, at.room, weight="bold")
        axes = panel(figure, left, top, at.room, at.high)
        _draw_curves(axes, group)
        lowest = axes
        if bands:
            lowest = panel(figure, left, top + at.high + ABOVE, at.room, bands)
            axes.tick_params(labelbottom=False)
            _draw_bands(lowest, group, rows)
        for one in dict.fromkeys((axes, lowest)):
            epoch_axis(one, "x", *span(group.record))
            phase_lines(one, phases_over_seeds(group.runs), PHASES)
        thin_ticks(lowest, "x", GAP)
        lowest.set_xlabel(group.record.unit)
    draw_legend(figure, handles, LEGEND, at.end, width - LEGEND - EDGE)
    return figure


def _draw_curves(axes: Axes, group: Shown) -> None:
    """Draw errors from 0 to 1, or the first metrics of a run that has none."""
    first = main_groups(group.record.curves)[0]
    if first.are_shares and ERRORS.keys() & group.record.curves.keys():
        _draw_errors(axes, group)
        return
    alike = [one for run in group.runs for one in main_groups(run.curves)]
    alike = [one for one in alike if one.title == first.title]
    spreads = {
        label: curve_over_seeds([one.curves[label] for one in alike if label in one.curves])
        for label in first.curves
    }
    middles = {label: Curve(one.steps, one.middle) for label, one in spreads.items()}
    plot_metrics(axes, MetricGroup(first.title, middles))
    for line, one in zip(axes.lines[-len(spreads) :], spreads.values(), strict=True):
        line.set_label(first.full(str(line.get_label())))
        axes.fill_between(one.steps, one.low, one.high, color=line.get_color(), **RANGE)


def _draw_errors(axes: Axes, group: Shown) -> None:
    """Draw training and test error, and the accuracy on the flipped labels."""
    labels = {**ERRORS, NOISY: f"{ACCURACIES[NOISY]} accuracy"}
    for name, label in labels.items():
        curves = [run.curves[name] for run in group.runs if name in run.curves]
        if curves:
            one = curve_over_seeds(curves)
            if name in ERRORS:
                one = Spread(one.steps, 1 - one.high, 1 - one.middle, 1 - one.low, one.runs)
            look: dict[str, Any] = {
                "color": CURVE_COLOURS[ACCURACIES[name]],
                "linestyle": CURVE_DASHES[ACCURACIES[name]],
            }
            axes.plot(one.steps, one.middle, label=label, **look)
            axes.fill_between(one.steps, one.low, one.high, color=look["color"], **RANGE)
    axes.set_ylim(-0.02, 1.02)
    axes.set_ylabel("share")


def _bands(group: Shown) -> tuple[Band, ...]:
    return phase_bands(phases_over_seeds(group.runs), last_epoch(group.record))


def _draw_bands(axes: Axes, group: Shown, rows: int) -> None:
    """Draw a band for each period, hatched where its boundary is uncertain."""
    axes.set(ylim=(rows, 0), yticks=[])
    axes.spines["left"].set_visible(False)
    for band in _bands(group):
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
        _draw_curves(probe, group)
    lines = {str(line.get_label()): line for line in probe.lines}
    handles: list[Artist] = []
    for label, line in lines.items():
        sample = Line2D([], [])
        sample.update_from(line)
        sample.set_label(label)
        handles.append(sample)
    bands = [band for group in shown for band in _bands(group)]
    handles += [
        Patch(color=_colour(period), label=period.label)
        for period in PERIODS
        if any(band.period is period for band in bands)
    ]
    if any(band.uncertain for band in bands):
        handles.append(Patch(facecolor="white", label=MAY_LIE, **HATCH))
    return handles
