"""Modules around the one that computes: data parallelism and `torch.compile`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

_COMPILED = "_orig_mod"


def unwrapped(model: nn.Module) -> nn.Module:
    """Return the module that can be called in place of a wrapper around it, or else the model.

    Wrappers are DataParallel, DistributedDataParallel and what `torch.compile` returns, also one
    around another.
    """
    if isinstance(model, nn.DataParallel | DistributedDataParallel):
        return unwrapped(model.module)
    inner = model._modules.get(_COMPILED)
    return model if inner is None else unwrapped(inner)


@contextmanager
def as_written(model: nn.Module) -> Iterator[None]:
    """Run every module's own Python code, so that hooks are called: compiled code skips them.

    PyTorch's fused path for transformer encoders is off too: it passes nested tensors on to layers.
    """
    fused = torch.backends.mha.get_fastpath_enabled()
    compiled = any(
        _COMPILED in module._modules or module._compiled_call_impl is not None
        for module in model.modules()
    )
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        if compiled:  # only then: this loads the compiler
            with torch.compiler.set_stance("force_eager"):
                yield
        else:
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
