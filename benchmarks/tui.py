"""The screen: its first frame, moves of the cursor, redraws, and its memory with many runs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from benchmarks import reading
from benchmarks.result import Result, main
from benchmarks.terminal import LARGE, SMALL
from benchmarks.tui_drawing import drawing, listing
from benchmarks.tui_process import first_frames, key_times, memory


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
        keys = [*key_times(store, opened, amount.moves)]  # while no long list is read behind it
        reading.add_runs(store, amount.runs - 1)
        figures = [*first_frames(store, amount.starts), *memory(store, amount.runs), *keys]
    figures += asyncio.run(drawing(20, 60, SMALL, amount.moves, amount.redraws))
    figures += asyncio.run(drawing(30, 100, LARGE, amount.moves, amount.redraws))
    figures += asyncio.run(listing(amount.listed, amount.moves, amount.redraws))
    return Result(
        "The screen",
        figures,
        f"`repdyn tui` in a pseudo-terminal: medians of {amount.starts} interleaved starts, from the "
        "command to the first frame with the app's text or its runs, and of keys, from the key to the first "
        "bytes, Textual's wait for its next frame of 1/60 s included. In the process, on the real "
        f"overview of a run of random numbers: {amount.moves} random moves of heatmap, curves and "
        "readout with layout, drawing and encoding, and whole redraws, without Textual's wait.",
    )


if __name__ == "__main__":
    main(["tui"], __doc__)
