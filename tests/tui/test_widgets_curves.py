"""Curves: what is drawn where, the cursor and the legend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from textual.app import App, ComposeResult
from textual.widget import Widget

from repdyn.records import Curve
from tests.support.drawn import Stage, characters, play, screen, text
from tests.support.heatmaps import heatmap_data
from tests.support.present import present
from tui.widgets import braille
from tui.widgets.curves import Curves
from tui.widgets.heatmap import Heatmap

EPOCHS = np.arange(16)
RISING = Curve(EPOCHS, np.log1p(EPOCHS) / np.log(16))  # straight on the log-epoch axis
FLAT = Curve(EPOCHS, np.full(16, 0.25))


def curves(series: dict[str, Curve] | None = None, **changes: Any) -> Curves:
    """Curves with labels 10 columns wide."""
    widget = Curves()
    widget.label_width = 10
    given = {"rising": RISING} if series is None else series
    widget.set_data(given, **{"low": 0.0, "high": 1.0} | changes)
    return widget


def one_row() -> Heatmap:
    """A heatmap of values that are not known."""
    widget = Heatmap()
    widget.set_data(heatmap_data(np.full((1, 4), np.nan), ("a",), range(4)))
    return widget


def dots(widget: Curves, lines: range) -> np.ndarray:
    """The dots of the plot, (4 · lines, 2 · columns), read off the braille."""
    codes = [[ord(c.text) for c in characters(widget, line)][10:] for line in lines]
    return unpacked(np.maximum(np.array(codes) - braille.BLANK, 0))


def unpacked(drawn: np.ndarray) -> np.ndarray:
    """The dots of braille bits (lines, columns), (4 · lines, 2 · columns)."""
    bits = ((1, 8), (2, 16), (4, 32), (64, 128))
    return np.array([[bool(c & b) for c in row for b in pair] for row in drawn for pair in bits])


def test_a_horizontal_line_is_one_row_of_dots() -> None:
    drawn = unpacked(braille.polyline(np.array([0.0, 4.9]), np.array([1.0, 1.0]), 5, 2))
    assert drawn[0].all()
    assert not drawn[1:].any()


def test_a_vertical_line_is_one_column_of_dots() -> None:
    drawn = unpacked(braille.polyline(np.array([1.0, 1.0]), np.array([0.0, 1.0]), 3, 2))
    assert drawn[:, 2].all()
    assert drawn.sum() == 8


def test_a_diagonal_has_one_dot_in_each_row_and_column() -> None:
    drawn = unpacked(braille.polyline(np.array([0.0, 3.9]), np.array([1.0, 0.0]), 4, 2))
    assert np.array_equal(drawn, np.eye(8, dtype=bool))


def test_nan_interrupts_a_line() -> None:
    x, y = np.array([0.0, 1.0, 2.0, 3.0, 4.5]), np.array([0.0, 0.0, np.nan, 0.0, 0.0])
    drawn = unpacked(braille.polyline(x, y, 5, 1))
    assert np.flatnonzero(drawn[3]).tolist() == [0, 1, 2, 6, 7, 8, 9]


def test_a_lone_point_is_a_dot() -> None:
    assert unpacked(braille.polyline(np.array([2.0]), np.array([0.0]), 5, 1)).sum() == 1


def test_what_lies_beyond_the_axis_is_not_drawn() -> None:
    assert not braille.polyline(np.array([0.0, 4.0]), np.array([1.5, 1.5]), 5, 2).any()


def test_a_curve_straight_in_the_log_of_epochs_is_drawn_as_the_diagonal() -> None:
    async def scenario(stage: Stage[Curves]) -> None:
        drawn = dots(stage.widget, range(1, 19))
        column, height = np.arange(drawn.shape[1]), drawn.shape[0]
        top = np.array([np.flatnonzero(c).mean() if c.any() else np.nan for c in drawn.T])
        wanted = (height - 1) * (1 - column / (drawn.shape[1] - 1))
        assert np.nanmax(np.abs(top - wanted)) <= 1.5
        assert np.isfinite(top).mean() > 0.95

    play(curves(), scenario, (60, 20))


def test_each_curve_has_its_colour() -> None:
    async def scenario(stage: Stage[Curves]) -> None:
        seen = {
            present(c.colour).get_truecolor()
            for c in characters(stage.widget, 14)
            if ord(c.text) > 0x2800
        }
        assert (255, 0, 0) in seen

    play(curves({"flat": FLAT}, colours={"flat": "#ff0000"}), scenario, (60, 20))


def test_the_legend_shows_the_values_at_the_cursor() -> None:
    async def scenario(stage: Stage[Curves]) -> None:
        stage.widget.cursor = 7
        assert text(stage.widget, 0).split() == ["━━━", "rising", "0.750", "━━━", "flat", "0.250"]

    play(curves({"rising": RISING, "flat": FLAT}), scenario)


def test_a_long_legend_takes_further_lines() -> None:
    async def scenario(stage: Stage[Curves]) -> None:
        assert all(f"metric number {i}" in screen(stage.widget) for i in range(6))

    play(curves({f"metric number {i}": FLAT for i in range(6)}), scenario)


def test_the_cursor_is_a_line_at_its_epoch() -> None:
    async def scenario(stage: Stage[Curves]) -> None:
        stage.widget.cursor = 15
        assert text(stage.widget, 10)[59] == "│"
        assert text(stage.widget, 19).split()[-1] == "15"

    play(curves({"flat": FLAT}), scenario)


def test_where_the_cursor_has_been_the_curves_are_as_before() -> None:
    async def scenario(stage: Stage[Curves]) -> None:
        before = screen(stage.widget)
        stage.widget.cursor = 7
        assert screen(stage.widget) != before
        stage.widget.cursor = None
        assert screen(stage.widget) == before

    play(curves({"flat": FLAT}), scenario)


@pytest.mark.parametrize("make", [curves, one_row])
def test_another_theme_changes_the_background(make: Callable[[], Widget]) -> None:
    async def scenario(stage: Stage[Widget]) -> None:
        stage.pilot.app.theme = "textual-dark"
        await stage.pilot.pause()
        dark = characters(stage.widget, 4)[0].background
        stage.pilot.app.theme = "textual-light"
        await stage.pilot.pause()
        light = characters(stage.widget, 4)[0].background
        assert light == stage.widget.rich_style.bgcolor
        assert dark != light

    play(make(), scenario)


@pytest.mark.parametrize(
    ("keys", "epoch"),
    [(["left"], 15), (["left", "left"], 14), (["home"], 0), (["home", "l"], 1), (["end", "l"], 15)],
)
def test_keys_move_the_cursor_by_epochs(keys: list[str], epoch: int) -> None:
    async def scenario(stage: Stage[Curves]) -> None:
        await stage.pilot.press(*keys)
        assert stage.of(Curves.CursorMoved)[-1].epoch == epoch

    play(curves(), scenario)


def test_a_click_sets_the_cursor_to_the_nearest_epoch() -> None:
    async def scenario(stage: Stage[Curves]) -> None:
        await stage.pilot.click(Curves, offset=(35, 5))
        assert stage.widget.cursor == 3  # half of the way on the log-epoch axis from 0 to 15

    play(curves(), scenario)


def test_new_data_leave_the_cursor_at_its_epoch() -> None:
    async def scenario(stage: Stage[Curves]) -> None:
        stage.widget.cursor = 7
        longer = np.arange(40)
        stage.widget.set_data({"rising": Curve(longer, longer / 39)})
        assert stage.widget.cursor == 7

    play(curves(), scenario)


def test_a_marker_is_a_dotted_line_with_its_name() -> None:
    async def scenario(stage: Stage[Curves]) -> None:
        halfway = 10 + 24  # of 50 columns, on the log-epoch axis from 0 to 15
        assert characters(stage.widget, 5)[halfway].text == "┊"
        assert "▲fit 3" in text(stage.widget, 19)

    play(curves({"flat": FLAT}, markers={"fit": 3}), scenario)


def test_a_logarithmic_axis_labels_decades() -> None:
    async def scenario(stage: Stage[Curves]) -> None:
        labels = [text(stage.widget, line)[:10].strip() for line in range(1, 19)]
        assert [label for label in labels if label] == ["1", ".1", ".01"]

    loss = Curve(EPOCHS, 10.0 ** -np.linspace(0, 2, 16))
    widget = curves({"loss": loss}, low=None, high=None)
    widget.logarithmic = True
    play(widget, scenario)


def test_columns_aligned_with_a_heatmap_are_those_of_its_cells() -> None:
    epochs = [0, 1, 2, 3, 5, 8, 12, 15]

    class Both(App[None]):
        def compose(self) -> ComposeResult:
            heatmap, below = Heatmap(), curves(columns=epochs)
            heatmap.label_width = 10
            values = np.zeros((2, len(epochs)))
            heatmap.set_data(heatmap_data(values, ("a", "b"), epochs))
            yield heatmap
            yield below

    async def scenario(stage: Stage[Curves]) -> None:
        app = Both()
        async with app.run_test(size=(70, 30)) as pilot:
            await pilot.pause()
            heatmap, below = app.query_one(Heatmap), app.query_one(Curves)
            for epoch in epochs:
                heatmap.cursor = (0, epochs.index(epoch))
                below.cursor = epoch
                lit = [x for x, c in enumerate(characters(heatmap, 14)) if c.reverse]
                assert lit == [x for x, c in enumerate(characters(below, 14)) if c.reverse]

    play(curves(), scenario)


@pytest.mark.usefixtures("no_colour")
def test_without_colours_curves_differ_by_their_dashes() -> None:
    async def scenario(stage: Stage[Curves]) -> None:
        drawn = dots(stage.widget, range(1, 19))
        solid, dashed = drawn[:36].any(axis=0).mean(), drawn[36:].any(axis=0).mean()
        assert solid > 0.95
        assert dashed < 0.75

    high = Curve(EPOCHS, np.full(16, 0.8))
    play(curves({"high": high, "low": FLAT}), scenario)


@pytest.mark.parametrize("size", [(300, 100), (12, 4), (3, 2), (1, 1)])
def test_any_size_is_filled(size: tuple[int, int]) -> None:
    async def scenario(stage: Stage[Curves]) -> None:
        await stage.pilot.press("left", "home")
        assert all(len(characters(stage.widget, y)) == size[0] for y in range(size[1]))

    play(curves({"rising": RISING, "flat": FLAT}, markers={"fit": 3}), scenario, size)


@pytest.mark.parametrize(
    "series",
    [
        {},
        {"none yet": Curve(np.empty(0, dtype=np.int64), np.empty(0))},
        {"one": Curve(np.array([4]), np.array([0.5]))},
        {"unknown": Curve(np.array([1, 2]), np.array([np.nan, np.nan]))},
    ],
)
def test_curves_without_a_line_are_shown_without_one(series: dict[str, Curve]) -> None:
    async def scenario(stage: Stage[Curves]) -> None:
        await stage.pilot.press("left", "home", "end")
        drawn = dots(stage.widget, range(1, 19))
        assert drawn.sum() <= 1

    play(curves(series, low=None, high=None), scenario)
