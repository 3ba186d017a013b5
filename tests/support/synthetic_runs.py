"""E×E matrices of which the truth is known.

A layer is a point that moves along a line at a given speed in log-epoch; the Laplacian kernel
exp(-|x - y|) makes a similarity of it that is positive semi-definite, and its drift rate is
1 - exp(-speed · lag) exactly.
"""

from collections.abc import Callable, Sequence

import numpy as np

from repdyn.records import Curve, Dynamics

Speed = Callable[[np.ndarray], np.ndarray]
EPOCHS = np.unique(np.rint(np.expm1(np.linspace(0, np.log1p(400), 60))).astype(np.int64))


def path(speed: Speed, epochs: np.ndarray = EPOCHS) -> np.ndarray:
    """Integrate a speed over log-epoch from epoch 1 on; the initial model lies one unit before."""
    fine = np.linspace(0, np.log(epochs[-1]), 20_001)
    steps = speed((fine[1:] + fine[:-1]) / 2) * np.diff(fine)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    places = np.interp(np.log(np.maximum(epochs, 1)), fine, along)
    return np.where(epochs == 0, -1.0, places)


def similarity(speed: Speed, epochs: np.ndarray = EPOCHS) -> np.ndarray:
    x = path(speed, epochs)
    kernel: np.ndarray = np.exp(-np.abs(x[:, None] - x[None]))
    return kernel


def constant(value: float) -> Speed:
    return lambda tau: np.full_like(tau, value)


def broken(at: float, before: float, after: float) -> Speed:
    return lambda tau: np.where(tau < at, before, after)


def pulsed(phase: float, base: float = 0.3, height: float = 0.25, period: float = 1.6) -> Speed:
    return lambda tau: base + height * np.sin(2 * np.pi * (tau - phase) / period)


def dynamics(speeds: Sequence[Speed], epochs: np.ndarray = EPOCHS, noise: float = 0.0) -> Dynamics:
    """Return a run whose first layer stands still and whose others move at the given speeds."""
    rng = np.random.default_rng(0)
    matrices = np.stack([similarity(s, epochs) for s in (constant(0.01), *speeds)])
    wobble = rng.normal(scale=noise, size=matrices.shape)
    wobble = (wobble + wobble.swapaxes(1, 2)) / 2
    matrices = matrices + wobble * (1 - np.eye(len(epochs)))
    layers, e = len(matrices), len(epochs)
    return Dynamics(
        layers=tuple(f"layer{i}" for i in range(layers)),
        steps=epochs,
        similarity={
            "cka": matrices.astype(np.float32),
            "regions": np.concatenate([matrices, np.eye(e)[None]]).astype(np.float32),
        },
        probe_acc=np.zeros((layers, e, 3), dtype=np.float32),
        fragmentation=np.zeros((layers + 1, e), dtype=np.float32),
        areas=np.zeros((layers + 1, e, 10), dtype=np.float32),
    )


def curve(values: Callable[[np.ndarray], np.ndarray], last: int = 400) -> Curve:
    epochs = np.arange(last + 1)
    return Curve(epochs, np.asarray(values(epochs.astype(np.float64))))
