"""Figures for a paper: their exact size, legible text that overlaps nowhere, the same bytes each time."""

from __future__ import annotations

import itertools
import re
import time
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from scipy import stats

from repdyn.analysis.drift import FLOOR
from repdyn.analysis.effects import Effect
from repdyn.analysis.findings import Finding
from repdyn.display.phase_bands import phase_bands
from repdyn.display.scale import ScaleKind
from repdyn.errors import UserError
from repdyn.measures.spec import MEASURES
from repdyn.records import Curve, LabelMaps, Phases, PlaneSet, RunRecord
from repdyn.report.figures.cells import ITSELF, MISSING
from repdyn.report.figures.drift import UNRESOLVED
from repdyn.report.figures.paper import (
    FORMATS,
    MOST_GROUPS,
    PAGE,
    PaperFigure,
    Regions,
    Shown,
    latex,
    paper_figures,
    pdf,
    png,
    svg,
    titled,
)
from repdyn.report.figures.paper.colour_bar import WITHIN_ERROR
from repdyn.report.figures.paper.forest import Panel, Row, forest
from repdyn.report.figures.paper.seeds import NORMAL_95, curve_over_seeds, phases_over_seeds
from repdyn.report.figures.phase_marks import MAY_LIE
from repdyn.runs import figures as runs_figures
from repdyn.score_key import ScoreKey
from repdyn.settings.schema import StoreConfig
from tests.support import synthetic
from tests.support.partial_runs import PARTIAL, curves, dynamics
from tests.support.present import present

Made = tuple[RunRecord, PlaneSet, tuple[LabelMaps, ...]]

LAYERS = ("stem", "layer1.0", "logits")
VIT = ("patch_embed", *(f"blocks.{i}" for i in range(12)), "logits")
DPI, POINT = 288, 4
"""Of the renderer that measures texts, and its pixels per point."""

PAPER_MEASURES = [measure.name for measure in MEASURES.values() if measure.of_paper]
INTERVALS = {"onset": (7, 11), "fit": (27, 32), "test_peak": (20, 26)}


def shown(made: Made, label: str = "resnet18 sgd", seeds: int = 1) -> Shown:
    record, planes, maps = made
    runs = (record, *(another_seed(record, label, seed) for seed in range(1, seeds)))
    named = replace(planes, classes=synthetic.DIGITS)
    return Shown(label, runs, Regions(named, maps))


def another_seed(record: RunRecord, label: str, seed: int) -> RunRecord:
    """Return a run like another: its test accuracy and CKA are lower, its perfect fit is later."""
    measured = present(record.dynamics)
    cka = measured.similarity["cka"]
    lower = np.where(cka < 1, cka - np.float32(0.01 * seed), cka)
    test = record.curves["test/acc"]
    return replace(
        record,
        summary=replace(record.summary, name=f"{label}-{seed}", run_id=f"{seed:032x}"),
        dynamics=measured.with_similarity(cka=lower),
        curves={**record.curves, "test/acc": replace(test, values=test.values - 0.02 * seed)},
        phases=replace(record.phases, fit=synthetic.FIT + 3 * seed, intervals={}),
    )


def small(**settings: object) -> Made:
    return synthetic.run(**{"layers": LAYERS, "count": 6, "fine_grid": 8} | settings)


RUN = small()
DENSE = small(count=12)
"""Its checkpoints are near enough for drift rates."""

ERROR = 0.003
UNCERTAIN = (
    replace(
        RUN[0],
        phases=replace(RUN[0].phases, intervals=INTERVALS),
        dynamics=replace(
            present(RUN[0].dynamics),
            errors={
                "cka": np.full_like(present(RUN[0].dynamics).similarity["cka"], np.float32(ERROR))
            },
        ),
    ),
    *RUN[1:],
)


def partial(name: str) -> Shown:
    parts = PARTIAL[name]
    measured = dynamics(parts) if parts.measured else None
    record = RunRecord(synthetic.summary(name=name), measured, curves(parts), Phases(), {})
    return Shown(name, (record,))


