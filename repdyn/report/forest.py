"""Forest plots: estimates with their intervals, as places on a line for the templates to draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from matplotlib.ticker import MaxNLocator

from repdyn.analysis.effects import Effect
from repdyn.analysis.findings import Finding
from repdyn.analysis.verdicts import CONFIDENCE
from repdyn.display.wording import label, score_title
from repdyn.report.comparison import based_on, effect_words, interval

CLIPPED = 4.0
"""An interval is cut, and says so by an arrow, at this many times the largest estimate or margin."""

PADDING = 0.06
"""Share of the line left free at its ends."""

TICKS = 4


@dataclass(frozen=True)
class Tick:
    """A place on the line in percent, and the number there."""

    at: float
    text: str


@dataclass(frozen=True)
class Row:
    """An estimate.

    Attributes:
        name: what it is of.
        at: the estimate's place in percent.
        ends: those of its interval; None without one.
        cut: whether the interval goes on at its lower and upper end.
        numbers: estimate and interval in words.
        sample: how much data it is based on.
        verdict: in words.
        counted: whether it counts towards the claim; it is drawn hollow otherwise.
        null: where nothing is, if that differs from row to row: a share by chance.
    """

    name: str
    at: float
    ends: tuple[float, float] | None
    cut: tuple[bool, bool]
    numbers: str
    sample: str
    verdict: str
    counted: bool
    null: float | None


@dataclass(frozen=True)
class Panel:
    """Rows on one line.

    Attributes:
        title: what they have in common.
        rows: at least one.
        ticks: numbers below the line.
        null: where nothing is, in percent; None if each row has its own.
        matters: the places between which a difference is too small to matter, or the one of the share
            that matters.
        margin: the smallest difference that matters, in words.
    """

    title: str
    rows: tuple[Row, ...]
    ticks: tuple[Tick, ...]
    null: float | None
    matters: tuple[float, float]
    margin: str


def panels(finding: Finding) -> list[Panel]:
    """Return a panel for each score of a finding, with a row for each similarity that has a value."""
    shown = [effect for effect in finding.effects if effect.values]
    return [_panel(title, list(effects)) for title, effects in groupby(shown, key=_title)]


def _title(effect: Effect) -> str:
    parts = [score_title(effect.score.score), effect.contrast, effect.basis]
    if effect.share:
        parts = [f"share of {effect.contrast}"]
    if np.isfinite(effect.low) and effect.level != CONFIDENCE:
        parts.append(f"{100 * effect.level:g} % intervals")
    return ", ".join(filter(None, parts))


def _panel(title: str, effects: Sequence[Effect]) -> Panel:
    share, margin = effects[0].share, effects[0].margin
    low, high = (0.0, 1.0) if share else _range(effects)
    pad = PADDING * (high - low)
    left, right = low - pad, high + pad

    def place(value: float) -> float:
        return round(100 * (min(max(value, low), high) - left) / (right - left), 2)

    rows = [
        Row(
            name=label(one.score.measure),
            at=place(one.estimate),
            ends=(place(one.low), place(one.high)) if np.isfinite(one.low) else None,
            cut=(one.low < low, one.high > high),
            numbers=interval(one).replace("-", "−"),
            sample=based_on(one),
            verdict=effect_words(one),
            counted=one.counted,
            null=place(one.null) if share else None,
        )
        for one in effects
    ]
    values = MaxNLocator(TICKS, steps=[1, 2, 5, 10]).tick_values(low, high)
    ticks = [Tick(place(v), f"{v:.6g}".replace("-", "−")) for v in values if low <= v <= high]
    return Panel(
        title=title,
        rows=tuple(rows),
        ticks=tuple(ticks),
        null=None if share else place(0.0),
        matters=(place(margin), place(margin)) if share else (place(-margin), place(margin)),
        margin=f"{margin:g}",
    )


def _range(effects: Sequence[Effect]) -> tuple[float, float]:
    """Return the ends of the line: all there is, but for the far ends of wide intervals."""
    margin = effects[0].margin
    most = CLIPPED * max(margin, *(abs(one.estimate) for one in effects))
    ends = [v for one in effects for v in (one.low, one.high, one.estimate) if np.isfinite(v)]
    return max(-most, min(-1.5 * margin, *ends)), min(most, max(1.5 * margin, *ends))
