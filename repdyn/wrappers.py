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
    """Run every module's own Python code, so that its hooks are called: compiled code skips them.

    So does PyTorch's fused path for a TransformerEncoder, whose layers it hands nested tensors.
    """
    modules = list(model.modules())
    fused = torch.backends.mha.get_fastpath_enabled()
    if any(isinstance(module, nn.TransformerEncoder) for module in modules):
        torch.backends.mha.set_fastpath_enabled(False)
    try:
        if any(_COMPILED in m._modules or m._compiled_call_impl is not None for m in modules):
            with torch.compiler.set_stance("force_eager"):  # only then: it loads the compiler
                yield
        else:
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
