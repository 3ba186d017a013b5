"""Keys and the mouse that other tests do not come by: each does what the help says of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from textual import events

import tui.demo
from repdyn.display.errors import with_error
from repdyn.display.similarity import similarity
from tests.support.fakes import FakeSource, Play, Stage, play, record
from tui.screens.runs_table import RunsTable
from tui.screens.view_state import to_reference
from tui.widgets.colorbar import Colorbar
from tui.widgets.curves import Curves
from tui.widgets.heatmap import Heatmap

OPEN = "CKA with the last checkpoint"


def in_run(scenario: Play, size: tuple[int, int] = (120, 40)) -> None:
    """Run a scenario in a run's overview."""

    async def opened(stage: Stage) -> None:
        await stage.sees(OPEN)
        await scenario(stage)

    play(opened, run="run-0", size=size)


@pytest.mark.parametrize(
    ("keys", "seen"),
    [
        (["a"], ["train loss", "test loss"]),
        (["2", "greater_than_sign"], ["stem   1 of 4"]),
        (["2", "less_than_sign"], ["block.1   3 of 4"]),
        (["shift+tab"], ["epoch_00000.safetensors"]),
        (["tab", "tab", "shift+tab"], ["logits   4 of 4"]),
        (["5", "plus", "left"], ["smoothed mean of"]),
        (["4", "p"], ["plane 1 of 6"]),
        (["4", "p", "P"], ["plane 6 of 6"]),
        (["t"], ["textual-light", "nord"]),
    ],
    ids=lambda given: ",".join(given) if isinstance(given, list) else None,
)
def test_a_key_shows(keys: Sequence[str], seen: Sequence[str]) -> None:
    async def scenario(stage: Stage) -> None:
        if keys[0] == "4":
            await stage.press("4")
            await stage.sees("plane 6 of 6")
        await stage.press(*keys[keys[0] == "4" :])
        await stage.sees(*seen)

    in_run(scenario)


def test_v_goes_through_the_colour_maps() -> None:
    async def scenario(stage: Stage) -> None:
        seen = []
        for _ in range(4):
            await stage.press("v")
            seen.append(stage.screen.query_one(Heatmap).cmap)
            await stage.until(lambda: stage.screen.query_one(Colorbar).cmap == seen[-1])
        assert seen == ["cividis", "magma", "gray", "viridis"]

    in_run(scenario)


def test_plus_spans_the_values_in_view_and_the_colour_bar_says_so() -> None:
    async def scenario(stage: Stage) -> None:
        bar = stage.screen.query_one(Colorbar)
        await stage.until(lambda: bar.scale is not None)
        before = bar.scale
        await stage.press("plus")
        await stage.until(lambda: bar.scale != before)
        await stage.press("minus")
        await stage.until(lambda: bar.scale == before)

    in_run(scenario)


def test_shift_l_makes_the_curves_axis_logarithmic() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.press("5")
        await stage.sees("train/loss")
        curves = stage.screen.query_one("#curves Curves", Curves)
        before = curves.logarithmic
        await stage.press("L")
        await stage.until(lambda: curves.logarithmic is not before)

    in_run(scenario)


def test_sorting_forth_and_back_is_as_before() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("run-1", "run-2")

        def head() -> str:  # of the list, without the preview
            return stage.text.splitlines()[1].partition("│")[0]

        before = head()
        await stage.press("s")
        assert head() != before
        await stage.press("S")
        assert head() == before

    play(scenario, FakeSource([record(1), record(2, started=1)]))


def test_the_mouse_reads_out_what_it_is_over_and_the_cursor_stays() -> None:
    async def scenario(stage: Stage) -> None:
        heatmap = stage.screen.query_one(Heatmap)
        cursor = heatmap.cursor
        await stage.pilot.hover(Heatmap, offset=(heatmap.size.width // 2, 1))
        found = record().dynamics
        assert found is not None
        assert heatmap._hovered is not None
        row, column = heatmap._hovered
        value = to_reference(similarity(found, "cka"), stage.look)[row, column]
        await stage.sees(f"epoch {found.steps[column]}  {OPEN} {with_error(float(value))}")
        assert heatmap.cursor == cursor
        await stage.pilot.hover("#header")
        await stage.sees(f"epoch {found.steps[-1]}  {OPEN}")

    in_run(scenario)


def test_the_wheel_scrolls_what_is_longer_than_the_screen() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.press("6")
        await stage.sees("memorisation onset")
        await stage.press("enter")  # the numbers, which make it long
        page = stage.screen.query_one("#phases .page")
        wheel = events.MouseScrollDown(page, 1, 1, 0, 1, 0, False, False, False)
        for _ in range(3):
            page.post_message(wheel)
        await stage.until(lambda: page.scroll_offset.y > 0)

    in_run(scenario, size=(80, 24))


def test_pages_of_runs_are_gone_through_by_the_page_keys() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("run-99")
        rows = stage.screen.query_one(RunsTable)
        before = rows.cursor
        await stage.press("pagedown")
        await stage.until(lambda: rows.cursor == before + rows.room - 1)
        await stage.press("pageup")
        await stage.until(lambda: rows.cursor == before)

    play(scenario, FakeSource([record(i, started=i) for i in range(100)]))


def test_half_pages_and_the_last_run_have_vims_keys() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("run-99")
        rows = stage.screen.query_one(RunsTable)
        half = round((rows.room - 1) / 2)
        assert half > 2
        await stage.press("ctrl+d")
        assert rows.cursor == half
        await stage.press("ctrl+d", "ctrl+u")
        assert rows.cursor == half
        await stage.press("G")
        assert rows.cursor == 99
        await stage.sees("run-0 ")

    play(scenario, FakeSource([record(i, started=i) for i in range(100)]))


def test_q_leaves() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("run-0")
        await stage.press("q")
        await stage.until(lambda: not stage.app.is_running)

    play(scenario)


def test_the_demo_ships_in_less_than_2_mb() -> None:
    folder = Path(next(iter(tui.demo.__path__)))
    assert sum(file.stat().st_size for file in folder.iterdir() if file.is_file()) < 2_000_000
