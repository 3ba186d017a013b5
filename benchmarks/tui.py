"""The screen: its first frame, moves of the cursor, redraws, and its memory with many runs.

The first frame, the key and the memory are those of `repdyn tui` in a process and a pseudo-terminal
of its own; a move's work and a redraw are timed in this process, from the key's action to the bytes
for a true-colour terminal, without Textual's wait for its next frame and without the terminal.
"""

from __future__ import annotations

import asyncio
import gc
import os
import pty
import select
import shutil
import statistics
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import psutil
from textual._compositor import CompositorUpdate
from textual.widget import Widget

from benchmarks import reading
from benchmarks.result import Figure, Result, main
from repdyn.records import RunRecord, RunSummary
from repdyn.settings.schema import StoreConfig
from repdyn.storage.search import PAGE
from tui.app import RepdynApp
from tui.demo.source import DemoSource
from tui.reader_thread import IDLE_SECONDS
from tui.screens.overview import Overview
from tui.screens.runs import RunsScreen
from tui.screens.runs_listed import ListedRuns
from tui.screens.runs_preview import RunPreview
from tui.screens.runs_table import RunsTable
from tui.widgets.curves import Curves
from tui.widgets.fitted_line import FittedLine
from tui.widgets.heatmap import Heatmap

Size = tuple[int, int]

SMALL: Size = (120, 40)
LARGE: Size = (300, 100)

FIRST_FRAME, FRAME, REDRAW, MEMORY = 0.5, 16.0, 50.0, 250.0
"""Targets: seconds, milliseconds, milliseconds and MB."""

FIRST_LIST = 2.5
"""Target relative to a bare Textual app: 0.3 s where that takes 0.12 s."""

TRUE_COLOUR = {"TERM": "xterm-256color", "COLORTERM": "truecolor"}

STATE = tempfile.TemporaryDirectory(prefix="repdyn-benchmarks-")
NO_SESSION = {"XDG_STATE_HOME": STATE.name, "XDG_CACHE_HOME": STATE.name}
"""Nothing is found of the user's last session, and nothing is left."""

LISTS = Path(STATE.name) / "repdyn" / "lists"
"""What is kept of lists of runs."""

QUESTION, ANSWER = b"\x1b[?2026$p", b"\x1b[?2026;2$y"
"""Whether a terminal can draw a frame at once, which it answers after what it was sent before."""

PATIENCE = 120.0
"""Seconds to wait for output in a terminal before giving up."""

BARE_APP = """
from textual.app import App
from textual.widgets import Static

class Bare(App):
    def compose(self):
        yield Static("a bare app")

Bare().run()
"""

STEPS = ((1, 0), (-1, 0), (0, 1), (0, -1))
KEYS = (b"\x1b[D", b"\x1b[C")


@dataclass(frozen=True)
class Amount:
    """How much is done.

    Attributes:
        runs: in the store.
        starts: of each command.
        moves: of the cursor.
        redraws: of the screen.
        listed: runs in the list through which the cursor moves.
    """

    runs: int = 1000
    starts: int = 7
    moves: int = 200
    redraws: int = 30
    listed: int = 5000


QUICK = Amount(runs=50, starts=1, moves=10, redraws=3, listed=300)


def run(quick: bool) -> Result:
    """Measure all of it."""
    amount = QUICK if quick else Amount()
    with reading.temporary_store() as store:
        opened = reading.add_run(store, "opened", reading.random_record(30, 100))
        keys = [*_key_times(store, opened, amount.moves)]  # while no long list is read behind it
        reading.add_runs(store, amount.runs - 1)
        figures = [*_first_frames(store, amount.starts), *_memory(store, amount.runs), *keys]
    figures += asyncio.run(_drawing(20, 60, SMALL, amount))
    figures += asyncio.run(_drawing(30, 100, LARGE, amount))
    figures += asyncio.run(_listing(amount))
    return Result(
        "The screen",
        figures,
        f"`repdyn tui` in a pseudo-terminal: medians of {amount.starts} interleaved starts, from the "
        "command to the first frame with the app's text or its runs, and of keys, from the key to the first "
        "bytes, Textual's wait for its next frame of 1/60 s included. In the process, on the real "
        f"overview of a run of random numbers: {amount.moves} random moves of heatmap, curves and "
        "readout with layout, drawing and encoding, and whole redraws, without Textual's wait.",
    )


# --- in a terminal


