"""Figures: that they show the data they are given, on axes that say what they are."""

import io
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import Collection
from matplotlib.colors import to_hex, to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from PIL import Image

from repdyn.display.axis import position
from repdyn.display.labels import PHASES
from repdyn.display.scale import ScaleKind
from repdyn.display.similarity import similarity
from repdyn.errors import UserError
from repdyn.records import LabelMaps, Phases, PlaneSet, RunRecord
from repdyn.report.figures import (
    curves,
    decision_regions,
    fragmentation,
    overview,
    png,
    similarity_matrices,
    standard_figures,
)
from repdyn.report.figures.cells import ITSELF
from repdyn.report.figures.decision import boundaries_at, epochs_drawn
from repdyn.report.figures.phase_marks import MAY_LIE
from repdyn.report.figures.side_by_side import heatmaps, label_maps, metric_curves
from repdyn.report.figures.style import spread
from tests.support import synthetic
from tests.support.present import present

RECORD, PLANES, MAPS = synthetic.run(count=14)
DYNAMICS = present(RECORD.dynamics)
KINDS = ("cka", "regions")
SMALL, SMALL_PLANES, SMALL_MAPS = synthetic.run(layers=("stem", "logits"), count=6)
"""Quick to draw."""


def panels(figure: Figure, title: str) -> list[Axes]:
    return [axes for axes in figure.axes if axes.get_title() == title]


def lines_named(axes: Axes, name: str) -> list[Line2D]:
    return [line for line in axes.lines if line.get_gid() == name]


def points(line: Line2D) -> np.ndarray:
    """Return a line's points (n, 2)."""
    return np.asarray(line.get_xydata())


def cells(mesh: Collection) -> np.ndarray:
    """Return the values of a heatmap's cells, NaN where there is none."""
    values: np.ma.MaskedArray[Any, Any] = np.ma.array(present(mesh.get_array()), dtype=float)
    return np.asarray(values.filled(np.nan))


@pytest.mark.parametrize("kind", KINDS)
def test_each_layer_has_its_matrix_on_one_scale(kind: str) -> None:
    figure = similarity_matrices(RECORD, kind)
    norms = set()
    for i, layer in enumerate(DYNAMICS.layers):
        (axes,) = panels(figure, layer)
        (mesh,) = axes.collections
        matrix = DYNAMICS.similarity[kind][i]
        off = ~np.eye(len(matrix), dtype=bool)
        np.testing.assert_array_equal(cells(mesh)[off], matrix[off])
        norms.add((mesh.norm.vmin, mesh.norm.vmax))
    assert len(norms) == 1
    assert len(panels(figure, "output")) == (kind == "regions")


@pytest.mark.parametrize("kind", KINDS)
def test_the_diagonal_is_grey_and_explained(kind: str) -> None:
    figure = similarity_matrices(RECORD, kind)
    for layer in DYNAMICS.layers:
        (axes,) = panels(figure, layer)
        missing = np.isnan(cells(axes.collections[0]))
        np.testing.assert_array_equal(missing, np.eye(len(DYNAMICS.steps)))
    grey = {
        tuple(np.round(to_rgba(handle.get_facecolor()), 2).tolist())
        for handle, text in zip(
            figure.legends[0].legend_handles, figure.legends[0].get_texts(), strict=True
        )
        if isinstance(handle, Rectangle) and text.get_text() == "a checkpoint with itself"
    }
    assert grey == {(0.88, 0.88, 0.88, 1.0)}


def test_missing_values_are_explained_too() -> None:
    matrices = {"cka": DYNAMICS.similarity["cka"].copy()}
    matrices["cka"][2, 3, 4] = np.nan
    record = replace(RECORD, dynamics=replace(DYNAMICS, similarity=matrices))
    said = [text.get_text() for text in similarity_matrices(record, "cka").legends[0].get_texts()]
    assert "a checkpoint with itself or no value" in said


