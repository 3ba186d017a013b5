"""Forward passes over two inputs: which layers can be watched, and their layout."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from torch import nn

from repdyn import batches
from repdyn.batches import Batch, Forward
from repdyn.calls import Call, Calls, recorded
from repdyn.errors import UserError
from repdyn.layer import MOST_AXES, Layer, read, tensors_of, unread
from repdyn.layout import ADVICE, laid_out, misread
from repdyn.wrappers import unwrapped

Opened = Callable[[Layer], Sequence[Layer]]
"""Returns the layers to watch in place of one that cannot be."""

_INPUTS = 2
"""With two inputs, the batch axis can be told from other axes of length one."""


@dataclass(frozen=True)
class LeftOut:
    """A layer that cannot be watched, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Seen:
    """A layer as a forward pass showed it.

    Attributes:
        layer: laid out as its output shows.
        calls: how often it runs per pass.
        place: of its last call, among the calls of all layers.
        reason: why its output cannot be read; empty if it can.
        shape: of its output, the batch axis first.
        content: equal for layers that return the same numbers.
        tensors: that its output consists of.
    """

    layer: Layer
    calls: int
    place: int
    reason: str = ""
    shape: tuple[int, ...] = ()
    content: object = None
    tensors: int = 1

    @property
    def repeatedly(self) -> str:
        """How often it runs, in words, if that is more than once; else empty."""
        return f"runs {self.calls} times per pass" if self.calls > 1 else ""

    @property
    def values(self) -> int:
        """Number of values of its output per input."""
        return math.prod(self.shape[1:])


def dry_pass(
    model: nn.Module,
    candidates: Sequence[Layer],
    inputs: Batch,
    opened: Opened,
    forward: Forward | None = None,
) -> list[Seen]:
    """Return the candidates as they run: in the order in which they do, the model's output last.

    One that does not run once, or whose output cannot be read, is replaced by what it holds.

    Args:
        model: run in eval mode; its mode and the random state are restored.
        candidates: the last of them is the output of the model.
        inputs: as the model takes them; the first two are used.
        opened: finds what a layer's module holds.
        forward: calls the model instead.
    """
    inputs = few(inputs)
    seen = _run(model, candidates, inputs, forward)
    doubtful = [layer for layer in candidates if layer.module and _is_opened(seen[layer], model)]
    inner = {layer: list(opened(layer)) for layer in doubtful}
    if held := [one for layers in inner.values() for one in layers]:
        seen = _run(model, [*candidates, *held], inputs, forward)
    found = list[Seen]()
    for layer in candidates:
        instead = [seen[one] for one in inner.get(layer, [])]
        better = any(not (one.reason or one.repeatedly) for one in instead)
        found += instead if better else [seen[layer]]
    *blocks, output = found
    blocks.sort(key=lambda one: one.place)
    return _laid_out([*blocks, output], model, inputs, forward)


def check_layers(
    model: nn.Module, layers: Sequence[Layer], inputs: Batch, forward: Forward | None = None
) -> None:
    """Check that layers can be watched and that their layout is not plainly wrong.

    Args:
        model: run in eval mode; its mode and the random state are restored.
        layers: as they are to be watched.
        inputs: as the model takes them; the first two are used.
        forward: calls the model instead.

    Raises:
        UserError: names the first layer that fails, and why.
    """
    model, inputs = unwrapped(model), few(inputs)
    n = batches.length(inputs)
    calls = recorded(model, {layer.module for layer in layers}, inputs, forward)
    for layer in layers:
        seen = _seen(layer, calls[layer.module], layer.batch_axis, n)
        reason = seen.reason or ("" if layer.reused else seen.repeatedly)
        reason = reason or misread(layer, seen.shape, inputs)
        if reason:
            raise UserError(f"layer {layer.name}: {reason}")


def few(inputs: Batch) -> Batch:
    """Return the inputs that a dry pass runs on."""
    return batches.part(inputs, slice(_INPUTS))


def grouped(left_out: Iterable[LeftOut]) -> str:
    """Return the layers and the reasons in one line, grouped by reason."""
    names: dict[str, list[str]] = {}
    for left in left_out:
        names.setdefault(left.reason, []).append(left.name)
    return "; ".join(f"{', '.join(group)} ({reason})" for reason, group in names.items())


