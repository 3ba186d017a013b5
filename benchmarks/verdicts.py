"""How often verdicts on findings err: simulated differences with a known true effect.

A pair's difference is the true effect and noise of variance 1, of which a share ρ is common to the
pairs of a seed: those of two optimizers. A finding counts one effect, or four as that on synchrony
does, all of the same size, with independent noise: the hardest case for all of them to be supported,
and that in which one is most likely refuted by chance.

The rule is the package's own, compared with the one that it replaced: Student's t over pairs as if
they were independent; *supported* where the whole 95 % interval is above 0; *not supported*, here
counted as refuted, where it is below 0 or, with six pairs or more, contains it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.result import Figure, Result, main
from repdyn.analysis.verdicts import finding_verdict, interval, verdict_of

SHARED = (0.0, 0.5, 0.8)
"""ρ."""

SEEDS = (3, 6, 12)
OPTIMIZERS = 2
FINDINGS = {"one effect": 1, "synchrony": 4}
"""Counted effects."""

MARGIN = 0.5
"""Standard deviations of a pair's difference; the scores' margins are .2 to .7 of theirs."""

DECISIVE = 6
"""Pairs from which the previous rule counted an interval that contains 0 against a claim."""

DRAWS, QUICK = 100_000, 500

Floats = NDArray[np.float64]
Words = NDArray[np.str_]


@dataclass(frozen=True)
class Experiment:
    """What is simulated.

    Attributes:
        effect: true difference, in standard deviations of a pair's difference.
        shared: share of its variance that is common to the pairs of a seed.
        seeds, optimizers: pairs are their product.
        effects: that the finding counts.
    """

    effect: float
    shared: float
    seeds: int
    optimizers: int = OPTIMIZERS
    effects: int = 1


@dataclass(frozen=True)
class Rates:
    """Shares of draws.

    Attributes:
        coverage: in which an effect's 95 % interval contains the true effect.
        supported, refuted: verdicts on the finding.
    """

    coverage: float
    supported: float
    refuted: float


def drawn(experiment: Experiment, draws: int, seed: int) -> Floats:
    """Return differences, (draws, effects, seeds, optimizers)."""
    rng = np.random.default_rng(seed)
    shape = (draws, experiment.effects, experiment.seeds)
    common = math.sqrt(experiment.shared) * rng.normal(size=(*shape, 1))
    own = math.sqrt(1 - experiment.shared) * rng.normal(size=(*shape, experiment.optimizers))
    return np.asarray(experiment.effect + common + own)


def rates(experiment: Experiment, margin: float, draws: int, seed: int = 0) -> tuple[Rates, Rates]:
    """Return the rates of the package's rule, and of the previous rule."""
    values = drawn(experiment, draws, seed)
    of_seeds = values.mean(axis=-1)
    pairs = values.reshape(*values.shape[:2], -1)
    ours = verdict_of(of_seeds, margin, experiment.effects)
    return (
        _rates(of_seeds, ours, experiment.effect),
        _rates(pairs, replaced_rule(pairs), experiment.effect),
    )


def replaced_rule(pairs: Floats) -> Words:
    """Return the verdicts (...) of the previous rule on pairs (..., n)."""
    _, low, high = interval(pairs)
    against = (high < 0) | (pairs.shape[-1] >= DECISIVE)
    return np.where(low > 0, "supported", np.where(against, "refuted", "undecided"))


def _rates(units: Floats, verdicts: Words, effect: float) -> Rates:
    _, low, high = interval(units)
    whole = finding_verdict(verdicts)
    return Rates(
        coverage=float(((low <= effect) & (effect <= high)).mean()),
        supported=float((whole == "supported").mean()),
        refuted=float((whole == "refuted").mean()),
    )


def run(quick: bool) -> Result:
    """Simulate all."""
    draws = QUICK if quick else DRAWS
    figures = [
        figure
        for name, effects in FINDINGS.items()
        for shared in SHARED
        for seeds in SEEDS
        for figure in _figures(name, effects, shared, seeds, draws)
    ]
    return Result(
        "Verdicts on simulated findings",
        figures,
        f"{draws:,} draws each, {OPTIMIZERS} optimizers, margin {MARGIN:g} standard deviations (SD). "
        "Targets are widened by two standard errors of this many draws. “Was”: by the previous rule.",
    )


def _figures(name: str, effects: int, shared: float, seeds: int, draws: int) -> Iterator[Figure]:
    what = f"{name}, ρ {shared:g}, {seeds} seeds"

    def at(effect: float) -> tuple[Rates, Rates]:
        return rates(Experiment(effect, shared, seeds, effects=effects), MARGIN, draws)

    def most(aim: float) -> float:
        return aim + _tolerance(aim, draws)

    none, none_was = at(0)
    little, little_was = at(MARGIN)
    full, full_was = at(1)
    if effects == 1:
        yield Figure(
            f"{what}: coverage of the 95 % interval",
            full.coverage,
            "",
            least=0.94 - _tolerance(0.94, draws),
            most=most(0.96),
            note=_was(full_was.coverage),
        )
    for title, now, was, aim in (
        ("supported, effect 0", none.supported, none_was.supported, 0.025),
        ("refuted, effect at the margin", little.refuted, little_was.refuted, 0.05),
        ("refuted, effect 1 SD", full.refuted, full_was.refuted, 0.01),
    ):
        yield Figure(f"{what}: {title}", now, "", most=most(aim), note=_was(was))
    sought = effects == 1 and seeds == 6
    yield Figure(
        f"{what}: supported, effect 1 SD",
        full.supported,
        "",
        least=0.55 - _tolerance(0.55, draws) if sought else None,
        most=most(0.8) if sought else None,
        note=_was(full_was.supported),
    )


def _was(rate: float) -> str:
    return f"was {rate:.3f}"


def _tolerance(rate: float, draws: int) -> float:
    return 2 * math.sqrt(rate * (1 - rate) / draws)


if __name__ == "__main__":
    main(["verdicts"], (__doc__ or "").splitlines()[0])
