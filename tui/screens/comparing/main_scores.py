"""The scores that matter most, of each run and as a difference from the first run."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from repdyn.display.labels import PHASES
from repdyn.display.reading import last_epoch, value_at
from repdyn.display.wording import key_words
from repdyn.records import plural
from repdyn.score_key import ScoreKey
from repdyn.step_words import step
from tui.screens.comparing.linked import Linked

BOUNDARIES = ("onset", "fit")

TEST = "test/acc"

RATIO = "×"


@dataclass(frozen=True)
class MainScore:
    """A score of each run.

    Attributes:
        name: in words.
        unit: of its values.
        values: a text for each run, a dash where the run has none.
        differences: from the first run, a text for each run; empty for the first.
    """

    name: str
    unit: str
    values: tuple[str, ...]
    differences: tuple[str, ...]


def main_scores(runs: Linked, measure: str) -> list[MainScore]:
    """Return onset, fit, fit break, synchrony and test accuracy, those that any run has."""
    records = runs.records
    unit = plural(records[0].unit) if runs.one_unit else "each in its steps"
    found = [
        _score(
            PHASES[name],
            unit,
            [float(r.phases.markers().get(name, math.nan)) for r in records],
            lambda epoch: step(round(epoch)),
            _whole if runs.one_unit else _none,
        )
        for name in BOUNDARIES
    ]
    breaks, synchrony = ScoreKey("fit_break", measure), ScoreKey("synchrony", measure)
    slower = [2 ** r.scores.get(breaks, math.nan) for r in records]
    found.append(_score(key_words(breaks), "× slower", slower, "{:.1f}".format, _ratio))
    together = [r.scores.get(synchrony, math.nan) for r in records]
    found.append(
        _score(key_words(synchrony), "correlation", together, "{:.2f}".format, _hundredths)
    )
    tested = [100 * value_at(r.curves.get(TEST), last_epoch(r)) for r in records]
    found.append(_score("test accuracy", "%", tested, "{:.1f}".format, _tenths))
    return [score for score in found if set(score.values) != {"–"}]


def _score(
    name: str,
    unit: str,
    values: list[float],
    written: Callable[[float], str],
    difference: Callable[[float, float], str],
) -> MainScore:
    first, *others = values
    return MainScore(
        name,
        unit,
        tuple("–" if math.isnan(value) else written(value) for value in values),
        ("", *("" if math.isnan(value - first) else difference(value, first) for value in others)),
    )


def _whole(value: float, first: float) -> str:
    return _signed(f"{value - first:+,.0f}")


def _hundredths(value: float, first: float) -> str:
    return _signed(f"{value - first:+.2f}")


def _tenths(value: float, first: float) -> str:
    return _signed(f"{value - first:+.1f}")


def _ratio(value: float, first: float) -> str:
    return f"{RATIO}{value / first:.2g}"


def _none(value: float, first: float) -> str:
    del value, first
    return ""


def _signed(text: str) -> str:
    """Return a difference with a minus sign as wide as the plus; 0 has no sign."""
    return "0" if not text.strip("+-0.,") else text.replace("-", "−")
