"""A watched layer: which tensor of a module's output it is, and how its shape is laid out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from repdyn.batches import output_tensor

MOST_AXES = 4
"""Of a layer's output, with that of the batch."""


@dataclass(frozen=True)
class Layer:
    """A watched layer.

    Attributes:
        name: as shown and stored, for example `layer1.0`.
        module: path of the module whose output is watched; empty for the output of the model.
        prefix_tokens: class and register tokens that lead its token sequence.
        channels: position of the channel axis in a feature map's output, 1 (NCHW) or 3 (NHWC).
        batch_axis: axis of its output that counts the inputs; it is moved to the front before
            anything else is done. 1 for sequence-first tokens (T, n, d).
        reused: whether the module may run several times per pass; its last call is watched.
    """

    name: str
    module: str
    prefix_tokens: int = 0
    channels: int = 1
    batch_axis: int = 0
    reused: bool = False


def tensors_of(output: object) -> list[Tensor]:
    """Return the tensors among which a module's output is found.

    Of a tuple, all of them; of a mapping or an object, that of a model's output; of a list with
    several, such as the branches of a network, none.
    """
    if type(output) is tuple:
        parts = [part for part in output if isinstance(part, Tensor | tuple)]
        return [tensor for part in parts for tensor in tensors_of(part)]
    if isinstance(output, list) and len(_tensors(output)) > 1:
        return []
    found = output_tensor(output)
    return [] if found is None else [found]


def read(output: object, n: int, axis: int) -> Tensor | None:
    """Return the first tensor of a module's output with n inputs along an axis; None without one."""
    fitting = (x for x in tensors_of(output) if x.dim() > axis and x.shape[axis] == n)
    return next(fitting, None)


def unread(output: object, n: int) -> str:
    """Return why no tensor of an output counts n inputs along an axis."""
    if not tensors_of(output):
        return f"returns {described(output)}"
    return f"no axis of its output is the batch of {n} inputs"


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
