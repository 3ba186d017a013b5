"""The colour bar."""

from __future__ import annotations

import pytest

from repdyn.display.scale import Scale
from tests.support.drawn import Stage, characters, play, text
from tui.widgets import colormap
from tui.widgets.colorbar import Colorbar, labels

EVEN = Scale("", 0.0, 1.0, (0.0, 1.0), logarithmic=False)


def colorbar(scale: Scale | None = EVEN) -> Colorbar:
    widget = Colorbar()
    widget.scale = scale
    return widget


def test_it_names_the_ends_and_the_middle() -> None:
    async def scenario(stage: Stage[Colorbar]) -> None:
        assert text(stage.widget, 0).split() == ["0.0", "0.5", "1.0"]

    play(colorbar(), scenario, (60, 3))


def test_its_colours_run_from_the_first_to_the_last() -> None:
    async def scenario(stage: Stage[Colorbar]) -> None:
        seen = {c.background.get_truecolor() for c in characters(stage.widget, 0) if c.background}
        table = colormap.table("magma")
        assert tuple(table[0].tolist()) in seen
        assert tuple(table[255].tolist()) in seen

    widget = colorbar()
    widget.cmap = "magma"
    play(widget, scenario, (60, 3))


def test_the_middle_of_a_logarithmic_scale_is_even_in_the_distance_from_one() -> None:
    assert labels(Scale("", 0.9, 0.999, (), logarithmic=True)) == ("0.9", "0.99", "0.999")


def test_a_narrow_scale_is_written_to_the_places_that_it_needs() -> None:
    assert labels(Scale("", 0.81, 0.83, (), logarithmic=False)) == ("0.81", "0.82", "0.83")


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
