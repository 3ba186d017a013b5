"""Scores of synthetic networks: how often they tell of something that is not there, or miss it.

A layer's features of n images are Z A(t): images Z that all layers share, as those of a run do, and
weights A(t) of its own that wander or turn at a given speed in log-epoch. CKA of them at log-spaced
checkpoints is computed here, by its formula, so sampling and checkpoint spacing are those of a run.

Nothing in repdyn was chosen on these trajectories.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.result import Figure, Result, main
from repdyn.analysis.breaks import ALL_BREAK
from repdyn.analysis.scores import compute_scores
from repdyn.records import Dynamics, Phases
from repdyn.score_key import ScoreKey

Floats = NDArray[np.float64]

Speed = Callable[[Floats], Floats]
"""How fast a layer moves at log-epochs (T,): per log-epoch, above 0."""

SEED = 40_507
LAYERS, IMAGES, LATENT, UNITS = 7, 100, 20, 30
"""The first layer stands for a stem, which scores leave out."""

LAST, CHECKPOINTS = 300, 40
FITS = (20, 90)
"""Epochs between which the fit is drawn, log-uniformly: its windows lie within the run."""

NEAR_ONE, NEAR_NOUGHT = 0.95, 0.05
FALSE, FOUND = 10, 90
"""Targets: false positives, at most; effects found, at least; %."""


@dataclass(frozen=True)
class Case:
    """A kind of network.

    Attributes:
        name: in words.
        speeds: draws the layers' speeds, given the log-epoch of the fit.
        straight: the weights turn from one state towards another, instead of wandering.
    """

    name: str
    speeds: Callable[[np.random.Generator, float], Sequence[Speed]]
    straight: bool = False


def steady(rng: np.random.Generator, fit: float) -> Sequence[Speed]:
    """Return speeds that stay as they are, another for each layer."""
    del fit
    return [_times(base, _one) for base in _bases(rng)]


def wandering(rng: np.random.Generator, fit: float) -> Sequence[Speed]:
    """Return speeds of which each changes at times of its own."""
    del fit
    return [_times(base, _wander(rng)) for base in _bases(rng)]


def slowing(rng: np.random.Generator, fit: float) -> Sequence[Speed]:
    """Return speeds that all fall evenly, by the same power of the epoch."""
    del fit
    power = rng.uniform(0.3, 1)
    return [_times(base, lambda at: np.exp(-power * at)) for base in _bases(rng)]


def breaking(factor: float, share: float = 1.0) -> Callable[..., Sequence[Speed]]:
    """Return a drawer of speeds that wander, and fall by a factor at the fit, in a share of layers."""

    def draw(rng: np.random.Generator, fit: float) -> Sequence[Speed]:
        count = round(share * LAYERS)
        breaks = rng.permutation(np.arange(LAYERS) < count)
        return [
            _times(
                base,
                _wander(rng),
                (lambda at: np.where(at < fit, 1, 1 / factor)) if falls else _one,
            )
            for base, falls in zip(_bases(rng), breaks, strict=True)
        ]

    return draw


def together(rng: np.random.Generator, fit: float) -> Sequence[Speed]:
    """Return speeds that all wander in the same way."""
    del fit
    shared = _wander(rng)
    return [_times(base, shared) for base in _bases(rng)]


def partly(rng: np.random.Generator, fit: float) -> Sequence[Speed]:
    """Return speeds of which half the wandering is shared."""
    del fit
    shared = _wander(rng)
    return [_times(base, shared, _wander(rng)) for base in _bases(rng)]


def deeper(rng: np.random.Generator, fit: float) -> Sequence[Speed]:
    """Return speeds that wander, and are eight times as high in the last layer as in the first."""
    del fit
    depth = np.linspace(-0.5, 0.5, LAYERS) * np.log(8)
    return [
        _times(float(np.exp(d)) * base, _wander(rng))
        for d, base in zip(depth, _bases(rng), strict=True)
    ]


def _bases(rng: np.random.Generator) -> Floats:
    return np.asarray(np.exp(rng.normal(np.log(0.3), 0.4, LAYERS)))


def _one(at: Floats) -> Floats:
    return np.ones_like(at)


def _wander(rng: np.random.Generator) -> Speed:
    """Return a smooth factor, e to a random curve with a node every half log-epoch, s.d. .4."""
    nodes = np.linspace(0, np.log(LAST), round(2 * np.log(LAST)))
    values = rng.normal(0, 0.4, len(nodes))
    return lambda at: np.exp(np.interp(at, nodes, values))


def _times(base: float, *factors: Speed) -> Speed:
    def speed(at: Floats) -> Floats:
        total = np.full_like(at, base)
        for factor in factors:
            total = total * factor(at)
        return total

    return speed


def drawn(
    case: Case, rng: np.random.Generator, epochs: NDArray[np.int64]
) -> tuple[Dynamics, Phases]:
    """Return one network of a kind, and its phases."""
    fit = float(np.exp(rng.uniform(*np.log(FITS))))
    images = rng.normal(size=(IMAGES, LATENT))
    at = np.log(np.maximum(epochs, 0.5))
    matrices = [
        _cka(images @ weights)
        for weights in (_path(rng, s, at, case.straight) for s in case.speeds(rng, np.log(fit)))
    ]
    e, k = len(epochs), 2
    dynamics = Dynamics(
        layers=tuple(f"layer{i}" for i in range(LAYERS)),
        steps=epochs,
        similarity={"cka": np.stack(matrices).astype(np.float32)},
        probe_acc=np.full((LAYERS, e, 3), np.nan, dtype=np.float32),
        fragmentation=np.full((LAYERS + 1, e), np.nan, dtype=np.float32),
        areas=np.full((LAYERS + 1, e, k), np.nan, dtype=np.float32),
    )
    return dynamics, Phases(onset=round(fit / 3), fit=round(fit))


def _path(rng: np.random.Generator, speed: Speed, at: Floats, straight: bool) -> Floats:
    """Return a layer's weights at the checkpoints, (E, LATENT, UNITS)."""
    fine = np.linspace(at[0], at[-1], 4001)
    middle = (fine[1:] + fine[:-1]) / 2
    way = np.concatenate([[0], np.cumsum(speed(middle) * np.diff(fine))])
    way = np.interp(at, fine, way)
    if straight:
        one, other = rng.normal(size=(2, LATENT, UNITS))
        turned = np.cos(way)[:, None, None] * one + np.sin(way)[:, None, None] * other
        return np.asarray(turned)
    path = rng.normal(size=(len(at), LATENT, UNITS))
    for i, gone in enumerate(np.diff(way), start=1):
        kept = np.exp(-gone)
        path[i] = kept * path[i - 1] + np.sqrt(1 - kept**2) * path[i]
    return path


