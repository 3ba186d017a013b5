"""From values to colours."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest
from rich.color import Color, ColorSystem

from repdyn.display.class_colours import CLASS_COLOURS, ClassColours
from repdyn.display.scale import Scale
from repdyn.report.figures.decision import class_rgb
from tui.widgets import colormap
from tui.widgets.palette_256 import lightness

EVEN = Scale("", 0.0, 1.0, (0.0, 1.0), logarithmic=False)


@pytest.mark.parametrize("name", [*colormap.SEQUENTIAL, colormap.DIVERGING])
def test_a_colour_map_is_that_of_matplotlib(name: str) -> None:
    theirs = mpl.colormaps[name](np.linspace(0, 1, colormap.SIZE))[:, :3] * 255
    assert np.abs(colormap.table(name) - theirs).max() <= 6


@pytest.mark.parametrize("name", colormap.SEQUENTIAL)
def test_a_sequential_colour_map_grows_lighter_all_the_way(name: str) -> None:
    lightness = colormap.table(name)[::16] @ np.array([0.2126, 0.7152, 0.0722])
    assert np.all(np.diff(lightness) > 0)


@pytest.mark.parametrize("name", colormap.SEQUENTIAL)
def test_in_256_colours_it_grows_no_darker_as_the_terminal_is_sent_it(name: str) -> None:
    few = colormap.table(name + colormap.FEW).tolist()
    sent = [Color.from_rgb(*rgb).downgrade(ColorSystem.EIGHT_BIT).get_truecolor() for rgb in few]
    assert (np.diff(lightness(sent)) >= 0).all()
    assert len(set(sent)) >= 10


@pytest.mark.parametrize("name", colormap.SEQUENTIAL)
def test_in_256_colours_it_looks_much_the_same(name: str) -> None:
    off = np.abs(colormap.table(name + colormap.FEW).astype(int) - colormap.table(name))
    assert off.mean() < 20


def test_values_run_from_the_first_to_the_last_colour_and_those_beyond_take_the_ends() -> None:
    found = colormap.indices(np.array([-1.0, 0.0, 0.5, 1.0, 2.0]), EVEN)
    assert found.tolist() == [0, 0, 128, 255, 255]


def test_nan_has_an_index_of_its_own() -> None:
    assert colormap.indices(np.array([np.nan]), EVEN).tolist() == [colormap.MISSING]


def test_a_logarithmic_scale_spaces_colours_by_the_distance_from_one() -> None:
    scale = Scale("", 0.9, 0.999, (0.9, 0.999), logarithmic=True)
    found = colormap.indices(np.array([0.9, 0.99, 0.999, 1.0]), scale)
    assert np.abs(found - np.array([0, 127.5, 255, 255])).max() <= 0.5


@pytest.mark.parametrize("name", colormap.SEQUENTIAL)
def test_what_stands_out_is_black_on_the_lightest_and_white_on_the_darkest(name: str) -> None:
    contrasts = colormap.contrasts(name, colormap.WHITE)
    assert (contrasts[255], contrasts[0]) == (colormap.BLACK, colormap.WHITE)


def test_what_stands_out_from_nan_is_what_was_asked_for() -> None:
    assert colormap.contrasts("viridis", colormap.BLACK)[colormap.MISSING] == colormap.BLACK


def test_classes_have_the_colours_of_the_figures() -> None:
    table = colormap.table(colormap.CLASSES) / 255
    np.testing.assert_allclose(table[:10], class_rgb(ClassColours(10)), atol=1e-6)
    shared = class_rgb(ClassColours(15, range(10)))[10:]
    np.testing.assert_allclose(table[10:15], shared, atol=1e-6)


def test_up_to_ten_classes_have_a_colour_each() -> None:
    assert ClassColours(10).places.tolist() == list(range(10))


def test_of_more_classes_the_first_named_and_then_the_most_frequent_have_a_colour() -> None:
    colours = ClassColours(100, [42])
    colours.see([np.array([[7, 7], [9, 42]], dtype=np.uint8)])
    assert colours.places[[42, 7, 9]].tolist() == [0, 1, 2]


def test_classes_that_find_no_colour_are_grey() -> None:
    colours = ClassColours(20, range(10))
    colours.see([np.full((2, 2), 15, dtype=np.uint8)])
    assert colours.places[15] >= len(CLASS_COLOURS)


def test_a_class_keeps_its_colour_when_other_maps_are_seen() -> None:
    colours = ClassColours(100)
    colours.see([np.full((2, 2), 50, dtype=np.uint8)])
    before = colours.places[50]
    colours.see([np.full((9, 9), 60, dtype=np.uint8)])
    assert colours.places[50] == before
