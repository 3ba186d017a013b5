"""The memory format of a model's feature maps."""

from __future__ import annotations

import torch
from torch import nn

_LANES = 8
"""Channels that oneDNN's AVX2 kernels process at once."""


def memory_format(model: nn.Module, device: torch.device) -> torch.memory_format:
    """Return channels_last, which is faster, except for models that oneDNN would corrupt.

    The backward pass of its strided 1×1 convolution in channels_last writes beyond its buffers on
    processors without AVX-512 if there are fewer than eight input channels (torch 2.15.0: the heap
    is damaged, and numbers change from run to run). Very narrow ResNets have such shortcuts.
    """
    if device.type != "cpu":
        return torch.channels_last
    narrow = any(
        isinstance(m, nn.Conv2d)
        and m.kernel_size == (1, 1)
        and max(m.stride) > 1
        and m.in_channels // m.groups < _LANES
        for m in model.modules()
    )
    return torch.contiguous_format if narrow else torch.channels_last