def with_missing_layer() -> Made:
    record, planes, maps = RUN
    measured = present(record.dynamics)
    holes = {name: values.copy() for name, values in measured.similarity.items()}
    for values in holes.values():
        values[1] = np.nan
    return replace(record, dynamics=measured.with_similarity(**holes)), planes, maps


def hostile() -> Shown:
    record, planes, maps = small(layers=("$x_1$", "a\N{BULLET}$", "l" * 120))
    names = tuple(f"class $^{{{i}}}$ {'w' * 40}" for i in range(10))
    return replace(
        shown((record, planes, maps), f"$\\frac{{{'m' * 90}"),
        regions=Regions(replace(planes, classes=names), maps),
    )


GROUPS = {
    "one run": [shown(UNCERTAIN)],
    "four groups": [
        shown(UNCERTAIN, "resnet18 sgd", seeds=3),
        shown(RUN, "resnet18 adam"),
        shown(small(layers=VIT), "vit_tiny sgd"),
        shown(small(layers=VIT, last=40), "vit_tiny adam"),
    ],
    "no noise": [shown(small(noise=False))],
    "a layer without values": [shown(with_missing_layer())],
    "sixty layers": [shown(small(layers=tuple(f"model.layers.{i}" for i in range(60)), count=12))],
    "two checkpoints": [shown(small(last=1))],
    "one checkpoint": [shown(small(last=0))],
    "tokens and steps": [partial("language-model"), partial("text-classifier")],
    "losses": [partial("one-plane"), partial("before-the-first")],
    "hostile text": [hostile()],
    "a page": [
        replace(shown(RUN, f"resnet18 sgd lr {i}"), regions=None) for i in range(MOST_GROUPS)
    ],
}

LARGE = ("four groups", "a page", "sixty layers")
SLOW = pytest.mark.slow


def figure_named(groups: Sequence[Shown], name: str) -> PaperFigure:
    return next(figure for figure in paper_figures(groups) if figure.name.startswith(name))


def texts(figure: Figure) -> list[Text]:
    """Return the texts that are seen: not empty, not of hidden ticks."""
    figure.draw_without_rendering()
    hidden = {
        id(label)
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for tick in (*axis.majorTicks, *axis.minorTicks)
        for label in (tick.label1, tick.label2)
        if not _within(axes, axis.axis_name, tick.get_loc())
    }
    found = figure.findobj(lambda one: isinstance(one, Text))
    return [
        text
        for text in dict.fromkeys(found)
        if isinstance(text, Text)
        and text.get_visible()
        and text.get_text()
        and id(text) not in hidden
    ]


def _within(axes: Axes, name: str, place: float) -> bool:
    low, high = sorted(axes.get_xlim() if name == "x" else axes.get_ylim())
    return bool(low <= place <= high)


def overlaps(figure: Figure) -> list[tuple[str, str]]:
    """Return the pairs of texts that overlap, and the texts that reach out of the figure."""
    figure.set_dpi(DPI)
    with mpl.rc_context({"text.hinting": "none"}):  # which would widen text
        boxes = [(text.get_text(), text.get_window_extent()) for text in texts(figure)]
    wide, high = figure.get_size_inches() * figure.dpi
    pairs = [
        (a, b)
        for (a, one), (b, other) in itertools.combinations(boxes, 2)
        if min(one.x1, other.x1) - max(one.x0, other.x0) > POINT / 4
        and min(one.y1, other.y1) - max(one.y0, other.y0) > 2 * POINT  # descenders may meet
    ]
    outside = [
        (text, "the border")
        for text, box in boxes
        if min(box.x0, box.y0, wide - box.x1, high - box.y1) < -POINT / 4
    ]
    return pairs + outside


