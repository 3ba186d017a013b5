"""All boundaries, accuracies and scores of the runs, a column for each run."""

from __future__ import annotations

import math

from repdyn.display.labels import ACCURACIES, PHASES
from repdyn.display.reading import last_epoch, value_at
from repdyn.display.wording import accuracy, by_measure, key_words, spanned
from repdyn.measures.spec import MEASURES
from repdyn.score_key import ScoreKey
from tui.screens.comparing.linked import Linked
from tui.screens.view import Table


def compared(runs: Linked, *, intervals: bool = True) -> Table:
    """Return boundaries, then accuracies at the end, then scores by name and measure.

    Rows in which no run has a value are left out.

    Args:
        runs: to compare.
        intervals: whether boundaries are followed by theirs.
    """
    records = runs.records
    rows: list[tuple[str, ...]] = []
    for name, called in PHASES.items():
        found = [record.phases.markers().get(name) for record in records]
        spans = [r.phases.intervals.get(name) if intervals else None for r in records]
        if any(epoch is not None for epoch in found):
            cells = ("–" if e is None else spanned(e, s) for e, s in zip(found, spans, strict=True))
            rows.append((called, *cells))
    for name, called in ACCURACIES.items():
        ends = [value_at(r.curves.get(name), last_epoch(r)) for r in records]
        if not all(map(math.isnan, ends)):
            rows.append((f"{called} accuracy", *map(accuracy, ends)))
    scores = [by_measure(record.scores) for record in records]
    having = {key.measure for record in records for key in record.scores}
    measures = [name for name in MEASURES if name in having]
    for name in dict.fromkeys(name for known in scores for name in known):
        for measure in measures:
            values = [known.get(name, {}).get(measure, math.nan) for known in scores]
            if all(map(math.isnan, values)):
                continue
            cells = ("–" if math.isnan(value) else f"{value:.3f}" for value in values)
            rows.append((key_words(ScoreKey(name, measure)), *cells))
    return Table(("", *runs.heads), rows)
