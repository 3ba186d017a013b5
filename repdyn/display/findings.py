"""What one run shows, in two or three sentences with their numbers.

A sentence says no more than the stored score and its null do, and where a score is undefined it gives
the reason. None is a test: a rank of one run is no p-value (docs/error-rates.md).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from repdyn.analysis.breaks import ALL_BREAK
from repdyn.analysis.nulls import DRAWS
from repdyn.analysis.scores import layer_fit_breaks
from repdyn.analysis.undefined import REACHES, open_end, undefined_phases, undefined_scores
from repdyn.display.reading import is_live, last_epoch, value_at
from repdyn.display.wording import accuracy, label, spanned
from repdyn.measures.spec import MEASURES
from repdyn.records import Dynamics, RunRecord, plural
from repdyn.score_key import ScoreKey
from repdyn.step_words import counted, step

STANDS_OUT = 0.95
"""Rank among random draws from which a score is more than chance gives."""

LIKELY = 0.05
"""Chance of a finding from which a sentence mentions it."""


@dataclass(frozen=True)
class Finding:
    """A sentence.

    Attributes:
        forms: the whole sentence, then shorter ones that say less.
    """

    forms: tuple[str, ...]

    def __str__(self) -> str:
        return self.forms[0]

    def within(self, width: int) -> str:
        """Return the longest form that fits, or the shortest up to the last word that does."""
        for form in self.forms:
            if len(form) <= width:
                return form
        words = self.forms[-1][: max(0, width - 1)].rpartition(" ")[0]
        return f"{words} …" if words else "…"[:width]


def findings(record: RunRecord, measure: str = "") -> tuple[Finding, ...]:
    """Return what a run shows: at perfect fit, of its layers together, and when it memorises.

    Args:
        record: of the run.
        measure: of similarity; without it the first that the run was measured with.
    """
    measure = measure or first_measure(record.dynamics)
    found = (_at_fit(record, measure), _together(record, measure), _memorised(record))
    return tuple(one for one in found if one is not None)


def first_measure(dynamics: Dynamics | None) -> str:
    """Return the first measure of a run in the order of the registry; empty without any."""
    known: Mapping[str, object] = {} if dynamics is None else dynamics.similarity
    return next((name for name in MEASURES if name in known), "")


def scored(record: RunRecord, score: str, measure: str) -> tuple[float, float]:
    """Return a score of a run and its rank in its null; NaN where they are undefined."""
    keys = ScoreKey(score, measure), ScoreKey(f"{score}_rank", measure)
    return record.scores.get(keys[0], math.nan), record.scores.get(keys[1], math.nan)


ALIKE = 0.005
"""Largest distance from 1 of a factor that is given as no change."""


def alike(log2: float) -> bool:
    """Return whether a factor 2^x is 1 to two decimals."""
    return 2 ** abs(log2) < 1 + ALIKE


def factor(log2: float) -> str:
    """Return 2^|x|, a factor of at least 1, `11 ×` or `1.02 ×`."""
    size = 2 ** abs(log2)
    return f"{size:.2f} ×" if size < 1.05 else f"{size:.2g} ×" if abs(log2) < 6 else f"{size:.0f} ×"


def times(log2: float, more: str = "slower", less: str = "faster") -> str:
    """Return 2^x as a factor and its direction, `11 × slower` or `1.2 × faster`."""
    return f"{factor(log2)} {more if log2 > 0 else less}"


def percent(share: float) -> str:
    """Return a share as a percentage; neither 0 % nor 100 % unless it is exactly that."""
    if 0 < share < 0.01:
        return "under 1 %"
    return f"{min(round(100 * share), 99) if share < 1 else 100} %"


def more_than_others(rank: float, unit: str) -> str:
    """Return a rank among a run's other epochs in words, `more than at any other epoch`."""
    if rank >= 1:
        return f"more than at any other {unit}"
    if rank <= 0:
        return f"less than at any other {unit}"
    return f"more than at {percent(rank)} of the other {plural(unit)}"


