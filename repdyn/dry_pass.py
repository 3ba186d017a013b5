"""One forward pass over two inputs: which layers can be watched, and their layout."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count

import torch
from torch import Tensor, nn

from repdyn.errors import UserError
from repdyn.eval_mode import evaluating, random_state_kept
from repdyn.layer import Layer, channel_axis, described, leading_tokens, single_tensor

Opened = Callable[[str, nn.Module], Iterator[str]]
"""Yields the paths of the blocks within a container of that path."""

_INPUTS = 2
"""With two inputs, the batch axis can be told from other axes of length one."""


@dataclass(frozen=True)
class LeftOut:
    """A layer that cannot be watched, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class _Call:
    """A module's call: its position among all calls, and what it returned.

    `version` is the tensor's at the call: an in-place operation increments it.
    """

    place: int
    output: object
    tensor: Tensor | None
    version: int

    def content(self) -> tuple[object, ...]:
        """Return a key that two calls share only if they returned the same numbers."""
        if self.tensor is None:
            return (self.place,)
        axes = zip(self.tensor.shape, self.tensor.stride(), strict=True)
        return (self.tensor.data_ptr(), self.version, *(axis for axis in axes if axis[0] != 1))


_Calls = dict[str, list[_Call]]


def dry_pass(
    model: nn.Module, candidates: Sequence[Layer], inputs: Tensor, opened: Opened
) -> tuple[list[Layer], list[LeftOut]]:
    """Return the candidates that can be watched, laid out as seen, and those that cannot.

    A container that does not run, or whose output cannot be read, is replaced by its blocks. Of
    layers with the same output the model itself is watched, else the first. The axis of a feature
    map's channels is found from its shape; where height, width and channels are of one size, from
    the shape for wider inputs, if the model takes them, else it is that of most other layers.

    Args:
        model: run in eval mode; its mode and the random state are restored.
        candidates: the last of them is the model itself.
        inputs: (n, ...) as the model takes them; the first two are used.
        opened: finds the blocks of a container.

    Raises:
        UserError: the model's own output cannot be read.
    """
    inputs = inputs[:_INPUTS]
    inner = {
        layer.module: list(opened(layer.module, model.get_submodule(layer.module)))
        for layer in candidates
        if layer.module
    }
    paths = {layer.module for layer in candidates}.union(*inner.values())
    calls = _run(model, paths, inputs)
    layers = [
        layer if path == layer.module else replace(layer, name=path, module=path)
        for layer in candidates
        for path in _readable(layer.module, inner, calls, len(inputs))
    ]
    output, blocks = layers[-1], layers[:-1]
    reason = _unreadable(calls[output.module], len(inputs))
    if reason:
        raise UserError(f"the model: {reason}; it must return one tensor (n, classes)")
    blocks.sort(key=lambda layer: calls[layer.module][0].place if calls[layer.module] else -1)
    watched, left_out = _told_apart([output, *blocks], calls, len(inputs))
    laid_out = _laid_out([*watched[1:], output], model, inputs, calls)
    return laid_out, left_out


def check_layers(model: nn.Module, layers: Sequence[Layer], inputs: Tensor) -> None:
    """Check that layers can be watched and that their layout is not plainly wrong.

    Args:
        model: run in eval mode; its mode and the random state are restored.
        layers: as they are to be watched.
        inputs: (n, ...) as the model takes them; the first two are used.

    Raises:
        UserError: names the first layer that fails, and why.
    """
    inputs = inputs[:_INPUTS]
    calls = _run(model, {layer.module for layer in layers}, inputs)
    for layer in layers:
        reason = _unreadable(calls[layer.module], len(inputs)) or _misread(layer, calls, inputs)
        if reason:
            raise UserError(f"layer {layer.name}: {reason}")


def grouped(left_out: Iterable[LeftOut]) -> str:
    """Return the layers and the reasons in one line, grouped by reason."""
    names: dict[str, list[str]] = {}
    for left in left_out:
        names.setdefault(left.reason, []).append(left.name)
    return "; ".join(f"{', '.join(group)} ({reason})" for reason, group in names.items())


def _run(model: nn.Module, paths: Iterable[str], inputs: Tensor) -> _Calls:
    """Run the model and record all calls of the modules at the paths."""
    calls: _Calls = {path: [] for path in paths}
    places = count()

    def note(path: str, _module: nn.Module, _inputs: object, output: object) -> None:
        tensor = single_tensor(output)
        version = 0 if tensor is None else tensor._version
        calls[path].append(_Call(next(places), output, tensor, version))

    handles = [
        model.get_submodule(path).register_forward_hook(partial(note, path)) for path in calls
    ]
    try:
        with evaluating(model), random_state_kept(inputs.device):
            model(inputs)
    finally:
        for handle in handles:
            handle.remove()
    return calls


