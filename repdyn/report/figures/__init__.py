"""Figures for a paper, drawn with matplotlib at the width of a page.

Each function returns a Figure and does not use pyplot; `png` renders one.
"""

from repdyn.report.figures.curves import curves, fragmentation
from repdyn.report.figures.decision import decision_regions
from repdyn.report.figures.matrices import similarity_matrices
from repdyn.report.figures.overview import overview
from repdyn.report.figures.standard import standard_figures
from repdyn.report.figures.style import png

__all__ = [
    "curves",
    "decision_regions",
    "fragmentation",
    "overview",
    "png",
    "similarity_matrices",
    "standard_figures",
]