@pytest.mark.parametrize(
    ("name", "width"),
    [
        *(pytest.param(name, 3.25, marks=SLOW if name in LARGE else ()) for name in GROUPS),
        ("one run", 5.5),
        pytest.param("four groups", 6.75, marks=SLOW),
        ("hostile text", 6.75),
    ],
)
def test_text_is_legible_and_overlaps_nowhere(name: str, width: float) -> None:
    for one in paper_figures(GROUPS[name]):
        figure = one.draw(width)
        assert figure.get_size_inches()[0] == width
        assert figure.get_size_inches()[1] <= 9.5
        found = texts(figure)
        assert min(float(text.get_fontsize()) for text in found) >= 7
        assert not [text for text in found if "^" in text.get_text() and text.get_parse_math()]
        assert overlaps(figure) == [], one.name


def test_a_title_is_above_what_is_as_large_as_without_it() -> None:
    one = figure_named(GROUPS["one run"], "matrices_cka")
    plain, with_title = one.draw(3.25), titled(one.draw(3.25), one.title)
    assert one.title in {text.get_text() for text in texts(with_title)} - {
        text.get_text() for text in texts(plain)
    }
    assert overlaps(with_title) == []
    before, after = (
        np.array([axes.get_window_extent().bounds[2:] for axes in figure.axes]) / figure.dpi
        for figure in (plain, with_title)
    )
    np.testing.assert_allclose(before, after)


@pytest.mark.parametrize("width", [3.25, 5.5])
def test_a_pdf_has_the_columns_width_and_truetype_fonts(width: float) -> None:
    figure = figure_named(GROUPS["one run"], "error_curves").draw(width)
    with mpl.rc_context({"pdf.compression": 0}):
        content = pdf(figure)
    box = re.search(rb"/MediaBox \[ ?([\d. ]+) ?\]", content)
    _, _, wide, high = map(float, present(box)[1].split())
    assert wide == width * 72
    assert high == pytest.approx(figure.get_size_inches()[1] * 72, abs=0.01)
    assert b"/FontFile2" in content, "TrueType"
    assert b"/Type3" not in content
    assert b"CreationDate" not in content


def test_svg_text_is_text_with_the_layers_names() -> None:
    for measure in PAPER_MEASURES:
        content = svg(figure_named(GROUPS["one run"], f"matrices_{measure}").draw(3.25))
        root = ET.fromstring(content)
        assert root.attrib["width"] == "234pt"
        said = {"".join(one.itertext()) for one in root.iter("{http://www.w3.org/2000/svg}text")}
        assert {"stem", "epoch", "resnet18 sgd"} <= said
        assert ("output" in said) == MEASURES[measure].includes_output


def test_the_same_runs_give_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    def contents() -> list[bytes]:
        figures = paper_figures(GROUPS["one run"])
        drawn = figures[0].draw(3.25), figures[-1].draw(3.25)
        return [content(figure) for figure in drawn for content in (pdf, svg, png)]

    first = contents()
    later = time.time() + 100_000
    monkeypatch.setattr(time, "time", lambda: later)
    assert contents() == first


def test_a_row_for_each_group_has_the_layers_by_depth_on_one_scale() -> None:
    figure = figure_named(GROUPS["four groups"], "matrices_cka").draw(6.75)
    panels = [axes for axes in figure.axes if axes.get_title()]
    titles = [axes.get_title() for axes in panels]
    assert titles[:6] == [*LAYERS, *LAYERS]
    assert titles[6:13] == [VIT[i] for i in (0, 2, 4, 6, 9, 11, 13)]
    assert len(titles) == 6 + 2 * 7
    assert (
        len({(axes.collections[0].norm.vmin, axes.collections[0].norm.vmax) for axes in panels})
        == 1
    )
    rows = [
        {round(axes.get_position().y0, 6) for axes in panels[i:j]} for i, j in ((0, 3), (6, 13))
    ]
    assert [len(row) for row in rows] == [1, 1], "panels of a row align"
    shown_values = np.ma.getdata(present(panels[0].collections[0].get_array()))
    expected = present(UNCERTAIN[0].dynamics).similarity["cka"][0].copy()
    np.fill_diagonal(expected, np.nan)  # it says nothing of the run
    np.testing.assert_array_equal(shown_values, expected)


