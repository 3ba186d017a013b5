"""The training loop: epochs, augmentation, evaluation.

Images live as uint8 tensors on the device and are normalised and augmented there a batch at a
time. Nothing is read back from the device within an epoch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import cast

import timm.optim
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from repdyn.config import Augment, Device, OptimConfig
from repdyn.errors import UserError, nearest

EVALUATION_CHUNK = 1000


@dataclass(frozen=True)
class TrainingData:
    """Data on the device.

    Attributes:
        images: (N, C, H, W) uint8.
        labels: (N,) int64, as given.
        noisy: (N,) bool, which labels were flipped.
        test_images, test_labels: the same of the test split.
        mean, std: (C,) float32, of the training images in [0, 1].
    """

    images: Tensor
    labels: Tensor
    noisy: Tensor
    test_images: Tensor
    test_labels: Tensor
    mean: Tensor
    std: Tensor

    def inputs(self, images: Tensor) -> Tensor:
        """Return uint8 images (n, C, H, W) as the model takes them: standardised float32."""
        mean, std = self.mean[:, None, None], self.std[:, None, None]
        x = (images.float() / 255 - mean) / std
        return x.contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True)
class Epoch:
    """What one epoch shows.

    Training loss and accuracies are means over the epoch's steps, as the images were seen; those
    of epoch 0, the initial model, are an evaluation. Accuracy on noisy examples counts the flipped
    label as right, and is NaN where there are none.
    """

    epoch: int
    train_loss: float
    train_acc: float
    train_acc_clean: float
    train_acc_noisy: float
    test_loss: float
    test_acc: float
    lr: float
    seconds: float

    def metrics(self) -> dict[str, float]:
        """Return MLflow's metrics."""
        named = {
            "train/loss": self.train_loss,
            "train/acc": self.train_acc,
            "train/acc_clean": self.train_acc_clean,
            "train/acc_noisy": self.train_acc_noisy,
            "test/loss": self.test_loss,
            "test/acc": self.test_acc,
            "lr": self.lr,
        }
        return {name: value for name, value in named.items() if value == value}


def pick_device(wanted: Device) -> torch.device:
    """Return the device; auto takes cuda, else mps, else cpu.

    Raises:
        UserError: the wanted one is not there.
    """
    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if wanted == "auto":
        return torch.device(next(name for name, usable in there.items() if usable))
    if not there[wanted]:
        usable = ", ".join(name for name, ok in there.items() if ok)
        raise UserError(f"--device {wanted}: torch finds none here; usable: {usable}")
    return torch.device(wanted)


def make_optimizer(model: nn.Module, config: OptimConfig) -> torch.optim.Optimizer:
    """Return timm's optimizer of that name over the model's parameters.

    Raises:
        UserError: timm has none of that name, or it needs a package that is not installed.
    """
    check_optimizer(config.opt)
    try:
        optimizer: torch.optim.Optimizer = timm.optim.create_optimizer_v2(
            model,
            opt=config.opt,
            lr=config.lr,
            weight_decay=config.weight_decay,
            momentum=config.momentum,
        )
    except (AssertionError, ImportError, TypeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"--opt {config.opt}: timm cannot make it: {reason}") from error
    return optimizer


def check_optimizer(name: str) -> None:
    """Check that timm has an optimizer of that name and that plain gradients serve it.

    Raises:
        UserError: it has none, and which are the nearest; or it wants second derivatives.
    """
    names = [str(name) for name in timm.optim.list_optimizers()]
    if name not in names:
        raise UserError(f"--opt {name}: timm has no such optimizer{nearest(name, names)}")
    if timm.optim.get_optimizer_info(name).second_order:
        raise UserError(f"--opt {name}: needs second derivatives; take a first-order optimizer")


