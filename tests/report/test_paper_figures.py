"""Figures for a paper: their exact size, legible text that overlaps nowhere, the same bytes each time."""

from __future__ import annotations

import itertools
import re
import time
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from repdyn.display.phase_bands import phase_bands
from repdyn.errors import UserError
from repdyn.measures.spec import MEASURES
from repdyn.records import LabelMaps, Phases, PlaneSet, RunRecord
from repdyn.report.figures.paper import (
    COLUMNS,
    MOST_GROUPS,
    PaperFigure,
    Regions,
    Shown,
    paper_figures,
    pdf,
    svg,
)
from tests.support import synthetic
from tests.support.partial_runs import PARTIAL, curves, dynamics
from tests.support.present import present

Made = tuple[RunRecord, PlaneSet, tuple[LabelMaps, ...]]

LAYERS = ("stem", "layer1.0", "logits")
VIT = ("patch_embed", *(f"blocks.{i}" for i in range(12)), "logits")
DPI, POINT = 288, 4
"""Of the renderer that measures texts, and its pixels per point."""

WIDTHS = sorted(COLUMNS.values())
PAPER_MEASURES = [measure.name for measure in MEASURES.values() if measure.of_paper]
INTERVALS = {"onset": (7, 11), "fit": (27, 32), "test_peak": (20, 26)}


def shown(made: Made, label: str = "resnet18 sgd", seeds: int = 1) -> Shown:
    record, planes, maps = made
    names = tuple(f"{label}-{seed}" for seed in range(seeds))
    named = replace(planes, classes=synthetic.DIGITS)
    return Shown(label, record, names, Regions(named, maps))


def small(**settings: object) -> Made:
    return synthetic.run(**{"layers": LAYERS, "count": 6, "fine_grid": 8} | settings)


RUN = small()
UNCERTAIN = (replace(RUN[0], phases=replace(RUN[0].phases, intervals=INTERVALS)), *RUN[1:])


def partial(name: str) -> Shown:
    parts = PARTIAL[name]
    measured = dynamics(parts) if parts.measured else None
    record = RunRecord(synthetic.summary(name=name), measured, curves(parts), Phases(), {})
    return Shown(name, record, (name,))


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
    "sixty layers": [shown(small(layers=tuple(f"model.layers.{i}" for i in range(60))))],
    "two checkpoints": [shown(small(last=1))],
    "one checkpoint": [shown(small(last=0))],
    "tokens and steps": [partial("language-model"), partial("text-classifier")],
    "losses": [partial("one-plane"), partial("before-the-first")],
    "hostile text": [hostile()],
    "a page": [
        replace(shown(RUN, f"resnet18 sgd lr {i}"), regions=None) for i in range(MOST_GROUPS)
    ],
}


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


@pytest.mark.parametrize("groups", GROUPS.values(), ids=GROUPS.keys())
@pytest.mark.parametrize("width", WIDTHS)
def test_text_is_legible_and_overlaps_nowhere(groups: list[Shown], width: float) -> None:
    for one in paper_figures(groups):
        figure = one.draw(width)
        assert figure.get_size_inches()[0] == width
        assert figure.get_size_inches()[1] <= 9.5
        assert {text.get_fontsize() for text in texts(figure)} <= {7.0, 8.0}
        assert overlaps(figure) == [], one.name


@pytest.mark.parametrize("width", WIDTHS)
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
        return [content(one.draw(3.25)) for one in figures for content in (pdf, svg)]

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
    shown_values = np.asarray(present(panels[0].collections[0].get_array()))
    np.testing.assert_array_equal(shown_values, present(UNCERTAIN[0].dynamics).similarity["cka"][0])


def test_phase_lines_are_drawn_in_every_matrix() -> None:
    figure = figure_named(GROUPS["one run"], "matrices_cka").draw(3.25)
    for axes in figure.axes:
        if axes.get_title():
            assert [line.get_gid() for line in axes.lines] == ["onset", "onset", "fit", "fit"]


def test_a_layer_without_values_is_explained() -> None:
    figure = figure_named(GROUPS["a layer without values"], "matrices_cka").draw(3.25)
    assert "no value" in {text.get_text() for text in texts(figure)}
    whole = figure_named(GROUPS["one run"], "matrices_cka").draw(3.25)
    assert "no value" not in {text.get_text() for text in texts(whole)}


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
    assert not {"noisy fit accuracy", "memorisation", "interval of a boundary"} & said


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


def test_captions_say_which_run_is_drawn_of_how_many() -> None:
    captions = {one.name: one.caption for one in paper_figures(GROUPS["four groups"])}
    line = (
        "resnet18 sgd: resnet18-sgd-digits (3f9c1a5b), the first by name of 3 runs: "
        "resnet18 sgd-0, resnet18 sgd-1, resnet18 sgd-2"
    )
    assert line in captions["matrices_cka"].splitlines()
    assert "vit_tiny adam: resnet18-sgd-digits (3f9c1a5b)" in captions["error_curves"]
    assert "truly" in captions["decision_regions_resnet18-sgd"]


def test_each_paper_measure_has_a_figure_and_no_other() -> None:
    names = [one.name for one in paper_figures(GROUPS["one run"])]
    assert names == [
        *(f"matrices_{name}" for name in PAPER_MEASURES),
        "error_curves",
        "decision_regions_resnet18-sgd",
    ]


def test_groups_of_like_names_have_files_of_their_own() -> None:
    alike = [shown(RUN, label) for label in ("a/b", "a b", "..", "$")]
    names = [one.name for one in paper_figures(alike) if one.name.startswith("decision")]
    assert names == [f"decision_regions_{end}" for end in ("a-b", "a-b-2", "run", "run-2")]


def test_without_anything_to_draw_there_is_a_message() -> None:
    record = replace(RUN[0], dynamics=None, curves={})
    with pytest.raises(UserError, match="nothing to draw"):
        paper_figures([Shown("empty", record, ("empty",))])


def test_more_groups_than_a_page_holds_are_refused() -> None:
    with pytest.raises(UserError, match=f"{MOST_GROUPS + 1} groups of runs; a page holds at most"):
        paper_figures([shown(RUN, str(i)) for i in range(MOST_GROUPS + 1)])
