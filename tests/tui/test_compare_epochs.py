"""The epochs of runs side by side: a zoom shows the corresponding part of each run's axis."""

from __future__ import annotations

from collections.abc import Callable, Coroutine

import pytest

from repdyn.records import RunRecord
from tests.support.fakes import FakeSource, Stage, play, record
from tests.support.present import present
from tests.tui.test_app_compare import opened, phased
from tests.tui.test_app_epochs import STEPS, drag, epochs_drawn, shown
from tui.screens.compare import CompareScreen
from tui.screens.runs import RunsScreen
from tui.widgets.colorbar import Colorbar
from tui.widgets.colormap import DIVERGING
from tui.widgets.heatmap import Heatmap
from tui.widgets.phase_rows import PhaseRows

VIEWS = {"1": "overview", "2": "layer", "3": "regions", "4": "curves"}


def comparing(
    scenario: Callable[[Stage], Coroutine[object, object, None]], *records: RunRecord
) -> None:
    """Compare two runs."""

    async def begun(stage: Stage) -> None:
        await opened(stage)
        await scenario(stage)

    play(begun, FakeSource(list(records) or [record(1), record(2, started=1)]))


async def zoomed(stage: Stage) -> tuple[int, int]:
    """Zoom by the keys; returns the span."""
    await stage.press("0", *["full_stop"] * 6, "z")
    await stage.sees(f"zoom from {stage.look.epoch}")
    await stage.press(*["full_stop"] * 9, "z")
    return present(stage.look.axis_view.span)


@pytest.mark.parametrize("key", VIEWS)
def test_z_at_two_epochs_zooms_all_runs_and_escape_shows_all_again(key: str) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.press(key)
        await stage.until(lambda: bool(shown(stage)))
        whole = [epochs_drawn(widget) for widget in shown(stage)]
        first, last = await zoomed(stage)
        assert (first, last) == (STEPS[6], STEPS[15])
        await stage.sees(f"zoom {first}–{last}")
        await stage.until(lambda: {epochs_drawn(w) for w in shown(stage)} == {(first, last)})
        for row in stage.screen.query(PhaseRows):
            assert (row._stops[0], row._stops[-1]) == (first, last)
        await stage.press("escape")
        await stage.until(lambda: [epochs_drawn(w) for w in shown(stage)] == whole)
        assert isinstance(stage.screen, CompareScreen)
        await stage.press("escape")
        await stage.until(lambda: isinstance(stage.screen, RunsScreen))

    comparing(scenario)


def test_linked_by_phase_each_run_is_zoomed_to_its_own_epochs() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.press("a")
        await stage.sees("linked by phase")
        span = await zoomed(stage)
        screen = stage.screen
        assert isinstance(screen, CompareScreen)
        runs = screen._runs()
        first, second = (panel.axis_view.span for panel in shown(stage)[:2])
        assert first == span
        assert second == tuple(runs.translated(epoch, 0, 1) for epoch in span) != span

    comparing(scenario, phased(1, 9, 29), phased(2, 29, 87))


def test_a_drag_in_the_second_run_zooms_the_first_to_what_corresponds() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.press("a")
        await stage.sees("linked by phase")
        screen, heatmap = stage.screen, shown(stage)[1]
        assert isinstance(screen, CompareScreen)
        await drag(stage, heatmap, heatmap.size.width // 2, heatmap.size.width - 10)
        await stage.until(lambda: stage.look.axis_view.span is not None)
        span, runs = present(stage.look.axis_view.span), screen._runs()
        there = present(heatmap.axis_view.span)
        assert there == tuple(runs.translated(epoch, 0, 1) for epoch in span)
        assert there[0] < there[1]
        assert there != span

    comparing(scenario, phased(1, 9, 29), phased(2, 29, 87))


def test_x_makes_the_axes_of_all_runs_linear() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.press("x")
        await stage.sees("linear")
        assert all(widget.axis_view.linear for widget in shown(stage))
        await stage.press("x")
        assert not any(widget.axis_view.linear for widget in shown(stage))

    comparing(scenario)


def test_space_plays_through_the_checkpoints_of_both() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.press("0", "space")
        await stage.until(lambda: present(stage.look.epoch) >= STEPS[2])
        await stage.press("space")
        at = stage.look.epoch
        await stage.pilot.pause(0.6)
        assert stage.look.epoch == at

    comparing(scenario)


def test_scores_have_no_epochs_to_zoom() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.press("5")
        await stage.until(lambda: stage.screen.check_action("zoom_range", ()) is False)
        await stage.press("z")
        assert stage.look.range_from is None

    comparing(scenario)


def test_each_colour_bar_keeps_the_scale_of_its_own_heatmaps_after_a_zoom() -> None:
    async def scenario(stage: Stage) -> None:
        await zoomed(stage)
        await stage.pilot.pause(0.3)
        bar, of_difference = (
            stage.screen.query_one(".bar > Colorbar", Colorbar),
            (stage.screen.query_one("#difference Colorbar", Colorbar)),
        )
        first, *_, last = shown(stage)
        assert isinstance(first, Heatmap)
        assert isinstance(last, Heatmap)
        assert (bar.scale, bar.cmap) == (first.scale, "viridis")
        assert (of_difference.scale, of_difference.cmap) == (last.scale, DIVERGING)
        assert bar.scale != of_difference.scale

    comparing(scenario, phased(1, 9, 29), phased(2, 29, 87))
