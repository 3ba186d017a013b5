"""Matched runs: equal in every setting, including seed and data seed, except what is compared."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from repdyn.score_key import ScoreKey

SEED = "seed"
"""The setting by which pairs and runs are clustered."""

RATE, RATE_FACTOR = "lr", "lr_factor"

Factor = Literal["family", "optimizer", "double_descent"]
Level = str | bool
Side = tuple[str, Level]
"""The name of a side of a contrast, and the value that identifies its runs."""

Held = tuple[tuple[str, str], ...]
"""The settings that the runs of a cell share, with their values."""

_RATES = frozenset({RATE, RATE_FACTOR})

FREE: Mapping[Factor, frozenset[str]] = {
    "family": _RATES | {"arch", "width", "arch_arg", "layers"},
    "optimizer": _RATES | {"opt", "momentum", "eps"},
    # what decides whether the error descends twice; the architecture must be the same
    "double_descent": _RATES
    | {"opt", "momentum", "eps", "width", "label_noise", "train_size", "epochs"},
}
"""Settings in which the two runs of a pair may differ, by what is compared."""


@dataclass(frozen=True)
class Observation:
    """What a comparison needs of one run.

    Attributes:
        family: resnet, vit or other.
        optimizer: sgd or adam for these two and their variants, or another name.
        settings: its params, including those of PLACES and of FREE.
        scores: of the run.
        double_descent: the test error rises to a peak and falls again.
        fit: epoch of perfect fit; None if it was not reached.
        falls: the training accuracy falls back after it.
    """

    family: str
    optimizer: str
    settings: Mapping[str, str]
    scores: Mapping[ScoreKey, float]
    double_descent: bool
    fit: int | None = None
    falls: bool = False

    @property
    def seed(self) -> str:
        """By which it is clustered."""
        return self.settings.get(SEED, "")

    def has(self, score: ScoreKey) -> bool:
        """Return whether it has a score."""
        return math.isfinite(self.scores.get(score, math.nan))

    @property
    def at_default_rate(self) -> bool:
        """Whether its learning rate is not a multiple of the default one.

        That holds for a rate of the user's own, too.
        """
        return self.settings.get(RATE_FACTOR, "None") in ("None", "1", "1.0")


def cells(
    runs: Sequence[Observation], factor: Factor, levels: tuple[Level, Level]
) -> Iterator[tuple[Held, Mapping[Level, list[Observation]]]]:
    """Yield each combination of the settings held for which there are runs, with those by level."""
    found: dict[Held, dict[Level, list[Observation]]] = {}
    for run in runs:
        level = getattr(run, factor)
        if level in levels:
            cell = found.setdefault(tuple(sorted(held(run, factor).items())), {})
            cell.setdefault(level, []).append(run)
    yield from found.items()


def differences(
    runs: Sequence[Observation], factor: Factor, a: Level, b: Level, score: ScoreKey
) -> dict[str, list[float]]:
    """Return the differences in a score, a minus b, of each seed's pairs; seeds in order.

    A pair is a combination of all settings except those of FREE for which both sides have runs; each
    side has the mean of its runs.
    """
    having = [run for run in runs if run.has(score)]
    return by_seed(
        (seed_of(shared), _mean(cell[a], score) - _mean(cell[b], score))
        for shared, cell in cells(having, factor, (a, b))
        if len(cell) == 2
    )


def _mean(runs: Sequence[Observation], score: ScoreKey) -> float:
    return fmean(run.scores[score] for run in runs)


def by_seed(values: Iterable[tuple[str, float]]) -> dict[str, list[float]]:
    """Return values by their seeds, in order."""
    found: dict[str, list[float]] = {}
    for seed, value in values:
        found.setdefault(seed, []).append(value)
    return {seed: found[seed] for seed in sorted(found, key=lambda seed: (len(seed), seed))}


def seed_of(shared: Held) -> str:
    """Return the seed of a cell."""
    return dict(shared).get(SEED, "")


def held(run: Observation, factor: Factor) -> dict[str, str]:
    """Return the settings that the runs of a pair share."""
    return {name: value for name, value in run.settings.items() if name not in FREE[factor]}


def why_no_pair(
    runs: Sequence[Observation], factor: Factor, sides: tuple[Side, Side], score: ScoreKey
) -> str:
    """Return why no pair has a score: a side without runs or scores, or settings that differ."""
    found = [of_side(runs, factor, side, score) for side in sides]
    missing = next((why for have, why in found if not have), None)
    if missing is not None:
        return missing
    one, other = ([held(run, factor) for run in have] for have, _ in found)
    differing = sorted((_differing(a, b) for a in one for b in other), key=lambda d: (len(d), d))
    return f"the two sides differ in {', '.join(differing[0])}"


def of_side(
    runs: Sequence[Observation], factor: Factor, side: Side, score: ScoreKey
) -> tuple[list[Observation], str]:
    """Return the runs of a side that have a score, and what is missing if there are none."""
    called, level = side
    there = [run for run in runs if getattr(run, factor) == level]
    return [run for run in there if run.has(score)], (
        f"no {called} run has it" if there else f"there is no {called} run"
    )


def _differing(a: Mapping[str, str], b: Mapping[str, str]) -> list[str]:
    return sorted(name for name in {*a, *b} if a.get(name) != b.get(name))
