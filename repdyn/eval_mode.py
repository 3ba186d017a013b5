"""Context managers for eval mode, and for leaving everything else as it was."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
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
def random_states_kept() -> Iterator[None]:
    """Restore the global random states of torch, on all devices in use, of NumPy and of Python."""
    states = random.getstate(), np.random.get_state()  # noqa: NPY002 (the global one, which others use)
    cuda = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    try:
        with torch.random.fork_rng(devices=cuda):
            yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])  # noqa: NPY002 (the global one again)


@contextmanager
def undisturbed(device: torch.device) -> Iterator[None]:
    """Leave a training loop as it was: random states, autocast and inference mode.

    Within it, neither autocast nor inference mode is on: what is measured does not depend on where
    in the loop it is measured.

    Args:
        device: on which the model runs.
    """
    with (
        random_states_kept(),
        torch.inference_mode(mode=False),
        torch.autocast(device.type, enabled=False),
    ):
        yield
