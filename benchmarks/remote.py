"""The screen over a slow connection: bytes a move of the cursor sends, and how far a held key lags.

`repdyn tui --demo` runs in a pseudo-terminal of its own. The slow connection is simulated where the
terminal is read: at so many bytes per second, as ssh passes them on, with the round trip added.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.result import Figure, Result, main
from benchmarks.terminal import SMALL, Terminal, terminal

BYTES = 2000.0
"""Most bytes of a move, by median: a tenth of a second of the slow connection."""

RATE, ROUND_TRIP = 20_000, 0.1
"""The slow connection: bytes per second, and seconds until a key has its answer."""

LAG = 0.5
"""Most seconds from the release of a held key until the screen stands still."""

HELD_SECONDS, REPEAT_SECONDS = 2.0, 1 / 30
"""How long a key is held, and how often a keyboard repeats it."""

QUIET = 0.25
"""Seconds without output after which a move is drawn."""

SETTLED = 0.7
"""Seconds without output after which a view is drawn; a header may be drawn every second."""

LEFT, RIGHT, UP, DOWN = b"\x1b[D", b"\x1b[C", b"\x1b[A", b"\x1b[B"


@dataclass(frozen=True)
class Place:
    """Where the cursor is moved.

    Attributes:
        name: in words.
        keys: that lead there from the run's overview.
        seen: a text by which it is known to be drawn.
        moves: the keys that are pressed in turn.
    """

    name: str
    keys: bytes
    seen: str
    moves: tuple[bytes, ...]


RUN = "vit_tiny-adam-digits-s0"

LIST = Place("list", b"", "4 runs", (DOWN, DOWN, UP, UP))
PLACES = (
    Place(
        "overview",
        b"1",
        "the last checkpoint",
        (LEFT,) * 8 + (DOWN,) * 4 + (RIGHT,) * 8 + (UP,) * 4,
    ),
    Place("layer", b"2", "2 Layer", (LEFT,) * 8 + (DOWN,) * 4 + (RIGHT,) * 8 + (UP,) * 4),
    Place("regions", b"4", "plane", (LEFT,) * 8 + (RIGHT,) * 8),
)


def run(quick: bool) -> Result:
    """Measure all of it."""
    rounds = 1 if quick else 3
    figures = [figure for place in (LIST, *PLACES) for figure in _figures(place, rounds)]
    return Result(
        "The screen over a slow connection",
        figures,
        f"`repdyn tui --demo` in a pseudo-terminal of {SMALL[0]}×{SMALL[1]} with true colour: the "
        "bytes that follow a key until nothing more comes; and the connection of "
        f"{RATE // 1000} kB/s with {1000 * ROUND_TRIP:.0f} ms simulated, a key held for "
        f"{HELD_SECONDS:g} s at {1 / REPEAT_SECONDS:.0f} a second.",
    )


def _figures(place: Place, rounds: int) -> Iterator[Figure]:
    with _opened(place) as screen:
        sent = [_sent(screen, key) for _ in range(rounds) for key in place.moves]
        yield Figure(
            f"bytes of a move: {place.name}",
            statistics.median(sent),
            "B",
            most=BYTES,
            note=f"most {max(sent):,}; {ROUND_TRIP + max(sent) / RATE:.2f} s on the connection",
        )
        lag = max(_lag(screen, key) for key in (place.moves[0], place.moves[-1]))
        yield Figure(f"lag after a held key: {place.name}", lag, "s", most=LAG)


@contextmanager
def _opened(place: Place) -> Iterator[Terminal]:
    """Open the app at a place, in a terminal."""
    run = () if place is LIST else (RUN,)
    command = [sys.executable, "-m", "repdyn.cli", "tui", *run, "--demo"]
    with terminal(command, answers_after=ROUND_TRIP) as screen:
        screen.wait_for(LIST.seen if place is LIST else PLACES[0].seen)
        screen.quiet(SETTLED)
        if place.keys:
            screen.write(place.keys)
            screen.quiet(SETTLED)
        yield screen


def _sent(screen: Terminal, key: bytes) -> int:
    """Return the bytes that a key sends."""
    screen.write(key)
    count = 0
    while some := screen.read(QUIET):
        count += len(some)
    return count


def _lag(screen: Terminal, key: bytes) -> float:
    """Return the seconds from the release of a held key to its last byte on the slow connection."""
    start = time.monotonic()
    pressed, taken, last = 0, 0, start
    while True:
        now = time.monotonic()
        if now - start < HELD_SECONDS:
            while pressed * REPEAT_SECONDS <= now - start:
                screen.write(key)
                pressed += 1
        allowed = int(RATE * (now - start)) - taken
        some = screen.read_up_to(allowed, 0.01) if allowed > 0 else b""
        if some:
            taken, last = taken + len(some), time.monotonic()
        elif time.monotonic() - max(last, start + HELD_SECONDS) > 2 * QUIET:
            return max(0.0, last - start - HELD_SECONDS) + ROUND_TRIP
        else:
            taken = max(taken, int(RATE * (now - start)) - RATE // 50)  # an idle line saves nothing


if __name__ == "__main__":
    main(["remote"], __doc__.splitlines()[0])
