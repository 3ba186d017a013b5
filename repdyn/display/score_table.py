"""A table of scores with their meanings: beside the numbers, or below them if there are many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from repdyn.analysis.scores import MEANINGS
from repdyn.display.wording import score_words

MOST_BESIDE = 3
"""Columns of numbers that leave room for the meanings on 80 columns."""


def with_scores(table: Table, scores: Mapping[str, Sequence[str]]) -> RenderableType:
    """Add scores to a table that has a column for names, then one for each measure.

    Args:
        table: without rows.
        scores: the numbers of each score, by its name.
    """
    meanings = {score: Text(MEANINGS.get(score, ""), "dim") for score in scores}
    beside = len(table.columns) - 1 <= MOST_BESIDE
    if beside:
        table.add_column("")
    for score, numbers in scores.items():
        table.add_row(score_words(score), *numbers, *([meanings[score]] if beside else ()))
    if beside:
        return table
    below = Table.grid(padding=(0, 2))
    below.add_column(no_wrap=True)
    for score, meaning in meanings.items():
        below.add_row(score_words(score), meaning)
    return Group(table, Text(), below)
