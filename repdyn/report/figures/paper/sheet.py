"""A figure of a column's exact width, laid out in inches from its top left corner.

No layout engine: panels of all rows and of all figures align, and the width is the journal's.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from repdyn.display.wording import ending
from repdyn.report.figures.style import STYLE, in_style

WIDTHS = (3.25, 6.75)
"""Inches: one column of a journal's page and two."""

LEAST_WIDTH, MOST_WIDTH = 2.0, 20.0
"""Inches of a figure for which the layout is made."""

TEXT, TICKS = 8.0, 7.0
"""Points: of all text, and of the numbers along axes."""

LINE = 0.165
"""Inches from a line of text to the next."""

EDGE = 0.03
"""Inches that stay free at the borders."""

BETWEEN_TICKS, TICK_HEIGHT = 0.03, 0.07
"""Inches between the labels of two ticks at least, and their height."""

PAGE = 6.8
"""Inches of a journal's page, 9, but for the caption below a figure: panels below each other are made lower
if with all else they would need more."""

RASTER = 400
"""Dots per inch of heatmaps and label maps; all else is vectors."""

PAPER: dict[Any, Any] = STYLE | {
    "font.size": TEXT,
    "axes.titlesize": TEXT,
    "axes.labelsize": TEXT,
    "legend.fontsize": TEXT,
    "xtick.labelsize": TICKS,
    "ytick.labelsize": TICKS,
    "hatch.linewidth": 0.5,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "repdyn",
}
"""Fonts are embedded as TrueType, or remain text; ids in SVG are the same each time."""

paper_styled = in_style(PAPER)

_HANDLE, _AFTER_HANDLE, _BETWEEN = 1.6, 0.5, 1.4
"""Of a legend, in heights of its text: a symbol, the gap after it, the gap between columns."""


def pdf(figure: Figure) -> bytes:
    """Return the figure as PDF, the same bytes each time."""
    return _printed(FigureCanvasPdf(figure), "pdf", {"CreationDate": None})


def svg(figure: Figure) -> bytes:
    """Return the figure as SVG, the same bytes each time."""
    return _printed(FigureCanvasSVG(figure), "svg", {"Date": None})


def png(figure: Figure) -> bytes:
    """Return the figure as PNG, the same bytes each time."""
    return _printed(FigureCanvasAgg(figure), "png", {"Software": None})


FORMATS = {"pdf": pdf, "svg": svg, "png": png}
"""What prints a figure, by the end of its file's name."""


def _printed(canvas: Any, form: str, metadata: dict[str, None]) -> bytes:
    out = BytesIO()
    with mpl.rc_context(PAPER):
        canvas.print_figure(out, format=form, dpi=RASTER, metadata=metadata)
    return out.getvalue()


def sheet(width: float, height: float) -> Figure:
    """Return an empty figure, in inches."""
    return Figure(figsize=(width, height))


def panel(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Return new axes: their place from the figure's top left corner, and their size, in inches."""
    whole, high = figure.get_size_inches()
    return figure.add_axes((left / whole, 1 - (top + height) / high, width / whole, height / high))


def write(figure: Figure, left: float, top: float, text: str, room: float, **look: Any) -> None:
    """Write text whose top left corner is this far from the figure's, shortened to the room."""
    whole, high = figure.get_size_inches()
    look = {"ha": "left", "va": "top", "weight": "normal"} | look
    shown = fitted(text, room, weight=look["weight"])
    figure.text(left / whole, 1 - top / high, shown, parse_math=False, **look)


def titled(figure: Figure, title: str) -> Figure:
    """Return the figure with its title above it, at its full width; what it shows is as it was."""
    wide, before = figure.get_size_inches()
    high = before + LINE + EDGE
    figure.set_size_inches(wide, high)

    def moved(y: float) -> float:
        return float(y * before / high)

    for axes in figure.axes:
        box = axes.get_position(original=True)
        axes.set_position((box.x0, moved(box.y0), box.width, moved(box.height)))
    for text in figure.texts:
        text.set_y(moved(text.get_position()[1]))
    for legend in figure.legends:
        corner = legend.get_bbox_to_anchor().transformed(figure.transFigure.inverted())
        legend.set_bbox_to_anchor((corner.x0, moved(corner.y0)), transform=figure.transFigure)
    with mpl.rc_context(PAPER):
        write(figure, EDGE, EDGE, title, wide - 2 * EDGE, weight="bold")
    return figure


def text_width(text: str, size: float = TEXT, weight: str = "normal") -> float:
    """Return the width of a line of text in inches."""
    font = FontProperties(family=STYLE["font.sans-serif"], size=size, weight=weight)
    width, *_ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    return float(width) / 72


def fitted(text: str, room: float, size: float = TEXT, weight: str = "normal") -> str:
    """Return the text, or the end of it that is not wider than this many inches."""
    kept = len(text)
    while kept > 1 and text_width(ending(text, kept), size, weight) > room:
        kept -= 1
    return ending(text, kept)


def thin_ticks(axes: Axes, which: Literal["x", "y"], beyond: float) -> None:
    """Remove the labels of ticks that touch another or reach out of the panel, the last one first.

    Args:
        axes: whose ticks, labels and limits are set.
        which: of its axes.
        beyond: inches by which a label may reach out of the panel.
    """
    along, place = (axes.xaxis, 0) if which == "x" else (axes.yaxis, 1)
    length = axes.get_window_extent().size[place] / axes.figure.dpi
    into = axes.transData + axes.transAxes.inverted()
    free, marks = length + beyond, list(along.get_ticklocs())
    labels = [label.get_text() for label in along.get_ticklabels()]
    for i in reversed(range(len(marks))):
        at = length * float(into.transform((marks[i], marks[i]))[place])
        half = (text_width(labels[i], TICKS) if which == "x" else TICK_HEIGHT) / 2
        if at + half > free or at - half < -beyond:
            labels[i] = ""
        else:
            free = at - half - BETWEEN_TICKS
    along.set_ticks(marks, labels=labels)


def legend_height(handles: Sequence[Artist], room: float) -> float:
    """Return how high the legend of these handles is in inches, 0 without any."""
    return -(-len(handles) // _legend_columns(handles, room)) * LINE if handles else 0.0


def draw_legend(
    figure: Figure, handles: Sequence[Artist], left: float, top: float, room: float
) -> None:
    """Explain handles by their labels, in as many columns as the room in inches admits."""
    if not handles:
        return
    whole, high = figure.get_size_inches()
    legend = figure.legend(
        handles=list(handles),
        loc="upper left",
        bbox_to_anchor=(left / whole, 1 - top / high),
        ncols=_legend_columns(handles, room),
        borderpad=0,
        borderaxespad=0,
        handlelength=_HANDLE,
        handletextpad=_AFTER_HANDLE,
        columnspacing=_BETWEEN,
        labelspacing=0.35,
    )
    for text in legend.get_texts():
        text.set_text(fitted(text.get_text(), room - (_HANDLE + _AFTER_HANDLE) * TEXT / 72))
        text.set_parse_math(False)


def _legend_columns(handles: Sequence[Artist], room: float) -> int:
    widths = [text_width(str(handle.get_label())) for handle in handles]
    for count in range(len(widths), 1, -1):
        columns = np.array_split(widths, count)
        between = (count - 1) * _BETWEEN + count * (_HANDLE + _AFTER_HANDLE)
        if sum(max(column) for column in columns) + between * TEXT / 72 <= room:
            return count
    return 1
