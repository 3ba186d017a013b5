"""Figures of stored runs that lack labels, planes, accuracies or checkpoints."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from repdyn.errors import SettingError, UserError
from repdyn.report.figures.paper import PaperFigure
from repdyn.runs.figures import CAPTIONS, LATEX, Look, write_figures
from repdyn.settings.schema import StoreConfig
from tests.support.partial_runs import PARTIAL

SMALL = Look(formats=("svg",), widths=(3.25,))


def written(names: list[str], store: StoreConfig, out: Path) -> dict[str, bytes]:
    write_figures(names, store, out, SMALL)
    return {path.name: path.read_bytes() for path in out.iterdir()}


@pytest.mark.parametrize(
    ("run", "some", "none"),
    [
        ("language-model", {"matrices_cka", "layers_knn", "drift_cka", "error_curves"}, "decision"),
        ("one-plane", {"matrices_regions", "decision_regions_one-plane"}, "layers_cka"),
        ("no-metrics", {"layers_cka", "layer_curves_cka"}, "error_curves"),
        ("one-layer", {"layers_knn", "error_curves"}, "matrices"),
        ("before-the-first", {"error_curves"}, "layers"),
    ],
)
def test_a_run_has_the_figures_that_it_has_data_for(
    run: str, some: set[str], none: str, partial_store: StoreConfig, tmp_path: Path
) -> None:
    files = written([run], partial_store, tmp_path)
    assert {f"{name}_3.25in.svg" for name in some} | {CAPTIONS} <= files.keys()
    assert not [name for name in files if name.startswith((none, "effects", "scores"))]


def test_runs_of_other_loops_stand_beside_each_other(
    partial_store: StoreConfig, tmp_path: Path
) -> None:
    names = ["no-metrics", "one-layer", "no-metrics"]
    captions = written(names, partial_store, tmp_path)[CAPTIONS].decode()
    by_name = {one.partition("\n")[0]: one for one in captions.split("\n\n")}
    assert by_name["layers_cka"].count("no-metrics: no-metrics (") == 1, "it is drawn once"
    assert "one-layer: one-layer (" in by_name["layers_knn"]


def test_existing_files_are_replaced_and_others_stay(
    partial_store: StoreConfig, tmp_path: Path
) -> None:
    for name in (CAPTIONS, "error_curves_3.25in.svg", "mine.txt"):
        (tmp_path / name).write_text("old")
    files = written(["before-the-first"], partial_store, tmp_path)
    assert files["mine.txt"] == b"old"
    assert files["error_curves_3.25in.svg"].startswith(b"<?xml")
    assert b"old" not in files[CAPTIONS]
    assert files.keys() == {CAPTIONS, "error_curves_3.25in.svg", "mine.txt"}, (
        "none is left half-written"
    )


def test_latex_has_an_environment_for_each_figure_with_its_caption(
    partial_store: StoreConfig, tmp_path: Path
) -> None:
    drawn: list[PaperFigure] = []
    look = Look(formats=("svg", "png"), widths=(6.75, 3.25))
    write_figures(["no-metrics"], partial_store, tmp_path, look, drawn.append)
    source = (tmp_path / LATEX).read_text()
    files = re.findall(r"\\includegraphics\{(.*)\}", source)
    assert files == [f"{one.name}_3.25in.png" for one in drawn], (
        "the narrowest, that LaTeX includes"
    )
    assert re.findall(r"\\label\{fig:(.*)\}", source) == [one.name for one in drawn]
    assert all((tmp_path / name).is_file() for name in files)
    assert source.count(r"\begin{figure}") == source.count(r"\end{figure}") == len(drawn)
    source.encode("ascii")  # what the captions of any figure have beyond it is written in LaTeX
    assert source.count("% no-metrics: no-metrics (") == len(drawn), "which runs, beside it"


def test_svg_alone_is_not_for_latex(partial_store: StoreConfig, tmp_path: Path) -> None:
    assert LATEX not in written(["before-the-first"], partial_store, tmp_path)


def test_nothing_to_draw_is_told_before_a_folder_is_made(
    partial_store: StoreConfig, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="nothing to draw"):
        write_figures(["unmeasured"], partial_store, tmp_path / "out", SMALL)
    assert not (tmp_path / "out").exists()
    assert PARTIAL["unmeasured"].metrics == ()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"formats": ("gif",)}, "format gif: choose from pdf, svg, png"),
        ({"formats": ()}, "choose from"),
        ({"widths": ()}, "give at least one"),
        ({"widths": (3.25, 0.1)}, "width 0.1: must be between 2 and 20 inches"),
    ],
)
def test_a_look_that_cannot_be_drawn_is_refused(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(SettingError, match=said):
        Look(**wrong)  # type: ignore[arg-type]
