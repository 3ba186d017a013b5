"""Records to store: random, of the right shapes."""

from collections.abc import Callable, Mapping

import numpy as np

from repdyn.records import Dynamics, LabelMaps, PlaneSet

LAYERS = ("stem", "block", "logits")


def reading(files: Mapping[str, bytes]) -> Callable[[str, int], bytes]:
    """Return what reads these files, of a run that has no others."""

    def read(path: str, most: int) -> bytes:
        if path not in files:
            raise FileNotFoundError(path)
        return files[path]

    return read


def dynamics(e: int = 4, classes: int = 3, layers: tuple[str, ...] = LAYERS) -> Dynamics:
    """Return the first e of eight checkpoints."""
    rng = np.random.default_rng(0)
    n = len(layers)

    def random(*shape: int) -> np.ndarray:
        return rng.random(shape).astype(np.float32)

    return Dynamics(
        layers=layers,
        steps=np.array([0, 1, 2, 4, 8, 16, 32, 64])[:e],
        similarity={
            "cka": random(n, 8, 8)[:, :e, :e],
            "regions": random(n + 1, 8, 8)[:, :e, :e],
        },
        probe_acc=random(n, 8, 3)[:, :e],
        fragmentation=random(n + 1, 8)[:, :e],
        areas=random(n + 1, 8, classes)[:, :e],
        errors={
            "cka": 0.1 * random(n, 8, 8)[:, :e, :e],
            "regions": 0.1 * random(n + 1, 8, 8)[:, :e, :e],
        },
    )


def label_maps(epoch: int = 4) -> LabelMaps:
    rng = np.random.default_rng(epoch)
    maps = rng.integers(0, 3, (4, 5, 6, 6), dtype=np.uint8)
    return LabelMaps(epoch, maps, rng.integers(0, 3, (4, 2, 9, 9), dtype=np.uint8))


def planes() -> PlaneSet:
    rng = np.random.default_rng(1)
    return PlaneSet(
        anchors=rng.integers(0, 256, (5, 3, 1, 8, 8), dtype=np.uint8),
        labels=rng.integers(0, 3, (5, 3)),
        true_labels=rng.integers(0, 3, (5, 3)),
        kinds=np.array([0, 1, 2, 0, 1]),
        coords=rng.random((5, 3, 2)),
        extent=rng.random((5, 4)),
        fine=np.array([0, 1]),
        classes=("T-shirt, top", "[red]x", "z"),
    )
