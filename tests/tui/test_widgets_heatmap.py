"""The heatmap: its cells, its cursor, what it tells."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pytest

from repdyn.records import Phases
from tests.support.drawn import Stage, characters, pixel, play, screen, text
from tests.support.heatmaps import heatmap_data
from tests.support.present import present
from tui.widgets import colormap
from tui.widgets.heatmap import Heatmap
from tui.widgets.heatmap_cells import CHANGE
from tui.widgets.phase_bands import GLYPHS
from tui.widgets.pixels import CURSOR

EPOCHS = (0, 1, 3, 7)
ROWS = ("stem", "middle", "logits")
VALUES = np.linspace(0, 1, 12).reshape(3, 4)


def heatmap(
    values: np.ndarray = VALUES,
    rows: Sequence[str] | None = ROWS,
    epochs: Iterable[int] = EPOCHS,
    phases: Phases | None = None,
    **marks: bool,
) -> Heatmap:
    """A heatmap with its data, labels 10 columns wide."""
    widget = Heatmap()
    widget.label_width = 10
    widget.set_data(heatmap_data(values, rows, epochs, phases), **marks)
    return widget


def square(values: np.ndarray, phases: Phases | None = None, **marks: bool) -> Heatmap:
    """One between checkpoints."""
    return heatmap(values, None, [2**k - 1 for k in range(len(values))], phases, **marks)


def show(
    widget: Heatmap,
    values: np.ndarray,
    rows: Sequence[str] = ROWS,
    epochs: Iterable[int] = EPOCHS,
) -> None:
    widget.set_data(heatmap_data(values, rows, epochs))


def middles(stage: Stage[Heatmap]) -> list[list[tuple[int, int, int] | None]]:
    """The colours in the middle of each cell of a 3×4 heatmap of 50×36 pixels, 12 to a row."""
    return [
        [pixel(stage.widget, 10 + x, 12 * row + 5) for x in (6, 18, 31, 43)] for row in range(3)
    ]


def test_each_cell_has_the_colour_of_its_value() -> None:
    async def scenario(stage: Stage[Heatmap]) -> None:
        stage.widget.cursor = (0, 0)
        drawn = middles(stage)
        table = colormap.table("viridis")
        wanted = [[tuple(table[round(v * 255)].tolist()) for v in row] for row in VALUES]
        assert drawn == wanted

    play(heatmap(), scenario, (60, 19))


def test_the_colour_map_can_change_while_it_is_shown() -> None:
    async def scenario(stage: Stage[Heatmap]) -> None:
        stage.widget.cmap = "gray"
        await stage.pilot.pause()
        assert middles(stage)[2][0] == (round(255 * VALUES[2, 0]),) * 3

    play(heatmap(), scenario, (60, 19))


def test_nan_is_hatched() -> None:
    async def scenario(stage: Stage[Heatmap]) -> None:
        assert text(stage.widget, 0)[10:22] == "╱" * 12

    values = VALUES.copy()
    values[0, 0] = np.nan
    play(heatmap(values), scenario, (60, 19))


def test_the_cursor_starts_at_the_last_epoch_of_the_first_row() -> None:
    async def scenario(stage: Stage[Heatmap]) -> None:
        assert stage.widget.cursor == (0, 3)

    play(heatmap(), scenario)


@pytest.mark.parametrize(
    ("keys", "cell"),
    [
        (["left"], (0, 2)),
        (["h", "h"], (0, 1)),
        (["home"], (0, 0)),
        (["home", "right"], (0, 1)),
        (["home", "l", "end"], (0, 3)),
        (["down", "down"], (2, 3)),
        (["j", "k"], (0, 3)),
        (["pagedown"], (2, 3)),
        (["pagedown", "pageup"], (0, 3)),
        (["right", "up"], (0, 3)),
    ],
)
def test_keys_move_the_cursor_within_the_matrix(keys: list[str], cell: tuple[int, int]) -> None:
    async def scenario(stage: Stage[Heatmap]) -> None:
        await stage.pilot.press(*keys)
        assert stage.widget.cursor == cell

    play(heatmap(), scenario)


def test_a_move_tells_row_column_epoch_and_value() -> None:
    async def scenario(stage: Stage[Heatmap]) -> None:
        await stage.pilot.press("down", "left")
        last = stage.of(Heatmap.CursorMoved)[-1]
        assert (last.row, last.column, last.epoch, last.value) == (1, 2, 3, VALUES[1, 2])

    play(heatmap(), scenario)


def test_a_move_against_the_edge_tells_nothing() -> None:
    async def scenario(stage: Stage[Heatmap]) -> None:
        before = len(stage.of(Heatmap.CursorMoved))
        await stage.pilot.press("right", "up")
        assert len(stage.of(Heatmap.CursorMoved)) == before

    play(heatmap(), scenario)


def test_a_linked_cursor_can_be_moved_without_a_message() -> None:
    async def scenario(stage: Stage[Heatmap]) -> None:
        before = len(stage.of(Heatmap.CursorMoved))
        with stage.widget.prevent(Heatmap.CursorMoved):
            stage.widget.cursor = (2, 1)
        await stage.pilot.pause()
        assert (stage.widget.cursor, len(stage.of(Heatmap.CursorMoved))) == ((2, 1), before)

    play(heatmap(), scenario)


def test_a_click_sets_the_cursor() -> None:
    async def scenario(stage: Stage[Heatmap]) -> None:
        await stage.pilot.click(Heatmap, offset=(10 + 18, 8))
        assert stage.widget.cursor == (1, 1)

    play(heatmap(), scenario, (60, 19))


def test_another_click_reaches_the_row_that_shares_the_character() -> None:
    async def scenario(stage: Stage[Heatmap]) -> None:
        rows = []
        for _ in range(3):
            await stage.pilot.click(Heatmap, offset=(40, 1))
            rows.append(stage.widget.cursor[0])
        assert rows == [2, 3, 2]

    values = np.zeros((8, 4))
    play(heatmap(values, rows=[f"layer{i}" for i in range(8)]), scenario, (60, 5))


def test_a_click_beside_the_cells_leaves_the_cursor() -> None:
    async def scenario(stage: Stage[Heatmap]) -> None:
        await stage.pilot.click(Heatmap, offset=(3, 8))
        assert stage.widget.cursor == (0, 3)

    play(heatmap(), scenario, (60, 19))


def test_the_mouse_tells_each_cell_once_and_when_it_has_left() -> None:
    async def scenario(stage: Stage[Heatmap]) -> None:
        for place in ((12, 2), (13, 2), (30, 2), (3, 2)):
            await stage.pilot.hover(Heatmap, offset=place)
        cells = [(message.row, message.column) for message in stage.of(Heatmap.Hovered)]
        assert cells == [(0, 0), (0, 1)]
        assert len(stage.of(Heatmap.HoverEnded)) == 1

    play(heatmap(), scenario, (60, 19))


def test_the_row_and_the_epoch_of_the_cursor_are_lit() -> None:
    async def scenario(stage: Stage[Heatmap]) -> None:
        await stage.pilot.press("down", "left")
        lit = {
            "".join(c.text for c in characters(stage.widget, line) if c.reverse).strip()
            for line in range(stage.widget.size.height)
        }
        assert lit == {"", "middle", "3"}

    play(heatmap(), scenario)


def test_the_cursor_frames_its_cell_in_what_stands_out() -> None:
    async def scenario(stage: Stage[Heatmap]) -> None:
        stage.widget.cursor = (0, 0)
        assert pixel(stage.widget, 10, 0) == (255, 255, 255)
        stage.widget.cursor = (2, 3)
        assert pixel(stage.widget, 59, 35) == (0, 0, 0)

    play(heatmap(), scenario, (60, 19))


def test_a_move_draws_only_the_lines_of_its_cells_and_the_axis() -> None:
    class Counting(Heatmap):
        drawn: list[int] = []  # noqa: RUF012 - of the one instance

        def render_line(self, y: int) -> Any:
            self.drawn.append(y)
            return super().render_line(y)

    widget = Counting()
    show(widget, np.random.default_rng(0).random((9, 4)), rows=[f"layer{i}" for i in range(9)])

    async def scenario(stage: Stage[Counting]) -> None:
        widget.drawn.clear()
        await stage.pilot.press("left")
        assert sorted(set(widget.drawn)) == [0, 1, 18]

    play(widget, scenario, (60, 19))


def test_new_checkpoints_leave_the_cursor_at_its_epoch_and_row() -> None:
    async def scenario(stage: Stage[Heatmap]) -> None:
        await stage.pilot.press("down", "left")
        show(stage.widget, np.zeros((4, 6)), rows=("new", *ROWS), epochs=(0, 1, 2, 3, 7, 12))
        assert stage.widget.cursor == (2, 3)

    play(heatmap(), scenario)


def test_new_values_are_told_of_the_cursor_that_stayed() -> None:
    async def scenario(stage: Stage[Heatmap]) -> None:
        show(stage.widget, VALUES + 1)
        await stage.pilot.pause()
        assert stage.of(Heatmap.CursorMoved)[-1].value == VALUES[0, 3] + 1

    play(heatmap(), scenario)


def test_a_smaller_matrix_takes_the_cursor_to_the_nearest_epoch() -> None:
    async def scenario(stage: Stage[Heatmap]) -> None:
        await stage.pilot.press("down", "down")
        show(stage.widget, np.zeros((1, 2)), rows=("stem",), epochs=(0, 6))
        assert stage.widget.cursor == (0, 1)

    play(heatmap(), scenario)


def test_a_square_heatmap_has_the_first_epoch_at_the_bottom() -> None:
    async def scenario(stage: Stage[Heatmap]) -> None:
        stage.widget.cursor = (3, 3)
        light = tuple(colormap.table("viridis")[255].tolist())
        corners = [pixel(stage.widget, 10 + x, y) for x, y in ((1, 38), (1, 1), (38, 38))]
        assert [corner == light for corner in corners] == [True, False, False]

    values = np.zeros((4, 4))
    values[0, 0] = 1
    play(square(values), scenario, (60, 21))


def test_a_square_heatmap_is_square_on_the_screen() -> None:
    async def scenario(stage: Stage[Heatmap]) -> None:
        drawn = [line for line in range(21) if pixel(stage.widget, 12, 2 * line) is not None]
        across = [x for x in range(10, 60) if pixel(stage.widget, x, 2) is not None]
        assert len(across) == 2 * len(drawn) == 40

    play(square(np.ones((4, 4))), scenario, (60, 21))


def test_up_goes_to_later_epochs_in_a_square_heatmap() -> None:
    async def scenario(stage: Stage[Heatmap]) -> None:
        await stage.pilot.press("up")
        assert stage.widget.cursor == (1, 3)

    play(square(np.ones((4, 4))), scenario)


def test_markers_point_to_their_epochs_on_both_axes() -> None:
    async def scenario(stage: Stage[Heatmap]) -> None:
        below = text(stage.widget, 21)
        assert below.index("▲") == 10 + 25  # epoch 3: the third of four cells of 10 columns
        beside = [line for line in range(20) if "▸" in text(stage.widget, line)]
        assert beside == [7]

    play(square(np.ones((4, 4)), Phases(onset=3), row_markers=True), scenario, (60, 22))


@pytest.mark.parametrize("width", [50, 80, 120])
def test_the_cursor_cuts_no_name_of_a_phase(width: int) -> None:
    epochs = np.unique(np.geomspace(1, 201, 40).astype(int)) - 1

    async def scenario(stage: Stage[Heatmap]) -> None:
        seen = set()
        for column in range(len(epochs)):
            stage.widget.cursor = (0, column)
            line = text(stage.widget, 18)
            seen |= set(re.findall(r"[a-z.]+", line))
        assert seen <= {"before", "onset", "memorisation", "mem.", "after", "fit"}
        assert "before" in seen

    values = np.zeros((3, len(epochs)))
    shown = heatmap(values, epochs=epochs, phases=Phases(onset=8, fit=37), bands=True)
    play(shown, scenario, (width, 20))


def test_a_change_point_is_a_bar_at_the_start_of_its_cell_in_its_layers_row() -> None:
    async def scenario(stage: Stage[Heatmap]) -> None:
        bars = {
            (line, x): character
            for line in range(18)
            for x, character in enumerate(characters(stage.widget, line))
            if character.text == CHANGE
        }
        ((line, x),) = bars
        assert x == 10 + 25  # the third of four cells of 10 columns
        assert line in range(6, 12)  # the second of three rows of 6 lines
        (bar,) = bars.values()
        assert bar.background == characters(stage.widget, line)[x + 1].background
        assert bar.colour != bar.background

    values = np.zeros((3, 4))
    play(heatmap(values, phases=Phases(change_points=((), (3,), ()))), scenario, (60, 19))


@pytest.mark.parametrize(("row", "glyph"), [(0, "╹"), (1, "╻")])
def test_where_two_layers_share_a_line_the_bar_is_in_the_half_of_its_layer(
    row: int, glyph: str
) -> None:
    async def scenario(stage: Stage[Heatmap]) -> None:
        assert text(stage.widget, 0).count(glyph) == 1

    points = tuple((3,) if one == row else () for one in range(4))
    shown = heatmap(np.zeros((4, 4)), "abcd", phases=Phases(change_points=points))
    play(shown, scenario, (60, 3))


@pytest.mark.usefixtures("no_colour")
def test_without_colours_a_change_point_is_not_the_cursors_glyph() -> None:
    async def scenario(stage: Stage[Heatmap]) -> None:
        lines = [text(stage.widget, line) for line in range(18)]
        assert sum(line.count(CHANGE) for line in lines) == 1
        assert CHANGE != CURSOR

    phases = Phases(change_points=((), (3,), ()))
    play(heatmap(np.zeros((3, 4)), phases=phases), scenario, (60, 19))


def test_the_cursor_over_a_change_point_leaves_it_visible() -> None:
    async def scenario(stage: Stage[Heatmap]) -> None:
        stage.widget.cursor = (1, 2)
        await stage.pilot.pause()
        found = [c for line in range(18) for c in characters(stage.widget, line)]
        (bar,) = [c for c in found if c.text == CHANGE]
        assert bar.colour != bar.background

    phases = Phases(change_points=((), (3,), ()))
    play(heatmap(np.zeros((3, 4)), phases=phases), scenario, (60, 19))


def test_stretching_spans_the_values_in_view() -> None:
    async def scenario(stage: Stage[Heatmap]) -> None:
        stage.widget.stretch = True
        await stage.pilot.pause()
        scale = stage.of(Heatmap.ScaleChanged)[-1].scale
        assert 0.4 <= scale.low < 0.42
        assert 0.58 < scale.high <= 0.6

    play(heatmap(0.4 + 0.2 * VALUES), scenario)


def test_stretching_equal_values_changes_nothing() -> None:
    async def scenario(stage: Stage[Heatmap]) -> None:
        stage.widget.stretch = True
        scale = present(stage.widget.scale)
        assert (scale.low, scale.high) == (0, 1)

    play(heatmap(np.full((3, 4), 0.5)), scenario)


def test_names_are_shown_as_they_are_without_control_characters() -> None:
    async def scenario(stage: Stage[Heatmap]) -> None:
        assert "[b]x[2J" in screen(stage.widget)

    play(heatmap(rows=("[b]x\x1b[2J", "b", "c")), scenario)


def test_where_rows_share_lines_the_row_of_the_cursor_is_named() -> None:
    async def scenario(stage: Stage[Heatmap]) -> None:
        await stage.pilot.press("down")
        assert text(stage.widget, 0).startswith("layer1 ")

    values = np.zeros((8, 4))
    play(heatmap(values, rows=[f"layer{i}" for i in range(8)]), scenario, (60, 5))


@pytest.mark.parametrize("size", [(60, 20), (300, 100), (12, 3), (5, 2), (1, 1)])
@pytest.mark.parametrize("layers", [False, True])
def test_any_size_shows_many_checkpoints(size: tuple[int, int], layers: bool) -> None:
    async def scenario(stage: Stage[Heatmap]) -> None:
        await stage.pilot.press("home", "right", "down", "end")
        assert all(len(characters(stage.widget, y)) == size[0] for y in range(size[1]))

    count = 150
    widget = Heatmap()
    rows = [str(i) for i in range(count)] if layers else None
    values = np.random.default_rng(0).random((count, count))
    widget.set_data(heatmap_data(values, rows, range(count)))
    play(widget, scenario, size)


def test_a_resized_widget_is_drawn_anew() -> None:
    async def scenario(stage: Stage[Heatmap]) -> None:
        await stage.pilot.resize_terminal(40, 10)
        await stage.pilot.pause()
        assert len(characters(stage.widget, 0)) == 40
        assert pixel(stage.widget, 39, 0) is not None

    play(heatmap(), scenario)


def test_without_data_it_is_blank_and_keys_do_nothing() -> None:
    async def scenario(stage: Stage[Heatmap]) -> None:
        await stage.pilot.press("left", "down", "end", "home")
        await stage.pilot.click(Heatmap, offset=(5, 5))
        assert screen(stage.widget).strip() == ""
        assert not stage.of(Heatmap.CursorMoved)

    play(Heatmap(), scenario)


def test_data_without_checkpoints_empty_it() -> None:
    async def scenario(stage: Stage[Heatmap]) -> None:
        show(stage.widget, np.empty((3, 0)), epochs=())
        assert screen(stage.widget).strip() == ""

    play(heatmap(), scenario)


def test_names_that_do_not_fit_the_values_are_refused() -> None:
    with pytest.raises(ValueError, match="2 rows"):
        heatmap_data(VALUES, ("a", "b"), EPOCHS)


@pytest.mark.usefixtures("no_colour")
def test_without_colours_greater_values_have_weightier_glyphs() -> None:
    async def scenario(stage: Stage[Heatmap]) -> None:
        await stage.pilot.press("home")
        weights = [" ░▒▓█".index(c) for c in text(stage.widget, 12)[12:60:12]]
        assert weights == sorted(weights)
        assert len(set(weights)) == 4

    values = np.tile(np.linspace(0.3, 1, 4), (3, 1))
    play(heatmap(values), scenario, (60, 19))


@pytest.mark.usefixtures("no_colour")
def test_without_colours_nan_and_the_cursor_have_glyphs_of_their_own() -> None:
    async def scenario(stage: Stage[Heatmap]) -> None:
        line = text(stage.widget, 0)
        assert (line[11], line[59]) == ("·", "◆")

    values = VALUES.copy()
    values[0, 0] = np.nan
    play(heatmap(values), scenario, (60, 19))


def test_sixteen_colours_are_too_few_for_a_colour_map(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLORTERM", "")

    async def scenario(stage: Stage[Heatmap]) -> None:
        assert set(text(stage.widget, 17)[10:]) <= set(" ░▒▓█")

    play(heatmap(), scenario, (60, 19))


THREE_PHASES = Phases(onset=20, fit=60)
FIVES = range(0, 100, 5)


def banded() -> Heatmap:
    """A row of checkpoints in three phases."""
    return heatmap(np.ones((1, 20)), ["stem"], FIVES, THREE_PHASES, markers=False, bands=True)


def test_in_256_colours_each_colour_is_one_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLORTERM")

    async def scenario(stage: Stage[Heatmap]) -> None:
        assert stage.pilot.app.console.color_system == "256"
        few = set(map(tuple, colormap.table("viridis" + colormap.FEW).tolist()))
        assert {colour for line in middles(stage) for colour in line if colour} <= few

    play(heatmap(), scenario, (60, 19))


def test_the_axis_has_the_colour_of_each_phase() -> None:
    async def scenario(stage: Stage[Heatmap]) -> None:
        line = characters(stage.widget, stage.widget.size.height - 1)
        behind = [c.background for c in line[10:] if c.background is not None and not c.reverse]
        assert len(dict.fromkeys(behind)) == 3
        assert behind == sorted(behind, key=behind.index)

    play(banded(), scenario, (60, 5))


@pytest.mark.usefixtures("no_colour")
def test_without_colours_phases_have_glyphs() -> None:
    async def scenario(stage: Stage[Heatmap]) -> None:
        line = text(stage.widget, stage.widget.size.height - 1)
        assert [glyph for glyph in dict.fromkeys(line) if glyph in GLYPHS] == list(GLYPHS)

    play(banded(), scenario, (60, 5))


@pytest.mark.usefixtures("no_colour")
def test_a_square_heatmap_has_the_phases_of_its_rows_beside_them() -> None:
    async def scenario(stage: Stage[Heatmap]) -> None:
        edge = [text(stage.widget, y)[5:6] for y in range(stage.widget.size.height - 1)]
        found = [glyph for glyph in dict.fromkeys(edge) if glyph in GLYPHS]
        assert found == list(GLYPHS)[::-1]

    shown = heatmap(np.ones((20, 20)), None, FIVES, THREE_PHASES, markers=False, bands=True)
    shown.label_width = 6
    play(shown, scenario, (60, 21))
