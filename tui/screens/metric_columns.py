"""The list's columns for other programs' runs: metrics that most have, where ours have accuracies."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING

from repdyn.display.metric_names import ACCURACY, LOSS, group_title, is_counter
from repdyn.display.wording import accuracy, plain
from repdyn.own_runs import is_own
from repdyn.run_summary import SYSTEM_METRICS
from tui.screens.run_columns import ACCURACIES, COLUMNS, Column, metric_key

if TYPE_CHECKING:
    from repdyn.records import RunSummary

MOST_ASKED = 200
"""Runs by which the metrics are chosen, the newest."""

HELD_OUT = frozenset({"val", "valid", "validation", "test", "eval", "dev"})
"""Words of the names of metrics on data that are not trained on, which come first."""


def columns_of(runs: Iterable[RunSummary]) -> tuple[Column, ...]:
    """Return the columns of a list of runs."""
    return _with_metrics(listed_metrics(runs))


def listed_metrics(runs: Iterable[RunSummary]) -> tuple[str, ...]:
    """Return metrics that most of the runs with any have, an accuracy and a loss first.

    None if a run of ours has the accuracies for which there are columns.
    """
    asked = [run for run in islice(runs, MOST_ASKED) if run.metrics]
    if any(is_own(run.tags) and not ACCURACIES.keys().isdisjoint(run.metrics) for run in asked):
        return ()
    logged = [run.metrics for run in asked]
    counts = Counter(name for metrics in logged for name in metrics)
    most = [
        name
        for name, count in counts.items()
        if 2 * count >= len(logged) and not name.startswith(SYSTEM_METRICS)
    ]
    ranked = sorted(most, key=_rank)
    firsts = [
        next((name for name in ranked if group_title(name) == kind), "")
        for kind in (ACCURACY, LOSS)
    ]
    return tuple(dict.fromkeys([*filter(None, firsts), *ranked]))[: len(ACCURACIES)]


def _rank(name: str) -> tuple[int, bool, bool, str]:
    kind = group_title(name)
    held_out = not HELD_OUT.isdisjoint(re.split(r"[^a-z]", name.casefold()))
    return (ACCURACY, LOSS, kind).index(kind), is_counter(name), not held_out, name


@lru_cache(maxsize=16)
def _with_metrics(names: Sequence[str]) -> tuple[Column, ...]:
    """Return the columns with metrics in place of the accuracies; the same tuple for the same ones."""
    columns = list(COLUMNS)
    for place, name in zip(ACCURACIES.values(), names, strict=False):
        columns[place] = replace(
            columns[place], title=plain(name), text=_text(name), key=metric_key(name)
        )
    return tuple(columns)


def _text(name: str) -> Callable[[RunSummary, float], str]:
    is_share = group_title(name) == ACCURACY

    def text(run: RunSummary, _: float) -> str:
        value = run.metrics.get(name, math.nan)
        return (
            accuracy(value)
            if math.isnan(value) or (is_share and 0 <= value <= 1)
            else f"{value:.4g}"
        )

    return text
