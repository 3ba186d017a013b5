"""How often verdicts on findings err: simulated differences with a known true effect.

A pair's difference is the true effect and noise of variance 1, of which a share ρ is common to the
pairs of a seed: those of two optimizers. Both parts have one of three shapes: normal, heavy tails
(Student's t with 3 degrees of freedom) or skewed (exponential). A finding counts one effect, or four
as that on synchrony does, all of the same size, with independent noise: the hardest case for all of
them to be supported, and that in which one is most likely found below the margin by chance.

Beside the coverage of the interval over seeds is that of Student's t over pairs as if they were
independent.

Comparisons at several learning rates: each side has four runs, half a decade apart in the epoch of
perfect fit, and the first side fits later throughout. The score is a curve of the log epoch, so
that at default rates sides differ even if they are equal at each epoch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.result import Figure, Result, main
from repdyn.analysis.equal_fit import curve_difference
from repdyn.analysis.verdicts import (
    NO_DIFFERENCE,
    REFUTED,
    SUPPORTED,
    finding_verdict,
    interval,
    verdict_of,
)

Floats = NDArray[np.float64]
Words = NDArray[np.str_]
Noise = Callable[[np.random.Generator, tuple[int, ...]], Floats]

SHAPES: Mapping[str, Noise] = {
    "normal": lambda rng, size: rng.normal(size=size),
    "heavy tails": lambda rng, size: rng.standard_t(3, size) / math.sqrt(3),
    "skewed": lambda rng, size: rng.exponential(size=size) - 1,
}
"""Noise of mean 0 and variance 1."""

CASES = (("normal", 0.0), ("normal", 0.5), ("normal", 0.8), ("heavy tails", 0.5), ("skewed", 0.5))
"""Shapes, each with ρ."""

SEEDS = (3, 6, 12)
OPTIMIZERS = 2
SYNCHRONY = 4
"""Counted effects of the finding with the most."""

MARGIN = 0.5
"""Standard deviations of a pair's difference; the scores' margins are .2 to .7 of theirs."""

DRAWS, QUICK = 100_000, 500
CURVE_DRAWS, CURVE_QUICK = 2_000, 50

RATES = math.log(10) / 2 * np.arange(4)
"""Log epochs of perfect fit of a side's runs, but for a shift and noise; the second is the default."""

SHIFT, SLOPE, BEND, RUN_NOISE = math.log(1.5), 1.0, 0.2, 0.4
"""By how much one side fits later; the score's slope and curvature over log epoch; its noise per run.
Through the shift, sides that are equal differ by .6 at default rates."""


@dataclass(frozen=True)
class Experiment:
    """What is simulated.

    Attributes:
        effect: true difference, in standard deviations of a pair's difference.
        shared: share of its variance that is common to the pairs of a seed.
        seeds, optimizers: pairs are their product.
        effects: that the finding counts.
        noise: draws of mean 0 and variance 1.
    """

    effect: float
    shared: float
    seeds: int
    optimizers: int = OPTIMIZERS
    effects: int = 1
    noise: Noise = SHAPES["normal"]


@dataclass(frozen=True)
class Rates:
    """Shares of draws.

    Attributes:
        coverage: in which an effect's 95 % interval contains the true effect.
        by_pairs: the same of an interval over pairs.
        supported, refuted, no_difference: verdicts on the finding; the others are undecided.
    """

    coverage: float
    by_pairs: float
    supported: float
    refuted: float
    no_difference: float


def drawn(experiment: Experiment, draws: int, seed: int) -> Floats:
    """Return differences, (draws, effects, seeds, optimizers)."""
    rng = np.random.default_rng(seed)
    shape = (draws, experiment.effects, experiment.seeds)
    common = math.sqrt(experiment.shared) * experiment.noise(rng, (*shape, 1))
    own = experiment.noise(rng, (*shape, experiment.optimizers))
    return np.asarray(experiment.effect + common + math.sqrt(1 - experiment.shared) * own)


def rates(experiment: Experiment, margin: float, draws: int, seed: int = 0) -> Rates:
    """Return the rates of the package's rule."""
    pairs = drawn(experiment, draws, seed)
    of_seeds = pairs.mean(axis=-1)
    whole = finding_verdict(verdict_of(of_seeds, margin, experiment.effects))
    return Rates(
        covered(of_seeds, experiment.effect),
        covered(pairs.reshape(*pairs.shape[:2], -1), experiment.effect),
        *(float((whole == word).mean()) for word in (SUPPORTED, REFUTED, NO_DIFFERENCE)),
    )


def covered(values: Floats, effect: float) -> float:
    """Return the share of 95 % intervals of values (..., n) that contain the effect."""
    _, low, high = interval(values)
    return float(((low <= effect) & (effect <= high)).mean())


