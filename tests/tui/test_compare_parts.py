"""The parts of Compare: names that tell runs apart, lines that fit, scores, grids, differences."""

from __future__ import annotations

import random
import re
from dataclasses import replace

import numpy as np
import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from repdyn.display.text_heatmap import marker_row
from repdyn.records import Curve, Phases, RunRecord
from repdyn.score_key import ScoreKey
from tests.support.fakes import record
from tests.support.present import present
from tui.screens.comparing.cell_readout import Cell, readouts
from tui.screens.comparing.difference import difference, signed
from tui.screens.comparing.linked import Linked, phase_aligned
from tui.screens.comparing.main_scores import main_scores
from tui.screens.comparing.panel_grid import GAP, arranged
from tui.screens.comparing.scores import EDGES, summary
from tui.screens.comparing.short_names import shortest, told_apart
from tui.screens.view import read_out
from tui.widgets.colormap import DIVERGING, DIVERGING_ON_LIGHT, table
from tui.widgets.fitted_line import both_ends, fitted

NAMES = [
    name.split("-")
    for name in (
        "vit_tiny-adam-digits-s0",
        "vit_tiny-sgd-digits-s0",
        "resnet18-adam-digits-s0",
        "resnet18-sgd-digits-s0",
    )
]
NUMBER = re.compile(r"[\d.,]*\d")


# --- names


def test_names_that_fit_are_whole() -> None:
    assert told_apart(NAMES, 23, "-") == ["-".join(parts) for parts in NAMES]


def test_what_runs_have_in_common_is_left_out_first() -> None:
    assert told_apart(NAMES, 13, "-") == [
        "vit_tiny-adam",
        "vit_tiny-sgd",
        "resnet18-adam",
        "resnet18-sgd",
    ]


def test_names_are_never_wider_than_their_room_and_never_the_same() -> None:
    for room in range(40):
        texts = told_apart(NAMES, room, "-")
        assert max(map(len, texts)) <= room
        shown = [text for text in texts if text]
        assert len(set(shown)) == len(shown)


def test_the_part_that_differs_at_the_end_is_kept() -> None:
    runs = [["a_long_name_of_a_model", "adam"], ["a_long_name_of_a_model", "sgd"]]
    assert told_apart(runs, 10, "-") == ["adam", "sgd"]


def test_numbers_are_kept_whole() -> None:
    assert shortest(["lr=0.1", "lr=0.01"]) == ["…0.1", "…0.01"]
    assert shortest(["patch16_224", "patch16_384"]) == ["…224", "…384"]


def test_runs_of_the_same_name_and_names_of_other_lengths_are_shortened_too() -> None:
    assert told_apart([["x", "y"], ["x", "y"]], 1, "-") == ["x", "x"]
    assert told_apart([["run", "a", "s0"], ["run", "s0"]], 3, "-") == ["a", ""]


# --- lines


def test_of_several_versions_the_first_that_fits_is_shown() -> None:
    versions = [Text("A epoch 200, stem"), Text("A epoch 200"), Text("A")]
    assert fitted(versions, 17).plain == "A epoch 200, stem"
    assert fitted(versions, 16).plain == "A epoch 200"
    assert fitted(versions, 1).plain == "A"


def test_a_line_is_never_cut_inside_a_number_nor_before_its_unit() -> None:
    whole = "at epoch 200 they agree on 100 % of 0.922 ± .004 planes"
    for width in range(1, 60):
        shown = fitted([Text(whole)], width)
        assert shown.cell_len <= width
        assert set(NUMBER.findall(shown.plain)) <= set(NUMBER.findall(whole))
        assert not re.search(r"\d …$", shown.plain)


@pytest.mark.parametrize("width", range(2, 30))
def test_of_a_long_name_both_ends_are_kept_within_the_width(width: int) -> None:
    for name in ("vit_tiny-adam-digits-s0", "模型-很长的名字-模型-seed3", "a" * 40 + "z"):
        cut = both_ends(name, width)
        assert cell_len(cut) <= width
        if cut != name:
            start, _, end = cut.partition("…")
            assert name.startswith(start)
            assert name.endswith(end)
            assert width < 8 or (start and end)


@pytest.mark.parametrize("width", range(12, 60))
def test_a_readout_leaves_out_values_and_cuts_none(width: int) -> None:
    parts = {"": "logits", "epoch": "200", "CKA": "0.9871", "probe": "", "test": ".748"}
    whole = "logits  epoch 200  CKA 0.9871  test .748"
    shown = fitted(tuple(read_out(parts)), width).plain
    assert len(shown) <= width
    assert shown == whole or whole.startswith(shown.removesuffix("…").rstrip() + "  ")
    assert (shown == whole) == (width >= len(whole))


