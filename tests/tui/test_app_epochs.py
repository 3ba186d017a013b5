"""The cursor on the epochs of a run's views: where it jumps, and the range and scale of the axis."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from textual import events

from tests.support.fakes import FakeSource, Play, Stage, made, play, record
from tests.support.present import present
from tui.actions import VIEWS
from tui.widgets.curves import Curves
from tui.widgets.epoch_axis import EpochAxis
from tui.widgets.heatmap import Heatmap
from tui.widgets.phase_timeline import PhaseTimeline
from tui.widgets.timeline import Timeline

STEPS = present(made()[0].dynamics).steps.tolist()
BOUNDARIES = sorted(made()[0].phases.markers().values())
WITH_EPOCHS = ("overview", "layer", "layers", "regions", "curves")


def in_view(view: str, scenario: Play) -> None:
    """Run a scenario in a view of a run."""

    async def opened(stage: Stage) -> None:
        await stage.sees("epoch 200/200")
        await open_view(stage, view)
        await scenario(stage)

    play(opened, run="run-0")


def in_each_view(scenario: Callable[[Stage, str], Awaitable[None]]) -> None:
    """Run a scenario in one view with epochs after another."""

    async def opened(stage: Stage) -> None:
        await stage.sees("epoch 200/200")
        for view in WITH_EPOCHS:
            await open_view(stage, view)
            await scenario(stage, view)

    play(opened, run="run-0")


async def open_view(stage: Stage, view: str) -> None:
    await stage.press(str(VIEWS.index(view) + 1))
    await stage.until(lambda: bool(shown(stage)))


def shown(stage: Stage) -> list[Timeline]:
    """The widgets with an epoch axis that are drawn on the screen."""
    found = stage.screen.query(Timeline).results(Timeline)
    return [w for w in found if w.is_on_screen and axis_of(w) is not None]


def axis_of(widget: Timeline) -> EpochAxis | None:
    """The epoch axis as it is drawn."""
    if isinstance(widget, Heatmap):
        return None if widget._arranged is None else widget._arranged.axis
    assert isinstance(widget, Curves)
    return None if widget._picture is None else widget._picture.axis


def epochs_drawn(widget: Timeline) -> tuple[int, int] | None:
    """The first and the last epoch of a widget's axis."""
    axis = axis_of(widget)
    return None if axis is None else (int(axis.epochs[0]), int(axis.epochs[-1]))


def test_zero_and_dollar_go_to_the_first_and_the_last_epoch() -> None:
    async def scenario(stage: Stage, view: str) -> None:
        await stage.press("0")
        assert stage.look.epoch == 0
        await stage.press("dollar_sign")
        assert stage.look.epoch == 200

    in_each_view(scenario)


def test_brackets_go_from_boundary_to_boundary() -> None:
    async def scenario(stage: Stage, view: str) -> None:
        await stage.press("0")
        found = []
        for _ in range(20):
            await stage.press("right_square_bracket")
            found.append(stage.look.epoch)
            if found[-2:-1] == found[-1:]:
                break
        jumps = list(dict.fromkeys(found))
        changes = made()[0].phases.change_points[-1] if view in VIEWS[:3] else ()
        assert jumps == sorted({*BOUNDARIES, *changes})
        await stage.sees("no later boundary or change point")
        await stage.press("left_square_bracket")
        assert stage.look.epoch == jumps[-2]

    in_each_view(scenario)


def test_z_at_two_epochs_zooms_all_views_to_what_is_between() -> None:
    async def scenario(stage: Stage, view: str) -> None:
        whole = [epochs_drawn(widget) for widget in shown(stage)]
        await stage.press("0", *["full_stop"] * 6, "z")
        first = stage.look.epoch
        await stage.sees(f"zoom from {first}")
        await stage.press(*["full_stop"] * 9, "z")
        last = stage.look.epoch
        await stage.sees(f"zoom {first}–{last}")
        await stage.until(lambda: {epochs_drawn(w) for w in shown(stage)} == {(first, last)})
        await stage.press("2")
        await stage.sees("CKA of two checkpoints")
        near = (
            min(s for s in STEPS if s >= present(first)),
            max(s for s in STEPS if s <= present(last)),
        )
        await stage.until(lambda: {epochs_drawn(w) for w in shown(stage)} == {near})
        await stage.press(str(VIEWS.index(view) + 1), "escape")
        await stage.until(lambda: [epochs_drawn(w) for w in shown(stage)] == whole)
        assert "zoom" not in stage.text.splitlines()[0]

    in_each_view(scenario)


def test_the_cursor_stays_within_the_zoom() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.press("0", *["full_stop"] * 4, "z", *["full_stop"] * 3, "z")
        first, last = present(stage.look.axis_view.span)
        for key, at in (("right", last), ("end", last), ("$", last), ("0", first), ("left", first)):
            await stage.press("dollar_sign" if key == "$" else key)
            assert stage.look.epoch == at, key

    in_view("overview", scenario)


def test_escape_forgets_a_range_that_was_begun_then_leaves() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.press("z")
        await stage.sees("zoom from 200")
        await stage.press("escape")
        assert stage.look.range_from is None
        await stage.press("escape")
        await stage.sees("finished", "Mark")

    in_view("overview", scenario)


