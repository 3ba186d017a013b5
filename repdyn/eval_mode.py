"""Context managers for eval mode and for restoring the random state."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put the model in eval mode without gradients; restore each module's own mode."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, training in modes:
            module.training = training


@contextmanager
def random_state_kept(device: torch.device) -> Iterator[None]:
    """Restore the global random state of the CPU and, for a CUDA device, of the device."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield
