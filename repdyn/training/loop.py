"""The training loop: epochs, augmentation, evaluation.

Images are kept as uint8 tensors on the device, or in a file of which batches are read ahead. They are
normalised and augmented on the device, batch by batch. Nothing is read back from it within an epoch.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, cast

import timm.optim
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from repdyn.data.mapped import Pixels, batches, in_turn
from repdyn.errors import SettingError, nearest
from repdyn.settings.schema import Augment, Device, OptimConfig
from repdyn.training.learning_rate import LearningRate
from repdyn.training.replicas import ONE, Replicas, Share
from repdyn.training.tally import Tally, counts

EVALUATION_CHUNK = 250
"""Images per pass: with 1,000, a ViT on a CPU takes 1.6 times as long per image."""


@dataclass(frozen=True)
class TrainingData:
    """Data on the device.

    Attributes:
        images: (N, C, H, W) uint8; these and the test images may be in a file instead.
        labels: (N,) int64, as given.
        noisy: (N,) bool, which labels were flipped.
        test_images, test_labels: the same of the test split.
        mean, std: (C,) float32, of the training images in [0, 1].
        memory_format: of the model.
    """

    images: Pixels
    labels: Tensor
    noisy: Tensor
    test_images: Pixels
    test_labels: Tensor
    mean: Tensor
    std: Tensor
    memory_format: torch.memory_format = torch.channels_last

    @property
    def device(self) -> torch.device:
        """On which it is."""
        return self.labels.device

    def inputs(self, images: Tensor) -> Tensor:
        """Return uint8 images (n, C, H, W) as the model takes them: standardised float32."""
        mean, std = self.mean[:, None, None], self.std[:, None, None]
        x = (images.to(self.device).float() / 255 - mean) / std
        if self.memory_format is torch.contiguous_format:
            # with one channel, other strides are contiguous too, and would pass for channels_last
            return x.reshape(-1).view(x.shape)
        return x.contiguous(memory_format=self.memory_format)


@dataclass(frozen=True)
class Epoch:
    """The results of one epoch.

    Training loss and accuracies are means over the epoch's steps, as the images were seen; those
    of epoch 0, the initial model, are an evaluation. Accuracy on noisy examples counts the flipped
    label as right, and is NaN where there are none. `bad_step` is the first step whose loss was not
    finite, counted from 1; None if all were.
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
    bad_step: int | None = None

    @property
    def finite(self) -> bool:
        """Whether the losses are finite."""
        return math.isfinite(self.train_loss) and math.isfinite(self.test_loss)

    def metrics(self) -> dict[str, float]:
        """Return MLflow's metrics, without accuracies on no examples.

        A loss that is NaN is among them: whoever watches the run is to see it.
        """
        accuracies = {
            "train/acc": self.train_acc,
            "train/acc_clean": self.train_acc_clean,
            "train/acc_noisy": self.train_acc_noisy,
            "test/acc": self.test_acc,
        }
        defined = {name: value for name, value in accuracies.items() if not math.isnan(value)}
        losses = {"train/loss": self.train_loss, "test/loss": self.test_loss}
        return losses | defined | {"lr": self.lr}


def pick_device(wanted: Device) -> torch.device:
    """Return the device; auto uses cuda if available, else cpu.

    Apple's MPS is not supported: it has no float64, in which sums and Gram matrices are kept.

    Raises:
        UserError: the requested device is not available.
    """
    cuda = torch.cuda.is_available()
    if wanted == "cuda" and not cuda:
        raise SettingError("device", "cuda", "torch finds no CUDA device here; use cpu")
    return torch.device("cuda" if wanted != "cpu" and cuda else "cpu")


