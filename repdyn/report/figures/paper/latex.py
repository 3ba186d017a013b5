r"""The figures as LaTeX: an environment for each, with its caption and a label, to copy or \input."""

from __future__ import annotations

import re
from collections.abc import Iterable

from repdyn.report.figures.paper.drawing import PaperFigure

COLUMN = 4.5
"""Inches: wider figures span both columns of a page."""

HEAD = r"""% Figures of repdyn: copy what you need, or \input this file. Needs \usepackage{graphicx}, and
% \graphicspath{{figures/}} if the figures lie in that folder. They are drawn at their own width: do not scale them.
"""

ESCAPED = {
    "\\": r"\textbackslash{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    **{char: rf"\{char}" for char in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "−": r"\ensuremath{-}",
    "×": r"\ensuremath{\times}",
    "±": r"\ensuremath{\pm}",
    "≈": r"\ensuremath{\approx}",
    "≤": r"\ensuremath{\leq}",
    "→": r"\ensuremath{\to}",
    "–": r"\textendash{}",
    "—": r"\textemdash{}",
    "…": r"\ldots{}",
    "₂": r"\textsubscript{2}",
}
"""What LaTeX reads otherwise, or lacks, in any of its font encodings."""

LAST_LATIN = "\u017f"
"""The last of the letters with accents that pdflatex prints without further packages."""

OTHER_LETTERS = """% Some names have letters that pdflatex lacks: use lualatex or xelatex, with a font that has them.
"""


def latex(figures: Iterable[tuple[PaperFigure, str, float]]) -> str:
    """Return an environment for each figure.

    Args:
        figures: each with the name of its file, and its width in inches.
    """
    drawn = list(figures)
    captions = "".join(escaped(figure.caption.split("\n")[0]) for figure, *_ in drawn)
    head = HEAD + OTHER_LETTERS * any(char > LAST_LATIN for char in captions)
    return "\n".join([head, *(_environment(*one) for one in drawn)])


def _environment(figure: PaperFigure, file: str, width: float) -> str:
    """Return a figure with its caption; the runs that it shows are comments below it."""
    name = "figure*" if width > COLUMN else "figure"
    caption, *runs = figure.caption.split("\n")
    lines = [
        rf"\begin{{{name}}}[tbp]",
        r"  \centering",
        rf"  \includegraphics{{{file}}}",
        rf"  \caption{{{escaped(caption)}}}",
        rf"  \label{{fig:{figure.name}}}",
        rf"\end{{{name}}}",
        *(f"% {run}" for run in runs),
    ]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """Return text as LaTeX prints it."""
    said = "".join(ESCAPED.get(char, char) for char in text)
    return re.sub("-(?=-)", "-{}", said)  # two hyphens would be a dash