def test_two_runs_have_the_same_colours_for_the_same_values() -> None:
    """Unless each is drawn on its own scale."""
    dynamics = present(SMALL.dynamics)
    closer = {"cka": 1 - (1 - dynamics.similarity["cka"]) / 50}
    other = replace(SMALL, dynamics=replace(dynamics, similarity=closer))

    def limits(how: ScaleKind) -> set[tuple[float, ...]]:
        figures = [similarity_matrices(run, "cka", how) for run in (SMALL, other)]
        meshes = [axes.collections[0] for f in figures for axes in panels(f, "logits")]
        return {tuple(np.array([m.norm.vmin, m.norm.vmax], float).tolist()) for m in meshes}

    assert limits("fixed") == {(0.0, 0.9999)}
    assert limits("linear") == {(0.0, 1.0)}
    assert len(limits("run")) == 2


BOUNDARIES = Phases(
    onset=4, fit=30, test_min=3, intervals={"onset": (3, 6), "fit": (30, 30), "test_min": (3, 9)}
)


def spans(axes: Axes, name: str) -> list[tuple[float, ...]]:
    """Return the rectangles of a boundary's interval, (x0, x1, y0, y1)."""
    gid = f"{name} interval"
    found = [p for p in axes.patches if p.get_gid() == gid and isinstance(p, Rectangle)]
    return [
        (p.get_x(), p.get_x() + p.get_width(), p.get_y(), p.get_y() + p.get_height()) for p in found
    ]


def test_intervals_are_shaded_wherever_a_boundary_is_drawn() -> None:
    record = replace(SMALL, phases=BOUNDARIES)
    seen = 0
    for name, figure in standard_figures(record, None, [], ()).items():
        for axes in figure.axes:
            if not lines_named(axes, "onset"):
                continue
            seen += 1
            across, *along = spans(axes, "onset")
            assert across == pytest.approx((3, 6, 0, 1)), name
            assert bool(along) == (name in KINDS), "E×E matrices have two epoch axes"
            for one in along:
                assert one == pytest.approx((0, 1, 3, 6))
            assert spans(axes, "fit") == [], "it is known to the epoch"
            assert bool(spans(axes, "test_min")) == bool(lines_named(axes, "test_min"))
    assert seen > 4


def test_the_legend_says_what_is_shaded_and_how_far_it_goes() -> None:
    figure = curves(replace(RECORD, phases=BOUNDARIES))
    said = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "memorisation onset, epoch 4 (3–6)" in said
    assert "perfect fit, epoch 30" in said
    assert MAY_LIE in said
    exact = curves(replace(RECORD, phases=replace(BOUNDARIES, intervals={})))
    assert MAY_LIE not in [text.get_text() for text in exact.legends[0].get_texts()]


def look(line: Line2D) -> tuple[object, str]:
    """Return a line's dash and colour."""
    return line._unscaled_dash_pattern, to_hex(line.get_color())  # type: ignore[attr-defined]


def test_curves_differ_by_dash_as_well_as_by_colour() -> None:
    """Metrics all do; of layers, those next to each other in depth."""
    for axes in curves(RECORD).axes:
        named = [line for line in axes.lines if not str(line.get_label()).startswith("_")]
        looks = [look(line) for line in named]
        assert (
            len({dash for dash, _ in looks}) == len({colour for _, colour in looks}) == len(named)
        )
        layers = [look(*lines_named(axes, n)) for n in DYNAMICS.layers if lines_named(axes, n)]
        assert len(set(layers)) == len(layers)
        assert all(a[0] != b[0] for a, b in pairwise(layers))


def test_the_legend_of_layers_has_the_look_of_their_curves() -> None:
    profiles, legend = (overview(RECORD, "cka").axes[i] for i in (1, -1))
    names = [label.get_text() for label in legend.get_yticklabels()]
    assert names == list(DYNAMICS.layers)
    at = {points(line)[0, 1]: look(line) for line in legend.lines}
    for i, name in enumerate(names):
        assert at[i] == look(*lines_named(profiles, name))