def more_than_draws(rank: float, drawn: str) -> str:
    """Return a rank among random draws in words, `more than in 99 % of random time shifts`."""
    share = f"all {DRAWS}" if rank >= 1 else f"none of {DRAWS}" if rank <= 0 else percent(rank)
    joined = "" if rank >= 1 or rank <= 0 else " of"
    return f"more than in {share}{joined} {drawn}"


# --- perfect fit


def _at_fit(record: RunRecord, measure: str) -> Finding:
    fit = record.phases.fit
    if fit is None:
        return _no_fit(record)
    at = f"perfect fit ({record.unit} {step(fit)})"
    value, rank = scored(record, "fit_break", measure)
    if record.dynamics is None or math.isnan(value) or math.isnan(rank):
        reached, why = f"Perfect fit at {record.unit} {step(fit)}", _unknown_break(record, measure)
        known = "not known yet" if is_live(record) else "unknown"
        slow = f"{reached}; whether layers slow down is {known}"
        return Finding((f"{reached}; {why}", slow, reached))
    by, change, most = _by(record, measure), factor(value), more_than_others(rank, record.unit)
    slows = value > 0 and not alike(value)
    weakest = record.scores.get(ScoreKey("fit_break_weakest_layer_rank", measure), math.nan)
    if slows and weakest >= ALL_BREAK and (all_layers := _slowing(record, measure)):
        chance, (which, short) = _chance(record, measure), all_layers
        return Finding(
            (
                f"{which} slow down at {at}, {change} on average; {most}{chance}{by}",
                f"{which} slow down at {at}, {change} on average{by}",
                f"{short} slow down at {at}, {change}{by}",
                f"{short} slow down {change} at {at}",
                f"The layers slow down {change} at {at}",
            )
        )
    if slows and rank >= ALL_BREAK:
        weak = "" if math.isnan(weakest) else f", the weakest only at {percent(weakest)} of them"
        words = f"The layers slow down {change} at {at}"
        return Finding(
            (
                f"{words} on average, {most}; but not each of them stands out{weak}{by}",
                f"{words} on average, but not each of them stands out{by}",
                f"{words}, not all clearly{by}",
                f"Only some layers stand out at {at}",
            )
        )
    as_much = ""
    drift = "as fast" if alike(value) else times(value)
    if slows:
        others = f"{percent(1 - rank)} of the other {plural(record.unit)}"
        as_much = f", and slow down as much or more at {others}"
    at = f"P{at[1:]}"
    return Finding(
        (
            f"{at} does not stand out: the layers drift {drift} after it{as_much}{by}",
            f"{at} does not stand out: drift is {drift} after it{by}",
            f"{at} does not stand out",
        )
    )


def _slowing(record: RunRecord, measure: str) -> tuple[str, str] | None:
    """Return the layers, in full and short, if each of them slows down at perfect fit."""
    assert record.dynamics is not None  # noqa: S101 - there are scores
    breaks = layer_fit_breaks(record.dynamics, record.phases, measure)[0]
    known = breaks[np.isfinite(breaks)]
    if len(known) < 2 or (known <= 0).any():
        return None
    if len(known) < len(breaks):
        return f"All {len(known)} layers that can be measured", "All layers measured"
    return f"All {len(known)} layers after the first", "All layers but the first"


def _chance(record: RunRecord, measure: str) -> str:
    chance = record.scores.get(ScoreKey("all_break_chance", measure), math.nan)
    if not chance >= LIKELY:
        return ""
    return f" (by chance in {percent(chance)} of runs that drift like this one)"