@pytest.mark.parametrize("runs", [1, 2, 4])
def test_readouts_show_whole_numbers_at_any_width(runs: int) -> None:
    cells = [Cell("ABCD"[i], f"block.{i}", "epoch 200", 0.9223, 0.004) for i in range(runs)]
    versions = list(readouts(cells))
    known = {number for text in versions for number in NUMBER.findall(text.plain)}
    for width in range(10, 120):
        shown = fitted(versions, width)
        assert shown.cell_len <= width
        assert set(NUMBER.findall(shown.plain)) <= known


def test_readouts_name_what_the_runs_share_once_and_show_errors() -> None:
    cells = [Cell(run, "stem", "epoch 20", 0.9223, 0.004) for run in "AB"]
    first = next(iter(readouts([*cells, cells[1].less(cells[0])])))
    assert first.plain == ("stem  epoch 20  A 0.922 ± .004  B 0.922 ± .004  B − A 0.000 ± .006")


# --- markers


@pytest.mark.parametrize("seed", range(20))
def test_markers_keep_their_labels_in_order_or_are_left_out(seed: int) -> None:
    draw = random.Random(seed)
    width = draw.randrange(8, 60)
    columns = {
        f"{name} {draw.randrange(1, 300)}": draw.uniform(0, width - 0.01)
        for name in ("onset", "fit", "min", "peak")
    }
    row = marker_row(columns, width, "▲")
    assert len(row) <= width
    labels = re.findall(r"[a-z]+ \d+", row)
    assert set(labels) <= set(columns)
    assert [columns[label] for label in labels] == sorted(columns[label] for label in labels)
    for at in (i for i, character in enumerate(row) if character == "▲"):
        beside = {label for label in labels if int(columns[label]) == at}
        assert any(f"▲{label}" in row or f"{label}▲" in row for label in beside)
    assert row.count("▲") == len({int(columns[label]) for label in labels})


def test_markers_with_space_are_all_shown() -> None:
    columns = {"onset 8": 20, "fit 31": 40, "min 8": 20}
    assert marker_row(columns, 60, "▲") == " " * 15 + "min 8▲onset 8" + " " * 12 + "▲fit 31"


def test_markers_of_one_column_have_the_earlier_label_at_the_left() -> None:
    for first, second in (("onset 16", "min 17"), ("min 17", "onset 16")):
        columns = {first: 20.3, second: 20.3} | {"onset 16": 20.1}
        assert marker_row(columns, 60, "▲").strip() == "onset 16▲min 17"


# --- grids