def test_runs_side_by_side_differ_by_dash_and_their_metrics_by_marker() -> None:
    curve = RECORD.curves["test/acc"]
    by_metric = {name: dict.fromkeys(("a", "b", "c", "d"), curve) for name in ("one", "two")}
    (axes,) = metric_curves({"accuracy": by_metric}, "epoch").axes
    looks = [(*look(line), line.get_marker()) for line in axes.lines]
    first, second = looks[:4], looks[4:]
    assert len({dash for dash, *_ in first}) == len({colour for _, colour, _ in first}) == 4
    assert [one[:2] for one in first] == [one[:2] for one in second]
    assert {one[2] for one in first} != {one[2] for one in second}


def test_heatmaps_side_by_side_say_what_lines_and_grey_cells_are() -> None:
    shown = similarity(DYNAMICS, "cka")
    one = shown.of_layer(0, shown.scale(), RECORD.phases)
    (legend,) = heatmaps("two runs", [one, one]).legends
    said = {text.get_text() for text in legend.get_texts()}
    assert said >= {ITSELF, PHASES["onset"], PHASES["fit"]}
    plain_rows = replace(one, rows=tuple(map(str, range(len(one.values)))))
    (legend,) = heatmaps("two runs", [plain_rows, plain_rows]).legends
    assert ITSELF not in {text.get_text() for text in legend.get_texts()}


def test_phase_lines_cross_both_axes_at_their_epochs() -> None:
    (axes,) = panels(similarity_matrices(RECORD, "cka"), "logits")
    across, along = lines_named(axes, "fit")
    assert set(points(across)[:, 0]) == {synthetic.FIT}
    assert set(points(along)[:, 1]) == {synthetic.FIT}
    assert len(lines_named(axes, "onset")) == 2


def test_the_epoch_axis_is_logarithmic_with_a_place_for_zero() -> None:
    (axes,) = panels(similarity_matrices(RECORD, "cka"), "logits")
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "1", "10", "100"]
    to_axes = axes.transData + axes.transAxes.inverted()
    at = [to_axes.transform((epoch, 1))[0] for epoch in (0, 1, 10, 100)]
    expected = position([0, 1, 10, 100])
    np.testing.assert_allclose(np.diff(at) / np.diff(expected), np.ptp(at) / np.ptp(expected))


@pytest.mark.parametrize("kind", KINDS)
def test_an_overview_has_the_layers_in_order_and_the_curves_below(kind: str) -> None:
    figure = overview(RECORD, kind)
    cells, _, below = figure.axes[:3]
    named = [label.get_text() for label in cells.get_yticklabels()]
    assert named[: len(synthetic.RESNET18)] == list(synthetic.RESNET18)
    assert cells.get_ylim()[0] > cells.get_ylim()[1], "the first layer is on top"
    shown = present(cells.collections[0].get_array())
    np.testing.assert_array_equal(shown[0], DYNAMICS.similarity[kind][0, :, -1])
    assert below.get_xlabel() == "epoch"
    (test,) = [line for line in below.lines if line.get_label() == "test"]
    np.testing.assert_array_equal(test.get_ydata(), RECORD.curves["test/acc"].values)


@pytest.mark.parametrize("kind", KINDS)
def test_the_last_checkpoint_is_not_compared_with_itself(kind: str) -> None:
    """It would be 1 in every run: an edge that is none."""
    figure = overview(RECORD, kind)
    mesh, profiles = figure.axes[:2]
    grey = np.isnan(np.ma.filled(present(mesh.collections[0].get_array()), np.nan))
    assert grey[:, -1].all()
    assert not grey[:, 1:-1].any()
    for name in DYNAMICS.layers:
        (line,) = lines_named(profiles, name)
        assert np.isfinite(points(line)[:-1, 1]).all()
        assert np.isnan(points(line)[-1, 1])
    said = [text.get_text() for text in figure.legends[0].get_texts()]
    assert any(text.startswith("a checkpoint with itself") for text in said)