def test_capital_z_shows_all_epochs_again() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.press("z", "comma", "comma", "z")
        assert stage.look.axis_view.span == (STEPS[-3], 200)
        await stage.press("Z")
        assert stage.look.axis_view.span is None

    in_view("layer", scenario)


def test_z_twice_at_one_epoch_zooms_nowhere() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.press("z", "z")
        assert (stage.look.axis_view.span, stage.look.range_from) == (None, None)

    in_view("overview", scenario)


async def drag(stage: Stage, widget: Timeline, start: int, stop: int) -> None:
    """Drag the mouse along a line of a widget."""
    for kind, x, button in (
        (events.MouseDown, start, 1),
        (events.MouseMove, (start + stop) // 2, 1),
        (events.MouseMove, stop, 1),
        (events.MouseUp, stop, 1),
        (events.Click, stop, 1),
    ):
        region = widget.region
        widget.post_message(
            kind(widget, x, 2, 0, 0, button, False, False, False, region.x + x, region.y + 2)
        )
        await stage.pilot.pause()


@pytest.mark.parametrize("kind", [Heatmap, Curves])
def test_a_drag_of_the_mouse_zooms(kind: type[Timeline]) -> None:
    async def scenario(stage: Stage) -> None:
        widget = stage.screen.query_one(kind)
        width = widget.size.width
        await drag(stage, widget, width // 2, width - 10)
        await stage.until(lambda: stage.look.axis_view.span is not None)
        first, last = present(stage.look.axis_view.span)
        assert 0 < first < last < 200
        await stage.until(lambda: epochs_drawn(widget) == (first, last))
        assert widget.range_from is None

    in_view("overview", scenario)


def test_a_click_moves_the_cursor_and_zooms_nowhere() -> None:
    async def scenario(stage: Stage) -> None:
        heatmap = stage.screen.query_one("Overview Heatmap", Heatmap)
        await stage.pilot.click("Overview Heatmap", offset=(heatmap.size.width // 2, 1))
        await stage.until(lambda: stage.look.epoch not in (None, 200))
        assert stage.look.axis_view.span is None

    in_view("overview", scenario)


def test_x_switches_to_linear_epochs_and_back() -> None:
    def share(widget: Timeline, epoch: int) -> float:
        """Where an epoch lies, between 0 and 1."""
        axis = axis_of(widget)
        if axis is None:
            return 0.0
        return float(axis.column(epoch)) / axis.room

    async def scenario(stage: Stage, view: str) -> None:
        widget = shown(stage)[0]
        await stage.until(lambda: share(widget, 100) > 0.7)
        await stage.press("x")
        await stage.sees("linear")
        await stage.until(lambda: abs(share(widget, 100) - 0.5) < 0.15)
        await stage.press("x")
        await stage.until(lambda: share(widget, 100) > 0.7)

    in_each_view(scenario)


def test_g_and_half_pages_move_by_rows() -> None:
    async def scenario(stage: Stage) -> None:
        for key, row in (("g", 0), ("ctrl+d", 3), ("ctrl+u", 0), ("G", 3)):
            await stage.press(key)
            assert stage.look.layer == row, key

    in_view("overview", scenario)


def test_playing_stays_within_the_zoom() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.press("z", "comma", "comma", "z", "dollar_sign", "space")
        await stage.until(lambda: stage.look.epoch == STEPS[-3])
        await stage.until(lambda: stage.look.epoch == 200)

    in_view("overview", scenario)


def test_epochs_can_be_zoomed_in_the_curves_of_a_run_without_checkpoints() -> None:
    whole = record()
    plain = type(whole)(whole.summary, None, whole.curves, whole.phases, {})

    async def scenario(stage: Stage) -> None:
        await stage.sees("epoch 200/200")
        await stage.press("5", "0", "z", "full_stop", "full_stop", "z")
        await stage.until(lambda: stage.look.axis_view.span is not None)

    play(scenario, FakeSource([plain]), run="run-0")


def test_g_and_half_pages_scroll_a_page() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("epoch 200/200")
        await stage.press("6")
        await stage.sees("perfect fit")
        await stage.press("enter")  # the numbers, which make it long
        page = stage.screen.query_one("#phases .page")
        for key, end in (("G", 1.0), ("g", 0.0), ("ctrl+d", None), ("ctrl+u", 0.0)):
            await stage.press(key)
            wanted = None if end is None else end * page.max_scroll_y
            await stage.until(
                lambda wanted=wanted: (
                    page.scroll_y > 0 if wanted is None else page.scroll_y == wanted
                )  # type: ignore[misc]
            )

    play(scenario, run="run-0", size=(80, 20))


def test_the_picture_of_the_phases_follows_the_zoom() -> None:
    async def scenario(stage: Stage) -> None:
        def onset() -> str:
            return next(line for line in stage.text.splitlines() if "memorisation onset" in line)

        await stage.press("dollar_sign", "z", *["comma"] * 5, "z")
        first, last = present(stage.look.axis_view.span)
        assert first > BOUNDARIES[0]
        await stage.press("6")
        await stage.sees("memorisation onset")
        timeline = stage.screen.query_one(PhaseTimeline)
        await stage.until(lambda: timeline.size.height > 0)
        assert (timeline._steps[0], timeline._steps[-1]) == (first, last)
        assert "●" not in onset()
        await stage.press("escape")
        await stage.until(lambda: "●" in onset())

    in_view("overview", scenario)
