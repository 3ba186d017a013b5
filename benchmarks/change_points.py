"""Change points of synthetic paths: how many are found if there are none, and if there are some.

The seeds differ from those with which the thresholds were chosen, on isotropic random walks,
straight lines and noisy blocks at log-spaced epochs. Estimating the dimension from steps near
each other, and how lengths grow with the log-epochs, were settled after a first measurement of the
walk on a circle and of leaps from a steady drift; the other shapes were not used to choose anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from benchmarks.result import Figure, Result, main
from repdyn.analysis.change_points import ChangePoints, joint_change_points

Path = NDArray[np.float64]
"""One point per checkpoint, (E, d)."""

Shape = Callable[[np.random.Generator, NDArray[np.float64]], Path]
"""Draws a path through checkpoints at these log-epochs, (E,)."""

COUNTS = (12, 20, 40, 60)
LAST = 300
"""Epoch at which the synthetic runs end."""

SEED = 81_277
FALSE, FOUND = 10, 90
"""Targets: false positives, at most; changes found, at least; %."""

LEAP = 10
"""Length of a leap in usual steps."""

LAYERS = 8


def run(quick: bool) -> Result:
    """Count over paths of all shapes and numbers of checkpoints."""
    draws = 3 if quick else 40
    figures = [*_false(draws), *_false_joint(draws // 4 + 1), *_leaps(draws), *_blocks(draws)]
    return Result(
        f"Change points of synthetic paths over epochs 1 to {LAST}",
        figures,
        f"{draws} paths each of {', '.join(map(str, COUNTS))} checkpoints, a quarter as many jointly; in "
        "parentheses by the number of checkpoints.",
    )


def log_spaced(count: int) -> NDArray[np.int64]:
    """Return this many epochs, as evenly spaced in log-epoch as whole numbers allow."""
    wanted = count
    while len(epochs := np.unique(np.rint(np.geomspace(1, LAST, wanted)))) < count:
        wanted += 1
    return epochs[:count].astype(np.int64)


def linear(count: int) -> NDArray[np.int64]:
    """Return this many evenly spaced epochs."""
    return np.rint(np.linspace(1, LAST, count)).astype(np.int64)


def walk(dimensions: int, decay: float = 0.0) -> Shape:
    """Return random walks; with decay, later dimensions are scaled by (1 + k)^-decay."""

    def draw(rng: np.random.Generator, at: NDArray[np.float64]) -> Path:
        spans = np.diff(at, prepend=at[0])
        steps = rng.normal(size=(len(at), dimensions)) * np.sqrt(spans)[:, None]
        path: Path = np.cumsum(steps, axis=0) * (1.0 + np.arange(dimensions)) ** -decay
        return path

    return draw


def reverting(dimensions: int, rate: float) -> Shape:
    """Return Ornstein-Uhlenbeck processes that forget at a rate per log-epoch."""

    def draw(rng: np.random.Generator, at: NDArray[np.float64]) -> Path:
        kept = np.exp(-rate * np.diff(at))[:, None]
        path = rng.normal(size=(len(at), dimensions))
        for i, keep in enumerate(kept, start=1):
            path[i] = keep * path[i - 1] + np.sqrt(1 - keep**2) * path[i]
        return path

    return draw


def curved(bends: int) -> Shape:
    """Return smooth curves in five dimensions: waves with up to this many half periods."""

    def draw(rng: np.random.Generator, at: NDArray[np.float64]) -> Path:
        way = (at - at[0]) / (at[-1] - at[0])
        waves = np.cos(np.pi * np.arange(bends + 1) * (way[:, None] + rng.uniform(size=bends + 1)))
        return np.asarray(waves @ rng.normal(size=(bends + 1, 5)) + way[:, None])

    return draw


def steady(noise: float = 0.0, slowing: float = 0.0) -> Shape:
    """Return straight drifts, with noise in 20 dimensions, or slowing down with the log-epoch."""

    def draw(rng: np.random.Generator, at: NDArray[np.float64]) -> Path:
        way = -np.expm1(-slowing * at) if slowing else at
        wobble = rng.normal(size=(len(at), 20)) * noise / np.sqrt(20)
        return np.asarray(np.outer(way / np.ptp(way), rng.normal(size=20)) + wobble)

    return draw


def noisy(shape: Shape, noise: float) -> Shape:
    """Return paths of a shape with noise in ten extra dimensions, as a share of its size."""

    def draw(rng: np.random.Generator, at: NDArray[np.float64]) -> Path:
        path = shape(rng, at)
        size = noise * np.sqrt(path.var(axis=0).sum() / 10)
        return np.hstack([path, size * rng.normal(size=(len(at), 10))])

    return draw


def normalised(shape: Shape, off: float = 1.0) -> Shape:
    """Return paths of a shape projected on the unit sphere, at a distance `off` times their width."""

    def draw(rng: np.random.Generator, at: NDArray[np.float64]) -> Path:
        path = shape(rng, at)
        offset = np.full((len(at), 1), off * np.sqrt(path.var(axis=0).sum()))
        path = np.hstack([path, offset])
        return np.asarray(path / np.linalg.norm(path, axis=1, keepdims=True))

    return draw


WALKS: Mapping[str, Shape] = {f"random walk, {d}-D": walk(d) for d in (1, 2, 3, 5, 10, 50)}

STILL: Mapping[str, Shape] = {
    **WALKS,
    "random walk, 10-D, anisotropic": walk(10, decay=1.0),
    "random walk, 1-D, on a circle": normalised(walk(1)),
    "random walk, 1-D, on a narrow arc": normalised(walk(1), off=3.0),
    "random walk, 2-D, on a sphere": normalised(walk(2), off=1.5),
    "random walk, 3-D, on a sphere": normalised(walk(3)),
    "random walk, 2-D, noise of a tenth": noisy(walk(2), 0.1),
    "random walk, 2-D, noise of a half": noisy(walk(2), 0.5),
    "Ornstein-Uhlenbeck, 1-D, slow": reverting(1, 0.5),
    "Ornstein-Uhlenbeck, 3-D, fast": reverting(3, 3.0),
    "noise alone, 2-D": reverting(2, 100.0),
    "curve, up to one period": curved(2),
    "curve, up to three periods": curved(6),
    "curve, on a sphere": normalised(curved(3)),
    "steady drift": steady(),
    "steady drift, noise of a tenth": steady(noise=0.1),
    "drift that slows down": steady(slowing=1.0),
}
"""Paths without a change."""


def changes(path: Path, epochs: NDArray[np.int64]) -> ChangePoints:
    """Return the changes of one layer whose vectors are the path's points."""
    return joint_change_points((path @ path.T)[None], epochs)