@pytest.mark.parametrize("kind", KINDS)
def test_an_overviews_profiles_have_their_errors_as_bands(kind: str) -> None:
    matrices = DYNAMICS.similarity[kind]
    errors = {kind: np.full(matrices.shape, 0.01)}
    record = replace(RECORD, dynamics=replace(DYNAMICS, errors=errors))
    profiles = overview(record, kind).axes[1]
    low, high = profiles.get_ylim()
    for layer, name in enumerate(DYNAMICS.layers):
        (line,) = lines_named(profiles, name)
        value = matrices[layer, 3, -1]
        assert points(line)[3, 1] == pytest.approx(np.clip(value, low, high))
        (band,) = [one for one in profiles.collections if one.get_gid() == f"{name} error"]
        (path,) = band.get_paths()
        vertices = np.asarray(path.vertices)
        at = vertices[vertices[:, 0] == DYNAMICS.steps[3], 1]
        ends = np.clip([value - 1.96 * 0.01, value + 1.96 * 0.01], low, high)
        assert [at.min(), at.max()] == pytest.approx(ends)


def test_profiles_without_errors_have_no_bands() -> None:
    profiles = overview(RECORD, "cka").axes[1]
    drawn = [path for band in profiles.collections for path in band.get_paths()]
    assert not any(np.asarray(path.vertices).size for path in drawn)


def test_change_points_are_marked_in_their_layers_row() -> None:
    record = replace(RECORD, phases=Phases(change_points=((), (7,)) + ((),) * 8))
    (marks,) = lines_named(overview(record, "cka").axes[0], "change points")
    assert points(marks).tolist() == [[7, 1]]


def test_curves_have_labelled_axes() -> None:
    figure = curves(RECORD)
    assert {axes.get_ylabel() for axes in figure.axes if axes.get_ylabel()} >= {"accuracy", "loss"}


def test_fragmentation_draws_a_line_for_each_layer_and_the_output() -> None:
    (axes, *_) = fragmentation(RECORD).axes
    drawn = [line for line in axes.lines if len(points(line)) == len(DYNAMICS.steps)]
    assert len(drawn) == len(DYNAMICS.layers) + 1


def test_decision_regions_mark_the_anchors_and_their_labels() -> None:
    plane = len(PLANES.kinds) - 1
    figure = decision_regions(RECORD, PLANES, MAPS, synthetic.DIGITS, plane, [0, 9])
    titles = [axes.get_title() for axes in figure.axes]
    given, true = PLANES.labels[plane, 0], PLANES.true_labels[plane, 0]
    assert f"A: {given}\ntrue: {true}" in titles
    assert "epoch 0" in titles
    assert f"epoch {DYNAMICS.steps[-1]}" in titles
    first = figure.axes[0]
    for letter, at in zip("ABC", PLANES.coords[plane], strict=True):
        (disc,) = lines_named(first, letter)
        np.testing.assert_allclose(points(disc)[0], at)


def test_decision_regions_say_what_fills_the_rings() -> None:
    plane = len(PLANES.kinds) - 1
    figure = decision_regions(RECORD, PLANES, MAPS, synthetic.DIGITS, plane, [0])
    assert "each filled in the colour of the label it was given" in figure.get_suptitle()
    shown = dict(
        zip(
            (text.get_text() for text in figure.legends[0].get_texts()),
            (to_hex(patch.get_facecolor()) for patch in figure.legends[0].get_patches()),
            strict=True,
        )
    )
    for letter, label in zip("ABC", PLANES.labels[plane], strict=True):
        (disc,) = lines_named(figure.axes[0], letter)
        assert to_hex(disc.get_markerfacecolor()) == shown[synthetic.DIGITS[label]]


def test_decision_regions_are_drawn_at_the_boundaries() -> None:
    steps = np.array([0, 1, 2, 3, 5, 8, 13, 30, 60, 120, 200])
    found = Phases(onset=5, fit=35, test_min=3, test_peak=14)
    drawn = epochs_drawn(steps.tolist(), found, 6)
    assert drawn == [0, 3, 5, 13, 30, 200]
    assert epochs_drawn(steps.tolist(), found, 4) == [0, 5, 30, 200], "onset and fit first"
    named = [boundaries_at(at, drawn, found) for at in drawn]
    assert named == ["", "min", "onset", "peak 14", "fit 35", ""]
    together = Phases(onset=5, fit=5)
    assert boundaries_at(5, [0, 5, 200], together) == "onset, fit"


