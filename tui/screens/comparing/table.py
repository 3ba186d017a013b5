"""The runs' boundaries, accuracies and scores, a column for each run."""

from __future__ import annotations

import math

from repdyn.display.labels import ACCURACIES, PHASES
from repdyn.display.reading import last_epoch, value_at
from repdyn.display.wording import accuracy, by_measure, key_words
from repdyn.measures.spec import MEASURES
from repdyn.score_key import ScoreKey
from repdyn.step_words import step
from tui.screens.comparing.linked import Linked
from tui.screens.view import Table


def compared(runs: Linked) -> Table:
    """Return boundaries, then accuracies at the end, then scores by name and measure.

    Rows in which no run has a value are left out.
    """
    records = runs.records
    rows: list[tuple[str, ...]] = []
    for name, called in PHASES.items():
        found = [record.phases.markers().get(name) for record in records]
        if any(e is not None for e in found):
            rows.append((called, *("–" if e is None else step(e) for e in found)))
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
