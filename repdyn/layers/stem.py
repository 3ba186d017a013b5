"""The module whose output enters the first block: a stem, or the embeddings of patches or tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import nn

from repdyn.batches import Batch, Forward, length
from repdyn.calls import Span, until
from repdyn.layer import tensors_of


def stem(
    model: nn.Module,
    blocks: Sequence[str],
    ran: Mapping[str, Sequence[Span]],
    inputs: Batch,
    forward: Forward | None,
) -> str | None:
    """Return the path of the module that runs before the first block.

    It is the last one whose output the block takes, one with parameters if there is any. Where the
    model computes something in between, such as adding a class token, it is the last module with
    parameters that returns a tensor of the same shape, or else one for each input.

    Args:
        model: to run.
        blocks: paths of the blocks.
        ran: when each module runs.
        inputs: as the model takes them.
        forward: calls the model instead.

    Returns:
        A path; None if no block runs, or nothing with parameters runs before.
    """
    running = [path for path in blocks if path in ran]
    if not running:
        return None
    first = min(running, key=lambda path: ran[path][0].start)
    done = [path for path in ran if ran[path][0].end < ran[first][0].start]
    done.sort(key=lambda path: ran[path][0].end)
    calls, entered = until(model, first, done, inputs, forward)
    taken = tensors_of(entered.output) if entered else []
    if entered is None or not taken:
        return None
    n, shape, memory = length(inputs), taken[0].shape, entered.memory(taken[0])
    same, alike, others = list[str](), list[str](), list[str]()
    for path in done:
        for call in calls[path][-1:]:
            tensors = tensors_of(call.output)
            if any(call.memory(tensor) == memory for tensor in tensors):
                same.append(path)
            elif any(tensor.shape == shape for tensor in tensors):
                alike.append(path)
            elif any(n in tensor.shape for tensor in tensors):
                others.append(path)
    own = {path for path in done if has_parameters(model, path)}
    groups = (
        [path for path in same if path in own],
        same if own else [],
        [path for path in alike if path in own],
        [path for path in others if path in own],
    )
    return next((group[-1] for group in groups if group), None)


def stem_name(model: nn.Module, path: str) -> str:
    """Return how a stem is shown: by its path, unless it only passes on what others computed."""
    if has_parameters(model, path):
        return path
    tokens = any(isinstance(module, nn.Embedding) for module in model.modules())
    return "embeddings" if tokens else "stem"


def has_parameters(model: nn.Module, path: str) -> bool:
    """Return whether the module at a path has parameters."""
    return next(model.get_submodule(path).parameters(), None) is not None
