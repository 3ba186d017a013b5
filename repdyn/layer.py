"""A watched layer, and what the shape of its output says about its layout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Layer:
    """A watched layer.

    Attributes:
        name: as shown and stored, for example `layer1.0`.
        module: path of the module whose output is watched; empty for the model itself.
        prefix_tokens: class and register tokens that lead its token sequence.
        channels: position of the channel axis in a feature map's output, 1 (NCHW) or 3 (NHWC).
    """

    name: str
    module: str
    prefix_tokens: int = 0
    channels: int = 1


def single_tensor(output: object) -> Tensor | None:
    """Return a module's output if it is a tensor, or the only tensor of a tuple or list."""
    if isinstance(output, Tensor):
        return output
    parts = _tensors(output) if isinstance(output, tuple | list) else []
    return parts[0] if len(parts) == 1 else None


def described(output: object) -> str:
    """Describe an output in words."""
    if isinstance(output, tuple | list):
        return f"a {type(output).__name__} of {len(_tensors(output))} tensors"
    return f"an object of type {type(output).__name__}"


def _tensors(parts: Sequence[object]) -> list[Tensor]:
    return [part for part in parts if isinstance(part, Tensor)]


def channel_axis(shape: Sequence[int], image: tuple[int, int]) -> int | None:
    """Return the channel axis of a feature map: the other two axes have the image's aspect.

    Args:
        shape: of a module's output, 4 axes.
        image: height and width of the inputs.

    Returns:
        1 (NCHW) or 3 (NHWC); None if the shape fits both or neither.
    """
    first, last = _fits(shape[2], shape[3], image), _fits(shape[1], shape[2], image)
    if first == last:
        return None
    return 1 if first else 3


def leading_tokens(tokens: int, stated: int, image: tuple[int, int]) -> int | None:
    """Return how many tokens precede those of the image, which form a grid of its aspect.

    Args:
        tokens: of a module's output.
        stated: by the model; tried first, then none, a class token, and one for distillation too.
        image: height and width of the inputs.

    Returns:
        Their number; None if no such grid is left.
    """
    for prefix in (stated, 0, 1, 2):
        rest = tokens - prefix
        if any(rest % h == 0 and _fits(h, rest // h, image) for h in range(1, rest + 1)):
            return prefix
    return None


def _fits(h: int, w: int, image: tuple[int, int]) -> bool:
    """Return whether a grid has an image's aspect; within one cell if it is not square."""
    height, width = image
    return h == w if height == width else abs(h * width - w * height) <= max(image)