def _readable(path: str, inner: dict[str, list[str]], calls: _Calls, n: int) -> list[str]:
    """Return a layer's path, or those of its blocks if it is a container that cannot be read."""
    return (inner.get(path) if _unreadable(calls[path], n) else None) or [path]


def _unreadable(calls: list[_Call], n: int) -> str:
    """Return why a module's output cannot be watched; empty if it can."""
    if not calls:
        return "does not run"
    if len(calls) > 1:
        return f"runs {len(calls)} times per pass"
    tensor = calls[0].tensor
    if tensor is None:
        return f"returns {described(calls[0].output)}"
    if tensor.dim() not in (2, 3, 4):
        return f"returns a tensor with {tensor.dim()} axes, not 2 to 4"
    if len(tensor) != n:
        return f"the first axis of its output is not the batch of {n} inputs"
    return ""


def _told_apart(
    layers: Sequence[Layer], calls: _Calls, n: int
) -> tuple[list[Layer], list[LeftOut]]:
    """Divide layers into those to watch and those that cannot be read or repeat an earlier one."""
    watched, left_out = list[Layer](), list[LeftOut]()
    names: dict[object, str] = {}
    for layer in layers:
        reason = _unreadable(calls[layer.module], n)
        if not reason:
            first = names.setdefault(calls[layer.module][0].content(), layer.name)
            reason = "" if first == layer.name else f"repeats the output of {first}"
        if reason:
            left_out.append(LeftOut(layer.name, reason))
        else:
            watched.append(layer)
    return watched, left_out


def _laid_out(
    layers: Sequence[Layer], model: nn.Module, inputs: Tensor, calls: _Calls
) -> list[Layer]:
    """Return the layers with the layout that their outputs show."""
    if inputs.dim() != 4:
        return list(layers)
    shapes = {layer.module: _shape(calls, layer) for layer in layers}
    image = _image(inputs)
    axes = {path: channel_axis(s, image) for path, s in shapes.items() if len(s) == 4}
    if None in axes.values():
        axes |= _axes_of_wider(model, inputs, [path for path in axes if axes[path] is None], shapes)
    common = Counter(axis for axis in axes.values() if axis is not None).most_common(1)

    def laid_out(layer: Layer) -> Layer:
        shape = shapes[layer.module]
        if len(shape) == 4:
            axis = axes[layer.module] or (common[0][0] if common else layer.channels)
            return replace(layer, prefix_tokens=0, channels=axis)
        if len(shape) == 3:
            return replace(layer, prefix_tokens=_prefix(layer, shape[1], image))
        return replace(layer, prefix_tokens=0)

    return [laid_out(layer) for layer in layers]


def _prefix(layer: Layer, tokens: int, image: tuple[int, int]) -> int:
    found = leading_tokens(tokens, layer.prefix_tokens, image)
    if found is not None:
        return found
    return layer.prefix_tokens if layer.prefix_tokens < tokens else 0


def _axes_of_wider(
    model: nn.Module, inputs: Tensor, paths: Sequence[str], shapes: dict[str, tuple[int, ...]]
) -> dict[str, int | None]:
    """Return the channel axes, found by doubling the input width, which is next to them."""
    try:
        calls = _run(model, paths, torch.cat([inputs, inputs], dim=3))
    except Exception:  # a model's own code may raise anything on an unsupported size
        return {}
    found: dict[str, int | None] = {}
    for path in paths:
        tensor = calls[path][0].tensor if calls[path] else None
        if tensor is not None and tensor.dim() == 4:
            grown = [a != b for a, b in zip(tensor.shape, shapes[path], strict=True)]
            found[path] = 1 if grown[3] else 3 if grown[2] else None
    return found


def _misread(layer: Layer, calls: _Calls, inputs: Tensor) -> str:
    """Return how a layer's stated layout contradicts its output; empty if it does not."""
    shape = _shape(calls, layer)
    shown = "×".join(map(str, shape[1:]))
    if len(shape) == 3 and layer.prefix_tokens:
        image = _image(inputs) if inputs.dim() == 4 else None
        found = leading_tokens(shape[1], layer.prefix_tokens, image) if image else None
        if layer.prefix_tokens >= shape[1] or found not in (None, layer.prefix_tokens):
            return (
                f"prefix_tokens={layer.prefix_tokens} does not match its output {shown}; {_ADVICE}"
            )
    if len(shape) == 4 and inputs.dim() == 4:
        axis = channel_axis(shape, _image(inputs))
        if axis not in (None, layer.channels):
            order = "first" if axis == 1 else "last"
            return f"its output {shown} has its channels {order}: channels={axis}; {_ADVICE}"
    return ""


_ADVICE = "set it in Layer, or pass inputs to watched_layers"


def _image(inputs: Tensor) -> tuple[int, int]:
    return int(inputs.shape[2]), int(inputs.shape[3])


def _shape(calls: _Calls, layer: Layer) -> tuple[int, ...]:
    tensor = calls[layer.module][0].tensor
    return () if tensor is None else tuple(tensor.shape)
