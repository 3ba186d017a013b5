"""`repdyn tui` in a process and a pseudo-terminal of its own: first frames, keys, and its memory."""

from __future__ import annotations

import shutil
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.result import Figure
from benchmarks.terminal import LARGE, PATIENCE, SMALL, STATE, Terminal, terminal, words
from repdyn.settings.schema import StoreConfig
from tui.reader_thread import IDLE_SECONDS

FIRST_FRAME, MEMORY = 0.5, 250.0
"""Targets: seconds and MB."""

FIRST_LIST = 2.5
"""Target relative to a bare Textual app: 0.3 s where that takes 0.12 s."""

LISTS = Path(STATE.name) / "repdyn" / "lists"
"""What is kept of lists of runs."""

BARE_APP = """
from textual.app import App
from textual.widgets import Static

class Bare(App):
    def compose(self):
        yield Static("a bare app")

Bare().run()
"""

KEYS = (b"\x1b[D", b"\x1b[C")


def tui_command(store: StoreConfig, *run: str) -> list[str]:
    """Return the command that shows a store, or a run of it."""
    uri = str(store.tracking_uri)
    return [sys.executable, "-m", "repdyn.cli", "tui", *run, "--tracking-uri", uri]


def first_frames(store: StoreConfig, starts: int) -> Iterator[Figure]:
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


def key_times(store: StoreConfig, run_id: str, moves: int) -> Iterator[Figure]:
    """Return the figures of keys that move the cursor of a run's overview."""
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


def memory(store: StoreConfig, runs: int) -> Iterator[Figure]:
    """Return the figures of memory with a list of runs, once it has looked for news."""
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
