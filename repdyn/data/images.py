"""A data set, before and after a subset and label noise are drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from repdyn.data.mapped import MappedImages, Pixels

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Source:
    """A data set as stored.

    Attributes:
        place: where it comes from, for the record.
        classes: their names.
        train_labels, test_labels: (N,) and (M,) int64.
        train_images, test_images: read the images with the given indices, (n, C, H, W) uint8; only
            those that are used are decoded. Those of a folder may stay in a file.
    """

    place: str
    classes: tuple[str, ...]
    train_labels: Labels
    test_labels: Labels
    train_images: Callable[[Labels], Images | MappedImages]
    test_images: Callable[[Labels], Images | MappedImages]


@dataclass(frozen=True)
class ImageData:
    """A data set; images are in memory, or those of a folder in a file of which batches are read.

    Attributes:
        name: as the user gave it.
        source: where it comes from.
        train_images: (N, C, H, W) uint8.
        given_labels: what the network is trained on, (N,) int64; differs from `true_labels` where a
            label was flipped.
        true_labels: (N,) int64.
        test_images: (M, C, H, W) uint8.
        test_labels: (M,) int64, never flipped.
        classes: names of the classes (K).
        mean, std: of the training images' channels in [0, 1], (C,) float32.
    """

    name: str
    source: str
    train_images: Pixels
    given_labels: Tensor
    true_labels: Tensor
    test_images: Pixels
    test_labels: Tensor
    classes: tuple[str, ...]
    mean: Tensor
    std: Tensor

    @property
    def noisy(self) -> Tensor:
        """Which training labels were flipped, (N,) bool."""
        return self.given_labels != self.true_labels


def channel_sums(images: Images) -> NDArray[np.int64]:
    """Return the sum of the pixels of images (n, C, H, W), and of their squares, by channel, (2, C)."""
    sums = images.sum(axis=(0, 2, 3), dtype=np.int64)
    squares = (images.astype(np.uint16) ** 2).sum(axis=(0, 2, 3), dtype=np.int64)
    return np.stack([sums, squares])
