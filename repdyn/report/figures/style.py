"""What all figures share: fonts, colours, the epoch axis, phase lines, and PNG output."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterable, Sequence
from functools import partial, wraps
from io import BytesIO
from typing import Any, Literal, ParamSpec, cast

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, FuncNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.transforms import Affine2DBase, ScaledTranslation, blended_transform_factory
from scipy.optimize import isotonic_regression

from repdyn.display import axis
from repdyn.display.labels import PHASES
from repdyn.display.scale import Scale
from repdyn.display.wording import plain, settings
from repdyn.records import FloatArray, Phases, RunRecord
from repdyn.step_words import short_step

P = ParamSpec("P")
Layout = Literal["constrained", "compressed"]

WIDTH = 7.0
"""Inches: the text width of a two-column paper, at which the fonts need no scaling."""

DPI = 220

BAR = 0.09
"""Inches: the thickness of a colour bar."""

TICK = 0.22
"""Inches between powers of ten below which their labels touch."""

SMALL = 6.5
"""Points: tick labels and labels inside a panel."""

STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 7.0,
    "axes.titlesize": 7.0,
    "axes.labelsize": 7.0,
    "axes.titlepad": 3.0,
    "axes.labelpad": 2.5,
    "axes.linewidth": 0.6,
    "axes.edgecolor": "0.25",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.titlesize": 8.0,
    "legend.fontsize": 7.0,
    "legend.frameon": False,
    "hatch.linewidth": 0.35,
    "lines.linewidth": 1.2,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "xtick.color": "0.25",
    "ytick.color": "0.25",
    "xtick.labelcolor": "black",
    "ytick.labelcolor": "black",
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.size": 1.5,
    "ytick.minor.size": 1.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "xtick.major.pad": 2.0,
    "ytick.major.pad": 2.0,
}

SIMILARITY: Colormap = mpl.colormaps["viridis"].with_extremes(bad="0.88")
"""Colour map of all similarities; grey where there is none."""

DEPTH: Colormap = mpl.colormaps["plasma"]
"""Colours of layers by depth, without the palest."""

OUTPUT_COLOUR = "black"

PIECE = 14
"""Points of a curve before its label."""

DASHES: tuple[Any, ...] = ("-", (0, (4, 1.2)), (0, (1.2, 0.9)), (0, (5, 1.2, 1.2, 1.2)))
"""Dashes of curves in turn, so that they differ in print without colours too."""

CURVE_COLOURS = {"train": "0.55", "clean": "#0072b2", "noisy fit": "#d55e00", "test": "#009e73"}
"""Okabe and Ito (2008), distinguishable for colour-blind readers."""

CURVE_DASHES: dict[str, Any] = dict(zip(CURVE_COLOURS, DASHES, strict=True))

OTHER_COLOURS = ("0.25", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9")
"""Of other curves, in their order."""

PHASE_DASHES: dict[str, tuple[int, tuple[float, ...]]] = {
    "onset": (0, (3.0, 1.5)),
    "fit": (0, ()),
    "test_min": (0, (1.0, 1.2)),
    "test_peak": (0, (4.0, 1.2, 1.0, 1.2)),
}


def in_style(
    style: dict[Any, Any],
) -> Callable[[Callable[P, Figure]], Callable[P, Figure]]:
    """Return what makes a function draw in a style, whatever the user's matplotlibrc says."""

    def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
        @wraps(draw)
        def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
            with mpl.rc_context(style):
                figure = draw(*args, **kwargs)
                for axes in figure.axes:  # makes the ticks, which take their font when made
                    axes.xaxis.get_ticklabels(which="both")
                    axes.yaxis.get_ticklabels(which="both")
            return figure

        return drawn

    return styled


styled = in_style(STYLE)


def png(figure: Figure) -> bytes:
    """Return the figure as PNG."""
    out = BytesIO()
    FigureCanvasAgg(figure).print_figure(out, format="png", dpi=DPI)
    return out.getvalue()


def new_figure(
    record: RunRecord, what: str, height: float, layout: Layout = "constrained", note: str = ""
) -> Figure:
    """Return an empty figure of the page's width, titled with its subject, the run and a note."""
    run = " · ".join(
        part for part in (plain(record.summary.name), settings(record.summary)) if part
    )
    return titled_figure("\n".join(line for line in (what, run, note) if line), height, layout)


def titled_figure(title: str, height: float, layout: Layout = "constrained") -> Figure:
    """Return an empty figure of the page's width."""
    figure = Figure(figsize=(WIDTH, height), layout=layout)
    figure.suptitle(title, x=0.01, ha="left", parse_math=False, linespacing=1.35)
    return figure


def epoch_axis(
    axes: Axes, which: Literal["x", "y"], first: float, last: float, grain: int = 1
) -> None:
    """Make an axis one of ln(1 + epoch / grain) between two epochs, labelled 0, 1, 10, 100, ..."""
    along = axes.xaxis if which == "x" else axes.yaxis
    set_scale, set_limits = (
        (axes.set_xscale, axes.set_xlim) if which == "x" else (axes.set_yscale, axes.set_ylim)
    )
    forward, inverse = partial(axis.position, grain=grain), partial(axis.epoch_at, grain=grain)
    set_scale("function", functions=(forward, inverse))
    inches = axes.get_window_extent().size["xy".index(which)] / axes.figure.dpi
    start = max(0, math.ceil(first))
    marks = axis.ticks(int(last), start, int(inches / TICK), grain)
    along.set_ticks(marks, labels=[short_step(epoch) for epoch in marks])
    along.set_ticks(axis.minor_ticks(int(last), max(start, grain), marks), minor=True)
    set_limits(first, last)


