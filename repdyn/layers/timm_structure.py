"""The layers of timm's models, found by the names that timm gives to its parts."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

_CONTAINERS = frozenset({"blocks", "layers", "stages", "features", "encoder"})
_FIRST = ("stem", "patch_embed", "stem_conv", "conv_stem", "conv_proj")


def is_of_timm(module: nn.Module) -> bool:
    """Return whether a model's class, or one that it extends, is timm's."""
    return any(c.__module__.startswith("timm.models.") for c in type(module).__mro__)


def stated(model: nn.Module) -> tuple[int, int]:
    """Return the number of prefix tokens and the channel axis of feature maps that a model states."""
    axis = 3 if getattr(model, "output_fmt", "NCHW") == "NHWC" else 1
    return int(getattr(model, "num_prefix_tokens", 0)), axis


def stem_of(model: nn.Module) -> tuple[str, str] | None:
    """Return the name and the path of the layer before the blocks; None if it has no usual name."""
    if _is_resnet(model):
        return "stem", "maxpool"
    first = next((name for name in _FIRST if hasattr(model, name)), None)
    return (first, first) if first else None


def blocks_of(model: nn.Module) -> list[str]:
    """Return the paths of the blocks in the containers of blocks, nested ones included.

    Those of all children but the stem if there is no such container.
    """
    if _is_resnet(model):
        stages = [f"layer{i}" for i in range(1, 5)]
        return [
            f"{stage}.{name}"
            for stage in stages
            for name, _ in model.get_submodule(stage).named_children()
        ]
    found = [
        path
        for name, child in model.named_children()
        if name in _CONTAINERS or "blocks" in name
        for path in opened(name, child)
    ]
    stem = stem_of(model)
    return found or [n for n, _ in model.named_children() if not stem or n != stem[1]]


def opened(path: str, module: nn.Module) -> Iterator[str]:
    """Yield the paths of the blocks within a container of blocks; nothing of any other module."""
    if isinstance(module, nn.Sequential | nn.ModuleList):
        inner = [(f"{path}.{name}", child) for name, child in module.named_children()]
    else:
        inner = [
            (f"{path}.{name}.{n}", block)
            for name, child in module.named_children()
            if name in _CONTAINERS
            for n, block in child.named_children()
        ]
    for name, child in inner:
        within = list(opened(name, child))
        empty = isinstance(child, nn.Sequential | nn.ModuleList) and not len(child)
        yield from within or ([] if empty else [name])


def _is_resnet(model: nn.Module) -> bool:
    return any(
        c.__module__ == "timm.models.resnet" and c.__name__ == "ResNet" for c in type(model).__mro__
    )