def make_optimizer(model: nn.Module, config: OptimConfig) -> torch.optim.Optimizer:
    """Return timm's optimizer of that name over the model's parameters.

    Raises:
        UserError: `check_optimizer` refuses it, or it needs a package that is not installed.
    """
    check_optimizer(config)
    further: dict[str, Any] = {} if config.eps is None else {"eps": config.eps}
    try:
        optimizer: torch.optim.Optimizer = timm.optim.create_optimizer_v2(
            model,
            opt=config.opt,
            lr=config.lr,
            weight_decay=config.weight_decay,
            momentum=config.momentum,
            **further,
        )
    except (AssertionError, ImportError, TypeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise SettingError("opt", config.opt, f"timm cannot create it: {reason}") from error
    return optimizer


def check_optimizer(config: OptimConfig) -> None:
    """Check that timm has an optimizer of that name, that it needs only gradients, and its epsilon.

    Raises:
        UserError: there is none, with similar names; it needs second derivatives; or it has no epsilon
            and one is set.
    """
    name = config.opt
    names = [str(name) for name in timm.optim.list_optimizers()]
    if name not in names:
        raise SettingError("opt", name, f"timm has no such optimizer{nearest(name, names)}")
    info = timm.optim.get_optimizer_info(name)
    if info.second_order:
        raise SettingError("opt", name, "needs second derivatives; use a first-order optimizer")
    if config.eps is not None and not info.has_eps:
        raise SettingError("eps", config.eps, f"{name} has no epsilon; leave it out")


def augmented(
    images: Tensor, kind: Augment, generator: torch.Generator, share: Share | None = None
) -> Tensor:
    """Return a batch of uint8 images (n, C, H, W), or a share of one, randomly changed.

    `flip` mirrors each image with probability ½; `crop-flip` also shifts it by up to an eighth of
    its side (4 pixels of 32, He et al. 2016), filling with zeros.
    """
    if kind == "none":
        return images
    n, _, h, w = images.shape
    device = images.device
    # drawn for the whole batch, so that an image is changed alike whoever takes it
    whole, part = (n, slice(0, n)) if share is None else (share.of, share.part)
    if kind == "crop-flip":
        pad = max(1, h // 8)
        padded = F.pad(images, (pad, pad, pad, pad))
        shift = torch.randint(0, 2 * pad + 1, (2, whole), generator=generator, device=device)
        shift = shift[:, part]
        rows = shift[0, :, None] + torch.arange(h, device=device)
        columns = shift[1, :, None] + torch.arange(w, device=device)
        index = torch.arange(n, device=device)[:, None, None]
        images = padded.movedim(1, -1)[index, rows[:, :, None], columns[:, None, :]].movedim(-1, 1)
    mirror = torch.rand(whole, generator=generator, device=device)[part] < 0.5
    return torch.where(mirror[:, None, None, None], images.flip(3), images)


class Trainer:
    """Trains a model in place, one epoch for each item drawn.

    The first item is epoch 0, the initial model; between items, and in `after_step`, the caller may
    measure the model and save the state as long as weights, statistics and the random state
    stay the same.

    Args:
        model: on the data's device.
        data: images and labels on the device.
        config: optimizer, learning rate, schedule, seed, precision.
        epochs: to train.
        batch_size: images per step; a last batch of one image is left out.
        augment: augmentation of the training images.
        replicas: the processes that train the model together.

    Attributes:
        model: as it is trained.
    """

    def __init__(
        self,
        model: nn.Module,
        data: TrainingData,
        config: OptimConfig,
        *,
        epochs: int,
        batch_size: int,
        augment: Augment = "none",
        replicas: Replicas = ONE,
    ) -> None:
        self.after_step: Callable[[], None] = _nothing
        self.model = model
        self._data, self._augment = data, augment
        self._epochs, self._batch_size = epochs, batch_size
        self._replicas, self._seed = replicas, config.seed
        device = data.device
        self._order = torch.Generator().manual_seed(config.seed)
        self._chance = torch.Generator(device).manual_seed(config.seed + 1)
        self._optimizer = make_optimizer(model, config)
        self._rate = LearningRate(config, epochs, steps=-(-len(data.images) // batch_size))
        whole = replicas.wrapped(model)
        self._forward = cast("nn.Module", torch.compile(whole)) if config.compile else whole
        self._cast = _autocast(device, config)
        self._epoch = 0
        replicas.scatter_random_state(config.seed)
        self._begin_epoch()

    def __iter__(self) -> Iterator[Epoch]:
        """Yield the results of each epoch, starting with the first that is not done."""
        if self._epoch == 0:
            self._next_epoch()
            yield self._initial()
        while self._epoch <= self._epochs:
            yield self._train_epoch()

    def state(self) -> dict[str, Any]:
        """Return everything the rest of the training depends on, as tensors and plain values."""
        device = self._data.device
        return {
            "model": self.model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "order": self._shuffle,
            "chance": self._chance.get_state(),
            "random": torch.get_rng_state(),
            "device_random": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
            "epoch": self._epoch,
            "step": self._step,
            "lr": self._lr,
            "tally": self._tally.sums,
            "seconds": self._seconds,
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Continue from the state of a trainer of the same model, data and settings.

        Raises:
            KeyError, RuntimeError, TypeError, ValueError: the state does not match.
        """
        self.model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._order.set_state(state["order"].cpu())
        self._chance.set_state(state["chance"].cpu())
        torch.set_rng_state(state["random"].cpu())
        device = self._data.device
        if device.type == "cuda" and state["device_random"] is not None:
            torch.cuda.set_rng_state(state["device_random"].cpu(), device)
        self._replicas.scatter_random_state(self._seed + state["epoch"] + state["step"])
        self._epoch = state["epoch"]
        self._begin_epoch()
        self._step, self._lr, self._seconds = state["step"], state["lr"], state["seconds"]
        self._tally.sums = state["tally"].to(device)

    def _begin_epoch(self) -> None:
        self._shuffle = self._order.get_state()
        self._step = 0
        self._lr = self._rate(max(self._epoch, 1), 0)
        self._tally = Tally(self._data.device)
        self._seconds = 0.0

    def _next_epoch(self) -> None:
        self._epoch += 1
        self._begin_epoch()

    def _train_epoch(self) -> Epoch:
        """Train the remaining steps of the epoch."""
        data, size = self._data, self._batch_size
        start = time.perf_counter() - self._seconds
        self.model.train()
        order = torch.randperm(len(data.images), generator=self._order)[self._step * size :]
        whole = order.split(size)
        shares = [self._replicas.share(len(batch)) for batch in whole]
        own = torch.cat([batch[one.part] for batch, one in zip(whole, shares, strict=True)])
        sizes = [one.images for one in shares]
        parts = own.to(data.device).split(sizes)
        pixels = batches(data.images, own, sizes, data.device)
        for share, part, images in zip(shares, parts, pixels, strict=True):
            if share.of > 1:
                self._train_step(share, part, images)
            self._step += 1
            self._seconds = time.perf_counter() - start
            self.after_step()
        trained = self._tally.result()
        tested = self._tested()
        seconds, bad_step = time.perf_counter() - start, self._tally.bad_step()
        done = Epoch(self._epoch, *trained, *tested, self._lr, seconds, bad_step)
        self._next_epoch()
        return done

    def _train_step(self, share: Share, part: Tensor, images: Tensor) -> None:
        data, labels = self._data, self._data.labels[part]
        inputs = data.inputs(augmented(images, self._augment, self._chance, share))
        with self._cast(), self._replicas.one_batch(share):
            logits = self._forward(inputs)
            loss = F.cross_entropy(logits, labels)
        for group in self._optimizer.param_groups:
            group["lr"] = self._rate(self._epoch, self._step)
        self._optimizer.zero_grad()
        (loss * share.weight).backward()
        self._optimizer.step()
        found = counts(logits.detach(), labels, data.noisy[part], loss.detach())
        self._tally.add(self._replicas.summed(found * share.counts))

    def _initial(self) -> Epoch:
        start, data = time.perf_counter(), self._data
        trained = self._evaluated(data.images, data.labels, data.noisy)
        return Epoch(0, *trained, *self._tested(), self._lr, time.perf_counter() - start)

    def _tested(self) -> tuple[float, float]:
        data = self._data
        clean = torch.zeros_like(data.test_labels, dtype=torch.bool)
        return self._evaluated(data.test_images, data.test_labels, clean)[:2]

    def _evaluated(
        self, images: Pixels, labels: Tensor, noisy: Tensor
    ) -> tuple[float, float, float, float]:
        tally = _evaluate(self.model, self._data, images, labels, noisy, self._replicas)
        tally.sums = self._replicas.summed(tally.sums)
        return tally.result()


def _nothing() -> None:
    pass


def evaluate(
    model: nn.Module, data: TrainingData, images: Pixels, labels: Tensor
) -> tuple[float, float]:
    """Return the mean loss and the accuracy of the model in eval mode; its mode is restored."""
    clean = torch.zeros_like(labels, dtype=torch.bool)
    return _evaluate(model, data, images, labels, clean, ONE).result()[:2]


@torch.no_grad()
def _evaluate(
    model: nn.Module,
    data: TrainingData,
    images: Pixels,
    labels: Tensor,
    noisy: Tensor,
    replicas: Replicas,
) -> Tally:
    """Tally this process's share of the passes."""
    training = model.training
    model.eval()
    tally = Tally(data.device)
    mine = slice(replicas.rank, None, replicas.size)
    pixels = in_turn(images, EVALUATION_CHUNK, data.device, mine)
    parts = (t.split(EVALUATION_CHUNK)[mine] for t in (labels, noisy))
    for x, y, flipped in zip(pixels, *parts, strict=True):
        logits = model(data.inputs(x))
        tally.add(counts(logits, y, flipped, F.cross_entropy(logits, y)))
    model.train(training)
    return tally


def _autocast(
    device: torch.device, config: OptimConfig
) -> Callable[[], AbstractContextManager[object]]:
    if config.precision == "bf16":
        return lambda: torch.autocast(device.type, torch.bfloat16)
    return nullcontext