def test_a_figure_drawn_twice_is_the_same_file() -> None:
    record = replace(SMALL, phases=BOUNDARIES)
    files: list[list[bytes]] = []
    for _ in range(2):
        figures = (
            overview(record, "cka"),
            decision_regions(record, SMALL_PLANES, SMALL_MAPS, synthetic.DIGITS, 0, [0]),
        )
        files.append([png(figure) for figure in figures])
    assert files[0] == files[1]


def test_classes_beyond_256_have_the_colours_and_names_of_their_own() -> None:
    record, planes, maps = synthetic.with_classes((RECORD, PLANES, MAPS), 300)
    drawn = decision_regions(record, planes, maps, planes.classes, 0, [0, 9])
    before = decision_regions(RECORD, PLANES, MAPS, synthetic.DIGITS, 0, [0, 9])
    (legend,) = drawn.legends
    named = [text.get_text() for text in legend.get_texts()]
    assert set(named[:-1]) <= set(planes.classes[290:])
    assert named[-1] == "other classes"

    def borders(figure: Figure) -> np.ndarray:
        image = present(figure.axes[0].images[0].get_array())
        edges: np.ndarray = (image[:, 1:] != image[:, :-1]).any(axis=-1)
        return edges

    np.testing.assert_array_equal(borders(drawn), borders(before))


def test_label_maps_of_runs_with_many_classes_are_drawn() -> None:
    _, planes, maps = synthetic.with_classes((RECORD, PLANES, MAPS), 300)
    figure = label_maps("regions", {"a": maps[-1].fine[-1, 0]}, planes.classes)
    assert "class 29" in figure.legends[0].get_texts()[0].get_text()


def test_decision_regions_need_label_maps() -> None:
    with pytest.raises(UserError, match="no label maps yet"):
        decision_regions(RECORD, PLANES, [], synthetic.DIGITS, 0, [0])


@pytest.mark.parametrize(
    "made",
    [
        synthetic.run(count=1, last=0),
        synthetic.run(noise=False, count=6),
        synthetic.run(layers=("only",), count=5),
        synthetic.run(layers=tuple(f"blocks.{i}" for i in range(13)), count=4),
    ],
    ids=["one checkpoint", "no noise", "one layer", "thirteen layers"],
)
def test_unusual_runs_have_their_figures(
    made: tuple[RunRecord, PlaneSet, tuple[LabelMaps, ...]],
) -> None:
    record, planes, maps = made
    figures = standard_figures(record, planes, maps, synthetic.DIGITS)
    assert {"cka", "regions", "overview_cka", "curves", "decision_regions"} <= set(figures)


def test_a_figure_becomes_a_picture() -> None:
    with Image.open(io.BytesIO(png(similarity_matrices(RECORD, "cka")))) as picture:
        assert picture.format == "PNG"
        assert picture.width > 1000
        assert len(np.unique(np.asarray(picture.convert("L")))) > 5


def test_before_the_first_checkpoint_there_are_curves() -> None:
    assert set(standard_figures(replace(RECORD, dynamics=None), None, [], ())) == {"curves"}


def test_labels_are_moved_apart_and_keep_their_order() -> None:
    moved = spread([0.5, 0.5, 0.52, 0.9], gap=0.1, low=0, high=1)
    assert np.diff(moved).min() > 0.1 - 1e-9
    assert moved[3] == 0.9
    assert sum(moved[:3]) / 3 == pytest.approx((0.5 + 0.5 + 0.52) / 3)


def test_names_with_dollar_signs_are_no_formulas() -> None:
    record = replace(RECORD, summary=synthetic.summary(name="cost $x_1$ $"))
    assert png(curves(record))