def test_phase_lines_are_drawn_in_every_matrix() -> None:
    figure = figure_named(GROUPS["one run"], "matrices_cka").draw(3.25)
    for axes in figure.axes:
        if axes.get_title():
            assert [line.get_gid() for line in axes.lines] == ["onset", "onset", "fit", "fit"]
            named = [patch.get_gid() for patch in axes.patches]
            assert named == ["onset interval"] * 2 + ["fit interval"] * 2


def test_a_layer_without_values_is_explained() -> None:
    figure = figure_named(GROUPS["a layer without values"], "matrices_cka").draw(3.25)
    assert f"{ITSELF} or {MISSING}" in {text.get_text() for text in texts(figure)}
    whole = figure_named(GROUPS["one run"], "matrices_cka").draw(3.25)
    assert ITSELF in {text.get_text() for text in texts(whole)}


def test_errors_are_one_minus_accuracies_and_bands_lie_on_their_axis() -> None:
    figure = figure_named(GROUPS["one run"], "error_curves").draw(3.25)
    above, below = figure.axes
    lines = {line.get_label(): np.asarray(line.get_ydata()) for line in above.lines}
    record = UNCERTAIN[0]
    for name in ("train", "test"):
        np.testing.assert_allclose(lines[f"{name} error"], 1 - record.curves[f"{name}/acc"].values)
    np.testing.assert_array_equal(
        lines["noisy fit accuracy"], record.curves["train/acc_noisy"].values
    )
    assert above.get_xlim() == below.get_xlim()
    (one, other) = (axes.get_position() for axes in (above, below))
    assert (one.x0, one.x1) == (other.x0, other.x1)
    bands = {
        str(patch.get_gid()): (patch.get_x(), patch.get_x() + patch.get_width())
        for patch in below.patches
        if isinstance(patch, Rectangle)
    }
    assert bands == {
        "onset": (synthetic.ONSET, synthetic.FIT),
        "fit": (synthetic.FIT, 200),
        "test_min": (synthetic.TEST_MIN, synthetic.TEST_PEAK),
        **{f"{name} interval": interval for name, interval in INTERVALS.items()},
    }


def test_without_noise_there_is_no_memorisation() -> None:
    figure = figure_named(GROUPS["no noise"], "error_curves").draw(3.25)
    said = {text.get_text() for text in texts(figure)}
    assert {"train error", "test error", "after perfect fit"} <= said
    assert not {"noisy fit accuracy", "memorisation", MAY_LIE} & said


def test_bands_lie_between_the_boundaries_that_were_found() -> None:
    def spans(phases: Phases) -> dict[str, tuple[int, int]]:
        return {b.period.start: (b.first, b.last) for b in phase_bands(phases, 100)}

    assert spans(Phases()) == {}
    assert spans(Phases(onset=5)) == {"onset": (5, 100)}
    assert spans(Phases(fit=20, test_min=4)) == {"fit": (20, 100)}
    assert spans(Phases(onset=20, fit=20)) == {"fit": (20, 100)}
    assert spans(Phases(fit=100)) == {}
    assert spans(Phases(test_min=4, test_peak=9)) == {"test_min": (4, 9)}


def test_decision_regions_have_a_row_for_probes_and_output_and_a_column_for_each_epoch() -> None:
    figure = figure_named(GROUPS["one run"], "decision_regions_resnet18-sgd").draw(3.25)
    maps = [axes for axes in figure.axes if axes.images]
    assert len(maps) == (len(LAYERS) + 1) * 4
    said = [text.get_text() for text in texts(figure)]
    assert [name for name in said if name in (*LAYERS, "output")] == [*LAYERS, "output"]
    assert "epoch 0" in said


