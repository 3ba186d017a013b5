"""The columns of the list of runs: what they show, and how they sort."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from repdyn.display.wording import accuracy, arch, duration, noise, optimizer_name, plain
from repdyn.measures.spec import PRIMARY
from repdyn.score_key import ScoreKey
from repdyn.step_words import short_step

if TYPE_CHECKING:
    from repdyn.records import RunSummary

GAP = 2
"""Columns of the screen between two columns."""

LESS, ENOUGH_NAME = 50, 40
"""The name is widened to ENOUGH_NAME before columns with a `keep` below LESS are chosen."""

Key = tuple[int, float, str]
"""Sort key of rows: numbers, then text; rows without a value come last."""


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        title: its header.
        text: what it shows of a run; the second argument is the time in ms since 1970.
        key: its sort key; None if it does not sort.
        keep: if not all columns fit, those with the largest value are chosen first.
        right: whether it is right-aligned.
        most: its maximum width.
        least: its width when space is scarce; 0 for that of its text.
    """

    title: str
    text: Callable[[RunSummary, float], str]
    key: Callable[[RunSummary], Key] | None
    keep: int
    right: bool = False
    most: int = 16
    least: int = 0


def _number(value: float) -> Key:
    return (1, 0.0, "") if math.isnan(value) else (0, value, "")


def metric_key(name: str) -> Callable[[RunSummary], Key]:
    """Return the sort key of a metric."""
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
    """Return the last epoch of a run: of its metrics, or its last checkpoint; NaN before the first."""
    last = math.nan if run.last_step is None else float(run.last_step)
    checkpoint = _float(run.tags.get("repdyn.last_checkpoint", ""))
    return max((at for at in (last, checkpoint) if not math.isnan(at)), default=math.nan)


def epochs_of(run: RunSummary) -> str:
    """Return how many epochs a run is to have; nothing if its steps are no epochs, or none are set."""
    in_epochs = run.tags.get("repdyn.unit", "epoch") == "epoch"
    return plain(run.params.get("epochs", "")) if in_epochs else ""


def _epochs(run: RunSummary, _: float) -> str:
    last, total = done(run), epochs_of(run)
    said = "–" if math.isnan(last) else short_step(int(last))
    return f"{said}/{total}" if total else said


PLACES = 10
"""Characters of a fingerprint, as display/preview.py has them, which needs numpy."""


def _fingerprint_room(run: RunSummary) -> str:
    return " " * PLACES if "repdyn.last_checkpoint" in run.tags else ""


FIT_BREAK, SYNCHRONY = (
    f"score/{ScoreKey(name, PRIMARY.name).name}" for name in ("fit_break", "synchrony")
)

COLUMNS: tuple[Column, ...] = (
    Column("state", lambda run, _: state(run), _words(state), 90),
    Column(
        "name",
        lambda run, _: plain(run.name),
        _words(lambda run: plain(run.name)),
        100,
        most=64,
        least=24,
    ),
    Column("arch", lambda run, _: arch(run), _words(arch), 60, most=48, least=14),
    Column("opt", lambda run, _: optimizer_name(run), _words(optimizer_name), 55, most=24, least=8),
    Column(
        "data",
        lambda run, _: _param("dataset")(run),
        _words(_param("dataset")),
        40,
        most=32,
        least=8,
    ),
    Column("noise", lambda run, _: noise(run).replace(" ", ""), _words(noise), 35, right=True),
    Column("epochs", _epochs, lambda run: _number(done(run)), 80, right=True),
    Column("similarity", lambda run, _: _fingerprint_room(run), None, 72),
    Column("train", _accuracy("train/acc"), metric_key("train/acc"), 50, right=True),
    Column("test", _accuracy("test/acc"), metric_key("test/acc"), 75, right=True),
    Column("onset", _whole("phase/onset"), metric_key("phase/onset"), 46, right=True),
    Column("fit", _whole("phase/fit"), metric_key("phase/fit"), 45, right=True),
    Column("fit break", _score(FIT_BREAK), metric_key(FIT_BREAK), 20, right=True),
    Column("sync", _score(SYNCHRONY), metric_key(SYNCHRONY), 15, right=True),
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

NAME = next(i for i, column in enumerate(COLUMNS) if column.title == "name")

ACCURACIES = {
    metric: next(i for i, column in enumerate(COLUMNS) if column.title == title)
    for title, metric in (("test", "test/acc"), ("train", "train/acc"))
}
"""The metrics in whose columns runs without them show others, the most important first."""

SIMILARITY = next(i for i, column in enumerate(COLUMNS) if column.title == "similarity")
"""The column of fingerprints, which the table draws itself."""


def sorted_by(
    runs: Iterable[RunSummary], column: Column, *, backwards: bool = False
) -> list[RunSummary]:
    """Return runs sorted by a column; runs without a value come last either way."""
    key = column.key
    if key is None:
        return list(runs)
    keyed = [(key(run), run) for run in runs]
    known = [pair for pair in keyed if not pair[0][0]]
    known.sort(key=lambda pair: pair[0], reverse=backwards)
    return [run for _, run in known] + [run for one, run in keyed if one[0]]


def shared(wanted: Sequence[int], room: int, by: int = NEWEST) -> dict[int, int]:
    """Return the columns that fit, by index from left to right, with their widths.

    The most important ones are chosen first, cut if they do not fit whole; one that does not fit
    leaves its space to others. The name is cut first, and widened before the least important ones.

    Args:
        wanted: widths of the columns' texts; 0 for a column that shows nothing.
        room: for columns, with a gap after each but the last.
        by: the column by which runs are sorted, which is always shown.
    """
    least = [min(wide, column.least or wide) for wide, column in zip(wanted, COLUMNS, strict=True)]
    widths = {NAME: max(1, min(least[NAME], room))}
    left = room - widths[NAME]
    for i in sorted(range(len(COLUMNS)), key=lambda i: (i != by, -COLUMNS[i].keep)):
        if COLUMNS[i].keep < LESS and i != by:
            left -= _widen(widths, min(wanted[NAME], ENOUGH_NAME), left)
        if i != NAME and wanted[i] and least[i] + GAP <= left:
            widths[i] = min(wanted[i], left - GAP)
            left -= widths[i] + GAP
    _widen(widths, wanted[NAME], left)
    return dict(sorted(widths.items()))


def _widen(widths: dict[int, int], wanted: int, left: int) -> int:
    """Widen the name within the space that is left; return by how much."""
    more = max(0, min(wanted - widths[NAME], left))
    widths[NAME] += more
    return more


def matches(run: RunSummary, words: list[str]) -> bool:
    """Return whether each word is in the run's name, id, state or params, ignoring case."""
    if not words:
        return True
    text = " ".join([run.name, run.run_id, run.status, *run.params.values()]).casefold()
    return all(word in text for word in words)