def augmented(images: Tensor, kind: Augment, generator: torch.Generator) -> Tensor:
    """Return a batch of uint8 images (n, C, H, W), randomly changed.

    `flip` mirrors each image with probability ½; `crop-flip` also shifts it by up to an eighth of
    its side (4 pixels of 32, He et al. 2016), filling with zeros.
    """
    if kind == "none":
        return images
    n, _, h, w = images.shape
    device = images.device
    if kind == "crop-flip":
        pad = max(1, h // 8)
        padded = F.pad(images, (pad, pad, pad, pad))
        shift = torch.randint(0, 2 * pad + 1, (2, n), generator=generator, device=device)
        rows = shift[0, :, None] + torch.arange(h, device=device)
        columns = shift[1, :, None] + torch.arange(w, device=device)
        index = torch.arange(n, device=device)[:, None, None]
        images = padded.movedim(1, -1)[index, rows[:, :, None], columns[:, None, :]].movedim(-1, 1)
    mirror = torch.rand(n, generator=generator, device=device) < 0.5
    return torch.where(mirror[:, None, None, None], images.flip(3), images)


def train(
    model: nn.Module,
    data: TrainingData,
    config: OptimConfig,
    *,
    epochs: int,
    batch_size: int,
    augment: Augment = "none",
) -> Iterator[Epoch]:
    """Train the model in place, one epoch for each item drawn.

    The first item is epoch 0, the initial model; between items the caller may measure and save the
    model as long as its weights, statistics and the random state stay as they are.

    Args:
        model: on the data's device.
        data: images and labels on the device.
        config: optimizer, learning rate, schedule, seed, precision.
        epochs: to train.
        batch_size: images a step; a last batch of one image is left out.
        augment: random change of the training images.

    Yields:
        What each epoch showed.
    """
    device = data.images.device
    order = torch.Generator().manual_seed(config.seed)
    chance = torch.Generator(device).manual_seed(config.seed + 1)
    optimizer = make_optimizer(model, config)
    steps = -(-len(data.images) // batch_size)
    scheduler = (
        torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * steps)
        if config.schedule == "cosine"
        else None
    )
    forward = cast("nn.Module", torch.compile(model)) if config.compile else model
    cast_to = _autocast(device, config)

    yield _initial(model, data, optimizer.param_groups[0]["lr"])
    for epoch in range(1, epochs + 1):
        start = time.perf_counter()
        lr = optimizer.param_groups[0]["lr"]
        tally = _Tally(device)
        model.train()
        for batch in torch.randperm(len(data.images), generator=order).to(device).split(batch_size):
            if len(batch) == 1:
                continue
            labels = data.labels[batch]
            inputs = data.inputs(augmented(data.images[batch], augment, chance))
            with cast_to():
                logits = forward(inputs)
                loss = F.cross_entropy(logits, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if scheduler is not None:
                scheduler.step()
            tally.add(logits.detach(), labels, data.noisy[batch], loss.detach())
        trained = tally.result()
        tested = evaluate(model, data, data.test_images, data.test_labels)
        yield Epoch(epoch, *trained, *tested, lr, time.perf_counter() - start)


def evaluate(
    model: nn.Module, data: TrainingData, images: Tensor, labels: Tensor
) -> tuple[float, float]:
    """Return the mean loss and the accuracy of the model in eval mode; its mode is restored."""
    clean = torch.zeros_like(labels, dtype=torch.bool)
    return _evaluate(model, data, images, labels, clean).result()[:2]


def _initial(model: nn.Module, data: TrainingData, lr: float) -> Epoch:
    start = time.perf_counter()
    trained = _evaluate(model, data, data.images, data.labels, data.noisy).result()
    tested = evaluate(model, data, data.test_images, data.test_labels)
    return Epoch(0, *trained, *tested, lr, time.perf_counter() - start)


@torch.no_grad()
def _evaluate(
    model: nn.Module, data: TrainingData, images: Tensor, labels: Tensor, noisy: Tensor
) -> _Tally:
    training = model.training
    model.eval()
    tally = _Tally(images.device)
    parts: Iterable[tuple[Tensor, ...]] = zip(
        *(t.split(EVALUATION_CHUNK) for t in (images, labels, noisy)), strict=True
    )
    for x, y, flipped in parts:
        logits = model(data.inputs(x))
        tally.add(logits, y, flipped, F.cross_entropy(logits, y))
    model.train(training)
    return tally


def _autocast(
    device: torch.device, config: OptimConfig
) -> Callable[[], AbstractContextManager[object]]:
    if config.precision == "bf16":
        return lambda: torch.autocast(device.type, torch.bfloat16)
    return nullcontext


class _Tally:
    """Sums of losses and hits, kept on the device until they are asked for."""

    def __init__(self, device: torch.device) -> None:
        self._sums = torch.zeros(5, dtype=torch.float64, device=device)

    def add(self, logits: Tensor, labels: Tensor, noisy: Tensor, loss: Tensor) -> None:
        hit = logits.argmax(dim=1) == labels
        n = torch.as_tensor(float(len(labels)), device=labels.device)
        parts = [loss.float() * n, n, (hit & ~noisy).sum(), (hit & noisy).sum(), noisy.sum()]
        self._sums += torch.stack([part.to(self._sums.dtype) for part in parts])

    def result(self) -> tuple[float, float, float, float]:
        """Return mean loss, accuracy, accuracy on clean and on noisy examples."""
        loss, n, hit_clean, hit_noisy, noisy = self._sums.tolist()
        clean = n - noisy
        return (
            loss / n,
            (hit_clean + hit_noisy) / n,
            hit_clean / clean if clean else float("nan"),
            hit_noisy / noisy if noisy else float("nan"),
        )