def test_captions_say_which_runs_are_drawn_and_how_many() -> None:
    captions = {one.name: one.caption for one in paper_figures(GROUPS["four groups"])}
    first = "resnet18 sgd: resnet18-sgd-digits (3f9c1a5b), the first by name of 3 runs"
    assert first in captions["matrices_cka"].splitlines()
    all_three = (
        "resnet18 sgd: n = 3 runs, resnet18-sgd-digits (3f9c1a5b), resnet18 sgd-1 (00000000), "
        "resnet18 sgd-2 (00000000)"
    )
    for name in ("layers_cka", "layer_curves_cka", "error_curves"):
        assert all_three in captions[name].splitlines()
    assert "vit_tiny adam: resnet18-sgd-digits (3f9c1a5b)" in captions["error_curves"]
    assert "truly" in captions["decision_regions_resnet18-sgd"]


def test_captions_say_what_bands_dots_and_colours_mean() -> None:
    alone = {one.name: one.caption for one in paper_figures(GROUPS["one run"])}
    several = {one.name: one.caption for one in paper_figures(GROUPS["four groups"], "run")}
    assert "Bands: 95 %, by the standard error over reference images." in alone["layer_curves_cka"]
    assert "standard error over reference images" in alone["layers_cka"]
    assert "Dots" not in alone["layers_regions"], "it has no standard errors here"
    assert "medians over the runs" in several["layer_curves_cka"]
    assert "medians" not in alone["layer_curves_cka"] + alone["error_curves"]
    assert "from 0 to 0.9999, even in log(1 − CKA): the same limits" in alone["matrices_cka"]
    assert "the range of the values drawn" in several["matrices_cka"]


def test_each_measure_has_figures_but_matrices_only_those_of_the_paper() -> None:
    names = [one.name for one in paper_figures([*GROUPS["one run"], partial("language-model")])]
    of_layers = [
        f"{kind}_{m}" for m in ("cka", "regions", "knn") for kind in ("layers", "layer_curves")
    ]
    assert {*of_layers} <= {*names}
    assert [name for name in names if name.startswith("matrices")] == [
        f"matrices_{name}" for name in PAPER_MEASURES
    ]
    assert {"error_curves", "decision_regions_resnet18-sgd"} <= {*names}
    sparse = [one.name for one in paper_figures(GROUPS["one run"])]
    assert not [name for name in sparse if name.startswith("drift")], (
        "checkpoints are too far apart"
    )


def test_curves_of_seeds_are_their_median_and_bands_their_range() -> None:
    group = shown(RUN, seeds=3)
    (axes, _) = figure_named([group], "error_curves").draw(3.25).axes
    tests = np.stack([1 - run.curves["test/acc"].values for run in group.runs])
    (line,) = (line for line in axes.lines if line.get_label() == "test error")
    np.testing.assert_allclose(np.asarray(line.get_ydata()), np.median(tests, axis=0))
    low, high = band(axes, list(axes.lines).index(line))
    assert (low, high) == pytest.approx((tests.min(), tests.max()))