class Terminal:
    """A command in a pseudo-terminal that answers, after some seconds, what it is asked."""

    def __init__(self, command: Sequence[str], size: Size, answers_after: float) -> None:
        self._after = answers_after
        self._answers: list[float] = []
        self._tail = b""
        self._ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (size[1], size[0]))
        kept = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES", "NO_COLOR")}
        self._process = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=kept | TRUE_COLOUR | NO_SESSION,
            start_new_session=True,
        )
        os.close(theirs)

    @property
    def process(self) -> psutil.Process:
        """The process of the command."""
        return psutil.Process(self._process.pid)

    def wait_for(self, text: str) -> None:
        """Read until a text has been written.

        Raises:
            RuntimeError: it is not written.
        """
        wanted, seen = text.encode(), b""
        end = time.monotonic() + PATIENCE
        while wanted not in seen:
            some = self.read(end - time.monotonic())
            if not some:
                raise RuntimeError(f"{text!r} does not come; the last was {seen[-500:]!r}")
            seen += some

    def read(self, seconds: float) -> bytes:
        """Return what is written next, empty if nothing is within this many seconds."""
        return self.read_up_to(2**16, seconds)

    def read_up_to(self, most: int, seconds: float) -> bytes:
        """Return up to this many bytes of what is written next, as `read` does."""
        end = time.monotonic() + seconds
        while self._answers and (due := self._answers[0]) < end:
            if select.select([self._ours], [], [], max(0.0, due - time.monotonic()))[0]:
                break
            self._answer()
        ready, _, _ = select.select([self._ours], [], [], max(0.0, end - time.monotonic()))
        try:
            some = os.read(self._ours, most) if ready else b""
        except OSError:  # how Linux says that the other end is closed
            return b""
        self._tail += some
        due = time.monotonic() + self._after
        self._answers += [due] * self._tail.count(QUESTION)
        self._tail = self._tail.rpartition(QUESTION)[2][1 - len(QUESTION) :]
        self._answer()
        return some

    def _answer(self) -> None:
        """Answer the questions that are due: that frames are drawn at once."""
        while self._answers and self._answers[0] <= time.monotonic():
            self._answers.pop(0)
            os.write(self._ours, ANSWER)

    def write(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self._ours, keys)

    def read_for(self, seconds: float) -> None:
        """Read continuously, as a terminal does, for this many seconds."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if not self.read(left):
                time.sleep(max(0.0, end - time.monotonic()))

    def quiet(self, seconds: float) -> None:
        """Read until nothing is written for this many seconds."""
        while self.read(seconds):
            pass

    def close(self) -> None:
        """End the command."""
        self._process.kill()
        self._process.wait()
        os.close(self._ours)


@contextmanager
def terminal(
    command: Sequence[str], size: Size = SMALL, answers_after: float = 0.0
) -> Iterator[Terminal]:
    """Run a command in a pseudo-terminal; it is killed at the end."""
    opened = Terminal(command, size, answers_after)
    try:
        yield opened
    finally:
        opened.close()


def tui_command(store: StoreConfig, *run: str) -> list[str]:
    """Return the command that shows a store, or a run of it."""
    uri = str(store.tracking_uri)
    return [sys.executable, "-m", "repdyn.cli", "tui", *run, "--tracking-uri", uri]


def _first_frames(store: StoreConfig, starts: int) -> Iterator[Figure]:
    """Return the figures of starts before and after the list is known from an earlier one."""
    shutil.rmtree(LISTS, ignore_errors=True)
    found = _starts(store, "Loading runs", starts)
    for name, aim in (("repdyn tui", FIRST_FRAME), ("bare Textual app", None)):
        yield found.figure(f"first frame of {name}", name, aim)
    yield Figure("first frame relative to a bare Textual app", found.ratio)
    _know_the_list(store)
    found = _starts(store, "finished", starts)
    yield found.figure("list, as of an earlier start, of repdyn tui", "repdyn tui")
    yield Figure("the same relative to a bare Textual app", found.ratio, most=FIRST_LIST)


def _know_the_list(store: StoreConfig) -> None:
    """Have the app keep the list of runs."""
    with terminal(tui_command(store)) as screen:
        end = time.monotonic() + PATIENCE
        while not list(LISTS.glob("*.json")):
            if time.monotonic() > end:
                raise RuntimeError("the list of runs is not kept")
            screen.read_for(0.2)


@dataclass(frozen=True)
class Starts:
    """Medians of seconds until a text is on the screen, and of those of the processor, by command."""

    seconds: dict[str, float]
    busy: dict[str, float]

    @property
    def ratio(self) -> float:
        """How many times as long as a bare Textual app the app takes."""
        return self.seconds["repdyn tui"] / self.seconds["bare Textual app"]

    def figure(self, name: str, command: str, most: float | None = None) -> Figure:
        """Return the seconds of a command."""
        note = f"{self.busy[command]:.2f} s of them processor time"
        return Figure(name, self.seconds[command], "s", most=most, note=note)


def _starts(store: StoreConfig, text: str, starts: int) -> Starts:
    """Time starts until a text is on the screen, in turn with those of a bare app."""
    commands = {
        "repdyn tui": (tui_command(store), text),
        "bare Textual app": ([sys.executable, "-c", BARE_APP], "a bare app"),
    }
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for command, shown in commands.values():  # once untimed: bytecode and files are read
        _start(command, shown)
    for _ in range(starts):
        for name, (command, shown) in commands.items():
            taken[name].append(_start(command, shown))
    return Starts(
        {name: statistics.median(s for s, _ in each) for name, each in taken.items()},
        {name: statistics.median(cpu for _, cpu in each) for name, each in taken.items()},
    )


def _start(command: Sequence[str], text: str) -> tuple[float, float]:
    """Return the seconds from a command to its text on the screen, and those of the processor."""
    start = time.perf_counter()
    with terminal(command) as screen:
        screen.wait_for(text)
        seconds = time.perf_counter() - start
        spent = screen.process.cpu_times()
    return seconds, spent.user + spent.system


def _key_times(store: StoreConfig, run_id: str, moves: int) -> Iterator[Figure]:
    for size in (SMALL, LARGE):
        with terminal(tui_command(store, run_id), size) as screen:
            screen.wait_for("the last checkpoint")
            screen.quiet(0.7)
            before = screen.process.cpu_times()
            milliseconds = [_key_time(screen, KEYS[i % 40 >= 20]) for i in range(moves)]
            after = screen.process.cpu_times()
        busy = 1000 * (after.user + after.system - before.user - before.system) / moves
        yield Figure(
            f"key of the cursor in a terminal, {words(size)}, E = 100, L = 30",
            statistics.median(milliseconds),
            "ms",
            note=f"Textual's wait included; {busy:.1f} ms of processor time a key",
        )


def _key_time(screen: Terminal, key: bytes) -> float:
    """Return the milliseconds from a key to what it changes; the answer is read to its end."""
    start = time.perf_counter()
    screen.write(key)
    if not screen.read(PATIENCE):
        raise RuntimeError("nothing answers the key")
    taken = 1000 * (time.perf_counter() - start)
    screen.quiet(0.05)
    return taken


def _memory(store: StoreConfig, runs: int) -> Iterator[Figure]:
    with terminal(tui_command(store)) as screen:
        screen.wait_for(f"{runs} runs")
        screen.read_for(1.5 * IDLE_SECONDS)  # by then the list has looked for news
        process = screen.process
        resident = process.memory_info().rss / 1e6
        most = _most_resident(process.pid)
    yield Figure(f"memory of repdyn tui with {runs:,} runs", resident, "MB", most=MEMORY)
    if most is not None:
        yield Figure("peak until then", most, "MB")


def _most_resident(pid: int) -> float | None:
    """Return the peak memory of a process in MB; None if the system does not report it."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    kib = next((line.split()[1] for line in lines if line.startswith("VmHWM")), None)
    return None if kib is None else int(kib) * 1024 / 1e6


