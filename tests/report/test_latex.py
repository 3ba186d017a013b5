"""Captions and names as LaTeX prints them."""

import pytest
from matplotlib.figure import Figure

from repdyn.report.figures.paper import PaperFigure, latex
from repdyn.report.figures.paper.latex import escaped


def test_captions_are_written_as_latex_prints_them() -> None:
    caption = "50 % of the runs: 1 − CKA × 2 in layer_1 & #3 {a}"
    figure = PaperFigure(
        "layers_cka", "", f"{caption}\nsgd: small (1a2b), 95 %", lambda _: Figure()
    )
    narrow, wide = (latex([(figure, "a.pdf", width)]) for width in (3.25, 6.75))
    said = r"50 \% of the runs: 1 \ensuremath{-} CKA \ensuremath{\times} 2 in layer\_1 \& \#3 \{a\}"
    assert rf"\caption{{{said}}}" in narrow
    assert "\n% sgd: small (1a2b), 95 %\n" in narrow
    assert r"\begin{figure}[tbp]" in narrow
    assert r"\begin{figure*}[tbp]" in wide


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        (
            "<p>|q|",
            r"\textless{}p\textgreater{}\textbar{}q\textbar{}",
        ),  # ¡p¿—q— in LaTeX's first fonts
        ('"r" --lr ---', r"''r'' -{}-lr -{}-{}-"),  # dashes otherwise
        (
            "a~b^c\\d – … é",
            r"a\textasciitilde{}b\textasciicircum{}c\textbackslash{}d \textendash{} \ldots{} é",
        ),
    ],
)
def test_names_are_printed_by_latex_as_they_are(name: str, printed: str) -> None:
    assert escaped(name) == printed


@pytest.mark.parametrize(("name", "told"), [("Größe – 2", False), ("β1", True), ("猫", True)])
def test_letters_that_pdflatex_lacks_are_told(name: str, told: bool) -> None:
    figure = PaperFigure("layers_cka", "", f"of {name}\nruns: β", lambda _: Figure())
    assert ("lualatex" in latex([(figure, "a.pdf", 3.25)])) is told