@pytest.mark.parametrize("panels", [2, 3, 4])
@pytest.mark.parametrize("size", [(58, 13), (78, 17), (118, 33), (198, 53)])
def test_all_rows_show_in_equal_panels_that_fit(panels: int, size: tuple[int, int]) -> None:
    width, height = size
    grid = arranged(panels, 10, width, height, per_line=2, gutter=12, square=False)
    assert 2 * grid.lines >= 10
    rows = -(-panels // grid.columns)
    assert grid.columns * (grid.width + GAP) - GAP <= width
    assert rows * grid.height <= height


def test_where_there_is_room_panels_are_below_each_other_and_each_row_has_a_line() -> None:
    grid = arranged(4, 10, 198, 55, per_line=2, gutter=12, square=False)
    assert (grid.columns, grid.lines >= 10) == (1, True)


@pytest.mark.parametrize(
    ("panels", "size", "below", "columns"),
    [
        (4, (118, 33), 0, 2),  # nothing is below
        (4, (118, 33), 12, 4),  # 11 lines in place of 14 leave half of the screen
        (4, (198, 53), 12, 4),
        (2, (118, 33), 10, 2),
        (4, (98, 33), 12, 2),  # panels of a row of four would be too narrow
        (4, (118, 33), 25, 2),  # not enough would be left
        (4, (58, 13), 12, 2),
    ],
)
def test_squares_are_the_largest_or_nearly_so_with_room_below(
    panels: int, size: tuple[int, int], below: int, columns: int
) -> None:
    width, height = size
    grid = arranged(panels, 0, width, height, per_line=2, gutter=6, square=True, below=below)
    assert grid.columns == columns
    assert -(-panels // columns) * grid.height <= height
    assert columns * (grid.width + GAP) - GAP <= width


# --- scores


def scored(onset: int, fit: int, slower: float, synchrony: float, test: float) -> RunRecord:
    scores = {ScoreKey("fit_break", "cka"): slower, ScoreKey("synchrony", "cka"): synchrony}
    curve = Curve(np.array([0, 200]), np.array([0.1, test]))
    phases = Phases(onset=onset, fit=fit)
    return replace(record(), phases=phases, scores=scores, curves={"test/acc": curve})


def test_the_scores_that_matter_have_their_units_and_differences_from_the_first_run() -> None:
    runs = Linked((scored(16, 62, 3.0, 0.9, 0.75), scored(8, 71, 2.0, 0.95, 0.84)))
    onset, fit, slower, synchrony, test = main_scores(runs, "cka")
    assert (onset.unit, onset.values, onset.differences[1]) == ("epochs", ("16", "8"), "−8")
    assert fit.differences == ("", "+9")
    assert (slower.unit, slower.values) == ("× slower", ("8.0", "4.0"))
    assert slower.differences[1] == "×0.5"
    assert (synchrony.values, synchrony.differences[1]) == (("0.90", "0.95"), "+0.05")
    assert (test.unit, test.values, test.differences[1]) == ("%", ("75.0", "84.0"), "+9.0")


def test_equal_scores_differ_by_zero_and_missing_ones_by_nothing() -> None:
    first = scored(16, 62, 3.0, 0.9, 0.75)
    without = replace(first, scores={}, phases=Phases(onset=16))
    found = {score.name: score for score in main_scores(Linked((first, without)), "cka")}
    assert found["memorisation onset"].differences == ("", "0")
    assert (found["perfect fit"].values[1], found["perfect fit"].differences[1]) == ("–", "")
    assert found["fit break (CKA)"].values[1] == "–"


def in_tokens(run: RunRecord) -> RunRecord:
    dynamics = present(run.dynamics)
    dynamics = replace(dynamics, steps=dynamics.steps * 1_000_000, unit="tokens")
    curves = {n: Curve(c.steps * 1_000_000, c.values) for n, c in run.curves.items()}
    phases = Phases(onset=9_000_000, fit=29_000_000)
    return replace(run, dynamics=dynamics, curves=curves, phases=phases)


def test_runs_in_tokens_are_compared_in_tokens() -> None:
    runs = Linked((in_tokens(record(1)), in_tokens(record(2))))
    assert runs.link == "tokens"
    assert runs.at(1_200_000, 0) == "tokens 1,200,000"
    assert {score.unit for score in main_scores(runs, "cka")[:2]} == {"tokens"}


def test_runs_of_different_units_are_linked_by_phase() -> None:
    runs = Linked((record(1), in_tokens(record(2))))
    assert runs.link == "phase"
    assert [runs.translated(epoch, 0, 1) for epoch in (0, 9, 29, 200)] == [
        0,
        9_000_000,
        29_000_000,
        200_000_000,
    ]
    onset = main_scores(runs, "cka")[0]
    assert onset.differences == ("", "")


def test_phase_alignment_does_not_depend_on_the_unit() -> None:
    first, second = record(1), replace(record(2), phases=Phases(onset=3, fit=60))
    large = replace(in_tokens(second), phases=Phases(onset=3_000_000, fit=60_000_000))
    for epoch in (1, 5, 20, 100):
        near = phase_aligned(epoch, first, second)
        assert phase_aligned(epoch, first, large) / 1e6 == pytest.approx(near, abs=0.51)


# --- differences


def test_a_difference_is_grey_where_it_is_within_its_error() -> None:
    values, errors = np.array([[0.0, 0.1, -0.1]]), np.array([[0.05, 0.05, 0.2]])
    made = difference(values, errors, ("a",), np.array([0, 1, 2]), Phases(), "epoch")
    assert made.within_error.tolist() == [[True, False, True]]


def test_the_scale_of_a_difference_is_symmetric_and_its_largest_is_named() -> None:
    values = np.array([[0.02, -0.3], [0.1, 0.0]])
    made = difference(values, None, ("a", "b"), np.array([0, 9]), Phases(), "epoch")
    assert made.scale.low == -made.scale.high
    assert made.largest() == "largest: a, epoch 9: −0.3000"


def test_differences_have_their_sign_but_zero() -> None:
    assert signed(0.1, float("nan")) == "+0.1000"
    assert signed(-0.1, 0.004) == "−0.100 ± .004"
    assert signed(-0.0, float("nan")) == signed(-1e-9, float("nan")) == "0.0000"


def test_no_difference_is_dark_in_dark_themes_and_light_in_light_ones() -> None:
    middle = {name: table(name)[127:129].mean() for name in (DIVERGING, DIVERGING_ON_LIGHT)}
    assert middle[DIVERGING] < 40
    assert middle[DIVERGING_ON_LIGHT] > 230


@pytest.mark.parametrize("count", [2, 4])
def test_no_score_is_cut_at_any_width(count: int) -> None:
    made = [
        replace(
            scored(16 + i, 62 - i, 3.0 - i / 2, 0.9, 0.75), summary=record(i, name=name).summary
        )
        for i, name in enumerate(map("-".join, NAMES[:count]))
    ]
    runs = Linked(tuple(made))
    found = main_scores(runs, "cka")
    for width in range(55, 120):
        console = Console(width=width, color_system=None, force_terminal=False)
        with console.capture() as captured:
            console.print(summary(runs, found, width - EDGES))
        text = captured.get()
        for score in found:
            assert score.name in text
            assert all(each in text for each in (*score.values, *score.differences))
        heads = text.partition("─")[0]
        assert "…" not in heads.replace("vit…", "").replace("resnet18…", ""), heads
