"""A model's structure: its body within wrappers, and the repeated blocks, wherever they are nested.

A *composite* module holds at least two weight matrices or kernels; a layer with its norm and
activation does not. A *container* only holds modules: a ModuleList, a Sequential, or a subclass
without a forward pass of its own. *Blocks* are composite modules of one class that are held side by
side, or in a ModuleList. A *stage* is a repeated module that itself holds a container of blocks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from torch import nn
from torch.nn.modules.loss import _Loss

from repdyn.layers.timm_structure import is_of_timm

_ROOT = nn.Module.forward


@dataclass(frozen=True)
class Item:
    """A module within another, containers left out.

    Attributes:
        path: from the model.
        module: that is held.
        holder: the module that holds it, a container or not.
    """

    path: str
    module: nn.Module
    holder: nn.Module | None = None


def body(model: nn.Module, ran: Collection[str] | None = None) -> Item:
    """Return the module that sole wrappers are around, or the model itself.

    A sole wrapper holds one module with parameters: a LightningModule, or a model with its
    criterion. A criterion does not count, nor does a module that does not run, such as a moving
    average of the weights.

    Args:
        model: any module.
        ran: paths of the modules that run in a forward pass, if known.
    """
    item = Item("", model)
    while not is_of_timm(item.module):
        inner = [child for child in children(item) if ran is None or _runs(child, ran)]
        if len(inner) != 1 or _lacks_forward(inner[0].module) or not children(inner[0]):
            break
        item = inner[0]
    return item


def blocks(item: Item) -> list[Item]:
    """Return the repeated blocks beneath a module, in the order in which they are registered."""
    return _unique(_blocks([item])[0])


def _blocks(alike: Sequence[Item]) -> list[list[Item]]:
    """Return the blocks beneath each of some modules of one kind.

    What their containers hold is counted together: a stage may have a single block.
    """
    held = [[one for one in _items(item) if _composite(one.module)] for item in alike]
    contained = Counter(_kind(one) for items in held for one in items if _is_contained(one))
    groups: dict[object, list[Item]] = {}
    for items in held:
        beside = Counter(map(_kind, items))
        for one in items:
            repeated = beside[_kind(one)] > 1 or (_is_contained(one) and contained[_kind(one)] > 1)
            listed = isinstance(one.holder, nn.ModuleList)
            groups.setdefault(_kind(one) if repeated or listed else one, []).append(one)
    inner: dict[Item, list[Item]] = {}
    for kind, group in groups.items():
        if isinstance(kind, Item):
            inner[kind] = blocks(kind)
        elif any(map(_is_stage, group)):
            opened = zip(group, _blocks(group), strict=True)
            inner |= {one: own or [one] for one, own in opened}
        else:
            inner |= {one: [one] for one in group}
    return [[block for one in items for block in inner[one]] for items in held]


def units(item: Item) -> list[Item]:
    """Return the children of a module that hold parameters, those of containers in their place.

    A layer with its norm and activation in a Sequential is one of them. A module that holds all of
    the model but its head is replaced by what it holds.
    """
    found = list[Item]()
    for child in children(item):
        opened = _is_container(child.module) and _composite(child.module)
        opened = opened or _lacks_forward(child.module)
        found += units(child) if opened else [child]
    found = _unique(found)
    large = [one for one in found if _composite(one.module) and children(one)]
    if len(found) <= 2 and len(large) == 1:
        at = found.index(large[0])
        found[at : at + 1] = units(large[0])
    return found


def before(model: nn.Module, block: str, root: str) -> str | None:
    """Return the path of the module that is registered last before a block, outside its containers.

    The guess at what runs before the first block; None if there is nothing beneath the root.
    """
    while block != root:
        parent, _, name = block.rpartition(".")
        holder = model.get_submodule(parent)
        names = [
            other
            for other, module in holder.named_children()
            if other == name or not (_is_criterion(module) or _lacks_forward(module))
        ]
        if (at := names.index(name)) > 0:
            return f"{parent}.{names[at - 1]}" if parent else names[at - 1]
        block = parent
    return None


def children(item: Item) -> list[Item]:
    """Return the children that hold parameters, without criteria."""
    prefix = f"{item.path}." if item.path else ""
    return [
        Item(f"{prefix}{name}", child, item.module)
        for name, child in item.module.named_children()
        if not _is_criterion(child) and next(child.parameters(), None) is not None
    ]


def _unique(items: Sequence[Item]) -> list[Item]:
    """Return items without modules that an earlier one holds under another path."""
    first: dict[nn.Module, Item] = {}
    for item in items:
        first.setdefault(item.module, item)
    return list(first.values())


def _items(item: Item) -> Iterator[Item]:
    """Yield the modules held, those of containers of composite modules in their place."""
    for child in children(item):
        inner = list(_items(child)) if _is_container(child.module) else []
        if any(_composite(one.module) for one in inner) or _lacks_forward(child.module):
            yield from inner
        else:
            yield child


def _is_stage(item: Item) -> bool:
    """Return whether a repeated module is a stage.

    One in a container is, if it holds nothing else that is composite: a block holds its experts
    beside its attention. Of a model's own parts, such as an encoder and a decoder, any is that has
    a container of blocks somewhere within.
    """
    inner = children(item)
    contained = _is_contained(item)
    if any(_holds_blocks(child) for child in inner):
        rest = [child.module for child in inner if not _holds_blocks(child)]
        return not contained or not any(_composite(module) for module in rest)
    return not contained and any(_is_stage(child) for child in inner)


def _holds_blocks(item: Item) -> bool:
    if not _is_container(item.module):
        return False
    kinds = Counter(_kind(one) for one in _items(item) if _composite(one.module))
    return max(kinds.values(), default=0) > 1


def _kind(item: Item) -> object:
    """Return what two modules share if they are built alike: of a Sequential, what it holds."""
    if type(item.module) is nn.Sequential:
        return tuple(type(child) for child in item.module)
    return type(item.module)


def _is_contained(item: Item) -> bool:
    return item.holder is not None and _is_container(item.holder)


def _composite(module: nn.Module) -> bool:
    matrices = (p for p in module.parameters() if p.dim() > 1)
    return next(matrices, None) is not None and next(matrices, None) is not None


def _is_container(module: nn.Module) -> bool:
    runs_in_order = isinstance(module, nn.Sequential) and (
        type(module).forward is nn.Sequential.forward
    )
    return runs_in_order or _lacks_forward(module)


def _lacks_forward(module: nn.Module) -> bool:
    return type(module).forward is _ROOT and "forward" not in vars(module)


def _is_criterion(module: nn.Module) -> bool:
    return isinstance(module, _Loss) or type(module).__name__.endswith(("Loss", "Criterion"))


def _runs(item: Item, ran: Collection[str]) -> bool:
    return any(path == item.path or path.startswith(f"{item.path}.") for path in ran)
