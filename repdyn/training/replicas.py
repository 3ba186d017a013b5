"""Several processes that train one model: each takes its share of every batch.

The batches, their order and their augmentation are those of one process. Losses and gradients are means
over the whole batch, and so are BatchNorm's statistics, so that the weights are those of one process
within rounding. Without several processes, `ONE` does nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from inspect import signature
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from repdyn.training.batch_norm import GlobalBatchNorm

PATIENCE = timedelta(days=365)
"""Time limit of waiting for each other: rank zero may measure for longer than any usual limit."""

_NEWER = "forward_sync_buffers" in signature(DistributedDataParallel).parameters
_BUFFERS_STAY = {"forward_sync_buffers" if _NEWER else "broadcast_buffers": False}
"""BatchNorm's statistics are the same everywhere; torch 2.9 and later versions name it differently."""

_OVER = "repdyn/over"
_TOLD = "repdyn/told"


@dataclass(frozen=True)
class Share:
    """A process's part of a batch.

    Attributes:
        part: of the batch.
        of: images in the whole batch.
        weight: by which the part's mean loss is multiplied, so that the mean over the processes is the
            mean loss of the batch.
        counts: by which the part's sums are multiplied, so that the sum over the processes is that of
            the batch.
    """

    part: slice
    of: int
    weight: float = 1.0
    counts: float = 1.0

    @property
    def images(self) -> int:
        """How many images the part has."""
        return int(self.part.stop - self.part.start)


class Replicas:
    """One process, which takes every batch whole.

    Attributes:
        rank: of this process; rank zero measures and logs.
        size: number of processes.
    """

    rank = 0
    size = 1

    def share(self, n: int) -> Share:
        """Return this process's part of a batch of n images."""
        return Share(slice(0, n), n)

    def wrapped(self, model: nn.Module) -> nn.Module:
        """Return what a training step calls in the model's place."""
        return model

    @contextmanager
    def one_batch(self, share: Share) -> Iterator[None]:
        """Treat what the model sees within as this share of a batch."""
        del share
        yield

    def summed(self, x: Tensor) -> Tensor:
        """Return the sum over the processes."""
        return x

    def scatter_random_state(self, seed: int) -> None:
        """Have each process draw random numbers of its own, as for dropout; rank zero keeps its state."""

    def send(self, message: Any) -> None:
        """Tell the other processes something that they wait for."""

    def compute_on(self, device: torch.device) -> None:
        """Meet the other processes on the devices that they train on."""


ONE = Replicas()


class Distributed(Replicas):
    """One of several processes, in torch.distributed's default group, which is on the CPU.

    Args:
        store: of the group.
    """

    def __init__(self, store: Any) -> None:
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        self._store = store
        self._sent = False
        self._group: Any = None

    def share(self, n: int) -> Share:
        """Return this process's part; of a batch with fewer images than processes, the whole."""
        if n < self.size:
            return Share(slice(0, n), n, 1.0, 1 / self.size)
        start, end = (n * rank // self.size for rank in (self.rank, self.rank + 1))
        return Share(slice(start, end), n, (end - start) * self.size / n)

    def wrapped(self, model: nn.Module) -> nn.Module:
        """Return the model with gradients averaged over the processes."""
        return DistributedDataParallel(
            model,
            process_group=self._group,
            **_BUFFERS_STAY,  # type: ignore[arg-type]  # a name that depends on the version
        )

    @contextmanager
    def one_batch(self, share: Share) -> Iterator[None]:
        """Have BatchNorm normalise by the whole batch."""
        whole = share.of / share.images
        with nullcontext() if whole == 1 else GlobalBatchNorm(whole, self._group):
            yield

    def summed(self, x: Tensor) -> Tensor:
        """Return the sum over the processes, in place."""
        dist.all_reduce(x, group=self._group)
        return x

    def scatter_random_state(self, seed: int) -> None:
        """Seed the global generators of the other processes by their ranks."""
        if self.rank:
            torch.manual_seed(seed + 1_000_003 * self.rank)

    def send(self, message: Any) -> None:
        """Tell the other processes; of several messages, they receive the first."""
        if not self._sent:
            self._sent = True
            dist.broadcast_object_list([message], src=0)

    def received(self) -> Any:
        """Wait for rank zero's message."""
        box: list[Any] = [None]
        dist.broadcast_object_list(box, src=0)
        return box[0]

    def compute_on(self, device: torch.device) -> None:
        """Meet the others on GPUs by a group of its own, which CPUs have already."""
        if device.type == "cuda":
            self._group = dist.new_group(backend="nccl", timeout=PATIENCE)

    def end(self) -> None:
        """Note that rank zero ends in good order: the others end without a word."""
        self._store.set(_OVER, "1")

    @property
    def is_over(self) -> bool:
        """Whether rank zero has ended in good order."""
        return bool(self._store.check([_OVER]))

    @property
    def speaks_first(self) -> bool:
        """Whether no other process has asked this yet."""
        return bool(self._store.add(_TOLD, 1) == 1)


def is_lost_connection(error: BaseException) -> bool:
    """Return whether an error of a collective says that another process is gone."""
    if isinstance(error, dist.DistBackendError | dist.DistNetworkError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and ("gloo" in text or "connection closed" in text)
