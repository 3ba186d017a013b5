"""The layers among which the watched ones are chosen, from a model's structure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from torch import nn

from repdyn.batches import Batch, Forward
from repdyn.calls import spans
from repdyn.layer import Layer
from repdyn.layers import timm_structure
from repdyn.layers.stem import stem, stem_name
from repdyn.layers.structure import Item, before, blocks, body, units
from repdyn.layers.timm_structure import is_of_timm

LOGITS = "logits"


@dataclass(frozen=True)
class Candidates:
    """The layers of a model by its structure.

    Attributes:
        model: whose layers they are.
        prefix: path of the model's body within sole wrappers, with a final dot; names lack it.
        layers: in the order in which they are registered, the model's output last.
        stated: prefix tokens and channel axis, as the model states them.
    """

    model: nn.Module
    prefix: str
    layers: tuple[Layer, ...]
    stated: tuple[int, int]

    def shown(self, path: str) -> str:
        """Return the name under which a module is shown."""
        return path.removeprefix(self.prefix)

    def modules(self, pattern: str) -> list[Layer]:
        """Return the modules at a path, or at those that a glob fits part by part."""
        parts = pattern.split(".")
        found = list[Layer]()
        for path, _ in self.model.named_modules(remove_duplicate=False):
            for name in (self.shown(path), path):
                own = name.split(".")
                if len(own) == len(parts) and all(map(fnmatchcase, own, parts)):
                    found.append(Layer(name, path, *self.stated))
                    break
        return found

    def opened(self, layer: Layer) -> list[Layer]:
        """Return what is to be watched in place of a layer that cannot be."""
        module = self.model.get_submodule(layer.module)
        if is_of_timm(self.model.get_submodule(self.prefix.removesuffix("."))):
            paths = list(timm_structure.opened(layer.module, module))
        else:
            paths = [unit.path for unit in units(Item(layer.module, module))]
        return [Layer(self.shown(p), p, layer.prefix_tokens, layer.channels) for p in paths]


def candidates(model: nn.Module, inputs: Batch | None, forward: Forward | None) -> Candidates:
    """Return a model's layers by its structure and, with some inputs, by what runs before its blocks."""
    ran = None if inputs is None or is_of_timm(model) else spans(model, inputs, forward)
    inner = body(model, ran)
    prefix = f"{inner.path}." if inner.path else ""
    stated = (0, 1)
    if is_of_timm(inner.module):
        stated = timm_structure.stated(inner.module)
        layers = _of_timm(inner.module, prefix, *stated)
    elif found := [block.path for block in blocks(inner)]:
        if inputs is None or ran is None:
            first = before(model, found[0], inner.path)
        else:
            first = stem(model, found, ran, inputs, forward)
        layers = _named(found, prefix)
        if first is not None:
            layers.insert(0, Layer(stem_name(model, first).removeprefix(prefix), first))
    else:
        layers = _named([unit.path for unit in units(inner)], prefix)
    return Candidates(model, prefix, (*layers, Layer(LOGITS, "")), stated)


def _named(paths: Sequence[str], prefix: str) -> list[Layer]:
    return [Layer(path.removeprefix(prefix), path) for path in paths]


def _of_timm(model: nn.Module, prefix: str, tokens: int, axis: int) -> list[Layer]:
    first = timm_structure.stem_of(model)
    own = [Layer(first[0], prefix + first[1], channels=axis)] if first else []
    found = timm_structure.blocks_of(model)
    return [*own, *(Layer(path, prefix + path, tokens, axis) for path in found)]
