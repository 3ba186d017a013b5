"""The rows of the list of runs: sweeps with their runs below them, or groups by a setting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from repdyn.display.wording import arch, plain
from repdyn.own_runs import PARENT_TAG, SWEEP_TAG
from repdyn.step_words import counted

if TYPE_CHECKING:
    from repdyn.records import RunSummary

ARCH, OPT = "arch", "opt"

UNSET = "not set"


class Row(NamedTuple):
    """A line of the list: a run, a group, or a run with runs below it.

    A tuple, since there are thousands of them and they are made anew with every change.

    Attributes:
        run: of the line; None for the heading of a group.
        name: of what a group has in common.
        title: of the heading, the value of that.
        key: identifies what folds; empty if nothing does.
        members: the runs below.
        folded: whether they are hidden.
        depth: 1 below another line.
    """

    run: RunSummary | None = None
    name: str = ""
    title: str = ""
    key: str = ""
    members: tuple[RunSummary, ...] = ()
    folded: bool = False
    depth: int = 0

    @property
    def id(self) -> str:
        """Identifies the line while the list changes."""
        return self.run.run_id if self.run is not None else self.key

    @property
    def is_sweep(self) -> bool:
        """Whether it is the parent of a sweep."""
        return self.run is not None and is_sweep(self.run)

    @property
    def folds(self) -> bool:
        """Whether there are runs below it, even if none has been read yet."""
        return bool(self.key)

    def about(self) -> str:
        """Return how many runs are below, and in which states: `12 runs, 11 finished, 1 failed`."""
        states = Counter(plain(run.status).lower() for run in self.members)
        parts = [f"{count} {state}" for state, count in states.most_common()]
        return ", ".join([counted(len(self.members), "run"), *parts])


def is_sweep(run: RunSummary) -> bool:
    """Return whether a run is the parent of a sweep."""
    return SWEEP_TAG in run.tags


def parent_of(run: RunSummary, runs: Mapping[str, RunSummary]) -> RunSummary | None:
    """Return the parent of a run, if it is among some runs by id."""
    return runs.get(run.tags.get(PARENT_TAG, ""))


def trained(runs: Sequence[RunSummary]) -> list[RunSummary]:
    """Return the runs without the parents of sweeps."""
    return [run for run in runs if not is_sweep(run)]


def by_sweep(
    runs: Sequence[RunSummary], parents: Mapping[str, RunSummary], folded: Callable[[str], bool]
) -> list[Row]:
    """Return rows in the order of the runs; a parent is where the first of its runs is.

    Args:
        runs: to show, sorted.
        parents: all runs that may be parents, by id; those whose runs are shown are shown too.
        folded: whether the runs below a parent, given by its id, are hidden.
    """
    below: dict[str, list[RunSummary]] = {}
    for run in runs:
        parent = run.tags.get(PARENT_TAG, "")
        if parent in parents and parent != run.run_id:
            below.setdefault(parent, []).append(run)
    shown = {run.run_id: run for run in runs if run.run_id in below}
    rows: list[Row] = []
    done: set[str] = set()
    for run in runs:
        parent = run.tags.get(PARENT_TAG, "")
        nested = parent in below and run.run_id not in below
        top = shown.get(parent, parents[parent]) if nested else run
        if top.run_id in done:
            continue
        done.add(top.run_id)
        if top.run_id in below or is_sweep(top):
            rows += _unfolded(
                Row(top, key=top.run_id, members=tuple(below.get(top.run_id, ()))), folded
            )
        else:
            rows.append(Row(run))
    return rows


def by_setting(runs: Sequence[RunSummary], name: str, folded: Callable[[str], bool]) -> list[Row]:
    """Return rows of the runs, in order, below a heading for each value of a setting.

    Args:
        runs: to show, sorted; the parents of sweeps are left out.
        name: of the setting.
        folded: whether a group, given by its key, is folded.
    """
    groups: dict[str, list[RunSummary]] = {}
    for run in trained(runs):
        groups.setdefault(value_of(run, name) or UNSET, []).append(run)
    return [
        row
        for value, members in groups.items()
        for row in _unfolded(Row(None, name, value, f"{name}={value}", tuple(members)), folded)
    ]


def value_of(run: RunSummary, name: str) -> str:
    """Return a run's value of a setting in words, or nothing."""
    return arch(run) if name == ARCH else plain(run.params.get(name, ""))


def varied(runs: Sequence[RunSummary]) -> list[str]:
    """Return the params of the runs, those with more than one value first, the fewest values first."""
    values: dict[str, set[str]] = {}
    for run in runs:
        for name, value in run.params.items():
            values.setdefault(name, set()).add(value)
    return sorted(values, key=lambda name: (len(values[name]) < 2, len(values[name]), name))


def _unfolded(head: Row, folded: Callable[[str], bool]) -> list[Row]:
    """Return a row and, unless it is folded, those below it."""
    if folded(head.key):
        return [head._replace(folded=True)]
    return [head, *(Row(run, depth=1) for run in head.members)]
