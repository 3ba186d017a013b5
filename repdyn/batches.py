"""Inputs of any kind that a model takes: a tensor, a tuple of tensors, or tensors by name.

The first axis of every tensor counts the inputs. What else a tuple or a mapping holds, such as a
flag, goes to the model as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor, nn

Batch = Tensor | Sequence[Any] | Mapping[str, Any]
"""A tensor, a tuple (the model's positional arguments) or a mapping (its keyword arguments)."""

Forward = Callable[[nn.Module, Any], Any]
"""Calls the model on a batch and returns its output."""

OUTPUTS = ("logits", "last_hidden_state", "prediction_logits", "pooler_output")
"""Where a model's output is found in a mapping or an object, first come, first served."""

MASK = "attention_mask"
"""Name of the mask of a batch's tokens, 1 at tokens and 0 at padding, (n, T)."""


def tensors(batch: Batch) -> list[Tensor]:
    """Return the tensors of a batch."""
    if isinstance(batch, Tensor):
        return [batch]
    parts = batch.values() if isinstance(batch, Mapping) else batch
    return [part for part in parts if isinstance(part, Tensor)]


def length(batch: Batch) -> int:
    """Return the number of inputs in a batch.

    Raises:
        ValueError: it has no tensor, or their first axes differ.
    """
    lengths = {len(part) for part in tensors(batch) if part.dim()}
    if len(lengths) != 1:
        found = ", ".join(map(str, sorted(lengths))) or "no tensor"
        raise ValueError(f"the first axis of every tensor must count the inputs; found {found}")
    return lengths.pop()


def mapped(batch: Batch, change: Callable[[Tensor], Tensor]) -> Batch:
    """Return a batch with a function applied to each of its tensors."""
    if isinstance(batch, Tensor):
        return change(batch)
    if isinstance(batch, Mapping):
        return {k: change(v) if isinstance(v, Tensor) else v for k, v in batch.items()}
    return tuple(change(part) if isinstance(part, Tensor) else part for part in batch)


def part(batch: Batch, chosen: slice | Tensor) -> Batch:
    """Return some of the inputs of a batch."""
    return mapped(batch, lambda x: x[chosen] if x.dim() else x)


def split(batch: Batch, size: int) -> Iterator[Batch]:
    """Yield a batch `size` inputs at a time."""
    for start in range(0, length(batch), size):
        yield part(batch, slice(start, start + size))


def fitting(batch: Batch, model: nn.Module) -> Batch:
    """Return a batch on the model's device, its floating-point tensors in the model's type.

    Neither changes if the model has no floating-point parameter or buffer.
    """
    weights = (w for group in (model.parameters(), model.buffers()) for w in group)
    like = next((w for w in weights if w.is_floating_point()), None)
    if like is None or like.device.type == "meta":
        return batch
    dtype = like.dtype

    def moved(x: Tensor) -> Tensor:
        return x.to(like.device, dtype if x.is_floating_point() else None)

    return mapped(batch, moved)


def called(model: nn.Module, batch: Batch, forward: Forward | None = None) -> Any:
    """Return a model's output on a batch, which is moved to the model's device and type.

    Args:
        model: to call.
        batch: a tensor is its argument, a tuple its positional, a mapping its keyword arguments.
        forward: calls the model instead; receives the batch as it is passed here.
    """
    batch = fitting(batch, model)
    if forward is not None:
        return forward(model, batch)
    if isinstance(batch, Tensor):
        return model(batch)
    return model(**batch) if isinstance(batch, Mapping) else model(*batch)


def output_tensor(output: object) -> Tensor | None:
    """Return the tensor that is a model's output; None if there is none.

    Of a mapping or an object such as a `ModelOutput`, the entry named in OUTPUTS, else the first
    tensor; of a tuple, what the first of its parts offers. A single number, such as a loss, is not
    an output.
    """
    if isinstance(output, Tensor):
        return output if output.dim() else None
    if isinstance(output, tuple | list):
        inner = (output_tensor(part) for part in output if not isinstance(part, tuple | list))
        return next((x for x in inner if x is not None), None)
    named = _named(output)
    ordered = [*(named.get(name) for name in OUTPUTS), *named.values()]
    return next((x for x in ordered if isinstance(x, Tensor) and x.dim()), None)


def _named(output: object) -> Mapping[str, Any]:
    if isinstance(output, Mapping):
        return output
    if is_dataclass(output) and not isinstance(output, type):
        return {one.name: getattr(output, one.name) for one in fields(output)}
    return dict(vars(output)) if hasattr(output, "__dict__") else {}


def token_mask(batch: Batch) -> Tensor | None:
    """Return the mask of a batch's tokens, (n, T) bool; None if it has none."""
    if not isinstance(batch, Mapping) or not isinstance(batch.get(MASK), Tensor):
        return None
    mask: Tensor = batch[MASK]
    return mask.bool() if mask.dim() == 2 else None


def device_of(model: nn.Module, batch: Batch) -> torch.device:
    """Return the device on which a model runs a batch."""
    return tensors(fitting(part(batch, slice(1)), model))[0].device
