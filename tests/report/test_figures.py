"""Figures: that they show the data they are given, on axes that say what they are."""

import io
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image

from repdyn.display.axis import position
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
from repdyn.report.figures.side_by_side import label_maps
from repdyn.report.figures.style import spread
from tests.support import synthetic
from tests.support.present import present

RECORD, PLANES, MAPS = synthetic.run(count=14)
DYNAMICS = present(RECORD.dynamics)
KINDS = ("cka", "regions")


def panels(figure: Figure, title: str) -> list[Axes]:
    return [axes for axes in figure.axes if axes.get_title() == title]


def lines_named(axes: Axes, name: str) -> list[Line2D]:
    return [line for line in axes.lines if line.get_gid() == name]


def points(line: Line2D) -> np.ndarray:
    """Return a line's points (n, 2)."""
    return np.asarray(line.get_xydata())


@pytest.mark.parametrize("kind", KINDS)
def test_each_layer_has_its_matrix_on_one_scale(kind: str) -> None:
    figure = similarity_matrices(RECORD, kind)
    norms = set()
    for i, layer in enumerate(DYNAMICS.layers):
        (axes,) = panels(figure, layer)
        (mesh,) = axes.collections
        np.testing.assert_array_equal(mesh.get_array(), DYNAMICS.similarity[kind][i])
        norms.add((mesh.norm.vmin, mesh.norm.vmax))
    assert len(norms) == 1
    assert len(panels(figure, "output")) == (kind == "regions")


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
