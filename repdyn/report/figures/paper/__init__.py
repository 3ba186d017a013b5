"""Figures named after those of Sharon and Dar (arXiv 2405.17377), at the widths of a paper's columns."""

from repdyn.report.figures.paper.drawing import MOST_GROUPS, PaperFigure, paper_figures
from repdyn.report.figures.paper.regions import MOST_EPOCHS
from repdyn.report.figures.paper.sheet import COLUMNS, pdf, svg
from repdyn.report.figures.paper.shown import Regions, Shown

__all__ = [
    "COLUMNS",
    "MOST_EPOCHS",
    "MOST_GROUPS",
    "PaperFigure",
    "Regions",
    "Shown",
    "paper_figures",
    "pdf",
    "svg",
]
