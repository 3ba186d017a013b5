"""The scores of a run in words: a sentence for each, with how it compares with its null."""

from __future__ import annotations

import math
from dataclasses import dataclass

from repdyn.analysis.breaks import ALL_BREAK
from repdyn.analysis.nulls import DRAWS
from repdyn.display.findings import (
    STANDS_OUT,
    alike,
    factor,
    more_than_draws,
    more_than_others,
    percent,
    scored,
    signed,
    times,
)
from repdyn.records import RunRecord, plural
from repdyn.score_key import ScoreKey

SLIGHT = 0.05
"""Largest distance from 1 of a factor that is given in percent; the first layer's return is none."""


@dataclass(frozen=True)
class ScoreSentence:
    """A score in words.

    Attributes:
        text: the sentence.
        stands_out: whether the score is more than its null gives.
    """

    text: str
    stands_out: bool


def score_sentences(record: RunRecord, measure: str) -> tuple[ScoreSentence, ...]:
    """Return the scores of a run on a measure in words, at most six; without undefined ones."""
    of_each = (
        _break(record, measure),
        _synchrony(record, measure),
        _change_spread(record, measure),
        _break_spread(record, measure),
        _depth(record, measure),
        _first_layer(record, measure),
    )
    return tuple(one for one in of_each if one is not None)


def _known(record: RunRecord, score: str, measure: str) -> tuple[float, float] | None:
    value, rank = scored(record, score, measure)
    return None if math.isnan(value) or math.isnan(rank) else (value, rank)


def _break(record: RunRecord, measure: str) -> ScoreSentence | None:
    found = _known(record, "fit_break", measure)
    if found is None:
        return None
    value, rank = found
    weakest = record.scores.get(ScoreKey("fit_break_weakest_layer_rank", measure), math.nan)
    slows = value > 0 and not alike(value)
    drift = "as fast as before" if alike(value) else power(value)
    text = f"After perfect fit the layers drift {drift}"
    if slows:
        text += f"; {more_than_others(rank, record.unit)}"
    if slows and rank >= 1 and weakest >= 1:
        text += ", in each layer"
    elif slows and not math.isnan(weakest):
        text += f"; the weakest layer {more_than_others(weakest, record.unit)}"
    return ScoreSentence(text, slows and rank >= ALL_BREAK)


def _synchrony(record: RunRecord, measure: str) -> ScoreSentence | None:
    found = _known(record, "synchrony", measure)
    if found is None:
        return None
    value, rank = found
    text = (
        f"The layers' drift rates correlate {signed(value)} (1: they move together); "
        f"{more_than_draws(rank, 'random time shifts')}"
    )
    outside = _known(record, "synchrony_outside_fit", measure)
    if outside is not None:
        text += f"; {signed(outside[0])} away from perfect fit ({percent(outside[1])} of shifts)"
    return ScoreSentence(text, rank >= STANDS_OUT)


def _change_spread(record: RunRecord, measure: str) -> ScoreSentence | None:
    found = _known(record, "change_spread", measure)
    if found is None:
        return None
    value, rank = found
    alike, unequal = rank <= 1 - STANDS_OUT, rank >= STANDS_OUT
    share = "any" if rank in (0, 1) else percent(rank if rank > 0.5 else 1 - rank)
    others = f"{share} {'other stretch' if rank in (0, 1) else 'of other stretches'} as long"
    return ScoreSentence(
        f"From memorisation onset to perfect fit the layers change by amounts that differ by "
        f"{100 * value:.0f} % of their mean; {'more' if rank > 0.5 else 'less'} than in {others}",
        alike or unequal,
    )


def _break_spread(record: RunRecord, measure: str) -> ScoreSentence | None:
    found = _known(record, "break_spread", measure)
    if found is None:
        return None
    value, rank = found
    near = rank <= 1 - STANDS_OUT
    where = "at the same time" if near else "at different times"
    factor = f"{10**value:.2g}"
    apart = "" if factor == "1" else f", 10^{value:.2f} = {factor} × apart"
    drawn = f"none of {DRAWS} draws" if rank <= 0 else f"{percent(rank)} of draws"
    return ScoreSentence(
        f"The layers slow down most {where}{apart}; random {plural(record.unit)} lie closer in {drawn}",
        near,
    )


def _depth(record: RunRecord, measure: str) -> ScoreSentence | None:
    found = _known(record, "depth_drift", measure)
    if found is None:
        return None
    value, rank = found
    drift = "as fast as" if alike(value) else f"{power(value, 'faster', 'slower')} than"
    return ScoreSentence(
        f"The last layer drifts {drift} the second (line over depth); "
        f"{more_than_draws(rank, 'random layer orders')}",
        rank >= STANDS_OUT,
    )


def _first_layer(record: RunRecord, measure: str) -> ScoreSentence | None:
    found = _known(record, "first_layer_return", measure)
    if found is None:
        return None
    value, rank = found
    if value <= 0 or is_slight(value):
        return ScoreSentence("The first layer does not return towards its start", False)
    return ScoreSentence(
        f"The first layer returns: it was {factor(value)} farther from its start than it is at the end; "
        f"{more_than_draws(rank, 'copies without a return')}",
        rank >= STANDS_OUT,
    )


def is_slight(log2: float) -> bool:
    """Return whether a factor 2^x is so near to 1 that no reader would act on it."""
    return 2 ** abs(log2) < 1 + SLIGHT


def power(log2: float, more: str = "slower", less: str = "faster") -> str:
    """Return a factor with its power of two, `2^3.5 = 11 × slower`; of a slight one in percent."""
    if is_slight(log2):
        return f"{100 * (2 ** abs(log2) - 1):.0f} % {more if log2 > 0 else less}"
    return f"2^{abs(log2):.1f} = {times(log2, more, less)}"
