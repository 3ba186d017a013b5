"""The layout of layers' outputs, found from their shapes for images of a known size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from repdyn import batches
from repdyn.batches import Batch, Forward
from repdyn.calls import recorded
from repdyn.layer import Layer, channel_axis, leading_tokens, read

Shapes = Mapping[str, tuple[int, ...]]
"""Of each layer's output by the path of its module, the batch axis first."""


def laid_out(
    layers: Sequence[Layer],
    shapes: Shapes,
    model: nn.Module,
    inputs: Batch,
    forward: Forward | None,
) -> list[Layer]:
    """Return the layers with the layout that their outputs show; unchanged if there are no images.

    The axis of a feature map's channels is found from its shape; where height, width and channels
    are of one size, from the shape for wider inputs, if the model takes them, else it is that of
    most other layers.
    """
    pixels = images(inputs)
    if pixels is None:
        return list(layers)
    size = _size(pixels)
    axes = {path: channel_axis(s, size) for path, s in shapes.items() if len(s) == 4}
    if None in axes.values():
        unknown = [layer for layer in layers if axes.get(layer.module, 0) is None]
        axes |= _axes_of_wider(unknown, shapes, model, inputs, forward)
    common = Counter(axis for axis in axes.values() if axis is not None).most_common(1)

    def with_layout(layer: Layer) -> Layer:
        shape = shapes[layer.module]
        if len(shape) == 4:
            axis = axes[layer.module] or (common[0][0] if common else layer.channels)
            return replace(layer, prefix_tokens=0, channels=axis)
        if len(shape) == 3:
            return replace(layer, prefix_tokens=_prefix(layer, shape[1], size))
        return replace(layer, prefix_tokens=0)

    return [with_layout(layer) for layer in layers]


def misread(layer: Layer, shape: Sequence[int], inputs: Batch) -> str:
    """Return how a layer's stated layout contradicts its output; empty if it does not."""
    pixels = images(inputs)
    size = None if pixels is None else _size(pixels)
    shown = "×".join(map(str, shape[1:]))
    if len(shape) == 3 and layer.prefix_tokens:
        found = leading_tokens(shape[1], layer.prefix_tokens, size) if size else None
        if layer.prefix_tokens >= shape[1] or found not in (None, layer.prefix_tokens):
            return (
                f"prefix_tokens={layer.prefix_tokens} does not match its output {shown}; {ADVICE}"
            )
    if len(shape) == 4 and size:
        axis = channel_axis(shape, size)
        if axis not in (None, layer.channels):
            order = "first" if axis == 1 else "last"
            return f"its output {shown} has its channels {order}: channels={axis}; {ADVICE}"
    return ""


ADVICE = "set it in Layer, or pass inputs to watched_layers"


def images(inputs: Batch) -> Tensor | None:
    """Return the images of a batch, (n, C, H, W); None if it has none, or several."""
    found = [x for x in batches.tensors(inputs) if x.dim() == 4]
    return found[0] if len(found) == 1 else None


def _size(pixels: Tensor) -> tuple[int, int]:
    return int(pixels.shape[2]), int(pixels.shape[3])


def _prefix(layer: Layer, tokens: int, size: tuple[int, int]) -> int:
    found = leading_tokens(tokens, layer.prefix_tokens, size)
    if found is not None:
        return found
    return layer.prefix_tokens if layer.prefix_tokens < tokens else 0


def _axes_of_wider(
    layers: Sequence[Layer],
    shapes: Shapes,
    model: nn.Module,
    inputs: Batch,
    forward: Forward | None,
) -> dict[str, int | None]:
    """Return the channel axes, found by doubling the input width, which is next to them."""
    wider = batches.mapped(inputs, lambda x: torch.cat([x, x], dim=3) if x.dim() == 4 else x)
    try:
        calls = recorded(model, [layer.module for layer in layers], wider, forward)
    except Exception:  # a model's own code may raise anything on an unsupported size
        return {}
    n = batches.length(inputs)
    found: dict[str, int | None] = {}
    for layer in layers:
        tensors = [read(call.output, n, layer.batch_axis) for call in calls[layer.module][-1:]]
        shape = shapes[layer.module]
        for tensor in tensors:
            if tensor is not None and tensor.dim() == 4:
                grown = [a != b for a, b in zip(tensor.shape, shape, strict=True)]
                found[layer.module] = 1 if grown[3] else 3 if grown[2] else None
    return found
