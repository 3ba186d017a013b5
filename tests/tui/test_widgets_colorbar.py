"""The colour bar."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import pytest

from repdyn.display.scale import Scale
from tests.support.drawn import Stage, characters, play, text
from tui.widgets import colormap
from tui.widgets.colorbar import LEAST_NAMED, Colorbar, labels

EVEN = Scale("", 0.0, 1.0, (0.0, 1.0), logarithmic=False)


def colorbar(scale: Scale | None = EVEN) -> Colorbar:
    widget = Colorbar()
    widget.scale = scale
    return widget


DECADES = Scale("", 0.0, 0.999, (), logarithmic=True)


def test_a_linear_scale_says_so_and_labels_its_ends_and_round_values() -> None:
    async def scenario(stage: Stage[Colorbar]) -> None:
        found = text(stage.widget, 0).split()
        assert found[:2] == ["fixed", "linear"]
        assert (found[2], found[-1]) == ("0", "1")
        assert found[3:-1] == [".2", ".4", ".6", ".8"]

    play(colorbar(), scenario, (60, 3))


@pytest.mark.parametrize("width", [36, 44, 60])
def test_a_log_scale_says_so_and_labels_decades_where_they_are(width: int) -> None:
    async def scenario(stage: Stage[Colorbar]) -> None:
        line = text(stage.widget, 0)
        assert line.split() == ["fixed", "log", "0", ".5", ".9", ".99", ".999"]
        first, last = line.index("0"), width - 1
        for value in (0.5, 0.9, 0.99):
            label = f"{value:g}".removeprefix("0")
            start = line.index(f" {label} ") + 1
            middle = start + (len(label) - 1) / 2
            share = -np.log10(1 - value) / 3
            assert abs(middle - (first + share * (last - first))) <= 1

    play(colorbar(DECADES), scenario, (width, 3))


def test_a_narrow_bar_has_what_fits_of_it() -> None:
    async def scenario(stage: Stage[Colorbar]) -> None:
        assert text(stage.widget, 0).split() == ["log", "0", ".9", ".99", ".999"]

    play(colorbar(DECADES), scenario, (22, 3))


@pytest.mark.parametrize("scale", [EVEN, DECADES], ids=["linear", "log"])
@pytest.mark.parametrize("span", ["fixed", "run", "view"])
@pytest.mark.parametrize("width", [20, 26, 44])  # beside a title in 60, 80 and 132 columns
def test_it_says_what_its_colours_span(
    width: int, span: Literal["fixed", "run", "view"], scale: Scale
) -> None:
    async def scenario(stage: Stage[Colorbar]) -> None:
        line = text(stage.widget, 0)
        words = line[: line.index("0")].split()
        assert (words[0] == span) == (span != "fixed" or width >= LEAST_NAMED)
        assert ("log" in words) == scale.logarithmic
        assert len(line.split()) >= len(words) + 2, "the ends of the scale"

    play(colorbar(replace(scale, span=span)), scenario, (width, 3))


def test_it_is_one_bar_without_a_gap() -> None:
    async def scenario(stage: Stage[Colorbar]) -> None:
        shown = characters(stage.widget, 0)[len("fixed log ") :]
        background = stage.widget.rich_style.bgcolor
        assert all(one.background not in (None, background) for one in shown)

    play(colorbar(DECADES), scenario, (44, 3))


def test_labels_stand_out_from_the_colours_behind_them() -> None:
    async def scenario(stage: Stage[Colorbar]) -> None:
        for one in characters(stage.widget, 0)[len("fixed log ") :]:
            if one.text.strip():
                assert one.colour is not None
                assert one.background is not None
                ink, under = (
                    np.dot(c.get_truecolor(), [0.299, 0.587, 0.114])
                    for c in (one.colour, one.background)
                )
                assert abs(ink - under) > 100

    play(colorbar(DECADES), scenario, (44, 3))


def test_its_colours_run_from_the_first_to_the_last() -> None:
    async def scenario(stage: Stage[Colorbar]) -> None:
        seen = {c.background.get_truecolor() for c in characters(stage.widget, 0) if c.background}
        table = colormap.table("magma")
        assert tuple(table[0].tolist()) in seen
        assert tuple(table[255].tolist()) in seen

    widget = colorbar()
    widget.cmap = "magma"
    play(widget, scenario, (60, 3))


def test_a_narrow_scale_is_written_to_the_places_that_it_needs() -> None:
    found = labels(Scale("", 0.81, 0.83, (), logarithmic=False), 40)
    assert [*found.values()][:: len(found) - 1] == [".81", ".83"]
    assert ".82" in found.values()


def test_a_difference_is_labelled_with_its_signs() -> None:
    found = labels(Scale("", -0.2, 0.2, (), logarithmic=False), 40)
    assert {"−.2", "−.1", "0", "+.1", "+.2"} <= {*found.values()}


def test_labels_do_not_touch() -> None:
    for scale in (EVEN, DECADES, Scale("", 0.9, 0.9998, (), logarithmic=True)):
        for room in range(8, 80):
            found = sorted(labels(scale, room).items())
            ends = [at + len(label) for at, label in found]
            assert all(end < at for end, (at, _) in zip(ends, found[1:], strict=False))
            assert ends[-1] <= room


@pytest.mark.parametrize("width", [1, 8, 300])
def test_any_width_is_filled_exactly(width: int) -> None:
    async def scenario(stage: Stage[Colorbar]) -> None:
        assert len(characters(stage.widget, 0)) == width

    play(colorbar(), scenario, (width, 2))


def test_without_a_scale_it_is_blank() -> None:
    async def scenario(stage: Stage[Colorbar]) -> None:
        assert text(stage.widget, 0) == ""

    play(colorbar(None), scenario, (60, 3))


@pytest.mark.usefixtures("no_colour")
def test_without_colours_it_shows_the_ramp_of_glyphs() -> None:
    async def scenario(stage: Stage[Colorbar]) -> None:
        drawn = text(stage.widget, 0)
        assert drawn.index("░") < drawn.index("▒") < drawn.index("▓") < drawn.index("█")

    play(colorbar(), scenario, (60, 3))
