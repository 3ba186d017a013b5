"""Watches runs: tells when one ends, fails, stalls, spikes or is no longer finite.

Knows a run by its summaries alone, read one after the other.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from repdyn.analysis.live import is_loss, is_spike, longest_silence
from repdyn.display.wording import accuracy, duration, plain

if TYPE_CHECKING:
    from repdyn.records import RunSummary

LIVE = frozenset({"RUNNING", "SCHEDULED"})

ENDS = {
    "FINISHED": "finished",
    "FAILED": "failed",
    "KILLED": "was stopped",
    "DIED": "its process is gone",
}

SILENCE = 600.0
"""Seconds without news that are a stall, of a run of which too little is known to tell its pace."""

KEPT = 200
"""Values of a metric, and times of news, that are kept."""

LARGEST = sys.float_info.max
"""As which databases store infinity."""

WATCHED, TOLD = "○", "!"
"""Signs in the list: a run is watched, and something was told of it."""


class Watched:
    """One run.

    Args:
        run: as it is now; what is already wrong with it is told.
        now: seconds of any clock that never goes back.
    """

    def __init__(self, run: RunSummary, now: float) -> None:
        self._times = [now]
        self._run = run
        self._values: dict[str, list[float]] = {}
        self._stalled = False
        self._spiking: set[str] = set()
        self._not_finite: set[str] = set()
        self.told = False

    def observe(self, run: RunSummary, now: float) -> list[str]:
        """Return what is new and should be told, a line each.

        Args:
            run: as it was just read.
            now: as for the constructor.
        """
        before, self._run = self._run, run
        lines = self._metrics(run)
        if _news(run) != _news(before):
            self._times = [*self._times, now][-KEPT:]
            self._stalled = False
        if run.status not in LIVE:
            lines.append(_ended(run))
        elif not self._stalled and (silence := now - self._times[-1]) > self._patience():
            self._stalled = True
            lines.append(f"no news for {duration(silence)}")
        self.told |= bool(lines)
        return lines

    @property
    def is_over(self) -> bool:
        """Whether the run has ended."""
        return self._run.status not in LIVE

    def _patience(self) -> float:
        most = longest_silence(self._times)
        return SILENCE if most is None else most

    def _metrics(self, run: RunSummary) -> list[str]:
        lines = []
        for name, value in run.metrics.items():
            seen = self._values.setdefault(name, [])
            was_finite = bool(seen) and _is_finite(seen[-1])
            if not _is_finite(value) and name not in self._not_finite:
                self._not_finite.add(name)
                # some metrics are never finite, such as an accuracy on no examples
                if was_finite or is_loss(name):
                    lines.append(f"{plain(name)} is {_words(value)}")
            if not seen or seen[-1] != value:
                self._values[name] = [*seen, value][-KEPT:]
                if is_loss(name):
                    lines += self._spike(name)
        return lines

    def _spike(self, name: str) -> list[str]:
        """Return that a loss has risen, once for each time."""
        values = self._values[name]
        if not is_spike(values):
            self._spiking.discard(name)
            return []
        told = name in self._spiking
        self._spiking.add(name)
        return [] if told else [f"{plain(name)} rose to {values[-1]:.3g} from {values[-2]:.3g}"]


class Watches:
    """The watched runs, by id."""

    def __init__(self) -> None:
        self._runs: dict[str, Watched] = {}

    def toggle(self, run: RunSummary, now: float) -> bool:
        """Watch a run, or no longer; return whether it is watched."""
        if self._runs.pop(run.run_id, None) is not None:
            return False
        self._runs[run.run_id] = Watched(run, now)
        return True

    def observe(self, runs: Mapping[str, RunSummary], now: float) -> dict[str, list[str]]:
        """Return what is to be told of each run, by its id; see `Watched.observe`."""
        said = {
            run_id: watched.observe(runs[run_id], now)
            for run_id, watched in self._runs.items()
            if run_id in runs and not watched.is_over
        }
        return {run_id: lines for run_id, lines in said.items() if lines}

    def waiting(self) -> list[str]:
        """Return the ids of the runs that are still to be looked at."""
        return [run_id for run_id, watched in self._runs.items() if not watched.is_over]

    def signs(self) -> dict[str, str]:
        """Return the sign of each watched run, by its id."""
        return {k: TOLD if watched.told else WATCHED for k, watched in self._runs.items()}


def _is_finite(value: float) -> bool:
    return math.isfinite(value) and abs(value) < LARGEST


def _words(value: float) -> str:
    return "nan" if math.isnan(value) else "infinite"


def _news(run: RunSummary) -> tuple[str, ...]:
    """Return what changes when a run logs something; a heartbeat is no news."""
    metrics = (f"{name} {value!r}" for name, value in run.metrics.items())
    return run.status, run.tags.get("repdyn.last_checkpoint", ""), *metrics


def _ended(run: RunSummary) -> str:
    line = ENDS.get(run.status, plain(run.status).lower())
    if run.ended is not None:
        line += f" after {duration((run.ended - run.started) / 1000)}"
    test = run.metrics.get("test/acc", math.nan)
    return f"{line}, test accuracy {accuracy(test)}" if math.isfinite(test) else line
