"""The screen's work in this process: moves of the cursor, redraws, and the list of many runs.

Timed from the key's action to the bytes for a true-colour terminal, without Textual's wait for its next
frame and without the terminal.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from textual._compositor import CompositorUpdate
from textual.widget import Widget

from benchmarks import reading
from benchmarks.result import Figure
from benchmarks.terminal import LARGE, SMALL, TRUE_COLOUR, Size, words
from repdyn.records import RunRecord, RunSummary
from repdyn.storage.search import PAGE
from tui.app import RepdynApp
from tui.demo.source import DemoSource
from tui.screens.overview import Overview
from tui.screens.runs import RunsScreen
from tui.screens.runs_listed import ListedRuns
from tui.screens.runs_preview import RunPreview
from tui.screens.runs_table import RunsTable
from tui.widgets.curves import Curves
from tui.widgets.fitted_line import FittedLine
from tui.widgets.heatmap import Heatmap

FRAME, REDRAW = 16.0, 50.0
"""Targets in milliseconds."""

STEPS = ((1, 0), (-1, 0), (0, 1), (0, -1))


class OneRun(DemoSource):
    """Answers with one run."""

    def __init__(self, record: RunRecord) -> None:
        self._record = record

    def pages(self, matching: str = "") -> Iterator[list[RunSummary]]:
        """Yield the run."""
        del matching
        yield [self._record.summary]

    def summary(self, run: str) -> RunSummary:
        """Return the run as a list shows it."""
        del run
        return self._record.summary

    def record(self, run: str) -> RunRecord:
        """Return the run."""
        del run
        return self._record


async def drawing(rows: int, columns: int, size: Size, moves: int, redraws: int) -> list[Figure]:
    """Return the figures of the overview of a run on a screen."""
    record = reading.random_record(rows, columns)
    os.environ |= TRUE_COLOUR
    app = RepdynApp(OneRun(record), record.summary.run_id)
    of = f", {words(size)}, E = {columns}, L = {rows}"
    async with app.run_test(size=size) as pilot:
        while not app.screen.query(Overview) or app.screen.query_one(Overview).record is None:
            await pilot.pause(0.02)
        while not app.screen.query_one(Overview).query(Heatmap):  # composed after it has its record
            await pilot.pause(0.02)
        gc.collect()
        gc.freeze()  # as the app does with its imports; this process has torch besides
        overview = app.screen.query_one(Overview)
        while (height := overview.query_one(Heatmap).styles.height) is None or (
            overview.query_one(Heatmap).size.height != height.value
        ):  # until it has got the lines that it asks for
            await pilot.pause(0.02)
        await pilot.pause(0.5)
        figures = _move_figures(timed(mover(app, overview), moves), of)
        if size == LARGE:
            whole = timed(lambda: redrawn(app), redraws)
            anew = timed(lambda: drawn_anew(app, overview), redraws)
            figures += [
                Figure(
                    f"whole redraw{of}",
                    whole.median,
                    "ms",
                    most=REDRAW,
                    note=f"of all widgets, {whole.processor}",
                ),
                Figure(
                    f"redraw after a resize{of}",
                    anew.median,
                    "ms",
                    most=REDRAW,
                    note=f"the overview's pictures recomputed, {anew.processor}",
                ),
            ]
    return figures


class ManyRuns(OneRun):
    """Answers with one run under many ids."""

    def __init__(self, record: RunRecord, count: int) -> None:
        super().__init__(record)
        tags = {"repdyn.last_checkpoint": str(reading.EPOCHS)}
        self._runs = [
            replace(
                record.summary, run_id=f"{i:032x}", name=f"run-{i}", started=count - i, tags=tags
            )
            for i in range(count)
        ]

    def pages(self, matching: str = "") -> Iterator[list[RunSummary]]:
        """Yield the runs."""
        del matching
        yield from (self._runs[i : i + PAGE] for i in range(0, len(self._runs), PAGE))


async def listing(runs: int, moves: int, redraws: int) -> list[Figure]:
    """Return the figures of the list of many runs, with the preview of a large one beside it."""
    os.environ |= TRUE_COLOUR
    app = RepdynApp(ManyRuns(reading.random_record(30, 100), runs))
    async with app.run_test(size=SMALL) as pilot:
        screen = app.screen
        assert isinstance(screen, RunsScreen)
        table, preview = screen.query_one(RunsTable), screen.query_one(RunPreview)
        while len(screen.runs) < runs or not preview.query(Curves):
            await pilot.pause(0.02)
        await pilot.pause(1.0)
        gc.collect()
        gc.freeze()

        def move() -> str:
            table.action_move(1)
            return painted(app, table)

        moved = timed(move, moves)
        await pilot.pause(
            1.0
        )  # the preview of the last one, and the fingerprints in view, are read
        row, run = table.row, table.run
        assert run is not None
        known = screen.query_one(ListedRuns).previews.get(run)

        def show() -> str:
            preview.show(row, None)
            preview.show(row, known)
            return painted(app, preview, *preview.walk_children(Widget))

        shown = timed(show, redraws)
    of = f", list of {runs:,} runs with previews, {words(SMALL)}"
    return [
        *_move_figures(moved, of),
        Figure(f"preview drawn{of}", shown.median, "ms", most=FRAME, note=shown.processor),
    ]


def _move_figures(moves: Timing, of: str) -> list[Figure]:
    sent = f"{int(np.median(moves.sent)):,} bytes, {moves.processor}"
    return [
        Figure(f"cursor move{of}", moves.median, "ms", most=FRAME, note=sent),
        Figure(f"cursor move{of}, 95th percentile", moves.late, "ms", most=FRAME),
    ]


@dataclass(frozen=True)
class Timing:
    """Milliseconds of each call, processor milliseconds, and bytes sent."""

    milliseconds: list[float]
    busy: list[float]
    sent: list[int]

    @property
    def median(self) -> float:
        """Median milliseconds per call."""
        return float(np.median(self.milliseconds))

    @property
    def late(self) -> float:
        """95th percentile of milliseconds per call."""
        return float(np.percentile(self.milliseconds, 95))

    @property
    def processor(self) -> str:
        """Return the processor time in words: less than the total on a busy machine."""
        return f"{np.median(self.busy):.1f} ms of processor time"


def timed(action: Callable[[], str], calls: int) -> Timing:
    """Return the timing of this many calls, after one untimed call."""
    action()
    milliseconds, busy, sent = [], [], []
    for _ in range(calls):
        start, working = time.perf_counter(), time.thread_time()
        text = action()
        busy.append(1000 * (time.thread_time() - working))
        milliseconds.append(1000 * (time.perf_counter() - start))
        sent.append(len(text.encode()))
    return Timing(milliseconds, busy, sent)


def mover(app: RepdynApp, overview: Overview) -> Callable[[], str]:
    """Return a function that moves the cursor a random step and returns the terminal output."""
    heatmap, curves = overview.query_one(Heatmap), overview.query_one(Curves)
    readout = overview.query_one(".readout", FittedLine)
    rng = np.random.default_rng(1)

    def move() -> str:
        # as the key does; what its message would lead to is done at once instead
        with heatmap.prevent(Heatmap.CursorMoved):
            heatmap.action_move(*STEPS[rng.integers(len(STEPS))])
        row, column = heatmap.cursor
        epoch = int(heatmap.epochs[column])
        overview.point(replace(overview.look, layer=row, epoch=epoch))
        return painted(app, heatmap, curves, readout)

    rows, columns = len(heatmap.epochs) // 5, len(heatmap.epochs) // 2
    heatmap.cursor = (rows, columns)
    return move


def painted(app: RepdynApp, *changed: Widget) -> str:
    """Return the terminal output for the widgets' changes, as the screen sends it.

    With a layout: a text that is replaced, such as the readout, asks for one.
    """
    compositor = app.screen._compositor
    compositor.update_widgets(set(changed))
    if any(widget._layout_required for widget in changed):
        compositor.reflow(app.screen, app.screen.outer_size)
    update = compositor.render_update()
    assert update is None or isinstance(update, CompositorUpdate)
    app.shown.reduce(update)
    return "" if update is None else update.render_segments(app.console)


def redrawn(app: RepdynApp) -> str:
    """Return the terminal output for the whole screen, with every widget redrawn."""
    compositor = app.screen._compositor
    for widget in app.screen.walk_children(Widget):
        widget.refresh()
    compositor.reflow(app.screen, app.screen.outer_size)
    update = compositor.render_full_update()
    app.shown.reduce(update)
    return update.render_segments(app.console)


def drawn_anew(app: RepdynApp, overview: Overview) -> str:
    """Return the terminal output after the overview has been recomputed."""
    overview.on_resize()
    return redrawn(app)