def _no_fit(record: RunRecord) -> Finding:
    train = record.curves.get("train/acc")
    if train is None or not len(train.values):
        return Finding(
            ("Perfect fit is unknown, as train/acc is not logged", "Perfect fit is unknown")
        )
    if not is_live(record):
        why = undefined_phases(record.curves, record.phases, record.unit)["fit"]
        best = accuracy(float(np.nanmax(train.values)))
        return Finding(
            (f"No perfect fit: {why}", f"No perfect fit: training accuracy {best} at most")
        )
    last = last_epoch(record)
    now = f"training accuracy {accuracy(value_at(train, last))} at {record.unit} {step(last)}"
    return Finding((f"No perfect fit so far: {now}", "No perfect fit so far"))


def _unknown_break(record: RunRecord, measure: str) -> str:
    """Return why it is unknown whether the layers slow down at perfect fit."""
    if not measure or record.dynamics is None:
        return "no similarity was measured"
    fit = record.phases.fit or 0
    if is_live(record):
        least = math.ceil(REACHES * fit)
        return (
            "whether layers slow down there is computed at the end of a run of at least "
            f"{counted(least, record.unit)}"
        )
    if not record.scores:
        return "the run has no scores, which are computed at its end"
    key = ScoreKey("fit_break_rank", measure)
    why = undefined_scores(record.dynamics, record.phases, record.scores).get(key, "not a number")
    return f"whether layers slow down there is unknown: {why}"


# --- all layers together


def _together(record: RunRecord, measure: str) -> Finding | None:
    value, rank = scored(record, "synchrony", measure)
    if math.isnan(value) or math.isnan(rank):
        return None
    by, shifts = _by(record, measure), "random time shifts"
    correlated = f"their drift rates correlate {signed(value)}"
    if rank >= STANDS_OUT:
        more = more_than_draws(rank, shifts)
        spikes = "; loss spikes raise this" if record.phases.spikes else ""
        return Finding(
            (
                f"The layers move together: {correlated}, {more}{spikes}{by}",
                f"The layers move together: {correlated}, {more}{by}",
                f"The layers move together: {correlated}{by}",
                "The layers move together",
            )
        )
    return Finding(
        (
            f"The layers do not move together more than by chance: {correlated}, "
            f"{more_than_draws(rank, shifts)}{by}",
            f"The layers do not move together: {correlated}{by}",
            "The layers do not move together",
        )
    )


def signed(value: float) -> str:
    """Return a correlation, `.98` or `−.20`."""
    return f"{value:.2f}".replace("0.", ".", 1).replace("-", "−")


# --- memorisation and test error


def _memorised(record: RunRecord) -> Finding | None:
    whole, brief = (_boundaries(record, intervals=intervals) for intervals in (True, False))
    if not whole:
        return None
    forms = ("; ".join(whole), "; ".join(brief), whole[0], brief[0])
    return Finding(tuple(f"{form[0].upper()}{form[1:]}" for form in dict.fromkeys(forms)))


def _boundaries(record: RunRecord, *, intervals: bool) -> list[str]:
    """Return when flipped labels start to be fit, and what the test error does, in words."""
    phases, unit, found = record.phases, record.unit, record.phases.markers()
    known = phases.intervals if intervals else {}
    at = {name: spanned(epoch, known.get(name)) for name, epoch in found.items()}
    parts = []
    if "onset" in at:
        parts.append(f"flipped labels start to be fit at {unit} {at['onset']}")
    if "test_min" in at and "test_peak" in at:
        rises = f"the test error rises from {unit} {at['test_min']}"
        parts.append(f"{rises} to a peak at {at['test_peak']} and falls again")
    elif "test_min" in at:
        so_far = " so far" if is_live(record) else ""
        parts.append(f"the test error is lowest{so_far} at {unit} {at['test_min']}")
    elif not is_live(record) and (test := record.curves.get("test/acc")) is not None:
        parts += filter(None, [open_end(test, unit)])
    return parts


def _by(record: RunRecord, measure: str) -> str:
    """Return the measure in brackets if the run has several."""
    several = record.dynamics is not None and len(record.dynamics.similarity) > 1
    return f" ({label(measure)})" if several else ""
