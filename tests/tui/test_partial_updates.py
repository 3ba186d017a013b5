"""What the terminal is sent when the cursor moves."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from textual._compositor import CompositorUpdate
from textual.app import App
from textual.widget import Widget

from tests.support import fakes
from tests.support.drawn import Stage, play
from tests.support.heatmaps import heatmap_data
from tui.partial_updates import send_pieces_only
from tui.widgets.heatmap import Heatmap

MOVE = re.compile(r"\x1b\[(\d+);(\d+)H")
STYLE = re.compile(r"\x1b\[[\d;]*m")

Piece = tuple[int, int, str]


def pieces(sent: str) -> list[Piece]:
    """Line, column and text of each piece that is sent."""
    _, *rest = MOVE.split(sent)
    places = zip(rest[::3], rest[1::3], rest[2::3], strict=True)
    return [(int(y) - 1, int(x) - 1, STYLE.sub("", text)) for y, x, text in places]


def lines(app: App[Any]) -> list[str]:
    """The text of the screen."""
    return [strip.text for strip in app.screen._compositor.render_strips()]


def sent_after(app: App[Any], widget: Widget) -> str:
    """What is sent for what has changed of a widget."""
    compositor = app.screen._compositor
    compositor.update_widgets({widget})
    update = compositor.render_update()
    send_pieces_only(update)
    assert isinstance(update, CompositorUpdate)
    return update.render_segments(app.console)


def tall() -> Heatmap:
    """Three rows of many checkpoints, no value twice."""
    widget = Heatmap()
    values = np.linspace(0, 1, 60).reshape(3, 20)
    widget.set_data(heatmap_data(values, ("stem", "block", "out"), range(20)))
    return widget


def test_what_is_sent_makes_the_new_screen_of_the_old_one() -> None:
    async def scenario(stage: Stage[Heatmap]) -> None:
        app, widget = stage.pilot.app, stage.widget
        assert isinstance(widget, Heatmap)
        screen = lines(app)
        widget.cursor = (1, 3)
        for line, start, text in pieces(sent_after(app, widget)):
            old = screen[line]
            screen[line] = old[:start] + text + old[start + len(text) :]
        assert screen == lines(app)

    play(tall(), scenario)


def test_of_the_lines_of_cells_only_the_cells_and_labels_are_sent() -> None:
    async def scenario(stage: Stage[Heatmap]) -> None:
        app, widget = stage.pilot.app, stage.widget
        assert isinstance(widget, Heatmap)
        axis = widget._arranged.lines if widget._arranged is not None else 0
        widget.cursor = (0, 15)
        sent_after(app, widget)
        widget.cursor = (0, 14)
        sent = [piece for piece in pieces(sent_after(app, widget)) if piece[0] < axis]
        assert sent
        assert all(start == 0 or len(text) <= 6 for _, start, text in sent)
        assert max(start for _, start, _ in sent) > 40

    play(tall(), scenario)


def test_an_update_that_is_of_another_kind_stays_as_it_is() -> None:
    send_pieces_only(None)
    send_pieces_only("text")


def test_the_app_sends_no_more_of_the_heatmap_than_the_cells(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    updates: list[str] = []

    def shown(app: App[Any], screen: object, update: Any) -> None:
        if update is not None and not app._batch_count:
            updates.append(update.render_segments(app.console))

    async def scenario(stage: fakes.Stage) -> None:
        await stage.sees("CKA with the last checkpoint")
        heatmap = stage.screen.query_one(Heatmap)
        await stage.until(
            lambda: heatmap.region.height == getattr(heatmap.styles.height, "value", 0)
        )
        await stage.press("left")  # drawn with it is what was not yet
        region = heatmap.region
        monkeypatch.setattr(App, "_display", shown)
        await stage.press("left")
        cells = range(region.y, region.bottom - 2)
        sent = [piece for update in updates for piece in pieces(update) if piece[0] in cells]
        assert sent
        assert all(len(text) < region.width / 4 for _, _, text in sent)

    fakes.play(scenario, run="run-0", size=(200, 60))