def _cka(features: Floats) -> Floats:
    """Return the E×E CKA, HSIC₁ over all images at once, of features (E, n, p)."""
    n = features.shape[1]
    grams = features @ features.swapaxes(1, 2)
    grams[:, np.arange(n), np.arange(n)] = 0
    rows = grams.sum(axis=2) / (n - 2)
    grams += -rows[:, :, None] - rows[:, None] + (rows.sum(axis=1) / (n - 1))[:, None, None]
    grams[:, np.arange(n), np.arange(n)] = 0
    flat = grams.reshape(len(grams), -1)
    products = flat @ flat.T
    norms = np.sqrt(np.diagonal(products))
    return np.asarray(products / np.outer(norms, norms))


STILL = (
    Case("steady", steady),
    Case("steady, straight", steady, straight=True),
    Case("slowing down", slowing),
    Case("wandering", wandering),
    Case("wandering, straight", wandering, straight=True),
)
"""Layers that have no timing in common, no break at the fit and no order in depth. Those that slow
down evenly share that trend, which scores remove."""

RANKS: Mapping[str, tuple[str, bool]] = {
    "break at the fit": ("fit_break_rank", True),
    "synchrony": ("synchrony_rank", True),
    "synchrony outside the fit": ("synchrony_outside_fit_rank", True),
    "breaks at one epoch": ("break_spread_rank", False),
    "faster with depth": ("depth_drift_rank", True),
    "return of the first layer": ("first_layer_return_rank", True),
}
"""What is claimed, its rank, and whether it is near 1 or near 0 then."""

