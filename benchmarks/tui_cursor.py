"""How long a move of the cursor takes on the screen, from the key's action to the terminal's bytes.

    python -m benchmarks.tui_cursor [--rows 20] [--columns 60] [--size 120x40] [--moves 200]

A heatmap and the curves below it, with one cursor. Timed are the action, the drawing of what
changed and its encoding for a true-colour terminal; not timed are Textual's wait for its next frame
and the terminal. The target is 16 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

os.environ["COLORTERM"] = "truecolor"

from textual.app import App, ComposeResult
from textual.widget import Widget

from repdyn.records import Curve
from repdyn.schedule import checkpoint_epochs
from tui.widgets.curves import Curves
from tui.widgets.heatmap import Heatmap

TARGET = 16.0
"""Milliseconds."""

EPOCHS = 200


@dataclass(frozen=True)
class Timing:
    """Milliseconds of each move, and the bytes that it sends."""

    milliseconds: list[float]
    sent: list[int]

    def line(self, name: str) -> str:
        """Return what to print."""
        median, late = np.percentile(self.milliseconds, [50, 95])
        verdict = "within" if late < TARGET else "over"
        return (
            f"{name:24} median {median:5.2f} ms   95 % {late:5.2f} ms ({verdict} {TARGET:.0f})"
            f"   {int(np.median(self.sent)):6d} bytes"
        )


class Overview(App[None]):
    """A heatmap over curves, of random data."""

    CSS = "Heatmap, Curves { height: 1fr; }"

    def __init__(self, rows: int, columns: int) -> None:
        super().__init__()
        self.epochs = checkpoint_epochs(EPOCHS, columns)
        self.values = np.random.default_rng(0).random((rows, len(self.epochs)))

    def compose(self) -> ComposeResult:
        """Yield the widgets."""
        yield Heatmap()
        yield Curves()

    def on_mount(self) -> None:
        """Give the widgets their data."""
        names = [f"layer{row}" for row in range(len(self.values))]
        heatmap, curves = self.query_one(Heatmap), self.query_one(Curves)
        heatmap.label_width = curves.label_width = 10
        heatmap.set_data(self.values, rows=names, columns=self.epochs, low=0, high=1)
        every = np.arange(1, EPOCHS + 1)
        lines = {f"curve {i}": Curve(every, np.tanh(every / 9 / (i + 1))) for i in range(4)}
        curves.set_data(lines, columns=self.epochs)


def draw(app: App[None], *changed: Widget) -> str:
    """Return what the terminal would be sent for the widgets' changes, as the screen does it."""
    compositor = app.screen._compositor
    compositor.update_widgets(set(changed))
    update = compositor.render_update()
    return "" if update is None else update.render_segments(app.console)


def timed(action: Callable[[], str], moves: int) -> Timing:
    """Return the timing of so many calls."""
    milliseconds, sent = [], []
    for _ in range(moves):
        start = time.perf_counter()
        text = action()
        milliseconds.append(1000 * (time.perf_counter() - start))
        sent.append(len(text.encode()))
    return Timing(milliseconds, sent)


async def measure(rows: int, columns: int, size: tuple[int, int], moves: int) -> None:
    """Print the timings."""
    app = Overview(rows, columns)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        heatmap, curves = app.query_one(Heatmap), app.query_one(Curves)
        draw(app, heatmap, curves)
        steps = iter(np.random.default_rng(1).integers(0, 4, 4 * moves).tolist())

        def move() -> str:
            heatmap.action_move(*((1, 0), (-1, 0), (0, 1), (0, -1))[next(steps)])
            return draw(app, heatmap)

        def move_both() -> str:
            heatmap.action_move(*((1, 0), (-1, 0), (0, 1), (0, -1))[next(steps)])
            curves.cursor = int(heatmap.epochs[heatmap.cursor[1]])
            return draw(app, heatmap, curves)

        def whole() -> str:
            heatmap.refresh()
            return draw(app, heatmap)

        print(f"{rows} layers × {len(app.epochs)} checkpoints, {size[0]}×{size[1]} characters")
        heatmap.cursor = (rows // 2, columns // 2)
        print(timed(move, moves).line("cursor of the heatmap"))
        print(timed(move_both, moves).line("with the curves'"))
        print(timed(whole, moves).line("the whole heatmap"))


def main() -> None:
    """Read the options and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20)
    parser.add_argument("--columns", type=int, default=60)
    parser.add_argument("--size", default="120x40")
    parser.add_argument("--moves", type=int, default=200)
    arguments = parser.parse_args()
    width, height = map(int, arguments.size.split("x"))
    asyncio.run(measure(arguments.rows, arguments.columns, (width, height), arguments.moves))


if __name__ == "__main__":
    main()
