"""The columns of the list of runs: what they show, and how they sort."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from repdyn.display.wording import accuracy, arch, duration, noise, plain
from repdyn.measures.spec import PRIMARY
from repdyn.score_key import ScoreKey

if TYPE_CHECKING:
    from repdyn.records import RunSummary

Key = tuple[int, float, str]
"""Sort key of rows: numbers, then text; rows without a value come last."""


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        title: its header.
        text: what it shows of a run; the second argument is the time in ms since 1970.
        key: its sort key.
        keep: if not all columns fit, those with the smallest value are dropped first.
        right: whether it is right-aligned.
        most: its maximum width.
    """

    title: str
    text: Callable[[RunSummary, float], str]
    key: Callable[[RunSummary], Key]
    keep: int
    right: bool = False
    most: int = 16


def _number(value: float) -> Key:
    return (1, 0.0, "") if math.isnan(value) else (0, value, "")


def _metric(name: str) -> Callable[[RunSummary], Key]:
    return lambda run: _number(run.metrics.get(name, math.nan))


def _words(text: Callable[[RunSummary], str]) -> Callable[[RunSummary], Key]:
    def key(run: RunSummary) -> Key:
        shown = text(run)
        return (0 if shown else 1), 0.0, shown.casefold()

    return key


def _param(name: str) -> Callable[[RunSummary], str]:
    return lambda run: plain(run.params.get(name, ""))


def _whole(name: str) -> Callable[[RunSummary, float], str]:
    return lambda run, _: _or_dash(run.metrics.get(name, math.nan), "{:.0f}")


def _score(name: str) -> Callable[[RunSummary, float], str]:
    return lambda run, _: _or_dash(run.metrics.get(name, math.nan), "{:.2f}")


def _or_dash(value: float, form: str) -> str:
    return form.format(value) if math.isfinite(value) else "–"


def _accuracy(name: str) -> Callable[[RunSummary, float], str]:
    return lambda run, _: accuracy(run.metrics.get(name, math.nan))


def state(run: RunSummary) -> str:
    """Return the run's state in a word."""
    return plain(run.status).lower()


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def done(run: RunSummary) -> float:
    """Return the epoch of the last checkpoint, NaN before the first."""
    return _float(run.tags.get("repdyn.last_checkpoint", ""))


def _epochs(run: RunSummary, _: float) -> str:
    return f"{_or_dash(done(run), '{:.0f}')}/{plain(run.params.get('epochs', '?'))}"


FIT_BREAK, SYNCHRONY = (
    f"score/{ScoreKey(name, PRIMARY.name).name}" for name in ("fit_break", "synchrony")
)

COLUMNS = (
    Column("state", lambda run, _: state(run), _words(state), 90),
    Column(
        "name", lambda run, _: plain(run.name), _words(lambda run: plain(run.name)), 100, most=40
    ),
    Column("arch", lambda run, _: arch(run), _words(arch), 60, most=24),
    Column("opt", lambda run, _: _param("opt")(run), _words(_param("opt")), 55),
    Column("data", lambda run, _: _param("dataset")(run), _words(_param("dataset")), 40),
    Column("noise", lambda run, _: noise(run).replace(" ", ""), _words(noise), 35, right=True),
    Column("epochs", _epochs, lambda run: _number(done(run)), 80, right=True),
    Column("train", _accuracy("train/acc"), _metric("train/acc"), 50, right=True),
    Column("test", _accuracy("test/acc"), _metric("test/acc"), 75, right=True),
    Column("onset", _whole("phase/onset"), _metric("phase/onset"), 46, right=True),
    Column("fit", _whole("phase/fit"), _metric("phase/fit"), 45, right=True),
    Column("fit break", _score(FIT_BREAK), _metric(FIT_BREAK), 20, right=True),
    Column("sync", _score(SYNCHRONY), _metric(SYNCHRONY), 15, right=True),
    Column(
        "age",
        lambda run, now: duration((now - run.started) / 1000),
        lambda run: _number(-float(run.started)),
        70,
        right=True,
    ),
)
"""In order, from left to right."""

NEWEST = len(COLUMNS) - 1
"""The initial sort column."""


def matches(run: RunSummary, words: list[str]) -> bool:
    """Return whether each word is in the run's name, id, state or params, ignoring case."""
    if not words:
        return True
    text = " ".join([run.name, run.run_id, run.status, *run.params.values()]).casefold()
    return all(word in text for word in words)
