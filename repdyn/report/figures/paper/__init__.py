"""Figures named after those of Sharon and Dar (arXiv 2405.17377), at the widths of a paper's columns."""

from repdyn.report.figures.paper.drawing import MOST_GROUPS, PaperFigure, paper_figures
from repdyn.report.figures.paper.latex import latex
from repdyn.report.figures.paper.regions import MOST_EPOCHS
from repdyn.report.figures.paper.sheet import (
    FORMATS,
    LEAST_WIDTH,
    MOST_WIDTH,
    PAGE,
    WIDTHS,
    pdf,
    png,
    svg,
    titled,
)
from repdyn.report.figures.paper.shown import Regions, Shown

__all__ = [
    "FORMATS",
    "LEAST_WIDTH",
    "MOST_EPOCHS",
    "MOST_GROUPS",
    "MOST_WIDTH",
    "PAGE",
    "WIDTHS",
    "PaperFigure",
    "Regions",
    "Shown",
    "latex",
    "paper_figures",
    "pdf",
    "png",
    "svg",
    "titled",
]
