"""BatchNorm over a batch that several processes share: the statistics are those of the whole batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode


class GlobalBatchNorm(TorchFunctionMode):
    """While it is active, BatchNorm in training mode normalises by the batch of all processes.

    torch's SyncBatchNorm does the same, but only on GPUs, and only for modules that are converted to
    it; this works on any device and for every module that calls `torch.nn.functional.batch_norm`.

    Args:
        whole: images in the batch of all processes for each image of this one's.
        group: of the processes; default: torch.distributed's own.
    """

    def __init__(self, whole: float, group: dist.ProcessGroup | None = None) -> None:
        super().__init__()
        self._whole, self._group = whole, group

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Replace the function while it trains; all others are as they were."""
        del types
        given = dict(kwargs or {})
        if func is F.batch_norm and given.get("training", False):
            return self._normalised(*args, **given)
        return func(*args, **given)

    def _normalised(
        self,
        x: Tensor,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        *,
        training: bool,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Tensor:
        del training
        count = round(x.numel() / x.shape[1] * self._whole)
        y: Tensor
        y, mean, var = _Normalise.apply(x, weight, bias, count, eps, self._group)
        with torch.no_grad():
            if running_mean is not None:
                running_mean.lerp_(mean.to(running_mean.dtype), momentum)
            if running_var is not None:
                unbiased = var * (count / (count - 1))
                running_var.lerp_(unbiased.to(running_var.dtype), momentum)
        return y


class _Normalise(torch.autograd.Function):
    """Ioffe & Szegedy (2015), with the sums over all processes."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        count: int,
        eps: float,
        group: dist.ProcessGroup | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the normalised batch, its mean and its variance by channel."""
        axes, shape = _axes(x)
        full = x.float()
        mean = _summed(full.sum(axes), group) / count
        centred = full - mean.view(shape)
        var = _summed(centred.square().sum(axes), group) / count
        scale = (var + eps).rsqrt()
        normal = centred * scale.view(shape)
        ctx.save_for_backward(normal, scale, weight)
        ctx.count, ctx.group, ctx.has_bias = count, group, bias is not None
        ctx.mark_non_differentiable(mean, var)
        y = normal if weight is None else normal * weight.view(shape)
        y = y if bias is None else y + bias.view(shape)
        return y.to(x.dtype), mean, var

    @staticmethod
    def backward(ctx: Any, slope: Tensor, _mean: Tensor, _var: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of the losses of all processes, by what this one holds."""
        normal, scale, weight = ctx.saved_tensors
        axes, shape = _axes(normal)
        full = slope.float()
        by_bias, by_weight = full.sum(axes), (full * normal).sum(axes)
        sums = _summed(torch.stack([by_bias, by_weight]), ctx.group) / ctx.count
        by_x = full - sums[0].view(shape) - normal * sums[1].view(shape)
        by_x = by_x * (scale if weight is None else scale * weight).view(shape)
        return (
            by_x.to(slope.dtype),
            None if weight is None else by_weight.to(weight.dtype),
            by_bias if ctx.has_bias else None,
            None,
            None,
            None,
        )


def _summed(x: Tensor, group: dist.ProcessGroup | None) -> Tensor:
    dist.all_reduce(x, group=group)
    return x


def _axes(x: Tensor) -> tuple[list[int], list[int]]:
    """Return the axes other than the channels', and the shape of a number for each channel."""
    return [0, *range(2, x.dim())], [1, -1, *[1] * (x.dim() - 2)]