# --- in this process


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


async def _drawing(rows: int, columns: int, size: Size, amount: Amount) -> list[Figure]:
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
        moves = timed(mover(app, overview), amount.moves)
        figures = _move_figures(moves, of)
        if size == LARGE:
            whole = timed(lambda: redrawn(app), amount.redraws)
            anew = timed(lambda: drawn_anew(app, overview), amount.redraws)
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


async def _listing(amount: Amount) -> list[Figure]:
    """Return the figures of the list of many runs, with the preview of a large one beside it."""
    os.environ |= TRUE_COLOUR
    app = RepdynApp(ManyRuns(reading.random_record(30, 100), amount.listed))
    async with app.run_test(size=SMALL) as pilot:
        screen = app.screen
        assert isinstance(screen, RunsScreen)
        table, preview = screen.query_one(RunsTable), screen.query_one(RunPreview)
        while len(screen.runs) < amount.listed or not preview.query(Curves):
            await pilot.pause(0.02)
        await pilot.pause(1.0)
        gc.collect()
        gc.freeze()

        def move() -> str:
            table.action_move(1)
            return painted(app, table)

        moves = timed(move, amount.moves)
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

        shown = timed(show, amount.redraws)
    of = f", list of {amount.listed:,} runs with previews, {words(SMALL)}"
    return [
        *_move_figures(moves, of),
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


def words(size: Size) -> str:
    """Return the size of a screen, `120×40`."""
    return f"{size[0]}×{size[1]}"


if __name__ == "__main__":
    main(["tui"], __doc__.splitlines()[0])