def at_several_rates(effect: float, seeds: int, draws: int, seed: int = 0) -> tuple[Floats, Floats]:
    """Return differences of sides that differ by an effect at each epoch of perfect fit.

    Returns:
        Two arrays (draws, seeds): at equal fit, and at default rates.
    """
    rng = np.random.default_rng(seed)
    shape = (draws, seeds, 2, len(RATES))
    places = RATES + np.array([[SHIFT], [0.0]]) + 0.1 * rng.normal(size=shape)
    scores = SLOPE * places + BEND * places**2 + RUN_NOISE * rng.normal(size=shape)
    scores += 0.5 * rng.normal(size=(draws, seeds, 1, 1))  # of the seed, the same on both sides
    scores[:, :, 0] += effect
    order = np.argsort(places, axis=-1)
    x, y = (np.take_along_axis(array, order, axis=-1) for array in (places, scores))
    equal = [
        [curve_difference((a[0], b[0]), (a[1], b[1])) for a, b in zip(*one, strict=True)]
        for one in zip(x, y, strict=True)
    ]
    return np.array(equal), scores[:, :, 0, 1] - scores[:, :, 1, 1]


def run(quick: bool) -> Result:
    """Simulate all."""
    draws = QUICK if quick else DRAWS
    figures = [
        figure
        for shape, shared in CASES
        for seeds in SEEDS
        for figure in _one_effect(shape, shared, seeds, draws)
    ]
    figures += [figure for seeds in SEEDS for figure in _synchrony(seeds, draws)]
    few = CURVE_QUICK if quick else CURVE_DRAWS
    figures += [figure for seeds in SEEDS for figure in _rates_figures(seeds, few)]
    return Result(
        "Verdicts on simulated findings",
        figures,
        f"{draws:,} draws each ({few:,} at several rates), {OPTIMIZERS} optimizers, margin "
        f"{MARGIN:g} standard deviations (SD). Targets are for normal noise, widened by two standard "
        "errors of this many draws.",
    )


def _one_effect(shape: str, shared: float, seeds: int, draws: int) -> Iterator[Figure]:
    what = f"{shape}, ρ {shared:g}, {seeds} seeds"
    none, little, full = (
        rates(Experiment(effect, shared, seeds, noise=SHAPES[shape]), MARGIN, draws)
        for effect in (0, MARGIN, 1)
    )
    aimed = shape == "normal"
    yield Figure(
        f"{what}: coverage of the 95 % interval",
        full.coverage,
        "",
        least=0.94 - _tolerance(0.94, draws) if aimed else None,
        most=0.96 + _tolerance(0.96, draws) if aimed else None,
        note=f"over pairs {full.by_pairs:.3f}",
    )
    for title, rate, aim in (
        ("supported, effect 0", none.supported, 0.025),
        ("refuted, effect at the margin", little.refuted, 0.025),
        ("no difference, effect at the margin", little.no_difference, 0.025),
        ("refuted or no difference, effect 1 SD", full.refuted + full.no_difference, 0.01),
        ("supported, effect 1 SD", full.supported, None),
        ("refuted or no difference, effect 0", none.refuted + none.no_difference, None),
    ):
        most = aim + _tolerance(aim, draws) if aimed and aim is not None else None
        yield Figure(f"{what}: {title}", rate, "", most=most)


def _synchrony(seeds: int, draws: int) -> Iterator[Figure]:
    what = f"{SYNCHRONY} effects, normal, ρ 0.5, {seeds} seeds"
    none, little, full = (
        rates(Experiment(effect, 0.5, seeds, effects=SYNCHRONY), MARGIN, draws)
        for effect in (0, MARGIN, 1)
    )
    for title, rate, aim in (
        ("supported, effects 0", none.supported, 0.025),
        ("refuted or no difference, at the margin", little.refuted + little.no_difference, 0.05),
        ("refuted or no difference, effects 1 SD", full.refuted + full.no_difference, 0.01),
        ("supported, effects 1 SD", full.supported, None),
    ):
        most = None if aim is None else aim + _tolerance(aim, draws)
        yield Figure(f"{what}: {title}", rate, "", most=most)


def _rates_figures(seeds: int, draws: int) -> Iterator[Figure]:
    equal, default = at_several_rates(0, seeds, draws)
    what = f"several rates, {seeds} seeds"
    yield Figure(
        f"{what}: coverage at equal fit",
        covered(equal, 0),
        "",
        least=0.93 - _tolerance(0.93, draws),
        note=f"at default rates {covered(default, 0):.3f}",
    )
    wrong, usual = ((verdict_of(v, MARGIN) == SUPPORTED).mean() for v in (equal, default))
    yield Figure(
        f"{what}: supported at equal fit, no effect",
        float(wrong),
        "",
        most=0.03 + _tolerance(0.03, draws),
        note=f"at default rates {usual:.3f}",
    )


def _tolerance(rate: float, draws: int) -> float:
    return 2 * math.sqrt(rate * (1 - rate) / draws)


if __name__ == "__main__":
    main(["verdicts"], (__doc__ or "").splitlines()[0])
