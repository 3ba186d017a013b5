"""Which modules of a model are the watched layers."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import timm
from torch import Tensor, nn

from repdyn.dry_pass import LeftOut, dry_pass, grouped
from repdyn.errors import SettingError
from repdyn.layer import Layer
from repdyn.pattern import matching

_CONTAINERS = frozenset({"blocks", "layers", "stages", "features", "encoder"})
_FIRST = ("stem", "patch_embed", "stem_conv", "conv_stem", "conv_proj")


@dataclass(frozen=True)
class Choice:
    """The layers of a model.

    Attributes:
        layers: to watch, in order of depth.
        left_out: those that cannot be watched, and why.
    """

    layers: tuple[Layer, ...]
    left_out: tuple[LeftOut, ...]

    @property
    def notice(self) -> str:
        """One line about the layers left out; empty if there are none."""
        return f"layers not watched: {grouped(self.left_out)}" if self.left_out else ""


def watched_layers(
    model: nn.Module, pattern: str = "", inputs: Tensor | None = None
) -> tuple[Layer, ...]:
    """Return the layers to watch, in order of depth; warn about those that cannot be watched.

    A ResNet's are its stem, every residual block and the logits; a ViT's the patch embedding, every
    encoder block and the logits; for other models the children of their block containers, or, if
    there are none, the model's own children.

    Args:
        model: any module; its own output is the layer `logits`.
        pattern: regular expression that selects layers by name.
        inputs: (n, ...) some inputs as the model takes them, for one pass that determines each
            layer's layout and which layers do not run, run more than once, return no single tensor
            or repeat the output of another. Without them the layout is a guess that the first
            measurement checks.

    Raises:
        UserError: the pattern matches no layer, or one that cannot be watched; says which and why.
    """
    choice = choose_layers(model, pattern, inputs)
    if choice.notice:
        warnings.warn(choice.notice, stacklevel=2)
    return choice.layers


def choose_layers(model: nn.Module, pattern: str = "", inputs: Tensor | None = None) -> Choice:
    """Return the layers to watch and those that are left out; arguments as in `watched_layers`.

    Raises:
        UserError: as in `watched_layers`.
    """
    layers, left_out = _candidates(model), list[LeftOut]()
    if inputs is not None:
        layers, left_out = dry_pass(model, layers, inputs, _opened)
    names = [layer.name for layer in layers] + [left.name for left in left_out]
    chosen = set(matching(pattern, names))
    found = tuple(layer for layer in layers if layer.name in chosen)
    missing = tuple(left for left in left_out if left.name in chosen)
    if pattern and missing:
        raise SettingError("layers", pattern, f"cannot watch {grouped(missing)}")
    if not found:
        there = ", ".join(layer.name for layer in layers)
        raise SettingError("layers", pattern, f"matches none of the layers {there}")
    return Choice(found, missing)


def _candidates(model: nn.Module) -> list[Layer]:
    """Return the layers by the model's structure alone, with the tokens and axes it states."""
    prefix = int(getattr(model, "num_prefix_tokens", 0))
    axis = 3 if getattr(model, "output_fmt", "NCHW") == "NHWC" else 1
    if isinstance(model, timm.models.ResNet):
        blocks = [
            f"layer{i}.{name}"
            for i in range(1, 5)
            for name, _ in model.get_submodule(f"layer{i}").named_children()
        ]
        layers = [Layer("stem", "maxpool"), *(Layer(name, name) for name in blocks)]
    else:
        first = next((name for name in _FIRST if hasattr(model, name)), None)
        layers = [Layer(first, first, channels=axis)] if first else []
        blocks = list(_blocks(model)) or [n for n, _ in model.named_children() if n != first]
        layers += [Layer(name, name, prefix, axis) for name in blocks]
    return [*layers, Layer("logits", "")]


def _blocks(model: nn.Module) -> Iterator[str]:
    """Yield the paths of the blocks in the model's block containers, nested ones included."""
    for name, child in model.named_children():
        if name in _CONTAINERS or "blocks" in name:
            yield from _opened(name, child)


def _opened(path: str, module: nn.Module) -> Iterator[str]:
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
        within = list(_opened(name, child))
        empty = isinstance(child, nn.Sequential | nn.ModuleList) and not len(child)
        yield from within or ([] if empty else [name])
