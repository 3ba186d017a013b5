"""How often a run is said to fall back from perfect fit that does not, and a fall is missed.

The accuracy of an epoch is that of its images as they are seen: the share of n that are right, each with a
probability that rises to 1 along a logistic curve. Falls last three epochs, well after the fit.

No threshold was chosen on these curves.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.result import Figure, Result, main
from repdyn.analysis.phases import loss_spikes
from repdyn.records import Curve

SEED, EPOCHS = 61_283, 200
SIZES = (500, 1000, 5000, 50_000)
DEPTHS = (0.02, 0.05, 0.2)
SURE = 0.05
"""Least depth that is to be found in training sets of any size."""

FALLS = (140, 190)
"""Epochs between which a fall begins."""


def run(quick: bool) -> Result:
    """Count over curves of each size."""
    draws = 20 if quick else 1000
    figures = []
    for n in SIZES:
        figures.append(Figure(f"{n:,} images, no fall", _share(n, 0, draws), "%", most=5))
        figures += [
            Figure(
                f"{n:,} images, a fall by {100 * depth:.0f} points",
                _share(n, depth, draws),
                "%",
                least=95 if depth >= SURE else None,
            )
            for depth in DEPTHS
        ]
    return Result(
        "Runs that are said to fall back from perfect fit",
        figures,
        f"{draws} curves of {EPOCHS} epochs each; of a fall, the epoch at which it begins counts.",
    )


def accuracies(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    """Return the accuracy of each epoch, (EPOCHS,)."""
    middle, pace = rng.uniform(10, 40), rng.uniform(4, 10)
    right = 1 / (1 + np.exp(-(np.arange(EPOCHS) - middle) / pace))
    return np.asarray(rng.binomial(n, right) / n)


def _share(n: int, depth: float, draws: int) -> float:
    """Return the percentage of curves with a spike, or with one where their fall begins."""
    hits = 0
    for i in range(draws):
        rng = np.random.default_rng([SEED, n, i])
        values, start = accuracies(rng, n), int(rng.integers(*FALLS))
        if depth:
            values[start : start + 3] = rng.binomial(n, 1 - depth, 3) / n
        spikes = loss_spikes(Curve(np.arange(EPOCHS), values))
        hits += start in spikes if depth else bool(spikes)
    return 100 * hits / draws


if __name__ == "__main__":
    main(["spikes"], (__doc__ or "").splitlines()[0])