def _run(
    model: nn.Module, layers: Sequence[Layer], inputs: Batch, forward: Forward | None
) -> dict[Layer, Seen]:
    """Return the layers as a pass over the inputs shows them."""
    calls = recorded(model, {layer.module for layer in layers}, inputs, forward)
    axes = _batch_axes(model, calls, inputs, forward)
    n = batches.length(inputs)
    return {layer: _seen(layer, calls[layer.module], axes[layer.module], n) for layer in layers}


def _seen(layer: Layer, calls: Sequence[Call], axis: int | None, n: int) -> Seen:
    """Return a layer as its calls with n inputs show it, its last one if there are several."""
    if not calls:
        return Seen(layer, 0, -1, "does not run")
    last = calls[-1]
    seen = Seen(layer, len(calls), last.place)
    tensor = None if axis is None else read(last.output, n, axis)
    if axis is None or tensor is None:
        return replace(seen, reason=_unread(last.output, n, axis))
    if not 2 <= tensor.dim() <= MOST_AXES:
        reason = f"returns a tensor with {tensor.dim()} axes, not 2 to {MOST_AXES}"
        return replace(seen, reason=reason)
    return replace(
        seen,
        layer=replace(layer, batch_axis=axis),
        shape=tuple(tensor.movedim(axis, 0).shape),
        content=last.content(tensor),
        tensors=len(last.versions),
    )


def _is_opened(seen: Seen, model: nn.Module) -> bool:
    """Return whether what a layer's module holds is to be watched rather than the module."""
    several = seen.tensors > 1 and isinstance(
        model.get_submodule(seen.layer.module), nn.Sequential | nn.ModuleList
    )
    return bool(seen.reason or seen.repeatedly) or several


def _unread(output: object, n: int, axis: int | None) -> str:
    if axis is None or not any(n in tensor.shape for tensor in tensors_of(output)):
        return unread(output, n)
    return f"axis {axis} of its output is not the batch of {n} inputs: batch_axis; {ADVICE}"


def _batch_axes(
    model: nn.Module, calls: Calls, inputs: Batch, forward: Forward | None
) -> dict[str, int | None]:
    """Return the axis of each module's output that counts the inputs; None without one.

    Where it is not plainly the first, it is the one that a pass over a single input shortens.
    """
    n = batches.length(inputs)
    unclear = [path for path, found in calls.items() if found and not _plain(found[-1], n)]
    single: Calls = {}
    if unclear and n > 1:
        try:
            single = recorded(model, unclear, batches.part(inputs, slice(1)), forward)
        except Exception:  # a model's own code may raise anything on one input
            single = {}
    return {
        path: _batch_axis(found[-1], single.get(path, [])[-1:], n) if found else None
        for path, found in calls.items()
    }


def _plain(call: Call, n: int) -> bool:
    """Return whether the first axis alone counts the inputs."""
    found = [[size == n for size in tensor.shape] for tensor in tensors_of(call.output)]
    fitting = next((fits for fits in found if any(fits)), [True])
    return fitting[0] and sum(fitting) == 1


def _batch_axis(call: Call, single: Sequence[Call], n: int) -> int | None:
    shorter = [tensor.shape for one in single for tensor in tensors_of(one.output)]
    for k, tensor in enumerate(tensors_of(call.output)):
        fitting = [axis for axis, size in enumerate(tensor.shape) if size == n]
        if not fitting:
            continue
        if len(shorter) <= k or len(shorter[k]) != tensor.dim():
            return fitting[0]
        changed = [a for a, size in enumerate(tensor.shape) if size != shorter[k][a]]
        if len(changed) == 1 and changed[0] in fitting:
            return changed[0]
        if 0 in fitting:
            return 0
    return None


def _laid_out(
    found: Sequence[Seen], model: nn.Module, inputs: Batch, forward: Forward | None
) -> list[Seen]:
    """Return the layers with the layout that the outputs that can be read show."""
    read_ = [one for one in found if not one.reason]
    shapes = {one.layer.module: one.shape for one in read_}
    layers = laid_out([one.layer for one in read_], shapes, model, inputs, forward)
    new = dict(zip(read_, layers, strict=True))
    return [replace(one, layer=new.get(one, one.layer)) for one in found]
