"""The runs' boundaries, accuracies and scores, a column for each run."""

from __future__ import annotations

import math

from repdyn.display.reading import last_epoch, value_at
from repdyn.display.wording import ACCURACIES, PHASES, accuracy
from tui.screens.comparing.linked import Linked
from tui.screens.phases import SUFFIXES, by_kind
from tui.screens.view import Table


def compared(runs: Linked) -> Table:
    """Return boundaries, then accuracies at the end, then scores by name and kind."""
    records = runs.records
    rows: list[tuple[str, ...]] = []
    for name, label in PHASES.items():
        found = [record.phases.markers().get(name) for record in records]
        rows.append((label, *("–" if e is None else str(e) for e in found)))
    for name, label in ACCURACIES.items():
        ends = [value_at(r.curves.get(name), last_epoch(r)) for r in records]
        rows.append((f"{label} accuracy", *map(accuracy, ends)))
    scores = [by_kind(record.scores) for record in records]
    for name in dict.fromkeys(name for known in scores for name in known):
        for kind in SUFFIXES.values():
            values = [known.get(name, {}).get(kind, math.nan) for known in scores]
            cells = ("–" if math.isnan(value) else f"{value:.3f}" for value in values)
            rows.append((f"{name.replace('_', ' ')}, {kind}", *cells))
    return Table(("", *runs.heads), rows)