def phase_lines(
    axes: Axes,
    phases: Phases,
    names: Container[str],
    *,
    both: bool = False,
    on_colour: bool = False,
) -> None:
    """Draw lines at phase boundaries; each has the boundary's name as its gid.

    Args:
        axes: with an epoch axis.
        phases: of the run.
        names: which boundaries, if they exist.
        both: on the vertical axis too.
        on_colour: light with a dark rim, to be visible on a heatmap.
    """
    for name, epoch in phases.markers().items():
        if name in names:
            for draw in (axes.axvline, axes.axhline)[: 1 + both]:
                draw(
                    epoch,
                    gid=name,
                    zorder=3 if on_colour else 0.5,
                    **_phase_look(name, on_colour=on_colour),
                )


def phase_handles(names: Iterable[str]) -> list[Line2D]:
    """Return what a legend shows of phase lines, by their names in words."""
    return [Line2D([], [], label=PHASES[name], **_phase_look(name)) for name in names]


def _phase_look(name: str, *, on_colour: bool = False) -> dict[str, Any]:
    look: dict[str, Any] = {"linestyle": PHASE_DASHES[name], "linewidth": 0.7, "color": "0.35"}
    if on_colour:
        rim = withStroke(linewidth=1.4, foreground="0.2", alpha=0.7)
        look |= {"color": "white", "path_effects": [rim]}
    return look


def norm(scale: Scale) -> FuncNorm:
    """Return the scale as a matplotlib norm."""
    return FuncNorm((scale.warp, scale.unwarp), scale.low, scale.high, clip=True)


def scale_bar(
    figure: Figure, axes: Sequence[Axes], scale: Scale, values: FloatArray, length: float
) -> None:
    """Draw the colour bar beside the axes, pointed at the ends if values lie beyond them.

    Args:
        figure: of the axes.
        axes: whose colours it explains.
        scale: of the colours.
        values: that are coloured.
        length: approximate length of the bar, in inches.
    """
    bar = figure.colorbar(
        ScalarMappable(norm(scale), SIMILARITY),
        ax=axes,
        extend=bar_ends(scale, values),
        extendfrac=BAR / length,
        aspect=length / BAR,
        pad=0.015,
    )
    bar.set_ticks(scale.ticks, labels=[f"{tick:g}" for tick in scale.ticks])
    bar.minorticks_off()
    bar.set_label(scale.label)
    bar.outline.set_visible(False)


def bar_ends(scale: Scale, values: FloatArray) -> Literal["neither", "min", "max", "both"]:
    """Return which ends of a colour bar are pointed: those beyond which there are values.

    A similarity above 1 is 1 but for rounding.
    """
    below = bool((values < scale.low).any())
    above = bool((np.minimum(values, 1.0) > scale.high).any())
    if below and above:
        return "both"
    return "min" if below else "max" if above else "neither"


def layer_colours(layers: int) -> list[Any]:
    """Return a colour for each layer, dark for the first, light for the last."""
    return list(DEPTH(np.linspace(0, 0.92, layers)))


def label_lines(axes: Axes) -> None:
    """Write the label of each labelled line at its right end, after a piece of it; needs no legend."""
    named = [line for line in axes.lines if not str(line.get_label()).startswith("_")]
    axes.autoscale_view()
    height = axes.bbox.height / axes.figure.dpi
    into_axes = axes.transData + axes.transAxes.inverted()
    ends = [into_axes.transform(_last_point(line))[1] for line in named]
    places = spread(ends, gap=1.25 * SMALL / 72 / height, low=0.0, high=1.0)
    for line, place in zip(named, places, strict=True):
        axes.annotate(
            str(line.get_label()),
            (1, place),
            parse_math=False,
            xycoords="axes fraction",
            xytext=(5 + PIECE, 0),
            textcoords="offset points",
            va="center",
            fontsize=SMALL,
            color=line.get_color(),
        )
        _draw_piece(axes, line, place)


def _draw_piece(axes: Axes, line: Line2D, place: float) -> None:
    """Draw a piece of a line to the right of its axes, at a place along their height."""
    right = ScaledTranslation(1, 0, cast("Affine2DBase", axes.transAxes))
    inches = axes.figure.dpi_scale_trans + right
    piece = Line2D([3 / 72, (3 + PIECE) / 72], [place, place])
    piece.update_from(line)
    piece.set(marker="", linewidth=1.0, label="", clip_on=False)
    piece.set_transform(blended_transform_factory(inches, axes.transAxes))
    axes.figure.add_artist(piece)


def _last_point(line: Line2D) -> tuple[float, float]:
    x, y = np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)
    known = np.flatnonzero(np.isfinite(y))
    return (x[known[-1]], y[known[-1]]) if len(known) else (0.0, 0.0)


def spread(places: Iterable[float], gap: float, low: float, high: float) -> list[float]:
    """Return the positions moved apart so that labels there do not overlap.

    Neighbours keep their order and end up at least `gap` apart within [low, high], as close to their
    original positions as that allows (least squares); if they do not fit, they are spaced evenly.
    """
    wanted = np.clip(np.asarray(list(places), dtype=np.float64), low, high)
    if len(wanted) < 2:
        return [float(place) for place in wanted]
    steps = min(gap, (high - low) / (len(wanted) - 1)) * np.arange(len(wanted))
    order = np.argsort(wanted, kind="stable")
    moved = np.empty_like(wanted)
    moved[order] = (
        np.clip(isotonic_regression(wanted[order] - steps).x, low, high - steps[-1]) + steps
    )
    return [float(place) for place in moved]
