"""What the data seed determines: the subset, label noise, reference images and planes.

Each draw has its own random stream, so that asking for more planes does not change the noise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from repdyn.checks import check_plane_kinds
from repdyn.data.images import ImageData, Labels
from repdyn.errors import SettingError, UserError
from repdyn.plane_kinds import PLANE_KINDS

ATTEMPTS = 100
"""Draws of three images before giving up on finding three that span a plane."""


class Purpose(IntEnum):
    """The random streams; their numbers never change."""

    SUBSET = 1
    LABEL_NOISE = 2
    PROBE_IMAGES = 3
    PROBE_TRAIN = 4
    PLANES = 5
    HOLD_OUT = 6


@dataclass(frozen=True)
class Anchors:
    """The three images that span each plane.

    Attributes:
        images: (P, 3, C, H, W) uint8.
        labels, true_labels: (P, 3) int64.
        kinds: index into PLANE_KINDS, (P,) int64.
    """

    images: Tensor
    labels: Tensor
    true_labels: Tensor
    kinds: Tensor

    def first(self, planes: int) -> Anchors:
        """Return those of the first planes."""
        parts = (self.images, self.labels, self.true_labels, self.kinds)
        return Anchors(*(part[:planes] for part in parts))


def stream(seed: int, purpose: Purpose) -> np.random.Generator:
    """Return the random stream for one purpose."""
    return np.random.default_rng([seed, purpose])


def stratified(labels: Labels, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return `count` indices, sorted, with each class's share kept to within one image.

    Shares are rounded by largest remainders; ties go to the lower class.
    """
    _, sizes = np.unique(labels, return_counts=True)
    exact = sizes * (count / len(labels))
    quota = np.floor(exact).astype(int)
    short = count - int(quota.sum())
    quota[np.argsort(quota - exact, kind="stable")[:short]] += 1
    by_class = np.split(np.argsort(labels, kind="stable"), np.cumsum(sizes)[:-1])
    chosen = [rng.choice(one, n, replace=False) for one, n in zip(by_class, quota, strict=True)]
    return np.sort(np.concatenate(chosen)).astype(np.int64)


def with_symmetric_noise(labels: Labels, share: float, classes: int, seed: int) -> Labels:
    """Return the labels with a share of them moved to another class.

    Exactly round(share · N) labels are moved, each to any other class with equal probability
    (symmetric noise, as in Zhang et al. 2017, but never onto the true class).
    """
    rng = stream(seed, Purpose.LABEL_NOISE)
    moved = rng.permutation(len(labels))[: round(share * len(labels))]
    given = labels.copy()
    given[moved] = (labels[moved] + rng.integers(1, classes, len(moved))) % classes
    return given


def probe_images(data: ImageData, count: int, seed: int) -> NDArray[np.int64]:
    """Return the indices of the probe images among the test images; all if there are fewer."""
    labels = data.test_labels.numpy()
    return stratified(labels, min(count, len(labels)), stream(seed, Purpose.PROBE_IMAGES))


def probe_train(data: ImageData, count: int, seed: int) -> NDArray[np.int64]:
    """Return the indices of the training images for the probes; all if there are fewer."""
    labels = data.true_labels.numpy()
    return stratified(labels, min(count, len(labels)), stream(seed, Purpose.PROBE_TRAIN))


@dataclass(frozen=True)
class Pool:
    """Examples that planes go through.

    Attributes:
        size: how many there are.
        read: returns the images (c, ...), given and true labels (c,) of c of them, by index.
    """

    size: int
    read: Callable[[NDArray[np.int64]], tuple[Tensor, Tensor, Tensor]]


def anchors(data: ImageData, planes: int, seed: int, kinds: Sequence[str] | None = None) -> Anchors:
    """Draw the anchors of the planes from test, training and noisy examples; see `drawn_anchors`."""

    def of_test(chosen: NDArray[np.int64]) -> tuple[Tensor, Tensor, Tensor]:
        i = torch.from_numpy(chosen)
        return data.test_images[i], data.test_labels[i], data.test_labels[i]

    def of_train(chosen: NDArray[np.int64]) -> tuple[Tensor, Tensor, Tensor]:
        i = torch.from_numpy(chosen)
        return data.train_images[i], data.given_labels[i], data.true_labels[i]

    test, train = Pool(len(data.test_images), of_test), Pool(len(data.train_images), of_train)
    return drawn_anchors(test, train, np.flatnonzero(data.noisy.numpy()), planes, seed, kinds)


def drawn_anchors(
    test: Pool | None,
    train: Pool,
    noisy: NDArray[np.int64],
    planes: int,
    seed: int,
    kinds: Sequence[str] | None = None,
) -> Anchors:
    """Draw the anchors of planes, in turn of each kind in the order of PLANE_KINDS.

    Args:
        test: test examples, if there are any.
        train: training examples.
        noisy: indices of those with a wrong label; a plane of that kind has at least one.
        planes: how many.
        seed: determines the draw.
        kinds: of PLANE_KINDS; default: all that there are.

    Raises:
        UserError: there are no examples of a kind, or no three images span a plane.
    """
    rng = stream(seed, Purpose.PLANES)
    pools = {"test": test, "train": train, "noisy": train if len(noisy) else None}
    there = {kind: pool for kind, pool in pools.items() if pool is not None}
    if kinds is not None:
        check_plane_kinds(kinds)
        there = {kind: _of_kind(kind, there) for kind in PLANE_KINDS if kind in kinds}
    usable = list(there.items())
    drawn: list[tuple[Tensor, Tensor, Tensor]] = []
    chosen: list[int] = []
    for number in range(planes):
        kind, pool = usable[number % len(usable)]
        drawn.append(_triplet(pool, noisy if kind == "noisy" else np.arange(pool.size), rng))
        chosen.append(PLANE_KINDS.index(kind))
    images, given, true = (torch.stack(parts) for parts in zip(*drawn, strict=True))
    return Anchors(images, given, true, torch.tensor(chosen))


def _of_kind(kind: str, there: Mapping[str, Pool]) -> Pool:
    if kind not in there:
        lack = "no training label is wrong" if kind == "noisy" else "there are no test examples"
        raise SettingError("plane_kinds", kind, f"{lack}; choose from {', '.join(there)}")
    return there[kind]


def _triplet(
    pool: Pool, first: NDArray[np.int64], rng: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Return three examples whose images span a plane, the first of them among `first`."""
    if pool.size >= 3:
        for _ in range(ATTEMPTS):
            start = rng.choice(first)
            others = rng.choice(pool.size - 1, 2, replace=False)
            found = pool.read(np.array([start, *(others + (others >= start))]))
            if _span_a_plane(found[0]):
                return found
    raise UserError(
        "no three images of the data set span a plane for decision regions; "
        "are nearly all of them the same?"
    )


def _span_a_plane(images: Tensor) -> bool:
    x = images.flatten(1).double()
    sides = torch.linalg.svdvals(x[1:] - x[0])
    return bool(sides[1] > 1e-3 * sides[0])