EFFECTS: Mapping[Case, Sequence[str]] = {
    **{
        Case(f"slower by {factor} at the fit", breaking(factor)): (
            "break at the fit",
            "breaks at one epoch",
        )
        for factor in (1.5, 2, 4, 8)
    },
    Case("wandering together", together): ("synchrony", "synchrony outside the fit"),
    Case("wandering together, straight", together, straight=True): (
        "synchrony",
        "synchrony outside the fit",
    ),
    Case("wandering together by half", partly): ("synchrony",),
    Case("eight times as fast in the last layer", deeper): ("faster with depth",),
    Case("slower by 8 at the fit in half of the layers", breaking(8, share=0.5)): (),
}
"""Networks with an effect, and what is to be claimed of them."""

CASES = (*STILL, *EFFECTS)

WEAKEST, CHANCE = "fit_break_weakest_layer_rank", "all_break_chance"

Scored = Mapping[Case, Sequence[Mapping[str, float]]]
"""The scores of each network of each kind, by CKA."""


def run(quick: bool) -> Result:
    """Count over networks of all kinds."""
    draws = 2 if quick else 100
    epochs = checkpoints()
    scored = {case: list(_scores(case, draws, epochs)) for case in CASES}
    figures = [*_false(scored), *_found(scored), *_all_break(scored)]
    return Result(
        "Scores of synthetic networks",
        figures,
        f"{draws} networks of {LAYERS - 1} layers of each kind, {len(epochs)} checkpoints up to epoch "
        f"{LAST}, CKA of {IMAGES} images that the layers share. A claim is made if its rank is at least "
        f"{NEAR_ONE}, or at most {NEAR_NOUGHT} where a small value is claimed.",
    )


def checkpoints() -> NDArray[np.int64]:
    """Return log-spaced epochs, with the initial model."""
    spaced = np.rint(np.expm1(np.linspace(0, np.log1p(LAST), CHECKPOINTS + 8)))
    return np.unique(spaced).astype(np.int64)


def _scores(case: Case, draws: int, epochs: NDArray[np.int64]) -> Iterator[Mapping[str, float]]:
    for i in range(draws):
        rng = np.random.default_rng([SEED, i])
        found = compute_scores(*drawn(case, rng, epochs))
        yield {
            key.score: value for key, value in found.items() if key == ScoreKey(key.score, "cka")
        }


def _claimed(found: Sequence[Mapping[str, float]], claim: str) -> tuple[float, int]:
    """Return the percentage of networks in which something is claimed, and in how many it is defined."""
    score, high = RANKS[claim]
    ranks = np.array([one[score] for one in found if score in one])
    if not len(ranks):
        return float("nan"), 0
    hits = ranks >= NEAR_ONE if high else ranks <= NEAR_NOUGHT
    return 100 * float(hits.mean()), len(ranks)


def _false(scored: Scored) -> Iterator[Figure]:
    for case in STILL:
        for claim in RANKS:
            share, defined = _claimed(scored[case], claim)
            yield Figure(f"{case.name}: {claim}", share, "%", most=FALSE, note=f"of {defined}")


def _found(scored: Scored) -> Iterator[Figure]:
    for case, claims in EFFECTS.items():
        for claim in claims:
            share, defined = _claimed(scored[case], claim)
            yield Figure(f"{case.name}: {claim}", share, "%", least=FOUND, note=f"of {defined}")


def _all_break(scored: Scored) -> Iterator[Figure]:
    """Look for breaks of all layers, beside the chance that the runs themselves give."""
    for case in CASES:
        found = [one for one in scored[case] if {WEAKEST, CHANCE} <= one.keys()]
        weakest = np.array([one[WEAKEST] for one in found])
        share = 100 * float((weakest >= ALL_BREAK).mean())
        chance = 100 * float(np.mean([one[CHANCE] for one in found]))
        yield Figure(f"{case.name}: all layers break", share, "%", note=f"by chance {chance:.0f}")


if __name__ == "__main__":
    main(["synthetic"], (__doc__ or "").splitlines()[0])