def _false(draws: int) -> Iterator[Figure]:
    schedules = {"": log_spaced, ", linear epochs": linear}
    for name, shape in STILL.items():
        for where, schedule in schedules.items():
            if where and name not in WALKS:
                continue
            shares = []
            for count in COUNTS:
                rng = np.random.default_rng([SEED, count])
                epochs = schedule(count)
                paths = [shape(rng, np.log(epochs)) for _ in range(draws)]
                found = [bool(changes(path, epochs).epochs) for path in paths]
                shares.append(float(np.mean(found)))
            yield _figure(f"{name}{where}: have a change", shares, most=FALSE)


def _false_joint(draws: int) -> Iterator[Figure]:
    for name in ("random walk, 1-D", "random walk, 3-D", "curve, up to one period"):
        shares = []
        for count in COUNTS:
            rng = np.random.default_rng([SEED, count])
            epochs = log_spaced(count)
            at = np.log(epochs)
            found = 0
            for _ in range(draws):
                paths = [STILL[name](rng, at) for _ in range(LAYERS)]
                kernels = np.stack([path @ path.T for path in paths])
                found += bool(joint_change_points(kernels, epochs).epochs)
            shares.append(found / draws)
        yield _figure(f"{LAYERS} layers jointly, {name}: have a change", shares, most=FALSE)


def _leaps(draws: int) -> Iterator[Figure]:
    """Look for a leap within a path, with at least two checkpoints on each side."""
    drifting: Mapping[str, tuple[Shape, Callable[[NDArray[np.float64]], NDArray[np.float64]]]] = {
        "steady drift": (lambda _rng, at: at[:, None], lambda spans: spans),
        "random walk, 1-D": (walk(1), np.sqrt),
        "random walk, 3-D": (walk(3), lambda spans: np.sqrt(3 * spans)),
        "random walk, 50-D": (walk(50), lambda spans: np.sqrt(50 * spans)),
    }
    for name, (shape, usual) in drifting.items():
        hits, extra = [], []
        for count in COUNTS:
            rng = np.random.default_rng([SEED, count])
            epochs = log_spaced(count)
            at = np.log(epochs)
            length = LEAP * usual(np.diff(at))
            found = [
                _with_leap(rng, shape(rng, at), epochs, place, length[place - 1])
                for place in rng.integers(2, count - 1, size=draws)
            ]
            hits.append(float(np.mean([hit for hit, _ in found])))
            extra.append(float(np.mean([more > 0 for _, more in found])))
        yield _figure(f"leap of {LEAP} steps, {name}: found", hits, least=FOUND)
        yield _figure(f"leap of {LEAP} steps, {name}: others found", extra, most=FALSE)


def _with_leap(
    rng: np.random.Generator, path: Path, epochs: NDArray[np.int64], place: int, length: float
) -> tuple[bool, int]:
    """Return whether a leap is found where it was put, and how many others are found."""
    direction = rng.normal(size=path.shape[1])
    leapt = path.copy()
    leapt[place:] += length * direction / np.linalg.norm(direction)
    found = changes(leapt, epochs).epochs
    hit = int(epochs[place]) in found
    return hit, len(found) - hit


def _blocks(draws: int) -> Iterator[Figure]:
    """Look for the borders of segments that lie a unit apart, each with noise around its centre."""
    for blocks, noise in ((2, 0.1), (3, 0.1), (4, 0.1), (3, 0.2), (3, 0.3)):
        shares = []
        for count in COUNTS:
            rng = np.random.default_rng([SEED, count])
            epochs = log_spaced(count)
            borders = [count * k // blocks for k in range(1, blocks)]
            block = np.digitize(np.arange(count), borders)
            found = []
            for _ in range(draws):
                wobble = rng.normal(size=(count, 30)) * noise / np.sqrt(30)
                path = np.eye(30)[block] / np.sqrt(2) + wobble
                at = changes(path, epochs).epochs
                found.append(np.isin(epochs[borders], at).mean())
            shares.append(float(np.mean(found)))
        yield _figure(f"{blocks} blocks a unit apart, noise {noise}: borders found", shares)


def _figure(
    name: str, shares: list[float], most: float | None = None, least: float | None = None
) -> Figure:
    each = " / ".join(f"{100 * share:.0f}" for share in shares)
    return Figure(name, 100 * float(np.mean(shares)), "%", most, least, note=f"({each})")


if __name__ == "__main__":
    main(["change_points"], (__doc__ or "").splitlines()[0])
