"""A GPU that is not there: tensors on it have shapes and types, but no numbers.

What runs on them shows two mistakes that a CPU hides: tensors of two devices in one operation, which
raises, and the host waiting for the device, which `Waits` notes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

GPU = torch.device("cuda", 0)
READS = {"_local_scalar_dense", "nonzero", "equal", "is_nonzero"}
"""Operators whose result the host waits for."""


@dataclass
class Waits(TorchDispatchMode):
    """Notes, by the step they follow, copies between devices and what reads back from one."""

    step: int = 0
    found: list[tuple[int, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's own has no types

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        del types
        name = func.overloadpacket.__name__
        there = [
            x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor) and x.device == GPU
        ]
        if name in READS and there:
            self.found.append((self.step, name))
        result = func(*args, **(kwargs or {}))
        if name in ("copy_", "_to_copy"):
            leaves = [x for x in tree_leaves((args, kwargs, result)) if isinstance(x, Tensor)]
            if len({x.device for x in leaves}) > 1:
                self.found.append((self.step, name))
        return result


def moved(model: nn.Module) -> nn.Module:
    """Put a model on the GPU in place, as `to` would if its tensors were not fake ones there."""
    for module in model.modules():
        for name, weight in module._parameters.items():
            if weight is not None:
                there = torch.zeros(weight.shape, dtype=weight.dtype, device=GPU)
                module._parameters[name] = nn.Parameter(there)
        for name, buffer in module._buffers.items():
            if buffer is not None:
                there = torch.zeros(buffer.shape, dtype=buffer.dtype, device=GPU)
                module._buffers[name] = there
    return model
