"""Which of many runs are compared layer by layer: optimizers, and seeds as their baseline."""

from __future__ import annotations

import itertools
from collections.abc import Sequence, Set
from dataclasses import dataclass

from repdyn.analysis.pairs import FREE
from repdyn.records import RunRecord, RunSummary
from repdyn.runs.cross import different_probes
from repdyn.settings.sweep_grid import DATA_SEED, SEED, compared_params

SEEDS = frozenset({SEED, DATA_SEED})


@dataclass(frozen=True)
class CrossedPair:
    """Two runs on the same reference images.

    Attributes:
        runs: both.
        baseline: whether they differ in their seed alone.
    """

    runs: tuple[RunRecord, RunRecord]
    baseline: bool = False


def crossed_pairs(runs: Sequence[RunRecord]) -> tuple[list[CrossedPair], str]:
    """Return the two runs, or, of many, the pairs that differ only in their optimizer.

    The first pair of each model is followed by its baselines: each of its runs beside one that differs
    in the seed alone.

    Returns:
        The pairs, and why there is no baseline for optimizers, or nothing.
    """
    if len(runs) == 2:
        a, b = runs
        return [CrossedPair((a, b))], "two runs" if optimizer_pair(a.summary, b.summary) else ""
    pairs = [
        CrossedPair((a, b))
        for a, b in itertools.combinations(runs, 2)
        if optimizer_pair(a.summary, b.summary) and different_probes(a, b) is None
    ]
    found, later, models = [], [], set()
    for pair in pairs:
        model = _settings(pair.runs[0].summary, FREE["optimizer"] | SEEDS)
        if model in models:
            later.append(pair)
            continue
        models.add(model)
        beside = ((run, _other_seed(run, runs)) for run in pair.runs)
        found += [pair, *(CrossedPair((a, b), baseline=True) for a, b in beside if b is not None)]
    alone = pairs and not any(pair.baseline for pair in found)
    return found + later, _no_other_seed(pairs[0].runs[0], runs) if alone else ""


def optimizer_pair(a: RunSummary, b: RunSummary) -> bool:
    """Say whether two runs are alike in everything but the optimizer and its learning rate."""
    one, other = (_settings(run, FREE["optimizer"]) for run in (a, b))
    return one == other and a.params.get("opt") != b.params.get("opt")


def _other_seed(run: RunRecord, runs: Sequence[RunRecord]) -> RunRecord | None:
    """Return the first other run that differs in its seed alone and has the same reference images."""
    return next((one for one in _siblings(run, runs) if different_probes(run, one) is None), None)


def _no_other_seed(run: RunRecord, runs: Sequence[RunRecord]) -> str:
    siblings = _siblings(run, runs)
    if not siblings:
        return "one seed for each optimizer"
    return f"each seed has its own reference images, {different_probes(run, siblings[0])}"


def _siblings(run: RunRecord, runs: Sequence[RunRecord]) -> list[RunRecord]:
    """Return the other runs that differ in their seeds alone."""
    own = _settings(run.summary, SEEDS)
    return [one for one in runs if one is not run and _settings(one.summary, SEEDS) == own]


def _settings(run: RunSummary, free: Set[str]) -> frozenset[tuple[str, str]]:
    """Return the settings by which runs are compared, without some."""
    return frozenset((n, v) for n, v in compared_params(run.params).items() if n not in free)