def test_latex_has_the_least_width_at_which_a_figure_fits_above_its_caption(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heights = {"low": {3.25: PAGE, 6.75: 3.0}, "high": {3.25: PAGE + 0.1, 6.75: 4.0}}
    heights["too_high"] = {3.25: PAGE + 2, 6.75: PAGE + 1}

    def made(name: str) -> PaperFigure:
        return PaperFigure(name, "", "", lambda width: Figure((width, heights[name][width])))

    monkeypatch.setattr(runs_figures, "_records", lambda *_: ([RUN[0]], []))
    monkeypatch.setattr(runs_figures, "_regions", lambda *_: None)
    monkeypatch.setattr(runs_figures, "paper_figures", lambda *_: list(map(made, heights)))
    runs_figures.write_figures(["run"], StoreConfig(), tmp_path, runs_figures.Look())
    included = re.findall(r"includegraphics\{(.*?)\}", (tmp_path / "figures.tex").read_text())
    assert included == ["low_3.25in.pdf", "high_6.75in.pdf", "too_high_6.75in.pdf"]


def test_four_groups_fit_on_a_page_with_their_caption() -> None:
    for figure in paper_figures(GROUPS["four groups"]):
        assert figure.draw(3.25).get_size_inches()[1] <= PAGE + 1e-9, figure.name


@pytest.mark.parametrize("name", GROUPS)
def test_captions_have_no_character_that_latex_lacks(name: str) -> None:
    latex([(one, "", 3.25) for one in paper_figures(GROUPS[name])]).encode("ascii")


def test_profiles_of_seeds_are_their_median_and_bands_their_range() -> None:
    group = shown(RUN, seeds=3)
    matrices = np.stack([present(run.dynamics).similarity["cka"] for run in group.runs])
    to_last = np.median(matrices[..., -1].astype(np.float64), axis=0)
    to_last[:, -1] = np.nan
    (cells, *_) = figure_named([group], "layers_cka").draw(3.25).axes
    colours = np.ma.filled(present(cells.collections[0].get_array()), np.nan)
    np.testing.assert_allclose(colours, to_last)
    (axes,) = figure_named([group], "layer_curves_cka").draw(3.25).axes
    for i, name in enumerate(LAYERS):
        line = next(line for line in axes.lines if line.get_gid() == name)
        np.testing.assert_allclose(np.asarray(line.get_ydata()), np.clip(to_last[i], 0, 0.9999))
        others = matrices[:, i, :-1, -1]
        ends = np.clip([others.min(), others.max()], 0, 0.9999)
        assert band(axes, i) == pytest.approx(tuple(ends), abs=1e-6)


def test_the_band_of_a_single_run_is_its_standard_error() -> None:
    (axes,) = figure_named(GROUPS["one run"], "layer_curves_cka").draw(3.25).axes
    values = present(UNCERTAIN[0].dynamics).similarity["cka"][2, :-1, -1]
    least, most = band(axes, 2)
    assert least == pytest.approx(max(0, values.min() - NORMAL_95 * ERROR), abs=1e-6)
    assert most == pytest.approx(min(0.9999, values.max() + NORMAL_95 * ERROR), abs=1e-6)


def band(axes: Axes, which: int) -> tuple[float, float]:
    """Return the lowest and the highest value of a band."""
    heights = np.asarray(axes.collections[which].get_paths()[0].vertices)[:, 1]
    return float(heights.min()), float(heights.max())


def test_boundaries_of_seeds_are_their_median_and_range_if_most_have_them() -> None:
    of = [Phases(fit=fit, onset=onset) for fit, onset in ((20, 5), (30, None), (50, None))]
    phases = phases_over_seeds([replace(RUN[0], phases=one) for one in of])
    assert phases.markers() == {"fit": 30}
    assert phases.intervals == {"fit": (20, 50)}
    assert phases_over_seeds([UNCERTAIN[0]]) == UNCERTAIN[0].phases


def test_seeds_are_drawn_at_the_steps_that_they_share() -> None:
    steps = np.arange(10)
    whole, shorter, others = (
        Curve(steps, steps * 1.0),
        Curve(steps[:8], steps[:8] * 3.0),
        Curve(steps[5:] + 5, steps[5:] * 9.0),
    )
    found = curve_over_seeds([whole, shorter, others])
    assert found.runs == 2, "the last one shares too few"
    np.testing.assert_array_equal(found.steps, steps[:8])
    np.testing.assert_array_equal(found.middle, 2.0 * steps[:8])


def test_dots_are_in_the_cells_that_differ_from_the_one_before_by_no_more_than_their_error() -> (
    None
):
    (cells, *_) = figure_named(GROUPS["one run"], "layers_cka").draw(3.25).axes
    (dots,) = (one for one in cells.collections if one.get_gid() == WITHIN_ERROR)
    values = present(UNCERTAIN[0].dynamics).similarity["cka"][:, :-1, -1]
    rows, columns = np.nonzero(np.abs(np.diff(values, axis=1)) <= np.float32(ERROR))
    assert len(rows), "the last checkpoint is left out: it is equal to itself"
    at = np.asarray(dots.get_offsets())
    np.testing.assert_array_equal(at[:, 1], rows)
    mesh = cells.collections[0]
    assert isinstance(mesh, QuadMesh)
    borders = np.asarray(mesh.get_coordinates())[0, :, 0]
    assert (borders[columns + 1] < at[:, 0]).all()
    assert (at[:, 0] < borders[columns + 2]).all()
    plain_cells = figure_named([shown(RUN)], "layers_cka").draw(3.25).axes[0]
    assert len(plain_cells.collections) == 1, "without errors there are none"


def test_drift_below_the_resolution_is_not_drawn_and_its_part_of_the_axis_hatched() -> None:
    measured = present(DENSE[0].dynamics)
    calm = measured.similarity["cka"].copy()
    calm[0] = 1
    group = Shown("calm", (replace(DENSE[0], dynamics=measured.with_similarity(cka=calm)),))
    (axes,) = figure_named([group], "drift_cka").draw(3.25).axes
    (hatched,) = (patch for patch in axes.patches if patch.get_gid() == UNRESOLVED)
    box = hatched.get_extents().transformed(axes.transData.inverted())
    assert box.y1 == pytest.approx(FLOOR)
    for line in axes.lines:
        if line.get_gid() == "stem":
            assert np.isnan(np.asarray(line.get_ydata())).all()
        elif line.get_gid() in LAYERS:
            assert (np.asarray(line.get_ydata()) >= FLOOR).all()


@pytest.mark.parametrize("name", ["error_curves", "layer_curves_cka", "drift_cka"])
def test_curves_differ_by_dash_as_well_as_colour(name: str) -> None:
    axes = figure_named(GROUPS["sixty layers"], name).draw(3.25).axes[0]
    shown_lines = [line for line in axes.lines if len(np.asarray(line.get_xdata())) > 2]
    assert len(shown_lines) >= 3
    assert len({str(line._unscaled_dash_pattern) for line in shown_lines}) == len(shown_lines)  # type: ignore[attr-defined]
    assert len({str(line.get_color()) for line in shown_lines}) == len(shown_lines)


def test_colours_have_fixed_limits_unless_the_runs_own_are_asked_for() -> None:
    def limits(groups: Sequence[Shown], how: ScaleKind) -> tuple[float, float, float]:
        one = next(f for f in paper_figures(groups, how) if f.name == "layers_cka")
        norm: Any = one.draw(3.25).axes[0].collections[0].norm
        return float(norm.vmin), float(norm.vmax), float(norm(0.5))

    few, many = GROUPS["one run"], [shown(small(layers=("stem",)))]
    assert limits(few, "fixed") == limits(many, "fixed")
    assert limits(few, "run") != limits(many, "run")
    assert limits(few, "linear")[2] == pytest.approx(0.5)
    assert limits(few, "fixed")[2] < 0.2


EFFECT = Effect(
    score=ScoreKey("fit_break", "cka"),
    contrast="ViT − ResNet",
    seeds=("0", "1", "2"),
    values=(1.0, 2.0, 3.0),
    pairs=3,
    estimate=2.0,
    low=-0.5,
    high=4.5,
    level=0.95,
    null=0.0,
    margin=0.25,
    verdict="undecided",
    seeds_needed=5,
)


def test_effects_are_drawn_with_their_intervals_and_untestable_ones_named() -> None:
    nothing = replace(EFFECT, values=(), estimate=np.nan, low=np.nan, high=np.nan, untestable="no")
    judged = (
        Finding("phases", "Phases differ.", (EFFECT, replace(EFFECT, counted=False, estimate=9.0))),
        Finding("synchrony", "Layers change together.", (nothing,)),
    )
    groups = [shown(RUN), shown(RUN, "vit_tiny sgd")]
    one = next(f for f in paper_figures(groups, findings=judged) if f.name == "effects")
    figure = one.draw(3.25)
    (axes,) = figure.axes
    drawn = {line.get_gid(): np.asarray(line.get_xdata()) for line in axes.lines}
    assert drawn["estimate"].tolist() == [2.0]
    assert drawn["interval"].tolist() == [-0.5, 4.5]
    assert drawn["seeds"].tolist() == [1.0, 2.0, 3.0]
    said = {text.get_text() for text in texts(figure)}
    assert {"ViT − ResNet, CKA", "n = 3", "undecided", "a seed"} <= said
    assert "Not testable on these runs: Layers change together." in one.caption
    assert not {f.name for f in paper_figures(groups)} & {"effects", "scores"}


def test_scores_of_groups_have_the_mean_and_interval_of_their_seeds() -> None:
    key = ScoreKey("fit_break", "cka")
    runs = tuple(replace(RUN[0], scores={key: value}) for value in (1.0, 2.0, 6.0))
    groups = [Shown("resnet18 sgd", runs), Shown("vit_tiny sgd", runs[:1])]
    one = next(
        f
        for f in paper_figures(groups, findings=(Finding("a", "A.", (EFFECT,)),))
        if f.name == "scores"
    )
    figure = one.draw(3.25)
    (axes,) = figure.axes
    means = [np.asarray(line.get_xdata())[0] for line in axes.lines if line.get_gid() == "estimate"]
    assert means == [3.0, 1.0]
    (ends,) = (np.asarray(line.get_xdata()) for line in axes.lines if line.get_gid() == "interval")
    reach = stats.t.ppf(0.975, 2) * np.std([1, 2, 6], ddof=1) / np.sqrt(3)
    np.testing.assert_allclose(ends, [3 - reach, 3 + reach])
    assert overlaps(figure) == []


def test_groups_of_like_names_have_files_of_their_own() -> None:
    alike = [shown(RUN, label) for label in ("a/b", "a b", "..", "$")]
    names = [one.name for one in paper_figures(alike) if one.name.startswith("decision")]
    assert names == [f"decision_regions_{end}" for end in ("a-b", "a-b-2", "run", "run-2")]


def test_without_anything_to_draw_there_is_a_message() -> None:
    record = replace(RUN[0], dynamics=None, curves={})
    with pytest.raises(UserError, match="nothing to draw"):
        paper_figures([Shown("empty", (record,))])


def test_more_groups_than_a_page_holds_take_several_figures() -> None:
    groups = [replace(one, regions=None) for one in [shown(DENSE)] * (MOST_GROUPS + 1)]
    names = [one.name for one in paper_figures(groups)]
    assert {"matrices_cka", "matrices_cka-2", "error_curves-2", "drift_cka-2"} <= {*names}
    last = figure_named(groups, "error_curves-2").draw(3.25)
    assert len([axes for axes in last.axes if axes.get_ylabel() == "share"]) == 1


def test_all_formats_are_what_they_are_called() -> None:
    figure = figure_named(GROUPS["one run"], "error_curves").draw(3.25)
    starts = {"pdf": b"%PDF", "svg": b"<?xml", "png": b"\x89PNG"}
    assert {
        name: printed(figure)[: len(starts[name])] for name, printed in FORMATS.items()
    } == starts


def test_every_mark_of_a_forest_plot_has_its_number() -> None:
    row = Row("some runs", (-0.9, 1.9), 0.5, -0.98, 1.98, null=0.0)
    (axes,) = forest([Panel("A score", (row,))], 3.25).axes
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert (labels[0], labels[-1]) == ("−1", "2")
    assert all(labels)
