"""Decision regions: colours of classes, anchors, two maps and where they differ."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from rich.color import Color
from textual.css.scalar import Scalar

from repdyn.display.class_colours import CLASS_COLOURS
from repdyn.records import PlaneSet
from tests.support.drawn import Stage, characters, pixel, play, screen, text
from tui.widgets.regions import BELOW, Regions, agreement, anchor_points

NAMES = ("zero", "one", "two")
QUARTERS = np.array([[0, 1], [2, 1]], dtype=np.uint8)


def regions(label_map: np.ndarray = QUARTERS, **changes: Any) -> Regions:
    widget = Regions()
    widget.set_data(label_map, **{"classes": NAMES} | changes)
    return widget


def class_colour(index: int) -> tuple[int, int, int]:
    return Color.parse(CLASS_COLOURS[index]).get_truecolor()


def test_points_have_the_colours_of_their_classes_the_first_row_at_the_bottom() -> None:
    async def scenario(stage: Stage[Regions]) -> None:
        corners = [pixel(stage.widget, x, y) for x, y in ((0, 37), (35, 37), (0, 2), (35, 2))]
        assert corners == [class_colour(k) for k in (0, 1, 2, 1)]

    play(regions(), scenario, (60, 20))


def test_a_map_is_square_and_fills_the_height() -> None:
    async def scenario(stage: Stage[Regions]) -> None:
        across = [x for x in range(60) if pixel(stage.widget, x, 10) is not None]
        down = [y for y in range(2, 38) if pixel(stage.widget, 0, y) is not None]
        assert (len(across), len(down)) == (36, 36)

    play(regions(), scenario, (60, 20))


def test_the_legend_names_the_classes_that_are_seen() -> None:
    async def scenario(stage: Stage[Regions]) -> None:
        assert text(stage.widget, 19).split() == ["zero", "two"]

    play(regions(np.array([[0, 2], [2, 2]], dtype=np.uint8)), scenario, (60, 20))


def test_the_legend_names_classes_without_a_colour_as_one() -> None:
    async def scenario(stage: Stage[Regions]) -> None:
        drawn = screen(stage.widget)
        assert "class 99" in drawn
        assert drawn.count("class ") == 10
        assert "other classes" in drawn

    many = np.arange(100, dtype=np.uint8).reshape(10, 10)
    names = [f"class {i}" for i in range(100)]
    play(regions(many, classes=names, first=[99]), scenario, (120, 20))


@pytest.mark.parametrize("classes", [300, 65_536])
def test_classes_beyond_256_are_told_apart(classes: int) -> None:
    async def scenario(stage: Stage[Regions]) -> None:
        drawn = screen(stage.widget)
        assert f"class {classes - 1}" in drawn
        assert "agree on 75 %" in drawn
        corners = [pixel(stage.widget, x, y) for x, y in ((0, 18), (16, 18))]
        assert corners == [class_colour(0), class_colour(1)]

    last = classes - 1
    first = np.array([[last, last % 256], [5, 5]], dtype=np.uint16)
    other = np.array([[last, 7], [5, 5]], dtype=np.uint16)
    names = [f"class {i}" for i in range(classes)]
    play(regions(first, classes=names, first=[last, last % 256], other=other), scenario, (90, 20))


@pytest.mark.usefixtures("no_colour")
def test_many_classes_without_colours_are_letters() -> None:
    async def scenario(stage: Stage[Regions]) -> None:
        assert "class 299" in screen(stage.widget)

    map_ = np.arange(200, 300, dtype=np.uint16).reshape(10, 10)
    names = [f"class {i}" for i in range(300)]
    play(regions(map_, classes=names, first=[299]), scenario, (120, 20))


def test_anchors_are_marked_where_they_lie() -> None:
    async def scenario(stage: Stage[Regions]) -> None:
        drawn = screen(stage.widget).splitlines()
        places = {letter: [i for i, line in enumerate(drawn) if letter in line] for letter in "ABC"}
        assert all(len(lines) == 1 for lines in places.values())
        assert places["A"] == places["B"] > places["C"]
        line = drawn[places["A"][0]]
        assert line.index("A") < line.index("B")

    anchors = [(0.0, 0.0), (0.0, 3.0), (3.0, 1.0)]
    play(regions(np.zeros((4, 4), dtype=np.uint8), anchors=anchors), scenario, (60, 20))


def test_anchors_lie_on_the_grid_where_the_plane_has_them() -> None:
    empty = np.empty(0, np.uint8)
    planes = PlaneSet(
        anchors=empty,
        labels=empty,
        true_labels=empty,
        kinds=empty,
        coords=np.array([[[0.0, 0.0], [4.0, 0.0], [2.0, 2.0]]]),
        extent=np.array([[-1.0, 5.0, -1.0, 3.0]]),
        fine=empty,
    )
    found = anchor_points(planes, 0, 13)
    assert np.allclose(found, [(3, 2), (3, 10), (9, 6)])


def test_agreement_is_the_share_of_points_with_the_same_class() -> None:
    other = np.array([[0, 1], [0, 0]], dtype=np.uint8)
    assert agreement(QUARTERS, other) == 0.5


def test_beside_two_maps_the_points_where_they_differ_have_the_class_of_the_second() -> None:
    async def scenario(stage: Stage[Regions]) -> None:
        third = 2 * (18 + 2)
        corners = [
            pixel(stage.widget, third + x, y) for x, y in ((0, 18), (16, 18), (0, 2), (16, 2))
        ]
        assert corners[2] == class_colour(1)
        agreeing = {corners[i] for i in (0, 1, 3)}
        assert len(agreeing) == 1
        assert not agreeing & {class_colour(k) for k in range(3)}

    other = np.array([[0, 1], [1, 1]], dtype=np.uint8)
    play(regions(other=other), scenario, (60, 20))


def test_the_titles_and_the_share_stand_above() -> None:
    async def scenario(stage: Stage[Regions]) -> None:
        assert text(stage.widget, 0).split() == ["[b]8", "50", "agree", "on", "75", "%"]

    other = np.array([[0, 1], [1, 1]], dtype=np.uint8)
    play(regions(title="[b]8", other=other, other_title="50"), scenario, (60, 20))


@pytest.mark.usefixtures("no_colour")
def test_without_colours_classes_are_letters_and_agreement_is_dots() -> None:
    async def scenario(stage: Stage[Regions]) -> None:
        line = text(stage.widget, 1)
        assert set(line) == {"2", "1", " ", "·"}
        assert "00 zero  11 one  22 two" in screen(stage.widget)

    other = np.array([[0, 1], [1, 1]], dtype=np.uint8)
    play(regions(other=other), scenario, (60, 20))


@pytest.mark.parametrize("size", [(300, 100), (60, 20), (10, 4), (2, 2), (1, 1)])
def test_any_size_is_filled(size: tuple[int, int]) -> None:
    async def scenario(stage: Stage[Regions]) -> None:
        assert all(len(characters(stage.widget, y)) == size[0] for y in range(size[1]))

    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 100, (2, 24, 24)).astype(np.uint8)
    names = [f"class {i}" for i in range(100)]
    anchors = [(0, 0), (0, 23), (23, 11)]
    play(regions(first, classes=names, other=second, anchors=anchors), scenario, size)


def test_without_data_it_is_blank() -> None:
    async def scenario(stage: Stage[Regions]) -> None:
        assert screen(stage.widget).strip() == ""

    play(Regions(), scenario)


@pytest.mark.parametrize(
    ("height", "expected"),
    [(40, 1 + 19 + 1), (24, 24 - BELOW)],  # each of three maps is 38 columns wide, so 19 lines high
)
def test_of_maps_side_by_side_the_spare_lines_are_left_to_what_is_below(
    height: int, expected: int
) -> None:
    async def scenario(stage: Stage[Regions]) -> None:
        stage.widget.fit(118, height)
        assert stage.widget.styles.height == Scalar.from_number(expected)

    play(regions(other=QUARTERS), scenario, (118, 40))


def test_maps_that_arrive_for_a_view_that_is_hidden_change_nothing() -> None:
    async def scenario(stage: Stage[Regions]) -> None:
        before = stage.widget.styles.height
        stage.widget.fit(0, -2)
        assert stage.widget.styles.height == before

    play(regions(other=QUARTERS), scenario, (118, 40))
