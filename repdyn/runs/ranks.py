"""One training in several processes: rank zero measures, the others wait for it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.tensor import DTensor

PATIENCE = timedelta(days=365)
"""Time limit of waiting for rank zero: a measurement may take longer than the process group's."""


class Ranks:
    """This process's place among those of a training.

    Rank and size are those of torch.distributed where it is in use, else those that `torchrun` sets.

    Attributes:
        rank: 0 in the process that measures and logs.
        size: number of processes.
    """

    def __init__(self) -> None:
        self._group: Any = None
        if dist.is_available() and dist.is_initialized():
            self.rank, self.size = dist.get_rank(), dist.get_world_size()
            if self.size > 1:
                # a group of its own: its collectives work on the CPU, and never meet the training's
                self._group = dist.new_group(backend="gloo", timeout=PATIENCE)
        else:
            self.rank = int(os.environ.get("RANK", "0"))
            self.size = int(os.environ.get("WORLD_SIZE", "1"))

    @property
    def is_zero(self) -> bool:
        """Whether this process measures and logs."""
        return self.rank == 0

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self._group is not None:
            dist.barrier(group=self._group)

    def shared(self, value: Any) -> Any:
        """Return rank zero's value in all processes."""
        if self._group is None:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0, group=self._group)
        return box[0]


def is_sharded(model: nn.Module) -> bool:
    """Return whether a process holds only a part of the weights (FSDP, tensor parallelism)."""
    if any(isinstance(weight, DTensor) for weight in model.parameters()):
        return True
    return any(type(module).__name__ == "FullyShardedDataParallel" for module in model.modules())


def whole_weights(model: nn.Module) -> Mapping[str, Tensor]:
    """Return a sharded model's weights, on the CPU, in rank zero; empty in the others.

    All ranks must call it.
    """
    options = StateDictOptions(full_state_dict=True, cpu_offload=True)
    found = get_model_state_dict(model, options=options)
    return {name: value for name, value in found.items() if isinstance(value, Tensor)}
