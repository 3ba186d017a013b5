"""Timing of different ways to do the same work."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

import torch

Way = Callable[[], object]


def seconds(way: Way) -> float:
    """Return the seconds that a call takes, on a GPU until it is done."""
    _wait()
    start = time.perf_counter()
    way()
    _wait()
    return time.perf_counter() - start


def working(ways: Mapping[str, Way]) -> tuple[dict[str, Way], dict[str, str]]:
    """Call each once; return those of other packages that work, and why the others do not."""
    found, failed = {}, {}
    for name, way in ways.items():
        try:
            way()
        except Exception as error:  # whatever a package raises is a result
            failed[name] = f"{type(error).__name__}: {error}".splitlines()[0]
        else:
            found[name] = way
    return found, failed


def interleaved(ways: Mapping[str, Way], repeat: int) -> dict[str, list[float]]:
    """Return the seconds of each way, called in turn, so that slow phases of the machine affect all.

    Each is called once first, untimed.
    """
    for way in ways.values():
        way()
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeat):
        for name, way in ways.items():
            taken[name].append(seconds(way))
    return taken


def medians(ways: Mapping[str, Way], repeat: int) -> dict[str, float]:
    """Return the median seconds of each way; see `interleaved`."""
    return {name: statistics.median(each) for name, each in interleaved(ways, repeat).items()}


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
