"""Training as in PyTorch's tutorials: a Dataset of PIL images, a DataLoader, a loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from repdyn.data import ImageData, Pixels
from repdyn.settings.schema import Augment, OptimConfig, known

TEST_BATCH = 1000
"""That of PyTorch's MNIST example."""


class PilImages(Dataset[tuple[Tensor, int]]):
    """Images in memory, converted to PIL on access, as in torchvision's data sets.

    Args:
        images: (N, C, H, W) uint8.
        labels: (N,).
        transform: of a PIL image.
    """

    def __init__(self, images: Pixels, labels: Tensor, transform: Callable[..., Tensor]) -> None:
        self._images: NDArray[np.uint8] = np.ascontiguousarray(images[:].movedim(1, -1).numpy())
        if self._images.shape[-1] == 1:
            self._images = self._images[..., 0]
        self._labels = labels.tolist()
        self._transform = transform

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self._transform(Image.fromarray(self._images[index])), self._labels[index]


class PlainLoop:
    """Trains a model in place, one epoch per call.

    Args:
        model: on the device where it is trained.
        images: the data set.
        optim: learning rate and momentum; of the others the defaults are taken.
        batch_size: images per step.
        augment: random change of the training images.
        workers: processes that load images, kept alive between epochs.
    """

    def __init__(
        self,
        model: nn.Module,
        images: ImageData,
        optim: OptimConfig,
        *,
        batch_size: int,
        augment: Augment = "none",
        workers: int = 0,
    ) -> None:
        if (optim.opt, optim.weight_decay, optim.schedule) != ("sgd", 0, "constant"):
            raise ValueError("the plain loop trains by SGD without weight decay or schedule")
        self._model = model
        self._device = next(model.parameters()).device
        # timm's `sgd` is Nesterov's
        self._optimizer = torch.optim.SGD(
            model.parameters(), lr=known(optim.lr), momentum=optim.momentum, nesterov=True
        )
        self._criterion = nn.CrossEntropyLoss()
        as_given = [
            transforms.ToTensor(),
            transforms.Normalize(images.mean.tolist(), images.std.tolist()),
        ]
        side = int(images.train_images.shape[-1])
        kept: dict[str, Any] = {"num_workers": workers, "persistent_workers": workers > 0} | (
            {"pin_memory": True} if self._device.type == "cuda" else {}
        )
        self._train = DataLoader(
            PilImages(
                images.train_images,
                images.given_labels,
                transforms.Compose([*_augmentation(augment, side), *as_given]),
            ),
            batch_size,
            shuffle=True,
            generator=torch.Generator().manual_seed(optim.seed),
            **kept,
        )
        self._test = DataLoader(
            PilImages(images.test_images, images.test_labels, transforms.Compose(as_given)),
            TEST_BATCH,
            **kept,
        )

    def epoch(self) -> tuple[float, float, float, float]:
        """Train an epoch, then test; return training loss and accuracy, then those of the test."""
        return *self._train_epoch(), *self._evaluate()

    def _train_epoch(self) -> tuple[float, float]:
        self._model.train()
        running_loss, correct, seen = 0.0, 0, 0
        for given, targets in self._train:
            inputs = given.to(self._device, non_blocking=True)
            labels = targets.to(self._device, non_blocking=True)
            self._optimizer.zero_grad()
            outputs = self._model(inputs)
            loss = self._criterion(outputs, labels)
            loss.backward()
            self._optimizer.step()
            running_loss += loss.item() * len(labels)
            correct += (outputs.argmax(dim=1) == labels).sum().item()
            seen += len(labels)
        return running_loss / seen, correct / seen

    @torch.no_grad()
    def _evaluate(self) -> tuple[float, float]:
        self._model.eval()
        loss, correct, seen = 0.0, 0, 0
        for given, targets in self._test:
            inputs = given.to(self._device, non_blocking=True)
            labels = targets.to(self._device, non_blocking=True)
            outputs = self._model(inputs)
            loss += self._criterion(outputs, labels).item() * len(labels)
            correct += (outputs.argmax(dim=1) == labels).sum().item()
            seen += len(labels)
        return loss / seen, correct / seen


def _augmentation(kind: Augment, side: int) -> list[nn.Module]:
    """Return torchvision's transforms that change images as repdyn's setting of that name does."""
    crop = [transforms.RandomCrop(side, padding=max(1, side // 8))]
    flip = [transforms.RandomHorizontalFlip()]
    return {"none": [], "flip": flip, "crop-flip": [*crop, *flip]}[kind]
