"""Tables and intervals of docs/results.md, from the runs kept in docs/results/*.csv.

`python -m docs.kept_results FILE.csv ...` prints the table of their runs as Markdown.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from repdyn.display.labels import PHASES
from repdyn.display.wording import key_words
from repdyn.report.comparison import SPIKY, Comparison, Group, groups, interval, spread
from repdyn.report.runs_csv import read_csv
from repdyn.runs.comparison import compared
from repdyn.score_key import ScoreKey
from repdyn.settings.schema import StoreConfig

FIT_BREAKS = (ScoreKey("fit_break", "cka"), ScoreKey("fit_break", "regions"))

SCORES = (
    *FIT_BREAKS,
    ScoreKey("synchrony", "cka"),
    ScoreKey("synchrony", "regions"),
    ScoreKey("break_spread", "cka"),
    ScoreKey("break_spread", "regions"),
    ScoreKey("first_layer_return", "cka"),
)

NO_BREAK = "\N{NO-BREAK SPACE}"

WIDE = 6
"""Groups that have a column each; more have a row each, and only the breaks at the fit."""


def kept(*paths: Path, falls: bool = True) -> Comparison:
    """Return the comparison of all runs of these files, or only of those that stay at the fit."""
    runs = [run for path in paths for run in read_csv(path)]
    return compared([], StoreConfig(), kept=[run for run in runs if falls or not run.phases.spikes])


def table(comparison: Comparison) -> str:
    """Return the numbers of each group of runs: mean (smallest–largest)."""
    found = groups(comparison)
    if len(found) <= WIDE:
        columns = [_numbers(group, ("onset", "fit"), SCORES) for group in found]
        rows = [[name, *(column[name] for column in columns)] for name in columns[0]]
        return _markdown(["", *(group.label for group in found)], rows)
    found = sorted(found, key=lambda group: _place(group, comparison))
    lines = [(_label(group), _numbers(group, ("fit",), FIT_BREAKS)) for group in found]
    return _markdown(["", *lines[0][1]], [[label, *of.values()] for label, of in lines])


def _numbers(group: Group, boundaries: Sequence[str], scores: Sequence[ScoreKey]) -> dict[str, str]:
    n = len(group.runs)
    return {
        **{PHASES[name]: spread(group.epochs(name), 0, n) for name in boundaries},
        SPIKY: group.states()[SPIKY],
        **{key_words(key): spread(group.scores(key), 2, n) for key in scores},
    }


def _label(group: Group) -> str:
    name, _, factor = group.label.partition(" lr_factor ")
    return f"{name} × {factor or 1}".replace(" ", NO_BREAK)


def _place(group: Group, comparison: Comparison) -> tuple[int, float]:
    """Return the place of a row: by network and optimizer as they come, then by rate."""
    params = group.runs[0].summary.params
    kinds = [(r.summary.params["arch"], r.summary.params["opt"]) for r in comparison.runs]
    return kinds.index((params["arch"], params["opt"])), float(params.get("lr_factor", 1))


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    rule = ["---", *("---:" for _ in head[1:])]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *rows))


def intervals(comparison: Comparison) -> set[str]:
    """Return the estimates of all effects with their intervals, `+2.05 [0.45, 3.65]`."""
    return {interval(effect) for finding in comparison.findings for effect in finding.effects}


if __name__ == "__main__":
    sys.stdout.write(table(kept(*map(Path, sys.argv[1:]))) + "\n")
